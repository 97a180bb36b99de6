import { crc32 } from 'node:zlib';
import { deflateRaw } from 'pako';
import { limits } from '../contract/limits.ts';
import { concat } from './bytes.ts';

/**
 * The records of a ZIP file that Kiln writes (PKWARE APPNOTE 6.3.10, §4.3). Everything is known before it
 * is written, so there are no data descriptors; and a project stays below the sizes that need Zip64.
 * Nothing depends on time or machine: one tree is one file.
 */
export const methods = { stored: 0, deflated: 8 } as const;

/** What follows a local header, and what the headers say of it. */
export interface Packed {
  readonly method: number;
  readonly crc32: number;
  /** In the archive. */
  readonly compressedSize: number;
  readonly size: number;
}

const encoder = new TextEncoder();
/** 2.0: the first version that knows deflate. */
const version = 20;
const madeByUnix = 3 << 8;
/** §4.4.4, bit 11: the name is UTF-8. */
const utf8Flag = 1 << 11;
/** 1980-01-01, the first day that the format knows. */
const date = (1 << 5) | 1;
const regularFile = 0o100644;

/** What both headers of a file share, from "version needed" to the lengths of name and extra field. */
function common(view: DataView, at: number, name: Uint8Array, packed: Packed): void {
  view.setUint16(at, version, true);
  view.setUint16(at + 2, utf8Flag, true);
  view.setUint16(at + 4, packed.method, true);
  view.setUint16(at + 8, date, true);
  view.setUint32(at + 10, packed.crc32, true);
  view.setUint32(at + 14, packed.compressedSize, true);
  view.setUint32(at + 18, packed.size, true);
  view.setUint16(at + 22, name.length, true);
}

const localLength = 30;
const directoryLength = 46;

export function localHeader(path: string, packed: Packed): Uint8Array {
  const name = encoder.encode(path);
  const view = new DataView(new ArrayBuffer(localLength));
  view.setUint32(0, 0x04034b50, true);
  common(view, 4, name, packed);
  return concat([new Uint8Array(view.buffer), name]);
}

/** A file's line in the central directory; its local header stands at `offset`. */
export function directoryHeader(path: string, packed: Packed, offset: number): Uint8Array {
  const name = encoder.encode(path);
  const view = new DataView(new ArrayBuffer(directoryLength));
  view.setUint32(0, 0x02014b50, true);
  view.setUint16(4, madeByUnix | version, true);
  common(view, 6, name, packed);
  view.setUint32(38, regularFile * 0x10000, true);
  view.setUint32(42, offset, true);
  return concat([new Uint8Array(view.buffer), name]);
}

/** The last record of a file whose central directory has so many lines and bytes and begins at `offset`. */
export function endOfDirectory(lines: number, bytes: number, offset: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(22));
  view.setUint32(0, 0x06054b50, true);
  view.setUint16(8, lines, true);
  view.setUint16(10, lines, true);
  view.setUint32(12, bytes, true);
  view.setUint32(16, offset, true);
  return new Uint8Array(view.buffer);
}

/** By pako and not by the platform, whose output may change with its version. 3 is where it is fastest for what it saves. */
const level = 3;

/**
 * Packs what is held in memory. Stored where deflate gains nothing, and where it gains so much that an
 * import would take the archive for a bomb.
 */
export function pack(content: Uint8Array): { readonly packed: Packed; readonly data: Uint8Array } {
  const deflated = deflateRaw(content, { level });
  const pays = deflated.length < content.length && content.length <= deflated.length * limits.archive.ratioMax;
  const data = pays ? deflated : content;
  const method = pays ? methods.deflated : methods.stored;
  return {
    data,
    packed: { method, crc32: crc32(content), compressedSize: data.length, size: content.length },
  };
}

/** What a local header says; null where there is none. `length`: with name and extra field, so the data begins there. */
export function readLocalHeader(bytes: Uint8Array): {
  readonly length: number;
  readonly encrypted: boolean;
  readonly method: number;
  readonly name: Uint8Array;
} | null {
  if (bytes.length < localLength) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== 0x04034b50) return null;
  const nameLength = view.getUint16(26, true);
  return {
    length: localLength + nameLength + view.getUint16(28, true),
    encrypted: (view.getUint16(6, true) & 1) !== 0,
    method: view.getUint16(8, true),
    name: bytes.subarray(localLength, localLength + nameLength),
  };
}

/** A local header with the longest name. */
export const localHeaderMax = localLength + 0xffff;
