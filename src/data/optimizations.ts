import { and, asc, count, desc, eq, inArray, isNull, lt, lte, type SQL, sql } from 'drizzle-orm';
import type { Optimization } from '../contract/assets.ts';
import { type ErrorCode, KilnError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import { limits } from '../contract/limits.ts';
import type { AssetAt } from './assets.ts';
import { has, insertWhere } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { assets, assetVersions, optimizations } from './schema/sqlite.ts';
import { iso, isoOrNull } from './time.ts';
import { takeUser } from './users.ts';

export type OptimizationRow = typeof optimizations.$inferSelect;

/** As the API shows it. */
export const toOptimization = (row: OptimizationRow): Optimization => ({
  id: row.id,
  assetId: row.assetId,
  version: row.version,
  status: row.status,
  savedBytes: row.savedBytes,
  errorCode: row.errorCode as ErrorCode | null,
  createdAt: iso(row.createdAt),
  endedAt: isoOrNull(row.endedAt),
});

/** What is asked of a runner, before anybody has done anything about it. */
export const newOptimization = (
  asked: Pick<OptimizationRow, 'projectId' | 'assetId' | 'version' | 'userId' | 'compressMeshes' | 'picture'>,
  now: number,
): OptimizationRow => ({
  ...asked,
  id: newId(),
  status: 'queued',
  attempt: 0,
  starts: 0,
  execution: null,
  savedBytes: 0,
  errorCode: null,
  createdAt: now,
  endedAt: null,
  dueAt: now + limits.optimize.offered,
});

const isOpen = inArray(optimizations.status, ['queued', 'running']);

const { openPerUser } = limits.optimize;

/**
 * Asks for an asset to be made smaller; false: that has been asked already. Throws `quota_exceeded`, also for requests
 * that race.
 */
export async function createOptimization(db: Database, row: OptimizationRow): Promise<boolean> {
  const isAsked = (orm: Orm): SQL => has(orm, optimizations, and(eq(optimizations.assetId, row.assetId), isOpen));
  const few = (orm: Orm): SQL =>
    lt(
      orm
        .select({ n: count() })
        .from(optimizations)
        .where(and(eq(optimizations.userId, row.userId), isOpen)),
      openPerUser,
    );
  const [, , made, [asked]] = await db.batch('optimizations.create', (orm) => [
    // Two people may ask at once, so the asset is held, too.
    takeUser(orm, row.userId),
    orm
      .update(assets)
      .set({ updatedAt: sql`${assets.updatedAt}` })
      .where(eq(assets.id, row.assetId)),
    insertWhere(orm, optimizations, row, and(sql`NOT ${isAsked(orm)}`, few(orm))).returning({ id: optimizations.id }),
    orm
      .select({ n: count() })
      .from(optimizations)
      .where(and(eq(optimizations.assetId, row.assetId), isOpen)),
  ]);
  if (made.length > 0) return true;
  if (Number(asked?.n ?? 0) > 0) return false;
  throw new KilnError('quota_exceeded', { detail: `At most ${openPerUser} assets may wait to be made smaller.` });
}

export async function optimizationById(db: Database, id: string): Promise<OptimizationRow | undefined> {
  const rows = await db.query('optimizations.byId', (orm) =>
    orm.select().from(optimizations).where(eq(optimizations.id, id)),
  );
  return rows[0];
}

/** The newest of an asset. */
export async function latestOptimization(db: Database, assetId: string): Promise<OptimizationRow | undefined> {
  const rows = await db.query('optimizations.latest', (orm) =>
    orm.select().from(optimizations).where(eq(optimizations.assetId, assetId)).orderBy(desc(optimizations.id)).limit(1),
  );
  return rows[0];
}

/** The asset of a job as it was when that was asked for; undefined where it has another version by now, is in the trash or gone. */
export async function optimizedAsset(db: Database, row: OptimizationRow): Promise<AssetAt | undefined> {
  const rows = await db.query('optimizations.asset', (orm) =>
    orm
      .select({ asset: assets, version: assetVersions })
      .from(assets)
      .innerJoin(assetVersions, and(eq(assetVersions.assetId, assets.id), eq(assetVersions.version, assets.version)))
      .where(and(eq(assets.id, row.assetId), eq(assets.version, row.version), isNull(assets.deletedAt))),
  );
  return rows[0];
}

/** The next attempt of one that waits, for a runner who has `patience` to begin it; what was offered before opens nothing. */
export async function offerOptimization(
  db: Database,
  id: string,
  now: number,
  patience: number,
): Promise<OptimizationRow | undefined> {
  const rows = await db.query('optimizations.offer', (orm) =>
    orm
      .update(optimizations)
      .set({ attempt: sql`${optimizations.attempt} + 1`, dueAt: now + patience })
      .where(and(eq(optimizations.id, id), eq(optimizations.status, 'queued')))
      .returning(),
  );
  return rows[0];
}

const ofAttempt = (id: string, attempt: number, status: 'queued' | 'running'): SQL | undefined =>
  and(eq(optimizations.id, id), eq(optimizations.attempt, attempt), eq(optimizations.status, status));

/** Begins an attempt for one `execution`, which may ask again; undefined: it is over, or somebody else's. */
export async function beginOptimization(
  db: Database,
  id: string,
  attempt: number,
  execution: string,
  now: number,
): Promise<OptimizationRow | undefined> {
  const [, [row]] = await db.batch('optimizations.begin', (orm) => [
    orm
      .update(optimizations)
      .set({
        status: 'running',
        execution,
        starts: sql`${optimizations.starts} + 1`,
        dueAt: now + limits.optimize.lease,
      })
      .where(ofAttempt(id, attempt, 'queued')),
    orm
      .select()
      .from(optimizations)
      .where(and(ofAttempt(id, attempt, 'running'), eq(optimizations.execution, execution))),
  ]);
  return row;
}

/** The attempt, while a runner has it. */
export async function runningOptimization(
  db: Database,
  id: string,
  attempt: number,
): Promise<OptimizationRow | undefined> {
  const rows = await db.query('optimizations.running', (orm) =>
    orm
      .select()
      .from(optimizations)
      .where(ofAttempt(id, attempt, 'running')),
  );
  return rows[0];
}

/** That an attempt runs: what makes a version of its result asks this, so that there is at most one. */
export const isRunning = (orm: Orm, id: string, attempt: number): SQL =>
  has(orm, optimizations, ofAttempt(id, attempt, 'running'));

/** What an attempt becomes whose result is a version. */
export const doneWith = (savedBytes: number, now: number) =>
  ({ status: 'done', savedBytes, endedAt: now, dueAt: now + limits.optimize.kept }) as const;

/** Ends one as it was read, with a result of nothing or an error; false: it has gone on meanwhile. */
export async function endOptimization(
  db: Database,
  { id, attempt, status }: OptimizationRow,
  errorCode: ErrorCode | null,
  now: number,
): Promise<boolean> {
  if (status !== 'queued' && status !== 'running') return false;
  const rows = await db.query('optimizations.end', (orm) =>
    orm
      .update(optimizations)
      .set({ ...doneWith(0, now), status: errorCode === null ? 'done' : 'failed', errorCode })
      .where(ofAttempt(id, attempt, status))
      .returning({ id: optimizations.id }),
  );
  return rows.length > 0;
}

/** An attempt whose runner failed: it waits for another one, until it was begun too often. False: it has gone on meanwhile, or may not be begun again. */
export async function requeueOptimization(
  db: Database,
  { id, attempt }: OptimizationRow,
  now: number,
): Promise<boolean> {
  const rows = await db.query('optimizations.requeue', (orm) =>
    orm
      .update(optimizations)
      .set({ status: 'queued', execution: null, dueAt: now + limits.optimize.offered })
      .where(and(ofAttempt(id, attempt, 'running'), lt(optimizations.starts, limits.optimize.attempts)))
      .returning({ id: optimizations.id }),
  );
  return rows.length > 0;
}

/** Leaves one that was offered alone until then. */
export async function postponeOptimization(db: Database, id: string, attempt: number, until: number): Promise<void> {
  await db.query('optimizations.postpone', (orm) =>
    orm
      .update(optimizations)
      .set({ dueAt: until })
      .where(ofAttempt(id, attempt, 'queued')),
  );
}

/** Those whose time has come: offered and not begun, begun and not ended, or ended long ago. */
export async function dueOptimizations(db: Database, now: number, limit: number): Promise<OptimizationRow[]> {
  return await db.query('optimizations.due', (orm) =>
    orm
      .select()
      .from(optimizations)
      .where(lte(optimizations.dueAt, now))
      .orderBy(asc(optimizations.dueAt))
      .limit(limit),
  );
}

/** How an ended one went is known no longer. Idempotent. */
export async function forgetOptimization(db: Database, id: string): Promise<void> {
  await db.query('optimizations.forget', (orm) =>
    orm.delete(optimizations).where(and(eq(optimizations.id, id), inArray(optimizations.status, ['done', 'failed']))),
  );
}
