import { LRUCache } from 'lru-cache';
import { PictureOrder, VariantQuery } from '../../contract/assets.ts';
import { KilnError } from '../../contract/errors.ts';
import type { PictureEnd } from '../../contract/jobs.ts';
import { limits } from '../../contract/limits.ts';
import { logEvent } from '../../core/log.ts';
import type { Verified } from '../../core/tokens.ts';
import type { Deliverable } from '../../data/delivery.ts';
import { getBlob, getObject, headObject, variantKey } from '../../data/objects.ts';
import { offerPicture } from '../../queues/runner.ts';
import type { AppContext } from '../http/context.ts';
import { keep, kept } from './edge-cache.ts';
import { broken, formatOf, imagesOf, madeBy, mimeTypeOf, type PictureType, remake } from './pictures.ts';

/** Raised when variants come out differently. */
const edition = 'v1';

export interface Variant {
  readonly name: string;
  readonly mimeType: PictureType;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly cached: boolean;
}

/** What the address asks for; null: the bytes as they are. Throws `validation_failed` for what is on no list. */
export function variantAsked(url: URL): VariantQuery | null {
  const given = { w: url.searchParams.get('w') ?? undefined, format: url.searchParams.get('format') ?? undefined };
  if (given.w === undefined && given.format === undefined) return null;
  const parsed = VariantQuery.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new KilnError('validation_failed', {
    issues: parsed.error.issues.map(({ path, message }) => ({ path: `query.${path.join('.')}`, message })),
  });
}

/** Format that shows as much as the original does. */
const likeItself = (mimeType: string): PictureType =>
  mimeType === 'image/jpeg' || mimeType === 'image/webp' ? mimeType : 'image/png';

/**
 * A picture of another width or format. Made once, kept in the bucket for all and in the data centre for its readers. Whoever
 * asks has passed the gate of the asset.
 */
export async function variantOf(c: AppContext, asset: Deliverable, { w, format }: VariantQuery): Promise<Variant> {
  const mimeType: PictureType = format === undefined ? likeItself(asset.mimeType) : mimeTypeOf(format);
  const order = {
    format: formatOf(mimeType),
    quality: limits.variant.quality,
    maxWidth: w ?? null,
    maxHeight: null,
  };
  const name = nameOf(order);
  const shape = { name, mimeType };
  const near = await kept(c, `variant/${asset.hash}/${name}`);
  if (near) return { ...shape, bytes: new Uint8Array(await new Response(near).arrayBuffer()), cached: true };
  const refusal = refused.get(asset.hash) ?? refused.get(`${asset.hash} ${name}`);
  if (refusal) throw new KilnError(refusal.code, { detail: refusal.detail });
  const key = variantKey(asset.hash, name);
  const stored = await getObject(c.env.ASSETS, key);
  const making = stored ? null : make(c, asset, order);
  // Whoever leaves has had it made: it is there when somebody comes back.
  if (making) c.executionCtx.waitUntil(making.catch(() => undefined));
  const made = stored ? new Uint8Array(await stored.arrayBuffer()) : await making;
  if (!made) throw new Error('it is stored, or made');
  keep(c, `variant/${asset.hash}/${name}`, made.length, async () => made);
  return { ...shape, bytes: made, cached: stored !== null };
}

/** What the picture of an order is called among those of the same bytes. */
const nameOf = ({ format, maxWidth }: PictureOrder): string => `${edition}-${maxWidth ?? 'full'}-${format}`;

/** Pictures that could not be decoded, so that they are not tried again with each look at them. */
const refused = new LRUCache<string, KilnError>({ max: limits.variant.refusedRemembered, ttl: limits.variant.refused });

async function make(c: AppContext, asset: Deliverable, order: PictureOrder): Promise<Uint8Array<ArrayBuffer>> {
  const start = Date.now();
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await remake(c.env, asset, order);
  } catch (error) {
    if (error instanceof KilnError && error.code !== 'unavailable') refuse(asset.hash, order, error);
    // Who pulls cannot be asked: it is made for whoever looks next.
    else if (!imagesOf(c.env)) await offerPicture(c.env, asset, order);
    throw error;
  }
  await keepVariant(c, asset.hash, order, bytes, Date.now() - start);
  return bytes;
}

function refuse(hash: string, order: PictureOrder, error: KilnError): void {
  // What takes too long in one size may be made in another.
  refused.set(error.code === 'payload_too_large' ? `${hash} ${nameOf(order)}` : hash, error);
}

async function keepVariant(
  c: AppContext,
  hash: string,
  order: PictureOrder,
  bytes: Uint8Array,
  ms: number,
): Promise<void> {
  const name = nameOf(order);
  await c.env.ASSETS.put(variantKey(hash, name), bytes, { httpMetadata: { contentType: mimeTypeOf(order.format) } });
  logEvent('asset.variant', { requestId: c.var.requestId, variant: name, bytes: bytes.length, ms });
}

/** What the token of a runner that pulls says. */
type Order = Pick<Verified<'picture'>, 'sub' | 'order' | 'exp'>;

const orderOf = ({ order }: Order): PictureOrder => PictureOrder.parse(JSON.parse(order));

/** The picture that a runner is to write anew. Throws `conflict` where that is done, and `not_found` where it is gone. */
export async function pictureToMake(c: AppContext, job: Order): Promise<R2ObjectBody> {
  if (await headObject(c.env.ASSETS, variantKey(job.sub, nameOf(orderOf(job)))))
    throw new KilnError('conflict', { detail: 'This picture is made.' });
  const object = await getBlob(c.env.ASSETS, job.sub);
  if (!object) throw new KilnError('not_found');
  return object;
}

/** Keeps what a runner that pulled an order made of it. Throws what `madeBy` throws. */
export async function takePicture(c: AppContext, job: Order): Promise<void> {
  const order = orderOf(job);
  const bytes = await madeBy(c.req.raw, order);
  const since = job.exp * 1000 - limits.variant.runner.offerTtl;
  await keepVariant(c, job.sub, order, bytes, c.var.started - since);
}

/** Takes the word of a runner that pulled an order that it cannot be carried out. */
export function pictureRefused(job: Order, { code }: PictureEnd): void {
  refuse(job.sub, orderOf(job), code === 'asset_broken' ? broken() : new KilnError(code));
}
