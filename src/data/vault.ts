import * as z from 'zod';
import { limits } from '../contract/limits.ts';
import { BackupName } from '../contract/maintenance.ts';
import { gunzip, gzip } from '../core/gzip.ts';
import { sha256 } from '../core/tree.ts';
import { backupKeys } from './objects.ts';

/** One compressed NDJSON object of a backup. */
export const Part = z.object({
  key: z.string(),
  /** Lines. */
  rows: z.int(),
  /** As stored, compressed. */
  bytes: z.int(),
  /** Of the stored bytes. */
  sha256: z.string(),
});
export type Part = z.infer<typeof Part>;

const TableDump = z.object({
  name: z.string(),
  columns: z.array(z.string()),
  /** Rows of the table at the moment of the snapshot. */
  rows: z.int(),
  parts: z.array(Part),
  /** Lines `{key, row}` that take the place of the rows of `parts` with the same key; `row` null: it was deleted. */
  changes: z.array(Part),
});
export type TableDump = z.infer<typeof TableDump>;

/** Written last: a backup without it does not exist. */
export const Manifest = z.object({
  v: z.literal(1),
  name: BackupName,
  /** Milliseconds since the epoch. */
  createdAt: z.int(),
  /** Everything that was acknowledged before is in the tables, nothing that was begun after `createdAt`. */
  snapshotAt: z.int(),
  engine: z.enum(['sqlite', 'postgres']),
  /** Migrations of the database, oldest first. */
  migrations: z.array(z.string()),
  tables: z.array(TableDump),
  /** Lines `{projectId, hash, seq, treeHash}`; `hash` null for a project whose room was gone by then. */
  rooms: z.array(Part),
  /** Lines: keys in EXPORTS of everything else that this backup needs. */
  objects: z.array(Part),
  /** Objects that something names and that were nowhere, and rooms that did not answer. */
  missing: z.array(z.string()),
});
export type Manifest = z.infer<typeof Manifest>;

export interface RoomLine {
  readonly projectId: string;
  readonly hash: string | null;
  readonly seq: number;
  readonly treeHash: string | null;
}

/** Writes lines as one compressed object; R2 refuses bytes that do not have the hash. */
export async function putPart(bucket: R2Bucket, key: string, lines: readonly string[]): Promise<Part> {
  const data = await gzip(lines.map((line) => `${line}\n`).join(''));
  const hash = sha256(data);
  await bucket.put(key, data, {
    sha256: hash,
    httpMetadata: { contentType: 'application/gzip' },
  });
  return { key, rows: lines.length, bytes: data.length, sha256: hash };
}

/** What is wrong with a stored part; null when it is, byte for byte, what was written. */
export async function flawOf(bucket: R2Bucket, part: Part): Promise<string | null> {
  const object = await bucket.get(part.key);
  if (!object) return `${part.key} is missing`;
  return sha256(new Uint8Array(await object.arrayBuffer())) === part.sha256 ? null : `${part.key} is damaged`;
}

export async function getPart(bucket: R2Bucket, part: Part): Promise<string[]> {
  const object = await bucket.get(part.key);
  const data = object && new Uint8Array(await object.arrayBuffer());
  if (!data || sha256(data) !== part.sha256) throw new Error(`${part.key} is not what it was`);
  return (await gunzip(data)).split('\n').slice(0, -1);
}

export async function putManifest(bucket: R2Bucket, manifest: Manifest): Promise<void> {
  await bucket.put(backupKeys.manifest(manifest.name), JSON.stringify(manifest), {
    httpMetadata: { contentType: 'application/json' },
  });
}

export async function getManifest(bucket: R2Bucket, name: string): Promise<Manifest | null> {
  const object = await bucket.get(backupKeys.manifest(name));
  return object ? Manifest.parse(await object.json()) : null;
}

/** Names of everything that began as a backup, oldest first; those without a manifest did not end as one. */
export async function listSets(bucket: R2Bucket): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page: R2Objects = await bucket.list({ prefix: backupKeys.sets, delimiter: '/', ...(cursor && { cursor }) });
    names.push(...page.delimitedPrefixes.map((prefix) => prefix.slice(backupKeys.sets.length, -1)));
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor);
  return names.sort();
}

/** The backups that can be restored, oldest first. */
export async function listBackups(bucket: R2Bucket): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  for (const name of await listSets(bucket)) {
    const manifest = await getManifest(bucket, name);
    if (manifest) manifests.push(manifest);
  }
  return manifests;
}

/** Removes a backup, its manifest first: what is half removed is none. */
export async function deleteSet(bucket: R2Bucket, name: string): Promise<void> {
  await bucket.delete(backupKeys.manifest(name));
  for (;;) {
    const { objects } = await bucket.list({ prefix: backupKeys.set(name), limit: limits.bucket.listMax });
    if (objects.length === 0) return;
    await bucket.delete(objects.map(({ key }) => key));
  }
}

/** The part of the vault that rooms use; see `RoomVault`. */
export const exportsVault = (bucket: R2Bucket) => ({
  hasRoom: async (hash: string) => (await bucket.head(backupKeys.room(hash))) !== null,
  putRoom: async (hash: string, state: string) => {
    await bucket.put(backupKeys.room(hash), await gzip(state));
  },
  getRoom: async (hash: string) => {
    const object = await bucket.get(backupKeys.room(hash));
    return object && (await gunzip(new Uint8Array(await object.arrayBuffer())).catch(() => null));
  },
  putDocument: async (hash: string, state: Uint8Array) => {
    await bucket.put(backupKeys.document(hash), state, { sha256: hash });
  },
  getDocument: async (hash: string) => {
    const object = await bucket.get(backupKeys.document(hash));
    return object && new Uint8Array(await object.arrayBuffer());
  },
});
