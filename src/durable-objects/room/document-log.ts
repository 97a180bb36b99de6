import { limits } from '../../contract/limits.ts';
import { concat } from '../../core/bytes.ts';
import { bytesOf, type Sql } from '../sql.ts';

/**
 * The append-only log of Yjs updates behind each document, folded into a snapshot now and then.
 * Rows are chunked, since SQLite in production refuses values over 2 MB. [R3]
 */
interface LogState {
  /** Number of the newest update; never goes back, also over a compaction. */
  seq: number;
  rows: number;
  bytes: number;
  /** Who made the newest update, as in the rows; null when none says that. */
  author: string | null;
  /** State vector of all of it, where that is known: nothing came after the snapshot. */
  vector: Uint8Array | null;
}

/** In a row: nobody made it. Null there stands for whoever made the one before. */
const nobody = '';

const chunks = (data: Uint8Array): Uint8Array[] => {
  const parts: Uint8Array[] = [];
  for (let offset = 0; offset < data.length || offset === 0; offset += limits.room.chunk)
    parts.push(data.subarray(offset, offset + limits.room.chunk));
  return parts;
};

export class DocumentLog {
  readonly #sql: Sql;
  readonly #states = new Map<number, LogState>();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Whether the document was ever opened: then the log, not the file, is where its text comes from. */
  exists(file: number): boolean {
    return (
      this.#sql.all('SELECT 1 FROM document_snapshots WHERE file = ? LIMIT 1', file).length > 0 ||
      this.#sql.all('SELECT 1 FROM document_log WHERE file = ? LIMIT 1', file).length > 0
    );
  }

  /** The snapshot and every update after it, oldest first. Empty for a document that was never opened. */
  load(file: number): Uint8Array[] {
    type Row = { seq: number; data: ArrayBuffer | Uint8Array; author: string | null };
    const snapshot = this.#sql.all<Row & { vector: ArrayBuffer | Uint8Array | null }>(
      'SELECT seq, data, author, vector FROM document_snapshots WHERE file = ? ORDER BY part',
      file,
    );
    const rows = this.#sql.all<Row>(
      'SELECT seq, data, author FROM document_log WHERE file = ? ORDER BY seq, part',
      file,
    );
    const vector = rows.length === 0 ? (snapshot[0]?.vector ?? null) : null;
    const updates: Uint8Array[] = snapshot.length ? [concat(snapshot.map((row) => bytesOf(row.data)))] : [];
    const state: LogState = {
      seq: snapshot[0]?.seq ?? 0,
      rows: rows.length,
      bytes: 0,
      author: rows.findLast(({ author }) => author !== null)?.author ?? snapshot[0]?.author ?? null,
      vector: vector && bytesOf(vector),
    };
    let parts: Uint8Array[] = [];
    for (const [index, row] of rows.entries()) {
      const data = bytesOf(row.data);
      state.bytes += data.length;
      state.seq = row.seq;
      parts.push(data);
      if (rows[index + 1]?.seq !== row.seq) {
        updates.push(concat(parts));
        parts = [];
      }
    }
    this.#states.set(file, state);
    return updates;
  }

  /** Appends one update, made by somebody or null, and returns its number. The caller sends it to nobody before. [R1] */
  append(file: number, update: Uint8Array, by: string | null): number {
    const state = this.#state(file);
    const seq = state.seq + 1;
    const author = by ?? nobody;
    for (const [part, data] of chunks(update).entries()) {
      this.#sql.run(
        'INSERT INTO document_log (file, seq, part, data, author) VALUES (?, ?, ?, ?, ?)',
        file,
        seq,
        part,
        data,
        part > 0 || author === state.author ? null : author,
      );
      state.rows += 1;
    }
    state.seq = seq;
    state.author = author;
    state.vector = null;
    state.bytes += update.length;
    return seq;
  }

  /** Who made the newest update, null for nobody; undefined where no row says that. */
  authorOf(file: number): string | null | undefined {
    const { author } = this.#state(file);
    return author === null ? undefined : author || null;
  }

  /** State vector of the whole history, where it is known without reading it. */
  vectorOf(file: number): Uint8Array | null {
    return this.#state(file).vector;
  }

  /** Whether anything came after the snapshot. */
  hasRows(file: number): boolean {
    return this.#state(file).rows > 0;
  }

  needsCompaction(file: number): boolean {
    const state = this.#state(file);
    return state.rows >= limits.room.logRows || state.bytes >= limits.room.logBytes;
  }

  /** Whether an update of so many bytes is one row more, and calls for no compaction. */
  takesAsRow(file: number, bytes: number): boolean {
    const state = this.#state(file);
    return (
      bytes <= limits.room.chunk && state.rows + 1 < limits.room.logRows && state.bytes + bytes < limits.room.logBytes
    );
  }

  /** Replaces snapshot and log by one snapshot, of that state vector. The caller is inside a transaction. */
  compact(file: number, snapshot: Uint8Array, vector: Uint8Array): void {
    const state = this.#state(file);
    this.#sql.run('DELETE FROM document_snapshots WHERE file = ?', file);
    for (const [part, data] of chunks(snapshot).entries())
      this.#sql.run(
        'INSERT INTO document_snapshots (file, part, seq, data, author, vector) VALUES (?, ?, ?, ?, ?, ?)',
        file,
        part,
        state.seq,
        data,
        part > 0 ? null : state.author,
        part > 0 ? null : vector,
      );
    this.#sql.run('DELETE FROM document_log WHERE file = ?', file);
    state.rows = 0;
    state.bytes = 0;
    state.vector = vector;
  }

  /** What is remembered of a document is read again at its next use: a transaction was rolled back. */
  forget(file: number): void {
    this.#states.delete(file);
  }

  /** As `forget`, of every document. */
  forgetAll(): void {
    this.#states.clear();
  }

  /** Removes a document for good. */
  delete(file: number): void {
    this.#sql.run('DELETE FROM document_snapshots WHERE file = ?', file);
    this.#sql.run('DELETE FROM document_log WHERE file = ?', file);
    this.#states.delete(file);
  }

  #state(file: number): LogState {
    const known = this.#states.get(file);
    if (known) return known;
    this.load(file);
    const loaded = this.#states.get(file);
    if (!loaded) throw new Error('load() sets the state');
    return loaded;
  }
}
