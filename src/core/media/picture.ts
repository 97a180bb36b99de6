import { imageSize } from 'image-size';
import { SaxesParser } from 'saxes';
import type { AssetMetadata } from '../../contract/assets.ts';
import { limits } from '../../contract/limits.ts';
import { ascii, type Reader, Unreadable } from './source.ts';

type Into = AssetMetadata;

/** Chunks before the pixels: size, kinds of colour, transparency, number of pictures. PNG, third edition, §11. */
async function png(reader: Reader, into: Into): Promise<void> {
  const header = await reader.view(8, 25);
  into.width = header.getUint32(8);
  into.height = header.getUint32(12);
  into.alpha = (header.getUint8(17) & 4) !== 0;
  into.frames = 1;
  let at = 33;
  for (let chunk = 0; chunk < limits.media.chunks; chunk += 1) {
    const start = await reader.view(at, 8);
    const type = ascii(new Uint8Array(start.buffer, start.byteOffset + 4, 4));
    if (type === 'IDAT' || type === 'IEND') return;
    if (type === 'tRNS') into.alpha = true;
    if (type === 'acTL') into.frames = (await reader.view(at + 8, 4)).getUint32(0);
    at += 12 + start.getUint32(0);
  }
}

/** Blocks to the end, for that is where the number of pictures stands. GIF89a, §§18–23. */
async function gif(reader: Reader, into: Into): Promise<void> {
  const screen = await reader.view(6, 7);
  into.width = screen.getUint16(0, true);
  into.height = screen.getUint16(2, true);
  const colours = (flags: number): number => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  let at = 13 + colours(screen.getUint8(4));
  const skip = async (): Promise<void> => {
    for (;;) {
      const [length = 0] = await reader.exactly(at, 1);
      at += 1 + length;
      if (length === 0) return;
    }
  };
  let frames = 0;
  let alpha = false;
  for (;;) {
    const [kind] = await reader.exactly(at, 1);
    if (kind === 0x3b) break;
    if (kind === 0x2c) {
      frames += 1;
      at += 10 + colours((await reader.view(at + 9, 1)).getUint8(0)) + 1;
    } else if (kind === 0x21) {
      const [, label, length, flags = 0] = await reader.exactly(at, 4);
      if (label === 0xf9 && length === 4 && flags & 1) alpha = true;
      at += 2;
    } else throw new Unreadable();
    await skip();
  }
  into.frames = frames;
  into.alpha = alpha;
}

/** RFC 9649: one chunk of pixels, or a header and then chunks. */
async function webp(reader: Reader, into: Into): Promise<void> {
  const first = await reader.view(12, 18);
  const type = ascii(new Uint8Array(first.buffer, first.byteOffset, 4));
  const uint24 = (view: DataView, at: number): number => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  if (type === 'VP8 ') {
    into.width = first.getUint16(14, true) & 0x3fff;
    into.height = first.getUint16(16, true) & 0x3fff;
    Object.assign(into, { alpha: false, frames: 1 });
  } else if (type === 'VP8L') {
    const bits = first.getUint32(9, true);
    into.width = (bits & 0x3fff) + 1;
    into.height = ((bits >>> 14) & 0x3fff) + 1;
    Object.assign(into, { alpha: (bits >>> 28) % 2 === 1, frames: 1 });
  } else if (type === 'VP8X') {
    const flags = first.getUint8(8);
    into.width = uint24(first, 12) + 1;
    into.height = uint24(first, 15) + 1;
    into.alpha = (flags & 0x10) !== 0;
    if ((flags & 2) === 0) into.frames = 1;
    else {
      let frames = 0;
      for (let at = 30; at + 8 <= reader.size; ) {
        const chunk = await reader.view(at, 8);
        if (ascii(new Uint8Array(chunk.buffer, chunk.byteOffset, 4)) === 'ANMF') frames += 1;
        const length = chunk.getUint32(4, true);
        at += 8 + length + (length & 1);
      }
      into.frames = frames;
    }
  }
}

/** Size on the root, or the box that it draws in. */
async function svg(reader: Reader, into: Into): Promise<void> {
  const head = new TextDecoder().decode(await reader.some(0, limits.asset.headBytes));
  const parser = new SaxesParser();
  let root: Readonly<Record<string, string>> | undefined;
  parser.on('opentag', ({ attributes }) => {
    root ??= attributes as Record<string, string>;
  });
  // What comes after the root is cut off somewhere.
  parser.on('error', () => undefined);
  parser.write(head);
  const pixels = (text: string | undefined): number | undefined => {
    const [, number] = /^\s*(\d{1,7}(?:\.\d{1,7})?)(?:px)?\s*$/.exec(text ?? '') ?? [];
    return number === undefined ? undefined : Math.round(Number(number));
  };
  const box = (root?.viewBox ?? '').trim().split(/[\s,]+/, 5);
  const width = pixels(root?.width) ?? pixels(box[2]);
  const height = pixels(root?.height) ?? pixels(box[3]);
  if (width !== undefined && height !== undefined) Object.assign(into, { width, height });
}

/** What has its size somewhere in its beginning. */
async function others(reader: Reader, into: Into, mimeType: string): Promise<void> {
  const head = await reader.some(0, limits.media.headBytes);
  const { width, height, orientation = 1 } = imageSize(head);
  const turned = orientation >= 5;
  Object.assign(into, { width: turned ? height : width, height: turned ? width : height });
  if (mimeType === 'image/jpeg') Object.assign(into, { alpha: false, frames: 1 });
  // ISO/IEC 23008-12: transparency is a picture beside the picture, of this type.
  if (mimeType === 'image/avif') into.alpha = Buffer.from(head).includes('urn:mpeg:mpegB:cicp:systems:auxiliary:alpha');
}

/** Size, transparency and number of pictures. */
export async function readPicture(reader: Reader, into: Into, mimeType: string): Promise<void> {
  switch (mimeType) {
    case 'image/png':
    case 'image/apng':
      return await png(reader, into);
    case 'image/gif':
      return await gif(reader, into);
    case 'image/webp':
      return await webp(reader, into);
    case 'image/svg+xml':
      return await svg(reader, into);
    case 'image/jpeg':
    case 'image/avif':
    case 'image/bmp':
    case 'image/x-icon':
    case 'image/ktx':
    case 'image/vnd.adobe.photoshop':
      return await others(reader, into, mimeType);
  }
}
