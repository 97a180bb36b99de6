import pMap from 'p-map';
import type { OutputFile } from '../contract/jobs.ts';
import { limits } from '../contract/limits.ts';
import type { TreeEntry } from '../core/tree.ts';
import { noAnswer, within } from '../core/within.ts';
import { timeFor } from './bounded.ts';

/** A line of a manifest: what a tree needs to take the file in without reading its bytes. */
export interface ManifestEntry extends TreeEntry {
  readonly isText: boolean;
}

/** What runners made of previews, in BUILDS. Can be made again; swept by age, and with its project. */
export const previewPrefix = 'preview/';

/**
 * The only home of object keys. Everything is immutable and named by its hash or by a fresh id, so a
 * repeated put is harmless and a cache never stale.
 */
const keys = {
  blob: (hash: string) => `blob/${hash}`,
  tree: (hash: string) => `tree/${hash}`,
  output: (hash: string) => `output/${hash}`,
  lock: (hash: string) => `lock/${hash}`,
  site: (buildId: string) => `build/${buildId}/outputs.json`,
  variant: (hash: string, name: string) => `variant/${hash}/${name}`,
  log: (buildId: string) => `log/${buildId}.ndjson`,
  preview: (projectId: string, part: string) => `${previewPrefix}${projectId}/${part}`,
};

/** For rows that keep the key of an object. */
export const blobKey = keys.blob;

/** A picture made of the bytes with a hash. It is there as long as they are, and can be made again. */
export const variantKey = keys.variant;

/** Where bytes of ASSETS wait for the name that their hash gives them. */
export const intakePrefix = 'intake/';

/** Where the parts of an upload become one object, which waits there to be verified. */
export const uploadPrefix = 'upload/';
export const uploadKey = (id: string): string => `${uploadPrefix}${id}`;

/** Buckets of the working system; backups and exports are in a third. */
export type StoreName = 'assets' | 'builds';

/** An object of a working bucket, by its key there. */
export interface ObjectRef {
  readonly store: StoreName;
  readonly key: string;
}

export const refs = {
  blob: (hash: string): ObjectRef => ({ store: 'assets', key: keys.blob(hash) }),
  tree: (hash: string): ObjectRef => ({ store: 'assets', key: keys.tree(hash) }),
  /** Any object of ASSETS whose key a row keeps. */
  asset: (key: string): ObjectRef => ({ store: 'assets', key }),
  output: (hash: string): ObjectRef => ({ store: 'builds', key: keys.output(hash) }),
  lock: (hash: string): ObjectRef => ({ store: 'builds', key: keys.lock(hash) }),
  site: (buildId: string): ObjectRef => ({ store: 'builds', key: keys.site(buildId) }),
} as const;

/** What the collector sweeps, manifests before what they name. An object under another prefix is never touched. */
export const swept = {
  manifests: [
    { store: 'assets', prefix: 'tree/' },
    { store: 'builds', prefix: 'build/' },
  ],
  contents: [
    { store: 'assets', prefix: 'blob/' },
    { store: 'assets', prefix: 'variant/' },
    { store: 'builds', prefix: 'output/' },
    { store: 'builds', prefix: 'lock/' },
  ],
} as const satisfies Record<string, readonly { store: StoreName; prefix: string }[]>;

/** The hash in the key of a blob or a tree; null for every other object. */
export const hashOf = ({ store, key }: ObjectRef): string | null =>
  store === 'assets' ? (/^(?:blob|tree)\/([0-9a-f]{64})$/.exec(key)?.[1] ?? null) : null;

/** The object by whose being in use another one is: what is made of a blob follows it. */
export function sourceOf(ref: ObjectRef): ObjectRef {
  const hash = ref.store === 'assets' ? /^variant\/([0-9a-f]{64})\//.exec(ref.key)?.[1] : undefined;
  return hash === undefined ? ref : refs.blob(hash);
}

/** Whether an object names others. */
export const isManifest = ({ store, key }: ObjectRef): boolean =>
  swept.manifests.some((place) => place.store === store && key.startsWith(place.prefix));

/** The objects that a manifest names. */
export function namedBy({ store }: ObjectRef, text: string): ObjectRef[] {
  return store === 'assets'
    ? (JSON.parse(text) as ManifestEntry[]).map(({ hash }) => refs.blob(hash))
    : (JSON.parse(text) as OutputFile[]).map(({ sha256 }) => refs.output(sha256));
}

/** Where the collector puts an object before it deletes it. */
const aside = (key: string): string => `aside/${key}`;
export const asidePrefix = aside('');

/**
 * Reads an object where it belongs, or where the collector set it aside: a reference that came about
 * while it was being collected finds its bytes all the same.
 */
export async function getObject(bucket: R2Bucket, key: string, range?: ByteRange): Promise<R2ObjectBody | null> {
  const options = range ? { range } : {};
  // Between the first two looks it may have been put back.
  return (
    (await bucket.get(key, options)) ?? (await bucket.get(aside(key), options)) ?? (await bucket.get(key, options))
  );
}

export const headObject = async (bucket: R2Bucket, key: string): Promise<R2Object | null> =>
  (await bucket.head(key)) ?? (await bucket.head(aside(key)));

/** Copies bytes and type. R2 checks the copy against the hash of the original where it has one. */
export async function copyObject(from: R2ObjectBody, bucket: R2Bucket, key: string): Promise<void> {
  const { sha256 } = from.checksums;
  const copied = bucket.put(key, from.body, {
    ...(from.httpMetadata && { httpMetadata: from.httpMetadata }),
    ...(sha256 && { sha256 }),
  });
  // From store to store: no sender is slow here, so the size says how long it may take.
  await within(timeFor(from.size), copied, () => noAnswer('The object store'));
}

/** Moves an object aside, unless somebody put it again since `before`. Reads never miss it on the way. */
export async function setAside(bucket: R2Bucket, key: string, before: number): Promise<boolean> {
  const object = await bucket.get(key);
  if (!object) return false;
  if (object.uploaded.getTime() > before) {
    await object.body.cancel();
    return false;
  }
  await copyObject(object, bucket, aside(key));
  await bucket.delete(key);
  return true;
}

/**
 * Makes sure that a blob is in its place. Whoever names a blob that somebody else put, from a source
 * that may stop naming it at any moment, asks here first; false: it is gone, and must be put.
 */
export async function ensureBlob(bucket: R2Bucket, hash: string): Promise<boolean> {
  const key = keys.blob(hash);
  if (await bucket.head(key)) return true;
  const object = await bucket.get(aside(key));
  // What is aside stays there: the collector may be about to remove what is in place.
  if (object) await copyObject(object, bucket, key);
  return object !== null;
}

/** Undoes `setAside`. For the collector alone, which does nothing else meanwhile. */
export async function putBack(bucket: R2Bucket, key: string): Promise<void> {
  if (!(await bucket.head(key))) {
    const object = await bucket.get(aside(key));
    if (!object) return;
    await copyObject(object, bucket, key);
  }
  await bucket.delete(aside(key));
}

/** Ends an object that was set aside. */
export const deleteAside = (bucket: R2Bucket, key: string): Promise<void> => bucket.delete(aside(key));

export interface Listed {
  readonly key: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly uploaded: number;
}

/** One page of a bucket; `cursor` null at the end. */
export async function listObjects(
  bucket: R2Bucket,
  prefix: string,
  cursor: string | null,
  limit: number,
): Promise<{ objects: Listed[]; cursor: string | null }> {
  const page = await bucket.list({ prefix, limit, ...(cursor !== null && { cursor }) });
  return {
    objects: page.objects.map(({ key, size, uploaded }) => ({ key, size, uploaded: uploaded.getTime() })),
    cursor: page.truncated ? page.cursor : null,
  };
}

/** Keys in EXPORTS. Sets are backups; the rest is shared between them, by hash, and pinned by their lists. */
export const backupKeys = {
  sets: 'backup/sets/',
  set: (name: string) => `backup/sets/${name}/`,
  manifest: (name: string) => `backup/sets/${name}/manifest.json`,
  part: (name: string, part: string) => `backup/sets/${name}/${part}.ndjson.gz`,
  /** Prefixes of what backups share. */
  shared: ['backup/objects/', 'backup/rooms/', 'backup/documents/'] as readonly string[],
  room: (hash: string) => `backup/rooms/${hash}`,
  document: (hash: string) => `backup/documents/${hash}`,
  object: ({ store, key }: ObjectRef) => `backup/objects/${store}/${key}`,
} as const;

/** Archives in EXPORTS that an import is reading: each is gone with its request, or swept. */
export const importPrefix = 'import/';
export const importKey = (id: string): string => `${importPrefix}${id}`;

/** The working object that an object of a backup is a copy of; null for rooms and documents. */
export function copiedFrom(key: string): ObjectRef | null {
  const match = /^backup\/objects\/(assets|builds)\/(.+)$/.exec(key);
  return match?.[1] && match[2] ? { store: match[1] as StoreName, key: match[2] } : null;
}

const json = { httpMetadata: { contentType: 'application/json' } };

/** Contents of project files, named by SHA-256. Who may read one is decided by the tree that names it. */
export async function putBlob(
  bucket: R2Bucket,
  hash: string,
  content: string | Uint8Array | ReadableStream,
): Promise<void> {
  // R2 verifies the hash, so a blob can never hold other bytes than its name says.
  await bucket.put(keys.blob(hash), content, { sha256: hash });
}

/** Whether a bucket took nothing, because what came has another hash than was said. */
export const isWrongHash = (error: unknown): boolean => String(error).includes('SHA-256');

/** Gives an object of the same bucket the name that its hash is. Bytes that are there by that name already stay. */
export async function nameBlob(bucket: R2Bucket, key: string, hash: string): Promise<void> {
  if (await ensureBlob(bucket, hash)) return;
  const object = await bucket.get(key);
  if (!object) throw new Error(`${key} is gone before it had its name`);
  await bucket.put(keys.blob(hash), object.body, { sha256: hash });
}

/** A part of an object. Bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export const getBlob = (bucket: R2Bucket, hash: string, range?: ByteRange): Promise<R2ObjectBody | null> =>
  getObject(bucket, keys.blob(hash), range);

/** A tree manifest. Written only after every blob that it names. */
export async function putTree(bucket: R2Bucket, hash: string, entries: readonly ManifestEntry[]): Promise<void> {
  await bucket.put(
    keys.tree(hash),
    JSON.stringify(entries.map(({ path, hash, size, mode, isText }) => ({ path, hash, size, mode, isText }))),
    json,
  );
}

export async function getTree(bucket: R2Bucket, hash: string): Promise<ManifestEntry[] | null> {
  const object = await getObject(bucket, keys.tree(hash));
  return object ? ((await object.json()) as ManifestEntry[]) : null;
}

/** Streams one output of a build; R2 refuses bytes that do not have the hash. */
export async function putOutput(bucket: R2Bucket, hash: string, content: ReadableStream | Uint8Array): Promise<void> {
  await bucket.put(keys.output(hash), content, { sha256: hash });
}

export const headOutput = (bucket: R2Bucket, hash: string): Promise<R2Object | null> =>
  headObject(bucket, keys.output(hash));

/** Sizes of the outputs that are stored, by hash. Bytes. */
export async function sizesOfOutputs(bucket: R2Bucket, hashes: Iterable<string>): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  await pMap(
    new Set(hashes),
    async (hash) => {
      const object = await headOutput(bucket, hash);
      if (object) sizes.set(hash, object.size);
    },
    { concurrency: limits.build.headsAtOnce },
  );
  return sizes;
}

export const getOutput = (bucket: R2Bucket, hash: string, range?: ByteRange): Promise<R2ObjectBody | null> =>
  getObject(bucket, keys.output(hash), range);

export async function putOutputs(bucket: R2Bucket, buildId: string, outputs: readonly OutputFile[]): Promise<void> {
  await bucket.put(keys.site(buildId), JSON.stringify(outputs), json);
}

export async function getOutputs(bucket: R2Bucket, buildId: string): Promise<OutputFile[] | null> {
  const object = await getObject(bucket, keys.site(buildId));
  return object ? ((await object.json()) as OutputFile[]) : null;
}

export const deleteOutputs = (bucket: R2Bucket, buildId: string): Promise<void> => bucket.delete(keys.site(buildId));

/** Dependency locks of builds, named by SHA-256. */
export async function putLock(bucket: R2Bucket, hash: string, text: string): Promise<void> {
  await bucket.put(keys.lock(hash), text, { sha256: hash });
}

export async function getLock(bucket: R2Bucket, hash: string): Promise<string | null> {
  return (await (await getObject(bucket, keys.lock(hash)))?.text()) ?? null;
}

/** The log of a build that has ended, a line of JSON each. Written and removed by its object; the collector leaves it alone. */
export async function putBuildLog(bucket: R2Bucket, buildId: string, lines: string): Promise<void> {
  await bucket.put(keys.log(buildId), lines, { httpMetadata: { contentType: 'application/x-ndjson' } });
}

export async function getBuildLog(bucket: R2Bucket, buildId: string): Promise<string | null> {
  return (await (await bucket.get(keys.log(buildId)))?.text()) ?? null;
}

export const deleteBuildLog = (bucket: R2Bucket, buildId: string): Promise<void> => bucket.delete(keys.log(buildId));

/**
 * What a runner made of the newest sources of a preview, as JSON: `part` of a project has one at a time, so that
 * saving often does not fill the bucket. `made` says of what.
 */
export async function putPreview(
  bucket: R2Bucket,
  projectId: string,
  part: string,
  made: string,
  text: string,
): Promise<void> {
  await bucket.put(keys.preview(projectId, part), text, { ...json, customMetadata: { made } });
}

/** The kept result, where it was made of the same; null otherwise. */
export async function getPreview(
  bucket: R2Bucket,
  projectId: string,
  part: string,
  made: string,
): Promise<string | null> {
  const object = await bucket.get(keys.preview(projectId, part));
  if (object?.customMetadata?.made === made) return await object.text();
  await object?.body.cancel();
  return null;
}

/** Removes the kept previews of a project, as many as one page of the bucket has. */
export async function deletePreviews(bucket: R2Bucket, projectId: string): Promise<void> {
  const { objects } = await listObjects(bucket, `${previewPrefix}${projectId}/`, null, limits.bucket.listMax);
  if (objects.length > 0) await bucket.delete(objects.map(({ key }) => key));
}
