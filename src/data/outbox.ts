import { and, asc, eq, inArray, lt, min, sql } from 'drizzle-orm';
import { limits } from '../contract/limits.ts';
import type { Database } from './database.ts';
import { outbox } from './schema/sqlite.ts';

export interface OutboxRow {
  readonly id: string;
  readonly queue: string;
  readonly body: unknown;
}

/**
 * Claims rows that nobody else holds, oldest first. Two workers that claim at once get different
 * rows: the update decides. A claim that is never settled lapses, and the message is sent again.
 */
export async function claimOutbox(db: Database, now: number): Promise<OutboxRow[]> {
  return await db.query('outbox.claim', (orm) =>
    orm
      .update(outbox)
      .set({ claimedUntil: now + limits.outbox.claim, attempts: sql`${outbox.attempts} + 1` })
      .where(
        and(
          lt(outbox.claimedUntil, now),
          inArray(
            outbox.id,
            orm
              .select({ id: outbox.id })
              .from(outbox)
              .where(lt(outbox.claimedUntil, now))
              .orderBy(asc(outbox.id))
              .limit(limits.outbox.batch),
          ),
        ),
      )
      .returning({ id: outbox.id, queue: outbox.queue, body: outbox.body }),
  );
}

/** The message is in the queue's hands. */
export async function settleOutbox(db: Database, id: string): Promise<void> {
  await db.query('outbox.settle', (orm) => orm.delete(outbox).where(eq(outbox.id, id)));
}

/** When the oldest promised message was written; null when all are delivered. */
export async function oldestOutbox(db: Database): Promise<number | null> {
  return (
    (await db.query('outbox.oldest', (orm) => orm.select({ at: min(outbox.createdAt) }).from(outbox)))[0]?.at ?? null
  );
}
