import type { FileInfo } from '../../contract/files.ts';
import { limits } from '../../contract/limits.ts';
import { mimeTypeOf } from '../../core/content.ts';
import { defaultMode, sha256, type TreeEntry, WorkingTree } from '../../core/tree.ts';
import { bytesOf, type Sql } from '../sql.ts';

/** A file of the tree as the room keeps it. */
export interface StoredFile extends TreeEntry {
  /** Stays with the file over renames. */
  readonly id: number;
  readonly isText: boolean;
  readonly mimeType: string;
  readonly updatedAt: number;
  readonly updatedBy: string | null;
  readonly seq: number;
}

interface Row {
  id: number;
  path: string;
  hash: string;
  size: number;
  mode: number;
  is_text: number;
  mime_type: string;
  updated_at: number;
  updated_by: string | null;
  seq: number;
}

const columns = 'id, path, hash, size, mode, is_text, mime_type, updated_at, updated_by, seq';

const toFile = (row: Row): StoredFile => ({
  id: row.id,
  path: row.path,
  hash: row.hash,
  size: row.size,
  mode: row.mode,
  isText: row.is_text === 1,
  mimeType: row.mime_type,
  updatedAt: row.updated_at,
  updatedBy: row.updated_by,
  seq: row.seq,
});

/** A file as those outside see it. */
export const fileInfo = (file: StoredFile): FileInfo => ({
  path: file.path,
  size: file.size,
  hash: file.hash,
  mimeType: file.mimeType,
  isText: file.isText,
  updatedAt: new Date(file.updatedAt).toISOString(),
  updatedBy: file.updatedBy,
  seq: file.seq,
});

export interface FileChange {
  readonly path: string;
  readonly hash: string;
  readonly size: number;
  readonly isText: boolean;
  readonly by: string | null;
  readonly seq: number;
  readonly at: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });

/** The project's tree and the text contents that are hot. Every method that changes something runs inside the caller's transaction. */
export class TreeStore {
  readonly #sql: Sql;
  /** As storage has it; null: to be read at the next use. */
  #tree: WorkingTree<StoredFile> | null = null;
  readonly #byId = new Map<number, string>();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  get tree(): WorkingTree<StoredFile> {
    if (this.#tree) return this.#tree;
    const files = this.#sql.all<Row>(`SELECT ${columns} FROM files`).map(toFile);
    this.#byId.clear();
    for (const file of files) this.#byId.set(file.id, file.path);
    this.#tree = new WorkingTree(files);
    return this.#tree;
  }

  /** The tree is read again: a transaction was rolled back. What storage cannot say then, nobody is told. */
  forget(): void {
    this.#tree = null;
  }

  byId(id: number): StoredFile | undefined {
    const { tree } = this;
    const path = this.#byId.get(id);
    return path === undefined ? undefined : tree.get(path);
  }

  /** Adds or replaces a file whose content is kept. Throws the tree's typed errors; `isStored` as there. */
  put(change: FileChange, isStored = false): StoredFile {
    const before = this.tree.get(change.path);
    const file: Omit<StoredFile, 'id'> = {
      path: change.path,
      hash: change.hash,
      size: change.size,
      mode: before?.mode ?? defaultMode,
      isText: change.isText,
      mimeType: mimeTypeOf(change.path, change.isText),
      updatedAt: change.at,
      updatedBy: change.by,
      seq: change.seq,
    };
    // Checked in memory first: a refusal leaves storage untouched.
    this.tree.put({ ...file, id: before?.id ?? 0 }, isStored);
    const [row] = this.#sql.all<{ id: number }>(
      `INSERT INTO files (path, hash, size, mode, is_text, mime_type, updated_at, updated_by, seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (path) DO UPDATE SET hash = excluded.hash, size = excluded.size, is_text = excluded.is_text, mime_type = excluded.mime_type,
         updated_at = excluded.updated_at, updated_by = excluded.updated_by, seq = excluded.seq RETURNING id`,
      file.path,
      file.hash,
      file.size,
      file.mode,
      file.isText ? 1 : 0,
      file.mimeType,
      file.updatedAt,
      file.updatedBy,
      file.seq,
    );
    if (!row) throw new Error('an upsert returns its row');
    const stored = { ...file, id: row.id };
    this.tree.put(stored, true);
    this.#byId.set(row.id, file.path);
    this.#touchIndex(file.path, file.seq, false, file.updatedAt);
    return stored;
  }

  delete(file: StoredFile, seq: number, at: number): void {
    this.tree.delete(file.path);
    this.#byId.delete(file.id);
    this.#sql.run('DELETE FROM files WHERE id = ?', file.id);
    this.#sql.run('DELETE FROM revisions WHERE file = ?', file.id);
    this.#touchIndex(file.path, seq, true, at);
  }

  /** Gives files other paths, all at once: a directory may change its spelling, two files may swap. Throws the tree's typed errors. */
  move(pairs: readonly { file: StoredFile; to: string }[], by: string | null, seq: number, at: number): void {
    for (const { file } of pairs) {
      this.tree.delete(file.path);
      // Paths are unique in storage at every moment; no file is called like this one.
      this.#sql.run('UPDATE files SET path = ? WHERE id = ?', `/${file.id}`, file.id);
      this.#touchIndex(file.path, seq, true, at);
    }
    for (const { file, to } of pairs) {
      const mimeType = mimeTypeOf(to, file.isText);
      this.tree.put({ ...file, path: to, mimeType, updatedAt: at, updatedBy: by, seq }, true);
      this.#sql.run(
        'UPDATE files SET path = ?, mime_type = ?, updated_at = ?, updated_by = ?, seq = ? WHERE id = ?',
        to,
        mimeType,
        at,
        by,
        seq,
        file.id,
      );
      this.#byId.set(file.id, to);
      this.#touchIndex(to, seq, false, at);
    }
  }

  /** Keeps text under its hash, which is returned with its size. */
  keepText(text: string, at: number): { hash: string; size: number } {
    const data = encoder.encode(text);
    const hash = sha256(data);
    // A content that was about to be swept is wanted again: its age starts anew.
    this.#sql.run(
      'INSERT INTO contents (hash, data, stored, at) VALUES (?, ?, 0, ?) ON CONFLICT (hash) DO UPDATE SET at = excluded.at',
      hash,
      data,
      at,
    );
    return { hash, size: data.length };
  }

  /** Keeps text that is in no blob store yet under the hash that it is known to have. */
  keepPending(hash: string, data: Uint8Array, at: number): void {
    this.#sql.run(
      'INSERT INTO contents (hash, data, stored, at) VALUES (?, ?, 0, ?) ON CONFLICT (hash) DO NOTHING',
      hash,
      data,
      at,
    );
  }

  /** Keeps bytes that came from R2, so that the next read is local. */
  keepStored(hash: string, data: Uint8Array, at: number): void {
    this.#sql.run(
      'INSERT INTO contents (hash, data, stored, at) VALUES (?, ?, 1, ?) ON CONFLICT (hash) DO NOTHING',
      hash,
      data,
      at,
    );
  }

  /** Text by hash, when it is hot. */
  text(hash: string): string | null {
    const data = this.bytes(hash);
    return data ? decoder.decode(data) : null;
  }

  bytes(hash: string): Uint8Array | null {
    const row = this.#sql.all<{ data: ArrayBuffer | Uint8Array }>('SELECT data FROM contents WHERE hash = ?', hash)[0];
    return row ? bytesOf(row.data) : null;
  }

  /** Text that is not in R2 yet. */
  pendingBytes(hash: string): Uint8Array | null {
    const sql = 'SELECT data FROM contents WHERE hash = ? AND stored = 0';
    const row = this.#sql.all<{ data: ArrayBuffer | Uint8Array }>(sql, hash)[0];
    return row ? bytesOf(row.data) : null;
  }

  isHot(hash: string): boolean {
    return this.#sql.all('SELECT 1 FROM contents WHERE hash = ?', hash).length > 0;
  }

  /** Hashes of contents that are not in R2 yet and that a file names, at most `limit`. */
  pendingContents(before: number, limit: number): string[] {
    return this.#sql
      .all<{ hash: string }>(
        'SELECT hash FROM contents WHERE stored = 0 AND at <= ? AND hash IN (SELECT hash FROM files) ORDER BY at LIMIT ?',
        before,
        limit,
      )
      .map((row) => row.hash);
  }

  markStored(hashes: readonly string[]): void {
    if (hashes.length === 0) return;
    this.#sql.run(
      'UPDATE contents SET stored = 1 WHERE hash IN (SELECT value FROM json_each(?))',
      JSON.stringify(hashes),
    );
  }

  /** Of the contents that are not in R2 yet, the newest, together at most so many bytes. */
  newestPending(bytes: number): { hash: string; data: Uint8Array }[] {
    return this.#sql
      .all<{ hash: string; data: ArrayBuffer | Uint8Array }>(
        `WITH newest AS (SELECT hash, sum(length(data)) OVER (ORDER BY at DESC, hash) AS total FROM contents WHERE stored = 0)
         SELECT contents.hash, data FROM newest JOIN contents USING (hash) WHERE total <= ?`,
        bytes,
      )
      .map(({ hash, data }) => ({ hash, data: bytesOf(data) }));
  }

  /** Those of these contents that are here and not in R2 yet. */
  pendingOf(hashes: readonly string[]): string[] {
    return this.#sql
      .all<{ hash: string }>(
        'SELECT hash FROM contents WHERE stored = 0 AND hash IN (SELECT value FROM json_each(?))',
        JSON.stringify(hashes),
      )
      .map((row) => row.hash);
  }

  /** Drops contents that neither a file nor a held tree names. Not while a snapshot is being stored: it names the tree of a moment ago. */
  sweepContents(before: number): void {
    this.#sql.run(
      `DELETE FROM contents WHERE at <= ? AND hash NOT IN (SELECT hash FROM files)
       AND hash NOT IN (SELECT entry.value ->> '$.hash' FROM pending_trees, json_each(pending_trees.entries) AS entry)`,
      before,
    );
  }

  /** Keeps a manifest that is not in R2 yet, with the texts that it names. */
  holdTree(hash: string, entries: string, at: number): void {
    this.#sql.run(
      'INSERT INTO pending_trees (hash, entries, at) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING',
      hash,
      entries,
      at,
    );
  }

  /** The manifest of a tree that is not in R2 yet, as JSON; null for every other one. */
  heldTree(hash: string): string | null {
    return (
      this.#sql.all<{ entries: string }>('SELECT entries FROM pending_trees WHERE hash = ?', hash)[0]?.entries ?? null
    );
  }

  /** Trees that have been held since `before` or longer. */
  heldTrees(before: number): string[] {
    return this.#sql
      .all<{ hash: string }>('SELECT hash FROM pending_trees WHERE at <= ? ORDER BY at', before)
      .map((row) => row.hash);
  }

  /** The tree is in R2. */
  releaseTree(hash: string): void {
    this.#sql.run('DELETE FROM pending_trees WHERE hash = ?', hash);
  }

  /** Changes that the relational index has not seen, oldest first. */
  indexPending(): { path: string; seq: number; removed: boolean }[] {
    return this.#sql
      .all<{ path: string; seq: number; removed: number }>('SELECT path, seq, removed FROM index_pending ORDER BY seq')
      .map((row) => ({ path: row.path, seq: row.seq, removed: row.removed === 1 }));
  }

  /** The index has everything up to these; what changed meanwhile stays pending. */
  indexDone(entries: readonly { path: string; seq: number }[]): void {
    for (const { path, seq } of entries)
      this.#sql.run('DELETE FROM index_pending WHERE path = ? AND seq <= ?', path, seq);
  }

  /** When index and blob store are to follow; null when they have. */
  nextDue(): number | null {
    const [row] = this.#sql.all<{ index_at: number | null; content_at: number | null; tree_at: number | null }>(
      `SELECT (SELECT min(at) FROM index_pending) AS index_at, (SELECT min(at) FROM contents WHERE stored = 0) AS content_at,
       (SELECT min(at) FROM pending_trees) AS tree_at`,
    );
    const due = [
      ...(row?.index_at == null ? [] : [row.index_at + limits.room.indexDelay]),
      ...(row?.content_at == null ? [] : [row.content_at + limits.room.blobIdle]),
      ...(row?.tree_at == null ? [] : [row.tree_at + limits.room.blobIdle]),
    ];
    return due.length ? Math.min(...due) : null;
  }

  #touchIndex(path: string, seq: number, removed: boolean, at: number): void {
    // `at` stays that of the first change: the delay counts from there, however often the file changes.
    this.#sql.run(
      'INSERT INTO index_pending (path, seq, removed, at) VALUES (?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET seq = excluded.seq, removed = excluded.removed',
      path,
      seq,
      removed ? 1 : 0,
      at,
    );
  }
}
