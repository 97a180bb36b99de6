import { and, asc, count, desc, eq, gt, isNull, lt, not, notExists, type SQL, sql } from 'drizzle-orm';
import type { Build, BuildOptions, BuildStatus, BuildTarget } from '../contract/builds.ts';
import { type ErrorCode, KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import type { Config } from '../core/config.ts';
import { artifactUrl, playUrl } from '../core/links.ts';
import { type AssetAt, allAssets } from './assets.ts';
import { type Actor, type AuditRow, auditRow, decide, decided } from './audit.ts';
import { has, insertWhere } from './conditional.ts';
import { decodeCursor, page } from './cursor.ts';
import type { Database, Orm } from './database.ts';
import { areHeld, type HeldKey, keepAnswer, takeKeys, takenOver } from './idempotency.ts';
import { isLiveProject, takeProject } from './projects.ts';
import { builds, outbox, projects, users } from './schema/sqlite.ts';
import { iso, isoOrNull } from './time.ts';
import { takeUser } from './users.ts';

export type BuildRow = typeof builds.$inferSelect;

/** The build as the API shows it. */
export function toBuild(row: BuildRow, config: Config): Build {
  const artifact = row.status === 'success' ? row.artifacts[0] : undefined;
  return {
    id: row.id,
    projectId: row.projectId,
    userId: row.userId,
    target: row.target,
    status: row.status,
    progress: row.progress / 1000,
    step: row.step,
    options: row.options as BuildOptions,
    treeHash: row.treeHash,
    checkpointId: row.checkpointId,
    cached: row.cached,
    attempt: row.attempt,
    errorCode: row.errorCode as ErrorCode | null,
    errorMessage: row.errorMessage,
    artifactUrl: artifact ? artifactUrl(config, row.id, artifact.name) : null,
    artifactSize: artifact?.size ?? null,
    playUrl: row.status === 'success' && row.target === 'web' ? playUrl(config, row.id) : null,
    timings: row.timings,
    createdAt: iso(row.createdAt),
    startedAt: isoOrNull(row.startedAt),
    completedAt: isoOrNull(row.completedAt),
  };
}

export interface NewBuild {
  readonly id: string;
  readonly projectId: string;
  readonly userId: string;
  readonly target: BuildTarget;
  readonly options: BuildOptions;
  readonly key: string;
  readonly treeHash: string;
  readonly checkpointId: string | null;
  readonly lockHash: string | null;
  readonly now: number;
}

const fresh = (build: NewBuild): BuildRow => {
  const { now, ...fields } = build;
  return {
    ...fields,
    options: { ...build.options },
    status: 'queued',
    progress: 0,
    step: null,
    cached: false,
    attempt: 0,
    seq: 0,
    errorCode: null,
    errorMessage: null,
    artifacts: [],
    outputOf: null,
    outputBytes: null,
    timings: {},
    createdAt: now,
    startedAt: null,
    completedAt: null,
  };
};

export const isThere = (orm: Orm, id: string): SQL => has(orm, builds, eq(builds.id, id));

/** What somebody did to a build, for the audit log. */
export const buildEntry = (
  build: Pick<BuildRow, 'id' | 'projectId' | 'target'>,
  action: 'build.created' | 'build.cancelled' | 'build.retried' | 'build.deleted',
  actor: Actor,
): AuditRow =>
  auditRow({
    ...actor,
    projectId: build.projectId,
    action,
    subject: `build:${build.id}`,
    data: { target: build.target },
  });

/** The keys of a request, and what answers it: kept in the moment in which there is a build. */
export interface BuildAnswer {
  readonly keys: readonly HeldKey[];
  bodyOf(row: BuildRow): string;
}

const noKeys: BuildAnswer = { keys: [], bodyOf: () => '' };

/**
 * The build, the message that will start it, and the answer for whoever asks again under the keys of the request, in one
 * transaction: none exists without the others. Throws `quota_exceeded` when the user has as many waiting as they may, also for
 * requests that race, and `conflict` where another request took the keys over.
 */
export async function createBuild(
  db: Database,
  build: NewBuild,
  message: { id: string; queue: string; body: unknown },
  actor: Actor,
  { keys, bodyOf }: BuildAnswer = noKeys,
): Promise<BuildRow> {
  const row = fresh(build);
  const entry = buildEntry(row, 'build.created', actor);
  const [, , , , lost, refused] = await db.batch('builds.create', (orm) => [
    takeUser(orm, build.userId),
    takeKeys(orm, keys),
    orm.insert(builds).values(row),
    orm
      .insert(outbox)
      .values({ ...message, createdAt: build.now, claimedUntil: build.now + limits.outbox.claim, attempts: 1 }),
    orm
      .delete(builds)
      .where(and(eq(builds.id, build.id), not(areHeld(orm, keys) ?? sql`1 = 1`)))
      .returning({ id: builds.id }),
    orm
      .delete(builds)
      .where(
        and(
          eq(builds.id, build.id),
          gt(
            orm
              .select({ n: count() })
              .from(builds)
              .where(and(eq(builds.userId, build.userId), eq(builds.status, 'queued'))),
            limits.build.queuedPerUser,
          ),
        ),
      )
      .returning({ id: builds.id }),
    orm
      .delete(outbox)
      .where(
        and(
          eq(outbox.id, message.id),
          notExists(orm.select({ id: builds.id }).from(builds).where(eq(builds.id, build.id))),
        ),
      ),
    decide(orm, entry, isThere(orm, build.id)),
    keepAnswer(orm, keys, { status: 202, body: bodyOf(row) }, decided(orm, entry)),
  ]);
  if (lost.length > 0) throw takenOver();
  if (refused.length > 0)
    throw new KilnError('quota_exceeded', { detail: `At most ${limits.build.queuedPerUser} builds may wait.` });
  return row;
}

/**
 * A build that repeats a finished one: success at once, with that one's output, and its answer as in `createBuild`. Undefined where
 * that one is removed by now. Throws `conflict` where another request took the keys over.
 */
export async function createCachedBuild(
  db: Database,
  build: NewBuild,
  source: BuildRow,
  actor: Actor,
  { keys, bodyOf }: BuildAnswer = noKeys,
): Promise<BuildRow | undefined> {
  const row: BuildRow = {
    ...fresh(build),
    status: 'success',
    progress: 1000,
    cached: true,
    artifacts: source.artifacts,
    outputOf: source.outputOf ?? source.id,
    outputBytes: source.outputBytes,
    timings: { total: 0 },
    startedAt: build.now,
    completedAt: build.now,
  };
  const entry = buildEntry(row, 'build.created', actor);
  const [, , , made, , [there]] = await db.batch('builds.createCached', (orm) => [
    takeProject(orm, row.projectId),
    takeKeys(orm, keys),
    decide(orm, entry, and(isThere(orm, source.id), areHeld(orm, keys))),
    insertWhere(orm, builds, row, decided(orm, entry)).returning({ id: builds.id }),
    keepAnswer(orm, keys, { status: 200, body: bodyOf(row) }, decided(orm, entry)),
    orm.select({ id: builds.id }).from(builds).where(eq(builds.id, source.id)),
  ]);
  if (made.length === 0 && there) throw takenOver();
  return made.length > 0 ? row : undefined;
}

export async function buildById(db: Database, id: string): Promise<BuildRow | undefined> {
  return (await db.query('builds.byId', (orm) => orm.select().from(builds).where(eq(builds.id, id))))[0];
}

/**
 * A build as the world may see it: undefined where there is none, its project is in the trash or on its way out, or the
 * account that owns the project is disabled.
 */
export async function shownBuild(db: Database, id: string): Promise<BuildRow | undefined> {
  const [found] = await db.query('builds.shown', (orm) =>
    orm
      .select({ build: builds })
      .from(builds)
      .innerJoin(projects, and(eq(projects.id, builds.projectId), isLiveProject))
      .innerJoin(users, and(eq(users.id, projects.ownerId), isNull(users.disabledAt)))
      .where(eq(builds.id, id)),
  );
  return found?.build;
}

/** What a project brings to a build beside its files. */
export interface BuildBasis {
  readonly assets: readonly AssetAt[];
  /** The dependency lock that its last build used, when that was recent enough to keep its versions. */
  readonly lockHash: string | null;
  /** Whether any build of it succeeded, so that one may be repeated. */
  readonly wasBuilt: boolean;
}

/** `since`: how old a lock may be, in milliseconds since the epoch. */
export async function buildBasis(db: Database, projectId: string, since: number): Promise<BuildBasis> {
  const succeeded = and(eq(builds.projectId, projectId), eq(builds.status, 'success'));
  const [assets, [locks, successes]] = await Promise.all([
    allAssets(db, projectId),
    db.batch('builds.basis', (orm) => [
      orm
        .select({ lockHash: builds.lockHash })
        .from(builds)
        .where(and(succeeded, eq(builds.cached, false), gt(builds.createdAt, since)))
        .orderBy(desc(builds.id))
        .limit(1),
      orm.select({ id: builds.id }).from(builds).where(succeeded).limit(1),
    ]),
  ]);
  return { assets, lockHash: locks[0]?.lockHash ?? null, wasBuilt: successes.length > 0 };
}

/** The build that made the files of a project's newest success; null before the first. */
export async function newestOutput(db: Database, projectId: string): Promise<string | null> {
  const [row] = await db.query('builds.newestOutput', (orm) =>
    orm
      .select({ id: builds.id, outputOf: builds.outputOf })
      .from(builds)
      .where(and(eq(builds.projectId, projectId), eq(builds.status, 'success')))
      .orderBy(desc(builds.id))
      .limit(1),
  );
  return row ? (row.outputOf ?? row.id) : null;
}

/** The newest success of the same key, whose output can serve again. */
export async function finishedBuild(db: Database, projectId: string, key: string): Promise<BuildRow | undefined> {
  return (
    await db.query('builds.finished', (orm) =>
      orm
        .select()
        .from(builds)
        .where(and(eq(builds.projectId, projectId), eq(builds.key, key), eq(builds.status, 'success')))
        .orderBy(desc(builds.id))
        .limit(1),
    )
  )[0];
}

export async function listBuilds(
  db: Database,
  projectId: string,
  query: {
    limit: number;
    cursor?: string | undefined;
    status?: BuildStatus | undefined;
    target?: BuildTarget | undefined;
  },
): Promise<{ rows: BuildRow[]; nextCursor: string | null }> {
  const rows = await db.query('builds.list', (orm) =>
    orm
      .select()
      .from(builds)
      .where(
        and(
          eq(builds.projectId, projectId),
          query.status ? eq(builds.status, query.status) : undefined,
          query.target ? eq(builds.target, query.target) : undefined,
          query.cursor ? lt(builds.id, decodeCursor(query.cursor, 'number').id) : undefined,
        ),
      )
      .orderBy(desc(builds.id))
      .limit(query.limit + 1),
  );
  return page(rows, query.limit, (row) => ({ value: 0, id: row.id }));
}

/** Builds after `after`, by id, with the names of their projects: for a restore, which makes their objects anew. */
export async function buildsAfter(
  db: Database,
  after: string,
  limit: number,
): Promise<{ row: BuildRow; projectName: string }[]> {
  return await db.query('builds.after', (orm) =>
    orm
      .select({ row: builds, projectName: projects.name })
      .from(builds)
      .innerJoin(projects, eq(projects.id, builds.projectId))
      .where(gt(builds.id, after))
      .orderBy(asc(builds.id))
      .limit(limit),
  );
}
