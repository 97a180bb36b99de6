import { and, eq, isNull } from 'drizzle-orm';
import type { AssetMetadata } from '../contract/assets.ts';
import type { Database } from './database.ts';
import { assets, assetVersions, projects } from './schema/sqlite.ts';

/** What has to be known of a version to hand it out. */
export interface Deliverable {
  readonly name: string;
  readonly isPublic: boolean;
  readonly objectKey: string;
  readonly hash: string;
  readonly size: number;
  readonly mimeType: string;
  readonly metadata: AssetMetadata;
}

/** A version of an asset; undefined when it, or its project, is gone or in the trash. */
export async function deliverable(db: Database, assetId: string, version: number): Promise<Deliverable | undefined> {
  const [row] = await db.query('assets.deliverable', (orm) =>
    orm
      .select({
        name: assets.name,
        isPublic: projects.isPublic,
        objectKey: assetVersions.objectKey,
        hash: assetVersions.hash,
        size: assetVersions.size,
        mimeType: assetVersions.mimeType,
        metadata: assetVersions.metadata,
      })
      .from(assetVersions)
      .innerJoin(assets, and(eq(assets.id, assetVersions.assetId), isNull(assets.deletedAt)))
      .innerJoin(
        projects,
        and(eq(projects.id, assets.projectId), eq(projects.state, 'ready'), isNull(projects.deletedAt)),
      )
      .where(and(eq(assetVersions.assetId, assetId), eq(assetVersions.version, version))),
  );
  return row && { ...row, metadata: row.metadata as AssetMetadata };
}
