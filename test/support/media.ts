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

/** The first bytes of formats that browsers do not show, as their specifications have them. */
export const beginnings = {
  jpeg: bytes([0xff, 0xd8, 0xff, 0xe0, 0, 16], 'JFIF\0', [1, 1, 0, 0, 1, 0, 1, 0, 0]),
  hdr: bytes('#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n', [2, 2, 0, 1, 128, 128, 128, 128]),
  exr: bytes([0x76, 0x2f, 0x31, 1, 2, 0, 0, 0], 'channels\0chlist\0'),
  dds: bytes('DDS ', le32(124), le32(0x1007), le32(4), le32(4), new Uint8Array(108)),
  /** As uncompressed pictures begin: an icon begins with the same four bytes. */
  tga: bytes([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0], le16(2), le16(1), [24, 0], new Uint8Array(6)),
  stl: bytes('made by a tool'.padEnd(80, ' '), le32(1), new Uint8Array(50)),
  stlText: textBytes('solid cube\nfacet normal 0 0 1\nouter loop\n'),
  ply: textBytes('ply\nformat ascii 1.0\nelement vertex 1\n'),
  drc: bytes('DRACO', [2, 2, 1, 1, 0, 0]),
  glb: bytes('glTF', le32(2), le32(24), le32(4), 'JSON', '{}  '),
  usdz: bytes('PK\x03\x04', le16(10), le16(0), le16(0), new Uint8Array(16), le16(9), le16(0), 'cube.usdc', 'PXR-USDC'),
  zip: bytes('PK\x03\x04', le16(20), le16(0), le16(8), new Uint8Array(16), le16(5), le16(0), 'a.txt', 'aaa'),
  fbx: bytes('Kaydara FBX Binary  \0', [0x1a, 0], le32(7400), new Uint8Array(32)),
  cur: bytes([0, 0, 2, 0, 1, 0, 1, 1, 0, 0], new Uint8Array(14)),
  aseprite: bytes(le32(128), le16(0xa5e0), le16(1), new Uint8Array(120)),
} as const;
