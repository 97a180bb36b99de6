import { ZipReader } from '@zip.js/zip.js/lib/zip-core-reader.js';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { invalidArchive, kindIn, Listing } from '../../core/archive.ts';
import type { ByteSource } from './source.ts';

/** What the parts of zip.js that read a directory ask for. */
interface ZipBytes {
  readonly size: number;
  readUint8Array(offset: number, length: number): Promise<Uint8Array>;
}

/**
 * Reads the central directory of an archive, entry by entry, and has each judged. zip.js does the part
 * with the many dialects (Zip64, code pages, Unicode names); `strict` refuses what two programs would read
 * differently. Contents are read by unpack.ts.
 */
export async function openArchive(source: ByteSource): Promise<{ listing: Listing; directory: number }> {
  let failed: unknown;
  const bytes: ZipBytes = {
    size: source.size,
    async readUint8Array(offset, length) {
      try {
        if (length > limits.archive.directoryBytes)
          throw new KilnError('payload_too_large', { detail: 'The archive lists too many entries.' });
        return await source.read(offset, length);
      } catch (error) {
        failed = error;
        throw error;
      }
    },
  };
  const listing = new Listing();
  // Its types know readers as a class, of which it uses these two members.
  const zip = new ZipReader(bytes as unknown as ConstructorParameters<typeof ZipReader>[0], {
    strictness: 'strict',
    // Names are judged here.
    filenameValidation: 'tolerant',
  });
  const entries = zip.getEntriesGenerator();
  for (;;) {
    const next = await entries.next().catch((error: unknown) => {
      if (failed !== undefined) throw failed;
      throw invalidArchive(reasonOf(error), error);
    });
    if (next.done) break;
    const entry = next.value;
    const { modes, linked } = kindIn(entry.extraField);
    listing.add({
      name: entry.filename,
      rawName: entry.rawFilename,
      isDirectory: entry.directory,
      encrypted: entry.encrypted,
      method: entry.compressionMethod,
      modes: [entry.externalFileAttributes >>> 16, ...modes],
      linked,
      offset: entry.offset,
      compressedSize: entry.compressedSize,
      size: entry.uncompressedSize,
      crc32: entry.crc32 ?? 0,
    });
  }
  return { listing, directory: zip.directoryOffset ?? source.size };
}

/** zip.js names what it refuses by fixed English sentences; whatever else it throws says that the bytes are no archive. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it is not a ZIP file';
  if ('reason' in error && typeof error.reason === 'string') return `it can be read in two ways (${error.reason})`;
  switch (error.message) {
    case 'Split zip file':
      return 'it is one part of several';
    case 'Encrypted central directory is not supported':
      return 'its directory is encrypted';
    case 'Central directory header not found':
      return 'its directory is broken';
    default:
      return 'it is not a whole ZIP file';
  }
}
