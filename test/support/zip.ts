import { crc32 } from 'node:zlib';
import { deflateRaw } from 'pako';
import { concat } from '../../src/core/bytes.ts';

const encoder = new TextEncoder();

/** One entry, byte by byte as a program or an attacker would write it. What is left out is what the content gives. */
export interface ZipEntry {
  readonly name: string | Uint8Array;
  readonly content?: string | Uint8Array;
  /** Deflated where it is 8, and taken as it is otherwise. */
  readonly method?: number;
  /** Compressed data that is put there whatever the content is. */
  readonly data?: Uint8Array;
  readonly flags?: number;
  /** High byte: 0 DOS, 3 Unix, 10 NTFS, 19 macOS. */
  readonly madeBy?: number;
  /** `st_mode`, which goes into the upper half of the external attributes. */
  readonly mode?: number;
  readonly dosAttributes?: number;
  readonly extra?: Uint8Array;
  readonly localExtra?: Uint8Array;
  readonly localName?: string;
  readonly localMethod?: number;
  readonly crc?: number;
  /** What directory and header say. */
  readonly size?: number;
  readonly compressedSize?: number;
  /** Sizes after the data (bit 3), as programs do that cannot seek. */
  readonly descriptor?: boolean;
  /** Where the directory says that its local header is. */
  readonly offset?: number;
  /** No local header and no data: another entry's stand for it. */
  readonly directoryOnly?: boolean;
}

export interface ZipOptions {
  readonly comment?: string | Uint8Array;
  readonly before?: Uint8Array;
  readonly after?: Uint8Array;
  /** Directory records of Zip64, also where they are not needed. */
  readonly zip64?: boolean;
  /** What the end says of the number of entries. */
  readonly count?: number;
}

const bytesOf = (value: string | Uint8Array): Uint8Array => (typeof value === 'string' ? encoder.encode(value) : value);

function record(length: number, fill: (view: DataView) => void): Uint8Array {
  const view = new DataView(new ArrayBuffer(length));
  fill(view);
  return new Uint8Array(view.buffer);
}

const endOf = (count: number, size: number, offset: number, comment: Uint8Array): Uint8Array =>
  record(22 + comment.length, (view) => {
    view.setUint32(0, 0x06054b50, true);
    view.setUint16(8, count, true);
    view.setUint16(10, count, true);
    view.setUint32(12, size, true);
    view.setUint32(16, offset, true);
    view.setUint16(20, comment.length, true);
    new Uint8Array(view.buffer).set(comment, 22);
  });

const zip64End = (count: number, size: number, offset: number, at: number): Uint8Array =>
  record(76, (view) => {
    view.setUint32(0, 0x06064b50, true);
    view.setBigUint64(4, 44n, true);
    view.setUint16(12, 45, true);
    view.setUint16(14, 45, true);
    view.setBigUint64(24, BigInt(count), true);
    view.setBigUint64(32, BigInt(count), true);
    view.setBigUint64(40, BigInt(size), true);
    view.setBigUint64(48, BigInt(offset), true);
    view.setUint32(56, 0x07064b50, true);
    view.setBigUint64(64, BigInt(at), true);
    view.setUint32(72, 1, true);
  });

/** Bytes of a ZIP file, right or wrong. */
export function zipOf(entries: readonly ZipEntry[], options: ZipOptions = {}): Uint8Array<ArrayBuffer> {
  const before = options.before ?? new Uint8Array();
  const local: Uint8Array[] = [before];
  const directory: Uint8Array[] = [];
  let offset = before.length;
  for (const entry of entries) {
    const name = bytesOf(entry.name);
    const content = bytesOf(entry.content ?? '');
    const method = entry.method ?? 8;
    const data = entry.data ?? (method === 8 ? deflateRaw(content) : content);
    const sum = entry.crc ?? crc32(content);
    const size = entry.size ?? content.length;
    const packed = entry.compressedSize ?? data.length;
    const nameIsAscii = name.every((byte) => byte < 0x80);
    const flags = (entry.flags ?? (nameIsAscii ? 0 : 0x800)) | (entry.descriptor ? 8 : 0);
    const extra = entry.extra ?? new Uint8Array();
    const localExtra = entry.localExtra ?? new Uint8Array();
    const localName = entry.localName === undefined ? name : encoder.encode(entry.localName);
    const start = local.length;
    if (!entry.directoryOnly) {
      local.push(
        record(30, (view) => {
          view.setUint32(0, 0x04034b50, true);
          view.setUint16(4, 20, true);
          view.setUint16(6, flags, true);
          view.setUint16(8, entry.localMethod ?? method, true);
          view.setUint16(12, 0x21, true);
          if (!entry.descriptor) {
            view.setUint32(14, sum, true);
            view.setUint32(18, packed, true);
            view.setUint32(22, size, true);
          }
          view.setUint16(26, localName.length, true);
          view.setUint16(28, localExtra.length, true);
        }),
        localName,
        localExtra,
        data,
      );
      if (entry.descriptor)
        local.push(
          record(16, (view) => {
            view.setUint32(0, 0x08074b50, true);
            view.setUint32(4, sum, true);
            view.setUint32(8, packed, true);
            view.setUint32(12, size, true);
          }),
        );
    }
    directory.push(
      record(46, (view) => {
        view.setUint32(0, 0x02014b50, true);
        view.setUint16(4, ((entry.madeBy ?? 3) << 8) | 20, true);
        view.setUint16(6, 20, true);
        view.setUint16(8, flags, true);
        view.setUint16(10, method, true);
        view.setUint16(14, 0x21, true);
        view.setUint32(16, sum, true);
        view.setUint32(20, packed, true);
        view.setUint32(24, size, true);
        view.setUint16(28, name.length, true);
        view.setUint16(30, extra.length, true);
        view.setUint32(38, ((entry.mode ?? 0) * 0x10000 + (entry.dosAttributes ?? 0)) >>> 0, true);
        view.setUint32(42, entry.offset ?? offset, true);
      }),
      name,
      extra,
    );
    for (const part of local.slice(start)) offset += part.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const count = options.count ?? entries.length;
  const comment = bytesOf(options.comment ?? '');
  const end = options.zip64
    ? [zip64End(count, size, offset, offset + size), endOf(0xffff, 0xffffffff, 0xffffffff, comment)]
    : [endOf(count, size, offset, comment)];
  return new Uint8Array(concat([...local, ...directory, ...end, options.after ?? new Uint8Array()]));
}

/** An archive of so many empty files, small and quick to make: hostile.md #42. */
export function emptyEntries(count: number): Uint8Array<ArrayBuffer> {
  const name = (index: number): string => index.toString(36).padStart(4, '0');
  const [header, line] = [34, 50];
  const bytes = new Uint8Array(count * (header + line) + 98);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < count; index += 1) {
    const at = index * header;
    view.setUint32(at, 0x04034b50, true);
    view.setUint16(at + 26, 4, true);
    encoder.encodeInto(name(index), bytes.subarray(at + 30));
    const listed = count * header + index * line;
    view.setUint32(listed, 0x02014b50, true);
    view.setUint16(listed + 28, 4, true);
    view.setUint32(listed + 42, at, true);
    encoder.encodeInto(name(index), bytes.subarray(listed + 46));
  }
  const end = count * (header + line);
  bytes.set(zip64End(count, count * line, count * header, end), end);
  bytes.set(endOf(0xffff, 0xffffffff, 0xffffffff, new Uint8Array()), end + 76);
  return bytes;
}
