/** A content by its SHA-256, in hex. What is said here is not verified. */
export interface Framed {
  readonly hash: string;
  readonly bytes: Uint8Array;
}

const hashBytes = 32;
const headBytes = hashBytes + 4;

/** Bytes of `count` frames around contents of so many bytes. */
export const framedSize = (count: number, bytes: number): number => count * headBytes + bytes;

/** Contents one after the other: of each its hash (32 bytes), its length (32 bits, big-endian), its bytes. */
export function frames(contents: readonly Framed[]): Uint8Array<ArrayBuffer> {
  const size = contents.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const whole = new Uint8Array(framedSize(contents.length, size));
  const view = new DataView(whole.buffer);
  let at = 0;
  for (const { hash, bytes } of contents) {
    for (let n = 0; n < hashBytes; n += 1) whole[at + n] = Number.parseInt(hash.slice(2 * n, 2 * n + 2), 16);
    view.setUint32(at + hashBytes, bytes.length);
    whole.set(bytes, at + headBytes);
    at += headBytes + bytes.length;
  }
  return whole;
}

/** What `frames` made, as views of its bytes; null when they are something else. */
export function readFrames(whole: Uint8Array): Framed[] | null {
  const view = new DataView(whole.buffer, whole.byteOffset, whole.byteLength);
  const found: Framed[] = [];
  for (let at = 0; at < whole.length; ) {
    const start = at + headBytes;
    if (start > whole.length) return null;
    const end = start + view.getUint32(at + hashBytes);
    if (end > whole.length) return null;
    const hash = Array.from(whole.subarray(at, at + hashBytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
    found.push({ hash, bytes: whole.subarray(start, end) });
    at = end;
  }
  return found;
}
