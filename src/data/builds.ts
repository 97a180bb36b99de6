import {
  and,
  asc,
  count,
  desc,
  eq,
  exists,
  gt,
  inArray,
  isNotNull,
  isNull,
  lt,
  lte,
  ne,
  not,
  notExists,
  or,
  type SQL,
  sql,
} from 'drizzle-orm';
import type { Build, BuildOptions, BuildStatus, BuildTarget } from '../contract/builds.ts';
import { type ErrorCode, KilnError } from '../contract/errors.ts';
import type { OutputFile } from '../contract/jobs.ts';
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
import { auditLog, builds, outbox, projects, publications, users } from './schema/sqlite.ts';
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

const isThere = (orm: Orm, id: string): SQL => has(orm, builds, eq(builds.id, id));

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

/**
 * The queued builds to try next, fairest first: users with the fewest running builds, among them who was served
 * longest ago, and of one user the oldest build. A message is only a wake-up, so it may start another build than
 * the one it names.
 */
export async function nextBuilds(
  db: Database,
  now: number,
  limit: number,
): Promise<{ id: string; userId: string; running: number }[]> {
  return await db.query('builds.next', (orm) => {
    const turn = sql<number>`row_number() OVER (PARTITION BY ${builds.userId} ORDER BY ${builds.id})`;
    const waiting = orm
      .select({ id: builds.id, userId: builds.userId, turn: turn.as('turn') })
      .from(builds)
      .where(eq(builds.status, 'queued'))
      .as('waiting');
    // Names of columns, not columns: Drizzle would leave the outer table's name away, and a column that two tables have is the inner one's.
    const running = sql<number>`(SELECT count(*) FROM builds AS other WHERE other.user_id = waiting.user_id AND other.status = 'building')`;
    // A build that was asked for longer ago than any may wait says nothing of whose turn it is.
    const served = sql<number>`COALESCE((SELECT max(other.started_at) FROM builds AS other WHERE other.user_id = waiting.user_id AND other.created_at > ${now - limits.build.queuedTimeout}), 0)`;
    return orm
      .select({
        id: waiting.id,
        userId: waiting.userId,
        running: running.mapWith(Number).as('running'),
        served: served.mapWith(Number).as('served'),
      })
      .from(waiting)
      .where(lte(waiting.turn, limits.build.candidatesPerUser))
      .orderBy(asc(sql`running`), asc(sql`served`), asc(waiting.id))
      .limit(limit);
  });
}

/** Builds that should have moved: their object is asked to look again. */
export async function stalledBuilds(db: Database, now: number, limit: number): Promise<{ id: string }[]> {
  return await db.query('builds.stalled', (orm) =>
    orm
      .select({ id: builds.id })
      .from(builds)
      .where(
        or(
          and(eq(builds.status, 'queued'), lt(builds.createdAt, now - limits.build.queuedSweep)),
          and(eq(builds.status, 'building'), lt(builds.startedAt, now - limits.build.timeout)),
        ),
      )
      .orderBy(asc(builds.id))
      .limit(limit),
  );
}

/** What the BuildRun object writes into the row; the rest of the row never changes. */
const projected = [
  'userId',
  'status',
  'progress',
  'step',
  'attempt',
  'seq',
  'errorCode',
  'errorMessage',
  'artifacts',
  'outputOf',
  'outputBytes',
  'lockHash',
  'key',
  'timings',
  'startedAt',
  'completedAt',
] as const;

export type BuildProjection = Pick<BuildRow, (typeof projected)[number]>;

export const projectionOf = (state: BuildProjection): BuildProjection => ({
  ...(Object.fromEntries(projected.map((field) => [field, state[field]])) as unknown as BuildProjection),
  // What a tool printed may hold anything; the database takes no such character.
  errorMessage: state.errorMessage?.replaceAll('\0', '\uFFFD') ?? null,
});

/** Writes the state of the BuildRun object, and who brought it about; an older `seq` than the row's changes nothing. Idempotent. */
export async function projectBuild(
  db: Database,
  id: string,
  state: BuildProjection,
  entries: readonly AuditRow[] = [],
): Promise<void> {
  await db.batch('builds.project', (orm) => [
    orm
      .update(builds)
      .set(state)
      .where(and(eq(builds.id, id), lt(builds.seq, state.seq))),
    ...entries.map((entry) => orm.insert(auditLog).values(entry).onConflictDoNothing()),
  ]);
}

/** Writes a state where fewer than `most` of `others` there are. */
const writeWhileFewer = (orm: Orm, id: string, state: BuildProjection, others: SQL | undefined, most: number) =>
  orm
    .update(builds)
    .set(state)
    .where(
      and(
        eq(builds.id, id),
        lt(builds.seq, state.seq),
        lt(orm.select({ n: count() }).from(builds).where(others), most),
      ),
    );

/**
 * Writes that a build is being built, unless its user has as many running as they may; whether it was written. Claims that
 * race are decided here, by the one database that knows of all of them.
 */
export async function startBuild(db: Database, id: string, state: BuildProjection): Promise<boolean> {
  const { userId } = state;
  const others = and(eq(builds.userId, userId), eq(builds.status, 'building'), ne(builds.id, id));
  const [, , [running]] = await db.batch('builds.start', (orm) => [
    takeUser(orm, userId),
    writeWhileFewer(orm, id, state, others, limits.build.runningPerUser),
    orm.select({ n: count() }).from(builds).where(others),
  ]);
  return (running?.n ?? 0) < limits.build.runningPerUser;
}

/**
 * Writes that a build waits again, and who wanted it, unless its user has as many waiting as they may; whether it waits. Requests
 * that race are decided here, as those for new builds are.
 */
export async function queueBuild(
  db: Database,
  id: string,
  state: BuildProjection,
  entries: readonly AuditRow[] = [],
): Promise<boolean> {
  const { userId, seq } = state;
  const others = and(eq(builds.userId, userId), eq(builds.status, 'queued'), ne(builds.id, id));
  const isWritten = (orm: Orm): SQL => has(orm, builds, and(eq(builds.id, id), eq(builds.seq, seq)));
  const [, , [row]] = await db.batch('builds.queue', (orm) => [
    takeUser(orm, userId),
    writeWhileFewer(orm, id, state, others, limits.build.queuedPerUser),
    orm.select({ seq: builds.seq }).from(builds).where(eq(builds.id, id)),
    ...entries.map((entry) => insertWhere(orm, auditLog, entry, isWritten(orm)).onConflictDoNothing()),
  ]);
  return row !== undefined && row.seq >= seq;
}

/** Every build of a project, for its removal. */
export async function allBuilds(db: Database, projectId: string): Promise<{ id: string }[]> {
  return await db.query('builds.all', (orm) =>
    orm.select({ id: builds.id }).from(builds).where(eq(builds.projectId, projectId)),
  );
}

/** Somebody removes a build that has ended. Idempotent. Throws `build_published` while its project shows it to the world. */
export async function removeBuild(db: Database, build: BuildRow, actor: Actor): Promise<void> {
  const entry = buildEntry(build, 'build.deleted', actor);
  const isPublished = (orm: Orm) => has(orm, publications, eq(publications.buildId, build.id));
  const [, , , published] = await db.batch('builds.remove', (orm) => [
    takeProject(orm, build.projectId),
    decide(orm, entry, and(isThere(orm, build.id), not(isPublished(orm)))),
    orm.delete(builds).where(and(eq(builds.id, build.id), decided(orm, entry))),
    orm.select({ slug: publications.slug }).from(publications).where(eq(publications.buildId, build.id)),
  ]);
  if (published.length > 0) throw new KilnError('build_published');
}

interface OldBuilds {
  /** Milliseconds since the epoch. */
  readonly before: number;
  readonly newest: number;
  readonly isPublished: boolean;
  /** Of any where none is named. */
  readonly projectId?: string;
}

/**
 * Builds that have ended before `before`, without the `newest` of their project and target, of which successes and others are
 * counted apart; oldest first.
 */
const oldBuilds = (orm: Orm, { before, newest, isPublished, projectId }: OldBuilds, limit: number) => {
  const place = sql<number>`row_number() OVER (PARTITION BY ${builds.projectId}, ${builds.target}, CASE WHEN ${builds.status} = 'success' THEN 1 ELSE 0 END ORDER BY ${builds.id} DESC)`;
  const ofProject = projectId === undefined ? undefined : eq(builds.projectId, projectId);
  const ended = orm
    .select({ id: builds.id, place: place.as('place') })
    .from(builds)
    .where(and(inArray(builds.status, ['success', 'failed', 'cancelled']), ofProject))
    .as('ended');
  const shown = orm.select({ slug: publications.slug }).from(publications).where(eq(publications.buildId, builds.id));
  return orm
    .select({ build: builds })
    .from(builds)
    .innerJoin(ended, eq(ended.id, builds.id))
    .where(and(gt(ended.place, newest), lt(builds.completedAt, before), isPublished ? exists(shown) : notExists(shown)))
    .orderBy(asc(builds.id))
    .limit(limit);
};

/** Builds that go, for nobody goes back to them: old ones that are not published, oldest first. */
export async function expiredBuilds(db: Database, before: number, newest: number, limit: number): Promise<BuildRow[]> {
  const rows = await db.query('builds.expired', (orm) => oldBuilds(orm, { before, newest, isPublished: false }, limit));
  return rows.map(({ build }) => build);
}

/** The next projects after `after`, by id, that have ended builds from before `before`. */
export async function projectsWithOldBuilds(
  db: Database,
  before: number,
  after: string,
  limit: number,
): Promise<string[]> {
  const rows = await db.query('builds.projectsWithOld', (orm) =>
    orm
      .selectDistinct({ id: builds.projectId })
      .from(builds)
      .where(and(gt(builds.projectId, after), lt(builds.completedAt, before)))
      .orderBy(asc(builds.projectId))
      .limit(limit),
  );
  return rows.map(({ id }) => id);
}

/** Bytes of what a build made: each content once. */
export const bytesOfOutputs = (outputs: readonly OutputFile[]): number =>
  [...new Map(outputs.map(({ sha256, size }) => [sha256, size])).values()].reduce((sum, size) => sum + size, 0);

/**
 * Successes of a release that did not count what builds make, oldest first. Looks at every success, where there are none: migration
 * 0010 came without an index for what is done once.
 */
export const uncountedBuilds = (db: Database, limit: number): Promise<BuildRow[]> =>
  db.query('builds.uncounted', (orm) =>
    orm
      .select()
      .from(builds)
      .where(and(eq(builds.status, 'success'), isNull(builds.outputBytes)))
      .orderBy(asc(builds.id))
      .limit(limit),
  );

/**
 * Notes how many bytes the output of a build has, with it and all that repeat it. `outputs` null: there are none any more, and it counts
 * as its downloads do. Idempotent; a build that was counted stays as it is. Answers the bytes.
 */
export async function countOutput(
  db: Database,
  build: BuildRow,
  outputs: readonly OutputFile[] | null,
): Promise<number> {
  const bytes = outputs ? bytesOfOutputs(outputs) : outputBytesOf(build);
  const source = outputOf(build);
  await db.query('builds.count', (orm) =>
    orm
      .update(builds)
      .set({ outputBytes: bytes })
      .where(
        and(
          eq(builds.projectId, build.projectId),
          eq(builds.status, 'success'),
          isNull(builds.outputBytes),
          or(eq(builds.id, source), eq(builds.outputOf, source)),
        ),
      ),
  );
  return bytes;
}

/** Bytes of what a build made. Builds of a release that did not count the site have those of their downloads. */
export const outputBytesOf = ({ outputBytes, artifacts }: BuildRow): number =>
  outputBytes ?? artifacts.reduce((sum, { size }) => sum + size, 0);

const outputOf = ({ outputOf: of, id }: BuildRow): string => of ?? id;

/** Bytes of the outputs of some builds, each once. */
const bytesOf = (rows: readonly BuildRow[]): number =>
  [...new Map(rows.map((row) => [outputOf(row), outputBytesOf(row)])).values()].reduce((sum, size) => sum + size, 0);

export interface StaleBuilds {
  /** The largest of them. */
  readonly builds: readonly BuildRow[];
  readonly count: number;
  /** That are free when they are gone: what other builds show as well is not. */
  readonly bytes: number;
  /** What would go as well, were it not published. */
  readonly kept: { readonly count: number; readonly bytes: number };
}

/** What of a project's builds is old: from before `before`, and not among the `newest` of their target. */
export async function staleBuilds(
  db: Database,
  projectId: string,
  newest: number,
  before: number,
): Promise<StaleBuilds> {
  const { reportRows, reported } = limits.build.retention;
  const of = { before, newest, projectId };
  const [found, published, shared] = await Promise.all([
    db.query('builds.stale', (orm) => oldBuilds(orm, { ...of, isPublished: false }, reportRows)),
    db.query('builds.staleKept', (orm) => oldBuilds(orm, { ...of, isPublished: true }, reportRows)),
    db.query('builds.shared', (orm) =>
      orm
        .select({ id: builds.id, outputOf: builds.outputOf })
        .from(builds)
        .where(and(eq(builds.projectId, projectId), eq(builds.status, 'success'))),
    ),
  ]);
  const rows = found.map(({ build }) => build);
  const kept = published.map(({ build }) => build);
  const going = new Set(rows.map(({ id }) => id));
  const staying = new Set(shared.flatMap(({ id, outputOf: of }) => (going.has(id) ? [] : [of ?? id])));
  return {
    builds: [...rows].sort((a, b) => outputBytesOf(b) - outputBytesOf(a)).slice(0, reported),
    count: rows.length,
    bytes: bytesOf(rows.filter((row) => !staying.has(outputOf(row)))),
    kept: { count: kept.length, bytes: bytesOf(kept) },
  };
}

/** The row of a build that has no object and never will. */
export async function deleteBuildRow(db: Database, id: string): Promise<void> {
  await db.query('builds.delete', (orm) => orm.delete(builds).where(eq(builds.id, id)));
}

/** Whether another build of the project still shows the output of this one. */
export async function outputIsShared(db: Database, build: BuildRow): Promise<boolean> {
  const rows = await db.query('builds.sharers', (orm) =>
    orm
      .select({ id: builds.id })
      .from(builds)
      .where(and(eq(builds.projectId, build.projectId), eq(builds.outputOf, build.outputOf ?? build.id)))
      .limit(2),
  );
  return rows.some((row) => row.id !== build.id);
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

/** A build that was running when the backup was taken waits again: its runner is gone. Answers the row. */
export async function requeueBuild(db: Database, row: BuildRow): Promise<BuildRow> {
  const change = { status: 'queued', progress: 0, step: null, startedAt: null, seq: row.seq + 1 } as const;
  await db.query('builds.requeue', (orm) => orm.update(builds).set(change).where(eq(builds.id, row.id)));
  return { ...row, ...change };
}

const active = inArray(builds.status, ['queued', 'building']);

/** Builds of a user that have not ended. */
export async function activeBuildsOf(db: Database, userId: string): Promise<{ id: string }[]> {
  return await db.query('builds.activeOf', (orm) =>
    orm
      .select({ id: builds.id })
      .from(builds)
      .where(and(eq(builds.userId, userId), active)),
  );
}

/** Builds that have not ended, of accounts that are not in use any more. */
export async function orphanedBuilds(db: Database, limit: number): Promise<{ id: string }[]> {
  return await db.query('builds.orphaned', (orm) =>
    orm
      .select({ id: builds.id })
      .from(builds)
      .innerJoin(users, eq(users.id, builds.userId))
      .where(and(active, or(isNotNull(users.disabledAt), isNotNull(users.deletedAt))))
      .limit(limit),
  );
}
