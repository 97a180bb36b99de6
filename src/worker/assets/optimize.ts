import type { AssetMetadata, OptimizeAsset } from '../../contract/assets.ts';
import { KilnError } from '../../contract/errors.ts';
import { assetName, renamedTo } from '../../core/asset-types.ts';
import { logEvent } from '../../core/log.ts';
import { tooMuch } from '../../core/pictures.ts';
import { sha256 } from '../../core/tree.ts';
import { type AssetAt, addAssetVersion } from '../../data/assets.ts';
import { blobKey, putBlob } from '../../data/objects.ts';
import { type AppContext, actorOf } from '../http/context.ts';
import { metadataOf } from './metadata.ts';
import { type PictureFormat, remake } from './pictures.ts';

export interface Optimized {
  readonly at: AssetAt;
  readonly savedBytes: number;
  /** Whether there is a new version. */
  readonly changed: boolean;
}

const ownFormat = (mimeType: string): PictureFormat | null =>
  mimeType === 'image/png' || mimeType === 'image/jpeg' || mimeType === 'image/webp' ? mimeType : null;

function refuse({ version: { mimeType, size, metadata } }: AssetAt, format: PictureFormat | null): void {
  const facts = metadata as AssetMetadata;
  const refusal = tooMuch({ mimeType, size, metadata: facts });
  if (refusal) throw refusal;
  if ((facts.frames ?? 1) > 1)
    throw new KilnError('unsupported_media_type', { detail: 'An animation would lose all pictures but its first.' });
  if (format === null)
    throw new KilnError('unsupported_media_type', { detail: `${mimeType} is not written; name another format.` });
}

/** Makes a picture smaller, as a version of its own. Throws what `remake` throws, and where another version came meanwhile. */
export async function optimize(c: AppContext, at: AssetAt, userId: string, wanted: OptimizeAsset): Promise<Optimized> {
  const { asset, version } = at;
  const before = version.metadata as AssetMetadata;
  const format = wanted.format === undefined ? ownFormat(version.mimeType) : (`image/${wanted.format}` as const);
  const { quality, maxWidth = null, maxHeight = null } = wanted;
  const how = { format: (format ?? version.mimeType).slice(6), quality, maxWidth, maxHeight };
  if (before.optimized && sameAs(before.optimized, how)) return { at, savedBytes: 0, changed: false };
  if (wanted.compressMeshes !== undefined)
    throw new KilnError('validation_failed', { issues: [{ path: 'body.compressMeshes', message: 'is for models' }] });
  refuse(at, format);
  const mimeType = format ?? 'image/png';
  const [width, height] = [maxWidth ?? undefined, maxHeight ?? undefined];
  const picture = { mimeType: version.mimeType, size: version.size, metadata: before, objectKey: version.objectKey };
  const bytes = await remake(c.env, picture, { width, height, format: mimeType, quality });
  const savedBytes = version.size - bytes.length;
  const shrinks = (before.width ?? 0) > (maxWidth ?? Infinity) || (before.height ?? 0) > (maxHeight ?? Infinity);
  if (savedBytes <= 0 && !shrinks && mimeType === version.mimeType) return { at, savedBytes: 0, changed: false };
  const hash = sha256(bytes);
  const objectKey = blobKey(hash);
  await putBlob(c.env.ASSETS, hash, bytes);
  const kind = { type: 'image', mimeType } as const;
  const read = await metadataOf(c.env.ASSETS, { objectKey, size: bytes.length, head: bytes }, kind);
  const metadata = { ...read, optimized: { ...how, savedBytes } };
  const made = await addAssetVersion(
    c.var.db,
    asset.projectId,
    assetName(renamedTo(asset.name, mimeType)),
    { ...kind, objectKey, hash, size: bytes.length, metadata },
    actorOf(c, userId),
    { replaces: asset },
  );
  logEvent('asset.optimized', {
    requestId: c.var.requestId,
    project: asset.projectId,
    asset: asset.id,
    version: made.version.version,
    type: mimeType,
    bytes: bytes.length,
    savedBytes,
  });
  return { at: made, savedBytes, changed: true };
}

type How = Omit<NonNullable<AssetMetadata['optimized']>, 'savedBytes'>;

const sameAs = (a: How, b: How): boolean =>
  a.format === b.format && a.quality === b.quality && a.maxWidth === b.maxWidth && a.maxHeight === b.maxHeight;
