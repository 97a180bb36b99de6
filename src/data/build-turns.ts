import { and, asc, count, eq, inArray, isNotNull, lt, lte, ne, or, type SQL, sql } from 'drizzle-orm';
import { limits } from '../contract/limits.ts';
import type { AuditRow } from './audit.ts';
import type { BuildRow } from './builds.ts';
import { has, insertWhere } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { auditLog, builds, users } from './schema/sqlite.ts';
import { takeUser } from './users.ts';

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
