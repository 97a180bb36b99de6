import { limits } from '../../contract/limits.ts';
import type { Sql } from '../sql.ts';
import type { DocumentLog } from './document-log.ts';

interface Editing {
  /** Who edited it last. */
  by: string | null;
  /** Milliseconds since the epoch of the first edit since the newest flush, and of the last. */
  readonly first: number;
  last: number;
}

/**
 * Files whose documents are ahead of the tree. A row says that one is, from its first edit on, and survives a crash; who edited it last
 * is kept in memory, so that typing writes the log and nothing else. After a crash the log says it. [R9]
 */
export class DirtyFiles {
  readonly #sql: Sql;
  readonly #log: DocumentLog;
  /** Those whose row is known to be there. */
  readonly #edited = new Map<number, Editing>();

  constructor(sql: Sql, log: DocumentLog) {
    this.#sql = sql;
    this.#log = log;
  }

  /** An edit goes into the log; inside its transaction. When a row had to be written: milliseconds since the epoch of the first edit. */
  mark(file: number, by: string | null, now: number): number | null {
    const known = this.#edited.get(file);
    if (known) {
      known.by = by;
      known.last = now;
      return null;
    }
    const [row] = this.#sql.all<{ at: number }>(
      'INSERT INTO dirty (file, by, at) VALUES (?, ?, ?) ON CONFLICT (file) DO UPDATE SET by = excluded.by RETURNING at',
      file,
      by,
      now,
    );
    const first = row?.at ?? now;
    this.#edited.set(file, { by, first, last: now });
    return first;
  }

  /** Whether `mark` would store nothing. */
  isMarked(file: number): boolean {
    return this.#edited.has(file);
  }

  /** When to look again, where somebody is typing in it and it need not be flushed yet; null where it is due. Milliseconds since the epoch. */
  putOff(file: number, now: number): number | null {
    const edited = this.#edited.get(file);
    const { flushAfter, flushQuiet, flushLatest } = limits.room;
    if (!edited || now - edited.last >= flushQuiet || now >= edited.first + flushLatest) return null;
    return Math.min(edited.last + flushAfter, edited.first + flushLatest);
  }

  /** Who edited it last; undefined when it is as the tree has it. */
  editorOf(file: number): string | null | undefined {
    const row = this.#sql.all<{ by: string | null }>('SELECT by FROM dirty WHERE file = ?', file)[0];
    if (!row) return;
    const edited = this.#edited.get(file);
    const editor = edited ? edited.by : this.#log.authorOf(file);
    // A log of a release that did not note authors says nothing; the row has that of the first edit.
    return editor === undefined ? row.by : editor;
  }

  files(): number[] {
    return this.#sql.all<{ file: number }>('SELECT file FROM dirty').map(({ file }) => file);
  }

  /** It is in the tree, or gone. Inside that transaction. */
  clear(file: number): void {
    this.#sql.run('DELETE FROM dirty WHERE file = ?', file);
    this.#edited.delete(file);
  }

  /** A transaction was rolled back: which rows are there is not known. */
  forget(): void {
    this.#edited.clear();
  }
}
