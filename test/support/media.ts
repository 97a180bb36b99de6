import { crc32, deflateSync } from 'node:zlib';

/** The smallest real files of their formats. */

const bytes = (...parts: (string | readonly number[] | Uint8Array)[]): Uint8Array<ArrayBuffer> => {
  const chunks = parts.map((part) =>
    typeof part === 'string' ? Uint8Array.from(part, (c) => c.charCodeAt(0)) : Uint8Array.from(part),
  );
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
};

const u32 = (value: number): number[] => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
const le32 = (value: number): number[] => u32(value).reverse();
const le16 = (value: number): number[] => [value & 255, value >>> 8];

const chunk = (type: string, data: Uint8Array): Uint8Array => {
  const body = bytes(type, data);
  return bytes(u32(data.length), body, u32(crc32(body)));
};

/** An opaque picture of one colour; `more` stands before its pixels. */
export function png(
  width: number,
  height: number,
  colour: readonly [number, number, number] = [0, 0, 0],
  more: readonly { type: string; data: Uint8Array }[] = [],
): Uint8Array<ArrayBuffer> {
  const line = bytes([0], Array.from({ length: width }, () => colour).flat());
  const pixels = new Uint8Array(line.length * height);
  for (let row = 0; row < height; row += 1) pixels.set(line, row * line.length);
  return bytes(
    [0x89],
    'PNG\r\n\x1a\n',
    chunk('IHDR', bytes(u32(width), u32(height), [8, 2, 0, 0, 0])),
    ...more.map(({ type, data }) => chunk(type, data)),
    chunk('IDAT', deflateSync(pixels)),
    chunk('IEND', new Uint8Array()),
  );
}

/** Silence of 8 kHz, 8 bit, one channel. */
export const wav = (seconds: number): Uint8Array<ArrayBuffer> => {
  const data = new Uint8Array(8000 * seconds).fill(128);
  const format = [...le16(1), ...le16(1), ...le32(8000), ...le32(8000), ...le16(1), ...le16(8)];
  return bytes('RIFF', le32(36 + data.length), 'WAVEfmt ', le32(16), format, 'data', le32(data.length), data);
};

export const gif = (rest = ''): Uint8Array<ArrayBuffer> =>
  bytes('GIF89a', le16(1), le16(1), [0x80, 0, 0, 0, 0, 0, 255, 255, 255], rest);

export const textBytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(new TextEncoder().encode(text));
