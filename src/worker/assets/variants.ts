import { LRUCache } from 'lru-cache';
import { type PictureOrder, VariantQuery } from '../../contract/assets.ts';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { logEvent } from '../../core/log.ts';
import type { Deliverable } from '../../data/delivery.ts';
import { getObject, variantKey } from '../../data/objects.ts';
import type { AppContext } from '../http/context.ts';
import { keep, kept } from './edge-cache.ts';
import { formatOf, mimeTypeOf, type PictureType, remake } from './pictures.ts';

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
  const name = `${edition}-${w ?? 'full'}-${mimeType.slice(6)}`;
  const shape = { name, mimeType };
  const near = await kept(c, `variant/${asset.hash}/${name}`);
  if (near) return { ...shape, bytes: new Uint8Array(await new Response(near).arrayBuffer()), cached: true };
  const refusal = refused.get(asset.hash) ?? refused.get(`${asset.hash} ${name}`);
  if (refusal) throw new KilnError(refusal.code, { detail: refusal.detail });
  const key = variantKey(asset.hash, name);
  const stored = await getObject(c.env.ASSETS, key);
  const making = stored ? null : make(c, asset, name, key, { format: formatOf(mimeType), width: w ?? null });
  // Whoever leaves has had it made: it is there when somebody comes back.
  if (making) c.executionCtx.waitUntil(making.catch(() => undefined));
  const made = stored ? new Uint8Array(await stored.arrayBuffer()) : await making;
  if (!made) throw new Error('it is stored, or made');
  keep(c, `variant/${asset.hash}/${name}`, made.length, async () => made);
  return { ...shape, bytes: made, cached: stored !== null };
}

/** Pictures that could not be decoded, so that they are not tried again with each look at them. */
const refused = new LRUCache<string, KilnError>({ max: limits.variant.refusedRemembered, ttl: limits.variant.refused });

async function make(
  c: AppContext,
  asset: Deliverable,
  name: string,
  key: string,
  { format, width }: { readonly format: PictureOrder['format']; readonly width: number | null },
): Promise<Uint8Array<ArrayBuffer>> {
  const start = Date.now();
  const order = { format, quality: limits.variant.quality, maxWidth: width, maxHeight: null };
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await remake(c.env, asset, order);
  } catch (error) {
    // What takes too long in one size may be made in another.
    if (error instanceof KilnError && error.code !== 'unavailable')
      refused.set(error.code === 'payload_too_large' ? `${asset.hash} ${name}` : asset.hash, error);
    throw error;
  }
  await c.env.ASSETS.put(key, bytes, { httpMetadata: { contentType: mimeTypeOf(format) } });
  logEvent('asset.variant', {
    requestId: c.var.requestId,
    variant: name,
    bytes: bytes.length,
    ms: Date.now() - start,
  });
  return bytes;
}
