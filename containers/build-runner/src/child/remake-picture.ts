import { readFile, writeFile } from 'node:fs/promises';
import sharp, { type Sharp } from 'sharp';
import type { PictureOrder } from '../../../../src/contract/assets.ts';
import { limits } from '../../../../src/contract/limits.ts';
import { runnerLimits } from '../runner-limits.ts';
import { optimizePng } from './optimize-png.ts';
import type { ChildMessage, PictureRequest } from './protocol.ts';

/** Only the decoders of formats that the platform has made anew: a drawing or a PDF by another name reaches no parser. */
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['VipsForeignLoadPng', 'VipsForeignLoadJpeg', 'VipsForeignLoadWebp', 'VipsForeignLoadNsgif'],
});

const { pixels, side } = limits.variant;

const encode = (image: Sharp, { format, quality }: PictureOrder, hurry: boolean): Sharp => {
  switch (format) {
    case 'png':
      return image.png({ compressionLevel: hurry ? 6 : 9, adaptiveFiltering: !hurry });
    case 'webp':
      return image.webp({ quality, effort: hurry ? 2 : 4 });
    case 'avif':
      return image.avif({ quality, effort: hurry ? 0 : 3 });
    case 'jpeg':
      // It keeps no transparency.
      return image.flatten({ background: 'white' }).jpeg({ quality, mozjpeg: !hurry });
  }
};

/** The first picture of a file, upright, as large as asked for at the most, in another format or the same. */
const remake = async (bytes: Uint8Array, order: PictureOrder): Promise<Uint8Array> => {
  const input = { limitInputPixels: pixels, failOn: 'error', pages: 1 } as const;
  const { width, height, format, orientation = 1, autoOrient } = await sharp(bytes, input).metadata();
  if (width > side || height > side) throw new RangeError('the picture has more pixels than are decoded');
  const { maxWidth, maxHeight } = order;
  const shrinks = autoOrient.width > (maxWidth ?? side) || autoOrient.height > (maxHeight ?? side);
  const hurry = width * height > runnerLimits.unhurriedPixels;
  // The same pixels, better packed.
  if (order.format === 'png' && format === 'png' && !shrinks && !hurry && orientation === 1) {
    const packed = await optimizePng(bytes);
    if (packed !== null) return packed;
  }
  const image = sharp(bytes, input).autoOrient();
  const sized = shrinks
    ? image.resize({
        ...(maxWidth !== null && { width: maxWidth }),
        ...(maxHeight !== null && { height: maxHeight }),
        fit: 'inside',
        withoutEnlargement: true,
      })
    : image;
  return await encode(sized, order, hurry).toBuffer();
};

/** Writes one picture anew, to where it was told to. */
export const remakePicture = async ({ picture, input, output }: PictureRequest): Promise<ChildMessage> => {
  try {
    await writeFile(output, await remake(await readFile(input), picture));
    return { type: 'success' };
  } catch (error) {
    // libvips names no kind of its errors.
    const tooLarge = error instanceof RangeError || (error instanceof Error && /pixel limit/i.test(error.message));
    return {
      type: 'failure',
      kind: tooLarge ? 'limit' : 'user',
      code: tooLarge ? 'payload_too_large' : 'asset_broken',
      message: 'The picture could not be read.',
    };
  }
};
