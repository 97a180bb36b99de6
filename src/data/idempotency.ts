import { and, eq, gte, isNotNull, isNull, lt, not, or, type SQL, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/sqlite-core';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import { has } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { UniqueViolation } from './engines/engine.ts';
import { idempotencyKeys } from './schema/sqlite.ts';

export type Claim =
  | { readonly outcome: 'first' }
  | { readonly outcome: 'replay'; readonly status: number; readonly body: string }
  | { readonly outcome: 'running' }
  | { readonly outcome: 'other-request' };

interface Key {
  readonly userId: string;
  readonly key: string;
}

interface KeyedRequest extends Key {
  readonly requestHash: string;
  readonly now: number;
}

/** A key as one request claimed it. Whoever took it over, because that one was silent, is another `holder`. */
export interface HeldKey extends Key {
  readonly holder: string;
}

const answered = alias(idempotencyKeys, 'answered');

const ofKey = ({ userId, key }: Key) => and(eq(idempotencyKeys.userId, userId), eq(idempotencyKeys.key, key));

const isHeld = (held: HeldKey) =>
  and(ofKey(held), isNull(idempotencyKeys.status), eq(idempotencyKeys.body, held.holder));

/** Of a key's steps: no header has a line break. */
const stepKey = (key: string, step: string): string => `${key}\n${step}`;

const isStepOf = (db: Database, { userId, key }: Key): SQL | undefined =>
  and(eq(idempotencyKeys.userId, userId), db.dialect.startsWith(idempotencyKeys.key, stepKey(key, '')));

const ofAny = (keys: readonly HeldKey[]) => or(sql`1 = 0`, ...keys.map(isHeld));

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
export async function claimKey(db: Database, request: KeyedRequest & HeldKey): Promise<Claim> {
  const { now, holder, ...row } = request;
  const mine = ofKey(request);
  await db.batch('idempotency.expire', (orm) => [
    orm
      .delete(idempotencyKeys)
      .where(and(or(mine, isStepOf(db, request)), lt(idempotencyKeys.createdAt, now - limits.http.idempotencyTtl))),
    orm
      .delete(idempotencyKeys)
      .where(
        and(mine, isNull(idempotencyKeys.status), lt(idempotencyKeys.createdAt, now - limits.http.idempotencyLease)),
      ),
  ]);
  try {
    await db.query('idempotency.claim', (orm) =>
      orm.insert(idempotencyKeys).values({ ...row, status: null, body: holder, createdAt: now }),
    );
    return { outcome: 'first' };
  } catch (error) {
    if (!(error instanceof UniqueViolation)) throw error;
  }
  return (await earlierClaim(db, request)) ?? { outcome: 'running' };
}

/** Its holder still runs. */
export async function renewKey(db: Database, held: HeldKey, now: number): Promise<void> {
  await db.query('idempotency.renew', (orm) => orm.update(idempotencyKeys).set({ createdAt: now }).where(isHeld(held)));
}

/** Holds keys until the batch ends: nobody takes them over meanwhile. */
export const takeKeys = (orm: Orm, keys: readonly HeldKey[]) =>
  orm
    .update(idempotencyKeys)
    .set({ key: sql`${idempotencyKeys.key}` })
    .where(ofAny(keys));

/** That a request holds all of its keys still. */
export const areHeld = (orm: Orm, keys: readonly HeldKey[]): SQL | undefined =>
  and(...keys.map((held) => has(orm, idempotencyKeys, isHeld(held))));

/** Keeps the first answer for replays: in a batch, together with what it tells of. */
export const keepAnswer = (
  orm: Orm,
  keys: readonly HeldKey[],
  answer: { readonly status: number; readonly body: string },
  where?: SQL,
) =>
  orm
    .update(idempotencyKeys)
    .set({ status: answer.status, body: answer.body })
    .where(and(ofAny(keys), where));

/** The same by itself. Its steps are needed no longer. */
export async function finishKey(db: Database, held: HeldKey, answer: { status: number; body: string }): Promise<void> {
  await db.batch('idempotency.finish', (orm) => [
    keepAnswer(orm, [held], answer),
    orm
      .delete(idempotencyKeys)
      .where(
        and(
          isStepOf(db, held),
          has(
            orm,
            answered,
            and(eq(answered.userId, held.userId), eq(answered.key, held.key), isNotNull(answered.status)),
          ),
        ),
      ),
  ]);
}

/**
 * A part of what a request does, which is decided by a batch of its own. That it is done stands in the batch, so that the same
 * request under the same key, after a crash, finds it done.
 */
export interface Step {
  /** The keys that the request holds: none, or one. */
  readonly keys: readonly HeldKey[];
  /** Another one for each part. */
  readonly name: string;
}

const ofStep = ({ keys, name }: Step): SQL | undefined =>
  or(
    sql`1 = 0`,
    ...keys.map(({ userId, key }) =>
      and(eq(idempotencyKeys.userId, userId), eq(idempotencyKeys.key, stepKey(key, name))),
    ),
  );

/** That a step may be done: the request holds its key still, and nobody has done it. */
export const isToDo = (orm: Orm, step: Step): SQL | undefined =>
  and(areHeld(orm, step.keys), not(has(orm, idempotencyKeys, ofStep(step))));

/** Notes that a step is done, with what came of it. The key must be held (`isToDo`). */
export const noteStep = (orm: Orm, { keys, name }: Step, result: SQL, where: SQL) =>
  // As old as its key, or older: it never outlives that.
  orm.run(sql`INSERT INTO idempotency_keys (user_id, key, request_hash, status, body, created_at)
    SELECT user_id, CAST(${stepKey(keys[0]?.key ?? '', name)} AS text), request_hash, NULL, ${result}, created_at
    FROM idempotency_keys WHERE ${ofAny(keys)} AND ${where}`);

/**
 * Why a step was not to be done: what came of it when it was done; undefined: that is not why. Throws `conflict` where another
 * request took the key over, and `idempotency_key_reused` where it was done for one that asked for something else.
 */
export async function stepDone(db: Database, step: Step): Promise<string | undefined> {
  if (step.keys.length === 0) return;
  const [keys, steps] = await db.batch('idempotency.step', (orm) => [
    orm.select({ requestHash: idempotencyKeys.requestHash }).from(idempotencyKeys).where(ofAny(step.keys)),
    orm.select().from(idempotencyKeys).where(ofStep(step)),
  ]);
  const [[held], [done]] = [keys, steps];
  if (!held) throw takenOver();
  if (done && done.requestHash !== held.requestHash) throw new KilnError('idempotency_key_reused');
  return done?.body ?? undefined;
}

/** Another request has the keys by now. */
export const takenOver = (): KilnError =>
  new KilnError('conflict', { detail: 'Another request with this key has taken over.', retryAfter: 1 });

/** Frees a key whose request failed before it changed anything. */
export async function releaseKey(db: Database, held: HeldKey): Promise<void> {
  await db.query('idempotency.release', (orm) => orm.delete(idempotencyKeys).where(isHeld(held)));
}

/** For the daily clean-up. */
export async function expireKeys(db: Database, now: number): Promise<void> {
  await db.query('idempotency.expireAll', (orm) =>
    orm.delete(idempotencyKeys).where(lt(idempotencyKeys.createdAt, now - limits.http.idempotencyTtl)),
  );
}
