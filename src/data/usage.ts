import { and, count, eq, gte, inArray, ne, sql } from 'drizzle-orm';
import { limits } from '../contract/limits.ts';
import type { Usage } from '../contract/sharing.ts';
import type { Database } from './database.ts';
import { builds, collaborators, projects, uploads } from './schema/sqlite.ts';

/** What the count of builds says, which is not in the database. */
export type BuildsOfDay = Usage['builds']['day'];

/** What a user has used, from the index: totals of files may be half a minute old. `midnight` in milliseconds. */
export async function usageOf(db: Database, userId: string, midnight: number, day: BuildsOfDay): Promise<Usage> {
  const owned = and(eq(projects.ownerId, userId), ne(projects.state, 'deleting'));
  const [[own], [people], active, [today], [coming]] = await db.batch('usage.of', (orm) => [
    orm
      .select({
        projects: count(),
        files: sql<number>`COALESCE(SUM(${projects.fileCount}), 0)`,
        bytes: sql<number>`COALESCE(SUM(${projects.totalSize}), 0)`,
        assetBytes: sql<number>`COALESCE(SUM(${projects.assetBytes}), 0)`,
      })
      .from(projects)
      .where(owned),
    orm
      .select({ n: count() })
      .from(collaborators)
      .where(inArray(collaborators.projectId, orm.select({ id: projects.id }).from(projects).where(owned))),
    orm
      .select({ status: builds.status, n: count() })
      .from(builds)
      .where(and(eq(builds.userId, userId), inArray(builds.status, ['queued', 'building'])))
      .groupBy(builds.status),
    orm
      .select({ n: count() })
      .from(builds)
      .where(and(eq(builds.userId, userId), gte(builds.createdAt, midnight))),
    orm
      .select({ bytes: sql<number>`COALESCE(SUM(${uploads.size}), 0)` })
      .from(uploads)
      .innerJoin(projects, eq(projects.id, uploads.projectId))
      .where(and(owned, inArray(uploads.status, ['open', 'pending']))),
  ]);
  const building = (status: 'queued' | 'building'): number => active.find((row) => row.status === status)?.n ?? 0;
  const { project, build, asset } = limits;
  return {
    projects: { used: own?.projects ?? 0, limit: project.perUser },
    bytes: { used: own?.bytes ?? 0, limitPerProject: project.totalSize },
    files: { used: own?.files ?? 0, limitPerProject: project.filesMax },
    members: { used: people?.n ?? 0, limitPerProject: project.collaboratorsMax },
    assetBytes: {
      used: Number(own?.assetBytes ?? 0) + Number(coming?.bytes ?? 0),
      limit: asset.userBytes,
      limitPerProject: asset.projectBytes,
    },
    builds: {
      today: today?.n ?? 0,
      day,
      running: { used: building('building'), limit: build.runningPerUser },
      queued: { used: building('queued'), limit: build.queuedPerUser },
    },
  };
}
