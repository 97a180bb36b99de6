import { limits } from '../../contract/limits.ts';
import type { RoomEvent } from '../../contract/room.ts';
import type { Sql } from '../sql.ts';

interface Row {
  seq: number;
  type: string;
  at: number;
  by: string | null;
  data: string;
}

const toEvent = (row: Row): RoomEvent => ({
  seq: row.seq,
  type: row.type,
  at: new Date(row.at).toISOString(),
  by: row.by,
  data: JSON.parse(row.data) as RoomEvent['data'],
});

/** The one sequenced log of a project. Old events are dropped, numbers never used again. */
export class EventLog {
  readonly #sql: Sql;
  #seq: number;

  constructor(sql: Sql) {
    this.#sql = sql;
    this.#seq = sql.all<{ seq: number | null }>('SELECT max(seq) AS seq FROM events')[0]?.seq ?? 0;
  }

  get seq(): number {
    return this.#seq;
  }

  /** Takes the next number. The caller is inside the transaction of the change that this tells of. */
  append(type: string, by: string | null, data: RoomEvent['data'], at: number): RoomEvent {
    const seq = this.#seq + 1;
    this.#sql.run(
      'INSERT INTO events (seq, type, at, by, data) VALUES (?, ?, ?, ?, ?)',
      seq,
      type,
      at,
      by,
      JSON.stringify(data),
    );
    if (seq % limits.room.eventsTrimmedEvery === 0)
      this.#sql.run('DELETE FROM events WHERE seq <= ?', seq - limits.room.eventsKept);
    this.#seq = seq;
    return toEvent({ seq, type, at, by, data: JSON.stringify(data) });
  }

  /** Numbers taken in a transaction that was rolled back are free again. */
  reset(seq: number): void {
    this.#seq = seq;
  }

  /** Events after `since`, oldest first; `resync` when some of them are gone or too many. */
  since(since: number): { events: RoomEvent[]; resync: boolean } {
    if (since > this.#seq) return { events: [], resync: true };
    const rows = this.#sql.all<Row>(
      'SELECT seq, type, at, by, data FROM events WHERE seq > ? ORDER BY seq LIMIT ?',
      since,
      limits.room.eventsReplayed + 1,
    );
    const first = rows[0]?.seq;
    if ((first !== undefined && first !== since + 1) || rows.length > limits.room.eventsReplayed)
      return { events: [], resync: true };
    return { events: rows.map(toEvent), resync: false };
  }

  /** As `since`, of one type: the newest of what is left; `resync` when there may have been more. */
  ofType(type: string, since: number): { events: RoomEvent[]; resync: boolean } {
    if (since > this.#seq) return { events: [], resync: true };
    const rows = this.#sql.all<Row>(
      'SELECT seq, type, at, by, data FROM events WHERE seq > ? AND type = ? ORDER BY seq DESC LIMIT ?',
      since,
      type,
      limits.room.eventsReplayed,
    );
    const [oldest] = this.#sql.all<{ seq: number | null }>('SELECT min(seq) AS seq FROM events');
    const isWhole = (oldest?.seq ?? 1) <= since + 1 && rows.length < limits.room.eventsReplayed;
    return { events: rows.reverse().map(toEvent), resync: !isWhole };
  }

  /** Whether the last file of that path went elsewhere, rather than for good. */
  hasMoved(path: string): boolean {
    const [last] = this.#sql.all<{ type: string }>(
      `SELECT type FROM (SELECT seq, type, json_extract(data, CASE type WHEN 'file.moved' THEN '$.from' ELSE '$.path' END) AS origin,
         json_extract(data, '$.files') AS files FROM events WHERE type IN ('file.moved', 'file.deleted'))
       WHERE origin = ?1 OR (files IS NOT NULL AND substr(?1, 1, length(origin) + 1) = origin || '/') ORDER BY seq DESC LIMIT 1`,
      path,
    );
    return last?.type === 'file.moved';
  }
}
