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
  const [[own], [people], active, [today], [coming], made] = await db.batch('usage.of', (orm) => [
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
    orm.values<[string, string, number]>(sql`SELECT p.id AS id, p.name AS name, CAST(SUM(o.bytes) AS bigint) AS bytes
      FROM (SELECT b.project_id AS project_id, MAX(COALESCE(b.output_bytes, 0)) AS bytes FROM builds AS b
        JOIN projects AS q ON q.id = b.project_id AND q.owner_id = ${userId}
        WHERE b.status = 'success' GROUP BY b.project_id, COALESCE(b.output_of, b.id)) AS o
      JOIN projects AS p ON p.id = o.project_id WHERE p.state <> 'deleting'
      GROUP BY p.id, p.name ORDER BY 3 DESC, p.id`),
  ]);
  const outputs = made.map(([id, name, bytes]) => ({ projectId: id, name, used: Number(bytes) }));
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
    buildBytes: {
      used: outputs.reduce((sum, { used }) => sum + used, 0),
      projects: outputs.filter(({ used }) => used > 0).slice(0, build.retention.projectsShown),
    },
    builds: {
      today: today?.n ?? 0,
      day,
      running: { used: building('building'), limit: build.runningPerUser },
      queued: { used: building('queued'), limit: build.queuedPerUser },
    },
  };
}
