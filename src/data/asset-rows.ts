import { eq, inArray } from 'drizzle-orm';
import type { Orm } from './database.ts';
import { assetMarks, assetSpans, assets, assetVersions, optimizations, uploadParts, uploads } from './schema/sqlite.ts';

/** The statements that remove every asset of a project, for its end. */
export const eraseAssetsOf = (orm: Orm, projectId: string) =>
  [
    orm
      .delete(assetVersions)
      .where(
        inArray(
          assetVersions.assetId,
          orm.select({ id: assets.id }).from(assets).where(eq(assets.projectId, projectId)),
        ),
      ),
    orm.delete(assets).where(eq(assets.projectId, projectId)),
    orm.delete(assetMarks).where(eq(assetMarks.projectId, projectId)),
    orm.delete(assetSpans).where(eq(assetSpans.projectId, projectId)),
    orm
      .delete(uploadParts)
      .where(
        inArray(
          uploadParts.uploadId,
          orm.select({ id: uploads.id }).from(uploads).where(eq(uploads.projectId, projectId)),
        ),
      ),
    orm.delete(uploads).where(eq(uploads.projectId, projectId)),
    orm.delete(optimizations).where(eq(optimizations.projectId, projectId)),
  ] as const;
