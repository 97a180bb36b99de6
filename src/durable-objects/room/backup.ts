import { Buffer } from 'node:buffer';
import * as Y from 'yjs';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { sha256 } from '../../core/tree.ts';
import { bytesOf, type Sql, type SqlValue } from '../sql.ts';

/** Where a backup keeps what rooms give it, by SHA-256 (R2, EXPORTS). */
export interface RoomVault {
  hasRoom(hash: string): Promise<boolean>;
  putRoom(hash: string, state: string): Promise<void>;
  getRoom(hash: string): Promise<string | null>;
  putDocument(hash: string, state: Uint8Array): Promise<void>;
  getDocument(hash: string): Promise<Uint8Array | null>;
}

type Cell = string | number | null | { readonly base64: string };

/** Everything that a room would have to be given to be itself again; contents are in the blob store. */
export interface RoomState {
  readonly v: 1;
  /** Schema version of the room that wrote it. */
  readonly schema: number;
  readonly projectId: string;
  readonly seq: number;
  readonly treeHash: string;
  readonly tables: Readonly<Record<string, readonly Readonly<Record<string, Cell>>[]>>;
  /** Yjs states, objects of their own: most documents are the same in the next backup. */
  readonly documents: readonly { readonly file: number; readonly seq: number; readonly hash: string }[];
}

/** What a room answers to a backup. */
export interface RoomBackup {
  /** Of the state, which is in the vault. */
  readonly hash: string;
  readonly seq: number;
  readonly treeHash: string;
}

/**
 * Tables that are derived, short-lived or kept in another form. Every other table of a room is in its
 * backup, also one that is made tomorrow.
 */
const left = new Set([
  'schema_version',
  'contents',
  'pending_trees',
  'document_log',
  'document_snapshots',
  'dirty',
  'revisions',
  'index_pending',
  'tickets',
  'blob_leases',
  'backup_documents',
  'backup_state',
]);

function keptTables(sql: Sql): string[] {
  return sql
    .all<{ name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY name",
    )
    .map(({ name }) => name)
    .filter((name) => !left.has(name));
}

const toCell = (value: unknown): Cell =>
  value instanceof ArrayBuffer || value instanceof Uint8Array
    ? { base64: Buffer.from(bytesOf(value)).toString('base64') }
    : (value as Cell);

const fromCell = (cell: Cell): SqlValue =>
  typeof cell === 'object' && cell !== null ? new Uint8Array(Buffer.from(cell.base64, 'base64')) : cell;

/** What is remembered from the last backup; losing it costs a little work, nothing else. */
function prepare(sql: Sql): void {
  sql.run(
    'CREATE TABLE IF NOT EXISTS backup_documents (file INTEGER PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL)',
  );
  sql.run(
    'CREATE TABLE IF NOT EXISTS backup_state (id INTEGER PRIMARY KEY CHECK (id = 1), position TEXT NOT NULL, result TEXT NOT NULL)',
  );
}

interface Position {
  readonly file: number;
  readonly seq: number;
}

const documentPositions = (sql: Sql): Position[] =>
  sql.all<{ file: number; seq: number }>(
    `SELECT file, max(seq) AS seq FROM (SELECT file, seq FROM document_snapshots UNION ALL SELECT file, seq FROM document_log)
     WHERE file IN (SELECT id FROM files) GROUP BY file ORDER BY file`,
  );

/** The room's place in its own history: equal places are equal states. Every change takes a number of one of these logs. */
const positionOf = (projectId: string, seq: number, documents: readonly Position[]): string =>
  sha256(JSON.stringify([projectId, seq, documents.map(({ file, seq: at }) => [file, at])]));

/** The answer of last time, when nothing has changed since. */
export function lastBackup(sql: Sql, projectId: string, seq: number): RoomBackup | null {
  prepare(sql);
  const row = sql.all<{ position: string; result: string }>('SELECT position, result FROM backup_state')[0];
  return row?.position === positionOf(projectId, seq, documentPositions(sql))
    ? (JSON.parse(row.result) as RoomBackup)
    : null;
}

export interface Captured {
  readonly state: string;
  readonly result: RoomBackup;
  /** Yjs states that the last backup did not have. */
  readonly documents: readonly { readonly hash: string; readonly data: Uint8Array }[];
  /** To be called once all of it is in the vault. */
  remember(): void;
}

/** The state of this very moment: synchronous, so that nothing can come in between. Edits are flushed before. */
export function capture(
  sql: Sql,
  room: { projectId: string; seq: number; treeHash: string; load(file: number): Uint8Array[] },
  everything: boolean,
): Captured {
  prepare(sql);
  const known = new Map(
    sql
      .all<{ file: number; seq: number; hash: string }>('SELECT file, seq, hash FROM backup_documents')
      .map((row) => [row.file, row]),
  );
  const positions = documentPositions(sql);
  const fresh: { hash: string; data: Uint8Array }[] = [];
  const documents = positions.map(({ file, seq }) => {
    const before = known.get(file);
    if (before?.seq === seq && !everything) return { file, seq, hash: before.hash };
    const data = Y.mergeUpdates(room.load(file));
    const hash = sha256(data);
    fresh.push({ hash, data });
    return { file, seq, hash };
  });
  const state: RoomState = {
    v: 1,
    schema: sql.all<{ version: number }>('SELECT version FROM schema_version')[0]?.version ?? 0,
    projectId: room.projectId,
    seq: room.seq,
    treeHash: room.treeHash,
    tables: Object.fromEntries(
      keptTables(sql).map((table) => [
        table,
        sql
          .all<Record<string, unknown>>(`SELECT * FROM "${table}" ORDER BY 1`)
          .map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, toCell(value)]))),
      ]),
    ),
    documents,
  };
  const text = JSON.stringify(state);
  const result: RoomBackup = { hash: sha256(text), seq: room.seq, treeHash: room.treeHash };
  const position = positionOf(room.projectId, room.seq, positions);
  return {
    state: text,
    result,
    documents: fresh,
    remember: () =>
      sql.transaction(() => {
        for (const { file, seq, hash } of documents)
          sql.run(
            'INSERT INTO backup_documents (file, seq, hash) VALUES (?, ?, ?) ON CONFLICT (file) DO UPDATE SET seq = excluded.seq, hash = excluded.hash',
            file,
            seq,
            hash,
          );
        sql.run(
          'INSERT INTO backup_state (id, position, result) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET position = excluded.position, result = excluded.result',
          position,
          JSON.stringify(result),
        );
      }),
  };
}

/** Reads a state and checks it against its name. */
export async function readState(vault: RoomVault, hash: string): Promise<RoomState> {
  const text = await vault.getRoom(hash);
  if (text === null || sha256(text) !== hash)
    throw new KilnError('conflict', {
      detail: `The state ${hash} of a room is missing from the backup, or not what it was.`,
    });
  return JSON.parse(text) as RoomState;
}

async function readDocument(vault: RoomVault, hash: string): Promise<Uint8Array> {
  const data = await vault.getDocument(hash);
  if (!data || sha256(data) !== hash)
    throw new KilnError('conflict', { detail: `The document ${hash} is missing from the backup, or not what it was.` });
  return data;
}

/** Throws `conflict` unless a state and all its documents are there, byte for byte. */
export async function verifyState(vault: RoomVault, hash: string): Promise<RoomState> {
  const state = await readState(vault, hash);
  for (const document of state.documents) await readDocument(vault, document.hash);
  return state;
}

/**
 * Makes storage what the state says. Documents go in one by one, where no file names them yet; tables
 * and the end of what was there follow in one transaction. A crash before it leaves a room that takes
 * the state again.
 */
export async function restoreState(sql: Sql, vault: RoomVault, state: RoomState): Promise<void> {
  const version = sql.all<{ version: number }>('SELECT version FROM schema_version')[0]?.version ?? 0;
  if (state.schema > version)
    throw new KilnError('conflict', {
      detail: `The backup has rooms of schema ${state.schema}; this system knows ${version}.`,
    });
  prepare(sql);
  sql.transaction(() => {
    for (const table of [...keptTables(sql), ...left])
      if (table !== 'schema_version') sql.run(`DELETE FROM "${table}"`);
  });
  for (const { file, seq, hash } of state.documents) {
    const data = await readDocument(vault, hash);
    sql.transaction(() => {
      sql.run('DELETE FROM document_snapshots WHERE file = ?', file);
      for (let part = 0; part === 0 || part * limits.room.chunk < data.length; part += 1)
        sql.run(
          'INSERT INTO document_snapshots (file, part, seq, data) VALUES (?, ?, ?, ?)',
          file,
          part,
          seq,
          data.subarray(part * limits.room.chunk, (part + 1) * limits.room.chunk),
        );
    });
  }
  sql.transaction(() => {
    const known = new Set(keptTables(sql));
    // Where the object died amid this, somebody may have come into an empty room; the state takes its place.
    for (const table of [...known, 'index_pending', 'document_log', 'dirty', 'revisions'])
      sql.run(`DELETE FROM "${table}"`);
    sql.run(
      'DELETE FROM document_snapshots WHERE file NOT IN (SELECT value FROM json_each(?))',
      JSON.stringify(state.documents.map(({ file }) => file)),
    );
    for (const [table, rows] of Object.entries(state.tables)) {
      if (!known.has(table)) throw new KilnError('conflict', { detail: `This system's rooms have no table ${table}.` });
      for (const row of rows) {
        const names = Object.keys(row);
        sql.run(
          `INSERT INTO "${table}" (${names.map((name) => `"${name}"`).join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
          ...names.map((name) => fromCell(row[name] ?? null)),
        );
      }
    }
    // The relational index is written anew from the tree.
    sql.run('INSERT INTO index_pending (path, seq, removed, at) SELECT path, seq, 0, updated_at FROM files');
  });
}

/**
 * Which of these hashes the room names or keeps: files of its tree, texts that it may name again without
 * storing them, trees and blobs of its history, and blobs that a client was promised.
 */
export function held(sql: Sql, hashes: readonly string[], now: number): string[] {
  return sql
    .all<{ hash: string }>(
      `SELECT value AS hash FROM json_each(?1) WHERE value IN (SELECT hash FROM files) OR value IN (SELECT hash FROM contents)
       OR value IN (SELECT hash FROM kept_trees) OR value IN (SELECT hash FROM kept_blobs)
       OR value IN (SELECT hash FROM blob_leases WHERE expires > ?2)`,
      JSON.stringify(hashes),
      now,
    )
    .map(({ hash }) => hash);
}
