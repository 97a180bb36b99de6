import type { AssetMetadata } from '../contract/assets.ts';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';

/** A picture as far as it matters before it is decoded. */
export interface Picture {
  readonly mimeType: string;
  readonly size: number;
  readonly metadata: AssetMetadata;
}

const { pixels, side, sourceBytes } = limits.variant;

/** Formats that are decoded. */
const decoded = new Set(['image/png', 'image/apng', 'image/jpeg', 'image/gif', 'image/webp']);

/** Why a picture is not decoded; null: it may be. Who says how large it is are its own bytes, and what says nothing is not decoded. */
export function tooMuch({ mimeType, size, metadata: { width, height, frames = 1 } }: Picture): KilnError | null {
  if (!decoded.has(mimeType))
    return new KilnError('unsupported_media_type', { detail: `${mimeType} is not a picture that can be made anew.` });
  if (!width || !height)
    return new KilnError('unsupported_media_type', { detail: 'The picture does not say how large it is.' });
  if (size > sourceBytes || width > side || height > side || width * height * Math.max(1, frames) > pixels)
    return new KilnError('payload_too_large', {
      detail: `A picture that is made anew has at most ${sourceBytes} bytes, ${side} pixels a side and ${pixels} pixels in all its frames.`,
    });
  return null;
}

/** Pictures that browsers show as they are, also small. */
export const showsItself = (mimeType: string): boolean =>
  ['image/svg+xml', 'image/avif', 'image/bmp', 'image/x-icon'].includes(mimeType);
