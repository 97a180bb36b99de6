import type { PictureOrder } from '../../contract/assets.ts';
import { KilnError } from '../../contract/errors.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { type Picture, tooMuch } from '../../core/pictures.ts';
import { getObject } from '../../data/objects.ts';

type Format = PictureOrder['format'];
export type PictureType = `image/${Format}`;

export const mimeTypeOf = (format: Format): PictureType => `image/${format}`;
export const formatOf = (mimeType: PictureType): Format => mimeType.slice(6) as Format;

/** A picture that is stored. */
export interface StoredPicture extends Picture {
  readonly objectKey: string;
  readonly hash: string;
}

/** Cloudflare Images, which an account may be without: then runners do its work. */
export const imagesOf = (env: { readonly IMAGES?: ImagesBinding }): ImagesBinding | null => env.IMAGES ?? null;

/**
 * A stored picture, decoded and written anew. Throws `unsupported_media_type` and `payload_too_large` for what is not decoded,
 * before a byte of it is read, `unsupported_media_type` for what cannot be, and `unavailable` where nobody can do it now.
 */
export async function remake(env: Env, picture: StoredPicture, order: PictureOrder): Promise<Uint8Array<ArrayBuffer>> {
  const refusal = tooMuch(picture);
  if (refusal) throw refusal;
  const images = imagesOf(env);
  if (!images) throw away();
  const object = await getObject(env.ASSETS, picture.objectKey);
  if (!object) throw new KilnError('unavailable');
  try {
    return await byImages(images, object.body, order);
  } catch (error) {
    logEvent('picture.failed', { type: picture.mimeType, bytes: picture.size, ...describeError(error) }, 'warn');
    throw (await works(images))
      ? new KilnError('unsupported_media_type', { detail: 'The picture cannot be decoded.' })
      : away();
  }
}

async function byImages(
  images: ImagesBinding,
  body: ReadableStream<Uint8Array>,
  { format, quality, maxWidth, maxHeight }: PictureOrder,
): Promise<Uint8Array<ArrayBuffer>> {
  let image = images.input(body);
  if (maxWidth !== null || maxHeight !== null)
    image = image.transform({
      ...(maxWidth !== null && { width: maxWidth }),
      ...(maxHeight !== null && { height: maxHeight }),
      fit: 'scale-down',
    });
  const type = mimeTypeOf(format);
  const made = await image.output({ format: type, ...(format !== 'png' && { quality }), anim: false });
  return new Uint8Array(await made.response().arrayBuffer());
}

const away = (): KilnError => new KilnError('unavailable', { detail: 'Pictures cannot be made at the moment.' });

/** One black pixel. */
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==';

/** Whether another picture can be made: the service has codes for what is broken, but not for every way of being so. */
async function works(images: ImagesBinding): Promise<boolean> {
  const bytes = Uint8Array.from(atob(pixel), (char) => char.charCodeAt(0));
  try {
    const made = await images.input(new Blob([bytes]).stream()).output({ format: 'image/png' });
    return (await made.response().arrayBuffer()).byteLength > 0;
  } catch {
    return false;
  }
}
