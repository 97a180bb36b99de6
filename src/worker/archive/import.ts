import { createHash } from 'node:crypto';
import type { ArchiveManifest } from '../../contract/archives.ts';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { invalidEntry, type PlannedFile, readManifest } from '../../core/archive.ts';
import { type AssetKind, assetKind, assetName } from '../../core/asset-types.ts';
import { concat } from '../../core/bytes.ts';
import { decodeText, textOf } from '../../core/content.ts';
import { defaultMode } from '../../core/tree.ts';
import type { ManifestEntry } from '../../data/objects.ts';
import { openArchive } from './open.ts';
import type { ByteSource } from './source.ts';
import { unpack } from './unpack.ts';

export interface ReadAsset extends AssetKind {
  readonly name: string;
  readonly hash: string;
  readonly size: number;
}

/** What an archive holds, every byte of it verified. */
export interface ReadArchive {
  readonly manifest: ArchiveManifest | null;
  /** The folder around everything, which is taken off; empty where there is none. */
  readonly top: string;
  readonly files: readonly (readonly [PlannedFile, ManifestEntry])[];
  readonly assets: readonly (readonly [PlannedFile, ReadAsset])[];
  readonly skipped: number;
  readonly bytes: number;
}

async function whole(source: ByteSource, file: PlannedFile): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of unpack(source, file)) parts.push(chunk);
  return concat(parts);
}

/** Reads a file to its end, which is where it is known to be what the archive says. */
async function verify(source: ByteSource, file: PlannedFile): Promise<ManifestEntry> {
  const { path, size } = file;
  if (size <= limits.archive.wholeBytes) {
    const content = await whole(source, file);
    const hash = createHash('sha256').update(content).digest('hex');
    return { path, hash, size, mode: defaultMode, isText: textOf(content) !== null };
  }
  const hash = createHash('sha256');
  for await (const chunk of unpack(source, file)) hash.update(chunk);
  return { path, hash: hash.digest('hex'), size, mode: defaultMode, isText: false };
}

/** The same of an asset, whose bytes must be what its name says. */
async function verifyAsset(source: ByteSource, file: PlannedFile): Promise<ReadAsset> {
  const hash = createHash('sha256');
  const first: Uint8Array[] = [];
  let seen = 0;
  for await (const chunk of unpack(source, file)) {
    hash.update(chunk);
    if (seen < limits.asset.headBytes) first.push(chunk.slice(0, limits.asset.headBytes - seen));
    seen += chunk.length;
  }
  const name = assetName(file.path);
  const kind = await assetKind(name, concat(first)).catch((error: unknown) => {
    throw error instanceof KilnError
      ? invalidEntry(file.name, 'is an asset of another type than its name says')
      : error;
  });
  return { name, ...kind, hash: hash.digest('hex'), size: file.size };
}

/** Judges an archive by its directory, then reads all that would be imported. Nothing is stored: a refusal leaves nothing. */
export async function readArchive(source: ByteSource): Promise<ReadArchive> {
  const { listing, directory } = await openArchive(source);
  const candidate = listing.manifest;
  const manifest =
    candidate && candidate.size <= limits.archive.manifestBytes
      ? readManifest(decodeText(await whole(source, candidate)))
      : null;
  const { files, assets, skipped, bytes } = listing.plan(manifest, directory, source.size);
  const read: (readonly [PlannedFile, ManifestEntry])[] = [];
  for (const file of files) read.push([file, await verify(source, file)]);
  const media: (readonly [PlannedFile, ReadAsset])[] = [];
  for (const file of assets) media.push([file, await verifyAsset(source, file)]);
  return { manifest, top: listing.top, files: read, assets: media, skipped, bytes };
}

/** Where contents go: one that is held whole, or a stream of a known size. */
export type StoreBlob = (hash: string, size: number, content: Uint8Array | AsyncIterable<Uint8Array>) => Promise<void>;

/** Stores every content of an archive once. Small ones some at a time, large ones one by one, as streams. */
export async function storeContents(
  source: ByteSource,
  { files, assets }: Pick<ReadArchive, 'files' | 'assets'>,
  store: StoreBlob,
): Promise<void> {
  const seen = new Set<string>();
  const running = new Set<Promise<void>>();
  try {
    for (const [file, { hash, size }] of [...files, ...assets]) {
      if (seen.has(hash)) continue;
      seen.add(hash);
      if (size > limits.archive.wholeBytes) {
        await store(hash, size, unpack(source, file));
        continue;
      }
      const put = store(hash, size, await whole(source, file)).finally(() => running.delete(put));
      put.catch(() => undefined);
      running.add(put);
      if (running.size >= limits.archive.parallel) await Promise.race(running);
    }
    await Promise.all(running);
  } catch (error) {
    await Promise.allSettled(running);
    throw error instanceof KilnError ? error : new KilnError('unavailable', { cause: error });
  }
}
