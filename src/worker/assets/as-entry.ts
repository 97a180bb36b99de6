import { limits } from '../../contract/limits.ts';
import { defaultMode } from '../../core/tree.ts';
import type { AssetAt } from '../../data/assets.ts';
import type { ManifestEntry } from '../../data/objects.ts';

/** The asset as a file of a tree, its name for a path. */
export const asEntry = ({ asset, version }: AssetAt): ManifestEntry => ({
  path: asset.name,
  hash: version.hash,
  size: version.size,
  mode: defaultMode,
  isText: version.size <= limits.file.textMax && /^text\/|json$|xml$/.test(version.mimeType),
});
