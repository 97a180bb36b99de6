import { crc32 } from 'node:zlib';
import { type ArchiveManifest, assetsRoot } from '../../contract/archives.ts';
import { limits } from '../../contract/limits.ts';
import { manifestName, writeManifest } from '../../core/archive.ts';
import { directoryHeader, endOfDirectory, localHeader, methods, type Packed, pack } from '../../core/zip.ts';
import type { ManifestEntry } from '../../data/objects.ts';

/** A blob's bytes; throws when there is none, or when they cannot be read to their end. */
export type OpenBlob = (hash: string) => Promise<{ readonly size: number; readonly body: ReadableStream<Uint8Array> }>;

/** A file ready to be sent: the data itself, or null where it passes through. */
interface Prepared {
  readonly packed: Packed;
  readonly data: Uint8Array | null;
}

async function open(blobs: OpenBlob, entry: ManifestEntry): Promise<ReadableStream<Uint8Array>> {
  const { size, body } = await blobs(entry.hash);
  if (size === entry.size) return body;
  await body.cancel();
  throw new Error(`blob ${entry.hash} has ${size} bytes in place of ${entry.size}`);
}

/**
 * Text is deflated. Everything else is stored: a game's media are compressed already, and bytes that
 * nobody looks at flow from store to client without passing through this isolate. Their checksum stands
 * before them, so a large file is read twice.
 */
async function prepare(blobs: OpenBlob, entry: ManifestEntry): Promise<Prepared> {
  const body = await open(blobs, entry);
  if (entry.size <= limits.archive.wholeBytes) {
    const content = new Uint8Array(await new Response(body).arrayBuffer());
    if (entry.isText) return pack(content);
    const packed = { method: methods.stored, crc32: crc32(content), compressedSize: entry.size, size: entry.size };
    return { packed, data: content };
  }
  let sum = 0;
  for await (const chunk of body) sum = crc32(chunk, sum);
  return { packed: { method: methods.stored, crc32: sum, compressedSize: entry.size, size: entry.size }, data: null };
}

/** The files in their order, some of them read ahead. */
async function* preparedInOrder(
  blobs: OpenBlob,
  entries: readonly ManifestEntry[],
): AsyncGenerator<readonly [ManifestEntry, Prepared]> {
  const waiting = entries.values();
  const ahead: (readonly [ManifestEntry, Promise<Prepared>])[] = [];
  const fill = (): void => {
    for (const entry of waiting) {
      const prepared = prepare(blobs, entry);
      // When one fails, those behind it are not waited for.
      prepared.catch(() => undefined);
      if (ahead.push([entry, prepared]) >= limits.archive.parallel) return;
    }
  };
  for (fill(); ahead.length > 0; fill()) {
    const [entry, prepared] = ahead[0] as (typeof ahead)[0];
    yield [entry, await prepared];
    ahead.shift();
  }
}

/**
 * Writes a tree and assets, by their names, as a ZIP file into `sink`, in constant memory and at the pace of whoever reads there. The
 * directory comes last: when a blob cannot be read the sink is aborted, and what was sent is no archive.
 */
export async function writeArchive(
  sink: WritableStream<Uint8Array>,
  manifest: ArchiveManifest,
  entries: readonly ManifestEntry[],
  blobs: OpenBlob,
  assets: readonly ManifestEntry[] = [],
): Promise<{ bytes: number }> {
  const directory: Uint8Array[] = [];
  let offset = 0;
  const send = async (...parts: Uint8Array[]): Promise<void> => {
    const writer = sink.getWriter();
    try {
      for (const part of parts) {
        await writer.write(part);
        offset += part.length;
      }
    } finally {
      writer.releaseLock();
    }
  };
  const begin = async (path: string, packed: Packed): Promise<void> => {
    directory.push(directoryHeader(path, packed, offset));
    await send(localHeader(path, packed));
  };
  try {
    const first = pack(new TextEncoder().encode(writeManifest(manifest)));
    await begin(manifestName, first.packed);
    await send(first.data);
    const below = (root: string, list: readonly ManifestEntry[]): ManifestEntry[] =>
      list.map((entry) => ({ ...entry, path: root + entry.path }));
    const all = [...below(manifest.files.root, entries), ...below(assetsRoot, assets)];
    for await (const [entry, { packed, data }] of preparedInOrder(blobs, all)) {
      await begin(entry.path, packed);
      if (data) await send(data);
      else {
        await (await open(blobs, entry)).pipeTo(sink, { preventClose: true });
        offset += entry.size;
      }
    }
    const start = offset;
    await send(...directory);
    await send(endOfDirectory(directory.length, offset - start, start));
    await sink.close();
    return { bytes: offset };
  } catch (error) {
    await sink.abort(error).catch(() => undefined);
    throw error;
  }
}
