import { limits } from '../../contract/limits.ts';
import { defaultMode } from '../../core/tree.ts';
import type { MarkedAsset } from '../../data/asset-marks.ts';
import type { AssetAt, AssetVersionRow } from '../../data/assets.ts';
import type { ManifestEntry } from '../../data/objects.ts';

const entryOf = (name: string, version: AssetVersionRow): ManifestEntry => ({
  path: name,
  hash: version.hash,
  size: version.size,
  mode: defaultMode,
  isText: version.size <= limits.file.textMax && /^text\/|json$|xml$/.test(version.mimeType),
});

/** The asset as a file of a tree, its name for a path. */
export const asEntry = ({ asset, version }: AssetAt): ManifestEntry => entryOf(asset.name, version);

/** The same as a checkpoint names it; nothing where it was erased for good. */
export const asMarked = ({ name, content }: MarkedAsset): ManifestEntry[] => (content ? [entryOf(name, content)] : []);
