import { newId } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import type { Sql } from '../sql.ts';

/** A change of the room that the project's activity tells of. */
export interface ActivityEntry {
  /** `checkpoint.restored`, … */
  readonly action: string;
  /** What it was done to, as `checkpoint:<id>`. */
  readonly subject: string;
  readonly data: Record<string, unknown>;
  readonly actorId: string;
  readonly requestId?: string | undefined;
}

/** An entry with the id that it has wherever it is, so that it is there once however often it is sent. */
export interface SentActivity extends ActivityEntry {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The activity, in the relational store. Idempotent by id. */
export interface ActivityLog {
  add(entries: readonly SentActivity[]): Promise<void>;
}

interface Row {
  id: string;
  at: number;
  action: string;
  subject: string;
  data: string;
  actor: string;
  request_id: string | null;
}

/** What the activity does not have yet: written with the change that it tells of, and gone once it is there. [R21] */
export class ActivityOutbox {
  readonly #sql: Sql;
  readonly #log: ActivityLog;

  constructor(sql: Sql, log: ActivityLog) {
    this.#sql = sql;
    this.#log = log;
  }

  /** Inside the transaction of the change. */
  add({ action, subject, data, actorId, requestId }: ActivityEntry, at: number): void {
    this.#sql.run(
      'INSERT INTO activity_pending (id, at, action, subject, data, actor, request_id) VALUES (?, ?, ?, ?, ?, ?, ?)',
      newId(),
      at,
      action,
      subject,
      JSON.stringify(data),
      actorId,
      requestId ?? null,
    );
  }

  /** When it is to be sent at the latest; null when nothing waits. */
  nextDue(): number | null {
    const [oldest] = this.#sql.all<{ at: number | null }>('SELECT min(at) AS at FROM activity_pending');
    return oldest?.at == null ? null : oldest.at + limits.room.indexDelay;
  }

  /** Sends all of it. What fails stays, and so does what died on the way back: it is sent again. */
  async deliver(): Promise<void> {
    for (;;) {
      const rows = this.#sql.all<Row>('SELECT * FROM activity_pending ORDER BY id LIMIT ?', limits.outbox.batch);
      if (rows.length === 0) return;
      await this.#log.add(
        rows.map((row) => ({
          id: row.id,
          at: row.at,
          action: row.action,
          subject: row.subject,
          data: JSON.parse(row.data) as Record<string, unknown>,
          actorId: row.actor,
          requestId: row.request_id ?? undefined,
        })),
      );
      for (const { id } of rows) this.#sql.run('DELETE FROM activity_pending WHERE id = ?', id);
    }
  }
}
