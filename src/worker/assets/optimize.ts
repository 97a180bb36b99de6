import type { AssetMetadata, OptimizeAsset, PictureOrder } from '../../contract/assets.ts';
import { KilnError } from '../../contract/errors.ts';
import { assetName, renamedTo } from '../../core/asset-types.ts';
import { logEvent } from '../../core/log.ts';
import { tooMuch } from '../../core/pictures.ts';
import { sha256 } from '../../core/tree.ts';
import { type AssetAt, addAssetVersion } from '../../data/assets.ts';
import { blobKey, putBlob } from '../../data/objects.ts';
import { type AppContext, actorOf } from '../http/context.ts';
import { metadataOf } from './metadata.ts';
import { formatOf, mimeTypeOf, type PictureType, remake } from './pictures.ts';

export interface Optimized {
  readonly at: AssetAt;
  readonly savedBytes: number;
  /** Whether there is a new version. */
  readonly changed: boolean;
}

const ownFormat = (mimeType: string): PictureType | null =>
  mimeType === 'image/png' || mimeType === 'image/jpeg' || mimeType === 'image/webp' ? mimeType : null;

function refuse({ version: { mimeType, size, metadata } }: AssetAt, format: PictureType | null): void {
  const facts = metadata as AssetMetadata;
  const refusal = tooMuch({ mimeType, size, metadata: facts });
  if (refusal) throw refusal;
  if ((facts.frames ?? 1) > 1)
    throw new KilnError('unsupported_media_type', { detail: 'An animation would lose all pictures but its first.' });
  if (format === null)
    throw new KilnError('unsupported_media_type', { detail: `${mimeType} is not written; name another format.` });
}

/**
 * How a picture is made smaller; null: it is a picture that was made just so. Throws `validation_failed`, and what says why a picture
 * is not made anew.
 */
export function planOf(at: AssetAt, wanted: OptimizeAsset): PictureOrder | null {
  const { mimeType, metadata } = at.version;
  const format = wanted.format === undefined ? ownFormat(mimeType) : (`image/${wanted.format}` as const);
  const { quality, maxWidth = null, maxHeight = null } = wanted;
  const { optimized } = metadata as AssetMetadata;
  const order = { format: formatOf(format ?? 'image/png'), quality, maxWidth, maxHeight };
  if (optimized && isSame(optimized, { ...order, format: (format ?? mimeType).slice(6) })) return null;
  if (wanted.compressMeshes !== undefined)
    throw new KilnError('validation_failed', { issues: [{ path: 'body.compressMeshes', message: 'is for models' }] });
  refuse(at, format);
  return order;
}

/** The next version of a picture, which an order was carried out for; null: nothing is gained by it. */
export function pictureVersion(
  { asset, version }: AssetAt,
  order: PictureOrder,
  bytes: Uint8Array,
  read: AssetMetadata,
) {
  const before = version.metadata as AssetMetadata;
  const { maxWidth, maxHeight } = order;
  const mimeType = mimeTypeOf(order.format);
  const savedBytes = version.size - bytes.length;
  const shrinks = (before.width ?? 0) > (maxWidth ?? Infinity) || (before.height ?? 0) > (maxHeight ?? Infinity);
  if (savedBytes <= 0 && !shrinks && mimeType === version.mimeType) return null;
  const hash = sha256(bytes);
  const metadata = { ...read, optimized: { ...order, savedBytes } };
  return {
    name: assetName(renamedTo(asset.name, mimeType)),
    savedBytes,
    content: { type: 'image', mimeType, objectKey: blobKey(hash), hash, size: bytes.length, metadata },
  } as const;
}

/** Makes a picture smaller, as a version of its own. Throws what `remake` throws, and where another version came meanwhile. */
export async function optimize(c: AppContext, at: AssetAt, userId: string, order: PictureOrder): Promise<Optimized> {
  const { asset, version } = at;
  const { mimeType, size, objectKey, hash } = version;
  const picture = { mimeType, size, objectKey, hash, metadata: version.metadata as AssetMetadata };
  const bytes = await remake(c.env, picture, order);
  const kind = { type: 'image', mimeType: mimeTypeOf(order.format) } as const;
  const read = await metadataOf(c.env.ASSETS, { objectKey, size: bytes.length, head: bytes }, kind);
  const next = pictureVersion(at, order, bytes, read);
  if (!next) return { at, savedBytes: 0, changed: false };
  await putBlob(c.env.ASSETS, next.content.hash, bytes);
  const { name, content, savedBytes } = next;
  const made = await addAssetVersion(c.var.db, asset.projectId, name, content, actorOf(c, userId), { replaces: asset });
  logEvent('asset.optimized', {
    requestId: c.var.requestId,
    project: asset.projectId,
    asset: asset.id,
    version: made.version.version,
    type: content.mimeType,
    bytes: bytes.length,
    savedBytes,
  });
  return { at: made, savedBytes, changed: true };
}

type How = Omit<NonNullable<AssetMetadata['optimized']>, 'savedBytes'>;

const isSame = (a: How, b: How): boolean =>
  a.format === b.format && a.quality === b.quality && a.maxWidth === b.maxWidth && a.maxHeight === b.maxHeight;
