import { crc32 } from 'node:zlib';
import { Inflate } from 'pako';
import { limits } from '../../contract/limits.ts';
import { invalidEntry, type PlannedFile } from '../../core/archive.ts';
import { localHeaderMax, methods, readLocalHeader } from '../../core/zip.ts';
import type { ByteSource } from './source.ts';

const { inflateStep, readAhead, wholeBytes } = limits.archive;

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);

/** Where an entry's data begins, once its local header has said the same as the directory. */
async function dataOf(source: ByteSource, file: PlannedFile): Promise<number> {
  const header = readLocalHeader(await source.read(file.offset, localHeaderMax));
  if (!header) throw invalidEntry(file.name, 'is not where the directory says');
  if (header.encrypted) throw invalidEntry(file.name, 'is encrypted');
  if (header.method !== file.method || !sameBytes(header.name, file.rawName))
    throw invalidEntry(file.name, 'is another in its own header than in the directory');
  const begin = file.offset + header.length;
  if (begin + file.compressedSize > file.end) throw invalidEntry(file.name, 'reaches into what comes after it');
  return begin;
}

/** Compressed data as it lies in the archive. */
async function* packed(source: ByteSource, begin: number, length: number, step: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < length; at += step) {
    const piece = await source.read(begin + at, Math.min(step, length - at));
    if (piece.length === 0) return;
    yield piece;
  }
}

const { min: outMin, max: outMax } = limits.archive.inflatedPiece;

/**
 * Inflates step by step. By pako and not by the platform: workerd's DecompressionStream inflates at once
 * whatever it is given and keeps it until somebody reads, so a few kilobytes could fill the isolate.
 */
async function* inflated(file: PlannedFile, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const inflate = new Inflate({ raw: true, chunkSize: Math.min(outMax, Math.max(outMin, file.size)) });
  let made: Uint8Array[] = [];
  let taken = (): number => 0;
  inflate.onStart = (stream) => {
    taken = () => stream.total_in;
  };
  inflate.onData = (chunk) => {
    made.push(chunk);
  };
  for await (const piece of pieces) {
    if (inflate.ended) break;
    inflate.push(piece);
    yield* made;
    made = [];
  }
  if (!inflate.ended || inflate.err !== 0 || taken() !== file.compressedSize)
    throw invalidEntry(file.name, 'does not hold whole deflated data');
}

/**
 * The content of an entry. Counted and hashed as it comes, whatever the archive says of it: more than
 * it says ends at once, and less, or another sum, at the end. What was yielded is good only after that.
 */
export async function* unpack(source: ByteSource, file: PlannedFile): AsyncGenerator<Uint8Array> {
  const begin = await dataOf(source, file);
  const stored = file.method === methods.stored;
  const pieces = packed(source, begin, file.compressedSize, stored ? readAhead : inflateStep);
  let size = 0;
  let sum = 0;
  let since = 0;
  for await (const chunk of stored ? pieces : inflated(file, pieces)) {
    size += chunk.length;
    if (size > file.size) throw invalidEntry(file.name, 'is larger than the archive says');
    sum = crc32(chunk, sum);
    yield chunk;
    since += chunk.length;
    if (since < wholeBytes) continue;
    since = 0;
    // What lies in the window needs no I/O: without a pause nobody else in this isolate would have its turn.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  if (size !== file.size) throw invalidEntry(file.name, 'is smaller than the archive says');
  if (sum !== file.crc32) throw invalidEntry(file.name, 'does not have the checksum that the archive says');
}
