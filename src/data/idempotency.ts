import { and, eq, gte, isNull, lt } from 'drizzle-orm';
import { limits } from '../contract/limits.ts';
import type { Database } from './database.ts';
import { UniqueViolation } from './engines/engine.ts';
import { idempotencyKeys } from './schema/sqlite.ts';

export type Claim =
  | { readonly outcome: 'first' }
  | { readonly outcome: 'replay'; readonly status: number; readonly body: string }
  | { readonly outcome: 'running' }
  | { readonly outcome: 'other-request' };

interface KeyedRequest {
  readonly userId: string;
  readonly key: string;
  readonly requestHash: string;
  readonly now: number;
}

const ofKey = ({ userId, key }: KeyedRequest) => and(eq(idempotencyKeys.userId, userId), eq(idempotencyKeys.key, key));

/** What became of the first request with this key, as long as its answer is kept; null when there is none. */
export async function earlierClaim(
  db: Database,
  request: KeyedRequest,
): Promise<Exclude<Claim, { outcome: 'first' }> | null> {
  const [seen] = await db.query('idempotency.read', (orm) =>
    orm
      .select()
      .from(idempotencyKeys)
      .where(and(ofKey(request), gte(idempotencyKeys.createdAt, request.now - limits.http.idempotencyTtl))),
  );
  if (!seen) return null;
  if (seen.requestHash !== request.requestHash) return { outcome: 'other-request' };
  return seen.status === null || seen.body === null
    ? { outcome: 'running' }
    : { outcome: 'replay', status: seen.status, body: seen.body };
}

/** Claims a key for the first request that names it; says what became of that one otherwise. */
export async function claimKey(db: Database, request: KeyedRequest): Promise<Claim> {
  const { now, ...row } = request;
  const mine = ofKey(request);
  await db.batch('idempotency.expire', (orm) => [
    orm.delete(idempotencyKeys).where(and(mine, lt(idempotencyKeys.createdAt, now - limits.http.idempotencyTtl))),
    orm
      .delete(idempotencyKeys)
      .where(
        and(
          mine,
          isNull(idempotencyKeys.status),
          lt(idempotencyKeys.createdAt, now - limits.http.idempotencyAbandoned),
        ),
      ),
  ]);
  try {
    await db.query('idempotency.claim', (orm) =>
      orm.insert(idempotencyKeys).values({ ...row, status: null, body: null, createdAt: now }),
    );
    return { outcome: 'first' };
  } catch (error) {
    if (!(error instanceof UniqueViolation)) throw error;
  }
  return (await earlierClaim(db, request)) ?? { outcome: 'running' };
}

/** Keeps the first answer for replays. */
export async function finishKey(
  db: Database,
  key: { userId: string; key: string; status: number; body: string },
): Promise<void> {
  await db.query('idempotency.finish', (orm) =>
    orm
      .update(idempotencyKeys)
      .set({ status: key.status, body: key.body })
      .where(and(eq(idempotencyKeys.userId, key.userId), eq(idempotencyKeys.key, key.key))),
  );
}

/** Frees a key whose request failed before it changed anything. */
export async function releaseKey(db: Database, key: { userId: string; key: string }): Promise<void> {
  await db.query('idempotency.release', (orm) =>
    orm.delete(idempotencyKeys).where(and(eq(idempotencyKeys.userId, key.userId), eq(idempotencyKeys.key, key.key))),
  );
}

/** For the daily clean-up. */
export async function expireKeys(db: Database, now: number): Promise<void> {
  await db.query('idempotency.expireAll', (orm) =>
    orm.delete(idempotencyKeys).where(lt(idempotencyKeys.createdAt, now - limits.http.idempotencyTtl)),
  );
}
