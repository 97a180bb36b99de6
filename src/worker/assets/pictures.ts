import type { PictureOrder } from '../../contract/assets.ts';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { assetKind } from '../../core/asset-types.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { type Picture, tooMuch } from '../../core/pictures.ts';
import { getObject } from '../../data/objects.ts';
import { askForPicture } from '../../queues/runner.ts';
import { readBytes } from '../http/body.ts';

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
  const open = async (): Promise<ReadableStream<Uint8Array>> => {
    const object = await getObject(env.ASSETS, picture.objectKey);
    if (!object) throw new KilnError('unavailable');
    return object.body;
  };
  const images = imagesOf(env);
  if (!images) return await byRunner(env, picture, order, open);
  const body = await open();
  try {
    return await byImages(images, body, order);
  } catch (error) {
    logEvent('picture.failed', { type: picture.mimeType, bytes: picture.size, ...describeError(error) }, 'warn');
    throw (await works(images)) ? broken() : away();
  }
}

/** What a runner brings is looked at before it is anything. Throws `payload_too_large`, and `type_mismatch` for what was not ordered. */
export async function madeBy(body: Request | Response, order: PictureOrder): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readBytes(body, limits.optimize.bytes);
  const head = bytes.subarray(0, limits.asset.headBytes);
  const { mimeType } = await assetKind(`picture.${order.format}`, head, {});
  if (mimeType !== mimeTypeOf(order.format)) throw new KilnError('type_mismatch');
  return bytes;
}

async function byRunner(
  env: Env,
  picture: StoredPicture,
  order: PictureOrder,
  open: () => Promise<ReadableStream<Uint8Array>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await askForPicture(env, picture, order, open);
  if (!answer) throw away();
  if (answer.status === 413)
    throw new KilnError('payload_too_large', { detail: 'The picture takes too much to decode.' });
  if (answer.status === 422) throw broken();
  try {
    if (answer.status !== 200) throw new Error(`the runner answers ${answer.status}`);
    return await madeBy(answer, order);
  } catch (error) {
    logEvent('picture.runner_refused', { hash: picture.hash, status: answer.status, ...describeError(error) }, 'warn');
    throw away();
  } finally {
    await answer.body?.cancel().catch(() => undefined);
  }
}

export const broken = (): KilnError =>
  new KilnError('unsupported_media_type', { detail: 'The picture cannot be decoded.' });

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
