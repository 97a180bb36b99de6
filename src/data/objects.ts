import type { OutputFile } from '../contract/jobs.ts';
import type { TreeEntry } from '../core/tree.ts';

/** A line of a manifest: what a tree needs to take the file in without reading its bytes. */
export interface ManifestEntry extends TreeEntry {
  readonly isText: boolean;
}

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
};

const json = { httpMetadata: { contentType: 'application/json' } };

/** Contents of project files, named by SHA-256. Who may read one is decided by the tree that names it. */
export async function putBlob(bucket: R2Bucket, hash: string, content: string | Uint8Array): Promise<void> {
  // R2 verifies the hash, so a blob can never hold other bytes than its name says.
  await bucket.put(keys.blob(hash), content, { sha256: hash });
}

/** A part of an object. Bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export const getBlob = (bucket: R2Bucket, hash: string, range?: ByteRange): Promise<R2ObjectBody | null> =>
  bucket.get(keys.blob(hash), range ? { range } : {});

/** A tree manifest. Written only after every blob that it names. */
export async function putTree(bucket: R2Bucket, hash: string, entries: readonly ManifestEntry[]): Promise<void> {
  await bucket.put(
    keys.tree(hash),
    JSON.stringify(entries.map(({ path, hash, size, mode, isText }) => ({ path, hash, size, mode, isText }))),
    json,
  );
}

export async function getTree(bucket: R2Bucket, hash: string): Promise<ManifestEntry[] | null> {
  const object = await bucket.get(keys.tree(hash));
  return object ? ((await object.json()) as ManifestEntry[]) : null;
}

/** Streams one output of a build; R2 refuses bytes that do not have the hash. */
export async function putOutput(bucket: R2Bucket, hash: string, content: ReadableStream | Uint8Array): Promise<void> {
  await bucket.put(keys.output(hash), content, { sha256: hash });
}

export const headOutput = (bucket: R2Bucket, hash: string): Promise<R2Object | null> => bucket.head(keys.output(hash));

export const getOutput = (bucket: R2Bucket, hash: string, range?: ByteRange): Promise<R2ObjectBody | null> =>
  bucket.get(keys.output(hash), range ? { range } : {});

export async function putOutputs(bucket: R2Bucket, buildId: string, outputs: readonly OutputFile[]): Promise<void> {
  await bucket.put(keys.site(buildId), JSON.stringify(outputs), json);
}

export async function getOutputs(bucket: R2Bucket, buildId: string): Promise<OutputFile[] | null> {
  const object = await bucket.get(keys.site(buildId));
  return object ? ((await object.json()) as OutputFile[]) : null;
}

export const deleteOutputs = (bucket: R2Bucket, buildId: string): Promise<void> => bucket.delete(keys.site(buildId));

/** Dependency locks of builds, named by SHA-256. */
export async function putLock(bucket: R2Bucket, hash: string, text: string): Promise<void> {
  await bucket.put(keys.lock(hash), text, { sha256: hash });
}

export async function getLock(bucket: R2Bucket, hash: string): Promise<string | null> {
  return (await (await bucket.get(keys.lock(hash)))?.text()) ?? null;
}
