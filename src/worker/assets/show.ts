import type { Asset, AssetVersion } from '../../contract/assets.ts';
import type { Config } from '../../core/config.ts';
import { assetUrl } from '../../core/links.ts';
import type { AssetAt, AssetVersionRow } from '../../data/assets.ts';
import { iso, isoOrNull } from '../../data/time.ts';

/** The asset as the API shows it. */
export const toAsset = (config: Config, { asset, version }: AssetAt): Asset => ({
  id: asset.id,
  projectId: asset.projectId,
  name: asset.name,
  type: asset.type,
  mimeType: version.mimeType,
  size: version.size,
  hash: version.hash,
  version: version.version,
  url: assetUrl(config, asset.id, version.version),
  thumbnailUrl: null,
  metadata: version.metadata as Asset['metadata'],
  uploadedBy: version.createdBy,
  uploadedAt: iso(version.createdAt),
  deletedAt: isoOrNull(asset.deletedAt),
});

export const toVersion = (config: Config, row: AssetVersionRow): AssetVersion => ({
  version: row.version,
  mimeType: row.mimeType,
  size: row.size,
  hash: row.hash,
  url: assetUrl(config, row.assetId, row.version),
  metadata: row.metadata as AssetVersion['metadata'],
  uploadedBy: row.createdBy,
  uploadedAt: iso(row.createdAt),
});
