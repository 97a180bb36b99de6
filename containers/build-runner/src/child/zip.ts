import { createWriteStream, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { runnerLimits } from '../runner-limits.ts';
import { byText } from './order.ts';

/** The first moment that the ZIP format knows; a real time would make every build differ. */
const zipTime = new Date(1980, 0, 1);

/** Formats that are compressed already; deflating them again costs time and saves nothing. */
const packed = /\.(?:png|jpe?g|gif|webp|avif|ktx2|basis|mp3|ogg|oga|opus|m4a|aac|mp4|webm|woff2?|zip|gz|br|drc)$/i;

/** An entry of an archive: bytes, or the absolute path of a file on disk, which may be a program. */
export type ZipEntry = Uint8Array | string | { readonly path: string; readonly executable: boolean };

/** Writes a ZIP file whose bytes depend on nothing but its entries. */
export const writeZip = async (target: string, entries: ReadonlyMap<string, ZipEntry>): Promise<void> => {
  const zip = new ZipFile();
  let room = runnerLimits.zipReadBytes;
  for (const [name, entry] of [...entries].sort(([a], [b]) => byText(a, b))) {
    const isBytes = entry instanceof Uint8Array;
    const mode = !isBytes && typeof entry !== 'string' && entry.executable ? 0o100755 : 0o100644;
    const options = { mtime: zipTime, mode, compress: !packed.test(name), forceDosTimestamp: true };
    if (isBytes) {
      zip.addBuffer(Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength), name, options);
      continue;
    }
    const path = typeof entry === 'string' ? entry : entry.path;
    const { size } = statSync(path);
    if (size > room) zip.addFile(path, name, options);
    else {
      room -= size;
      zip.addBuffer(readFileSync(path), name, options);
    }
  }
  zip.end();
  mkdirSync(dirname(target), { recursive: true });
  await pipeline(zip.outputStream, createWriteStream(target));
};
