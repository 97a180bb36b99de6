import { KilnError } from '../../contract/errors.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { type Picture, tooMuch } from '../../core/pictures.ts';
import { getObject } from '../../data/objects.ts';

export type PictureFormat = 'image/webp' | 'image/avif' | 'image/png' | 'image/jpeg';

export interface Remake {
  /** Pixels at most; nothing is made larger. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly format: PictureFormat;
  /** Out of 100, of formats that lose something. */
  readonly quality: number;
}

/**
 * A stored picture, decoded and written anew. Throws `unsupported_media_type` and `payload_too_large` for what is not decoded,
 * before a byte of it is read, and `unsupported_media_type` for what cannot be.
 */
export async function remake(
  env: Env,
  picture: Picture & { readonly objectKey: string },
  { width, height, format, quality }: Remake,
): Promise<Uint8Array<ArrayBuffer>> {
  const refusal = tooMuch(picture);
  if (refusal) throw refusal;
  const object = await getObject(env.ASSETS, picture.objectKey);
  if (!object) throw new KilnError('unavailable');
  try {
    let image = env.IMAGES.input(object.body);
    if (width !== undefined || height !== undefined)
      image = image.transform({
        ...(width !== undefined && { width }),
        ...(height !== undefined && { height }),
        fit: 'scale-down',
      });
    const made = await image.output({ format, ...(format !== 'image/png' && { quality }), anim: false });
    return new Uint8Array(await made.response().arrayBuffer());
  } catch (error) {
    logEvent('picture.failed', { type: picture.mimeType, bytes: picture.size, ...describeError(error) }, 'warn');
    throw (await works(env))
      ? new KilnError('unsupported_media_type', { detail: 'The picture cannot be decoded.' })
      : away();
  }
}

const away = (): KilnError => new KilnError('unavailable', { detail: 'Pictures cannot be made at the moment.' });

/** One black pixel. */
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==';

/** Whether another picture can be made: the service has codes for what is broken, but not for every way of being so. */
async function works(env: Env): Promise<boolean> {
  const bytes = Uint8Array.from(atob(pixel), (char) => char.charCodeAt(0));
  try {
    const made = await env.IMAGES.input(new Blob([bytes]).stream()).output({ format: 'image/png' });
    return (await made.response().arrayBuffer()).byteLength > 0;
  } catch {
    return false;
  }
}
