import { VariantQuery } from '../../contract/assets.ts';
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
  const key = variantKey(asset.hash, name);
  const stored = await getObject(c.env.ASSETS, key);
  let bytes = stored && new Uint8Array(await stored.arrayBuffer());
  if (!bytes) {
    const start = Date.now();
    bytes = await remake(c.env, asset, {
      format: formatOf(mimeType),
      quality: limits.variant.quality,
      maxWidth: w ?? null,
      maxHeight: null,
    });
    await c.env.ASSETS.put(key, bytes, { httpMetadata: { contentType: mimeType } });
    logEvent('asset.variant', {
      requestId: c.var.requestId,
      variant: name,
      bytes: bytes.length,
      ms: Date.now() - start,
    });
  }
  const made = bytes;
  keep(c, `variant/${asset.hash}/${name}`, made.length, async () => made);
  return { ...shape, bytes: made, cached: stored !== null };
}
