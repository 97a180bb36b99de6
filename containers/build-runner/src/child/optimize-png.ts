import sharp from 'sharp';
import { runnerLimits } from '../runner-limits.ts';

/** One picture at a time: a cache of decoded ones would only hold memory. */
sharp.cache(false);

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Encodes the same pixels better. What carries more than pixels of 8 bits (animation, colour profile) is left alone. */
export const optimizePng = async (bytes: Uint8Array): Promise<Uint8Array | null> => {
  const chunks = chunkNames(bytes);
  const input = { limitInputPixels: runnerLimits.optimizedPixels, failOn: 'warning' as const };
  const { depth, format, isPalette } = await sharp(bytes, input).metadata();
  if (format !== 'png') throw new Error('no PNG');
  // A gamma beside `sRGB` only repeats it.
  const hasProfile = chunks.has('iCCP') || (chunks.has('gAMA') && !chunks.has('sRGB'));
  if (depth !== 'uchar' || chunks.has('acTL') || hasProfile) return null;

  const pixels = async (png: Uint8Array): Promise<Buffer> => await sharp(png, input).ensureAlpha().raw().toBuffer();
  const original = await pixels(bytes);
  let best: Uint8Array | null = null;
  for (const palette of isPalette ? [true, false] : [false]) {
    const encoded = await sharp(bytes, input)
      .png({ compressionLevel: 9, effort: 10, adaptiveFiltering: !palette, palette, dither: 0 })
      .toBuffer();
    // An encoder that reduces colours may find more of them than fit.
    if (encoded.byteLength < (best ?? bytes).byteLength && (await pixels(encoded)).equals(original)) best = encoded;
  }
  return best;
};

const chunkNames = (bytes: Uint8Array): Set<string> => {
  const png = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!png.subarray(0, signature.length).equals(signature)) throw new Error('no PNG');
  const names = new Set<string>();
  for (let at = signature.length; at + 8 <= png.length; at += 12 + png.readUInt32BE(at))
    names.add(png.toString('latin1', at + 4, at + 8));
  return names;
};
