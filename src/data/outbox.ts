import { and, asc, eq, inArray, lt, min, type SQL, sql } from 'drizzle-orm';
import { newId } from '../contract/ids.ts';
import { limits } from '../contract/limits.ts';
import { insertWhere } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { outbox } from './schema/sqlite.ts';

/** What carries a promised message on. */
export type OutboxQueue = 'builds' | 'mail';

export interface OutboxRow {
  readonly id: string;
  readonly body: unknown;
  readonly createdAt: number;
  readonly attempts: number;
}

type OutboxEntry = typeof outbox.$inferSelect;

const claimed = {
  id: outbox.id,
  body: outbox.body,
  createdAt: outbox.createdAt,
  attempts: outbox.attempts,
};

/** A row for `insert`, which nobody has claimed yet. */
export const outboxRow = (queue: OutboxQueue, body: unknown, now: number, id = newId()): OutboxEntry => ({
  id,
  queue,
  body,
  createdAt: now,
  claimedUntil: 0,
  attempts: 0,
});

/** Promises a message where `holds` is true at that moment. */
export const promiseWhere = (orm: Orm, row: OutboxEntry, holds: SQL | undefined) =>
  insertWhere(orm, outbox, row, holds);

/**
 * Claims rows of one queue that nobody else holds, oldest first. Two workers that claim at once get different
 * rows: the update decides. A claim that is never settled lapses, and the message is sent again.
 */
export async function claimOutbox(db: Database, queue: OutboxQueue, now: number): Promise<OutboxRow[]> {
  const free = and(eq(outbox.queue, queue), lt(outbox.claimedUntil, now));
  return await db.query('outbox.claim', (orm) =>
    orm
      .update(outbox)
      .set({ claimedUntil: now + limits.outbox.claim, attempts: sql`${outbox.attempts} + 1` })
      .where(
        and(
          free,
          inArray(
            outbox.id,
            orm.select({ id: outbox.id }).from(outbox).where(free).orderBy(asc(outbox.id)).limit(limits.outbox.batch),
          ),
        ),
      )
      .returning(claimed),
  );
}

/** Claims one row; undefined when there is none, or somebody holds it. */
export async function claimMessage(db: Database, id: string, now: number): Promise<OutboxRow | undefined> {
  const [row] = await db.query('outbox.claimOne', (orm) =>
    orm
      .update(outbox)
      .set({ claimedUntil: now + limits.outbox.claim, attempts: sql`${outbox.attempts} + 1` })
      .where(and(eq(outbox.id, id), lt(outbox.claimedUntil, now)))
      .returning(claimed),
  );
  return row;
}

/** Leaves a claimed row alone until then. */
export async function postponeMessage(db: Database, id: string, until: number): Promise<void> {
  await db.query('outbox.postpone', (orm) => orm.update(outbox).set({ claimedUntil: until }).where(eq(outbox.id, id)));
}

/** The message is in other hands, or will not be sent. */
export async function settleOutbox(db: Database, id: string): Promise<void> {
  await db.query('outbox.settle', (orm) => orm.delete(outbox).where(eq(outbox.id, id)));
}

/** When the oldest promised message of a queue was written; null when all are delivered. */
export async function oldestOutbox(db: Database, queue: OutboxQueue): Promise<number | null> {
  const [row] = await db.query('outbox.oldest', (orm) =>
    orm
      .select({ at: min(outbox.createdAt) })
      .from(outbox)
      .where(eq(outbox.queue, queue)),
  );
  return row?.at ?? null;
}
