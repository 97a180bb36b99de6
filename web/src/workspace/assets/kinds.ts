import type { SceneNodeValue } from '../../../../src/client/index.ts';
import type { Asset, AssetType, Optimization } from '../../../../src/contract/assets.ts';
import { optimizedTypeOf } from '../../../../src/contract/jobs.ts';
import { limits } from '../../../../src/contract/limits.ts';
import type { IconName } from '../../ui/icon.tsx';
import { extensionOf } from '../file-kinds.ts';

export const typeNames: Readonly<Record<AssetType, string>> = {
  image: 'Pictures',
  audio: 'Sound',
  video: 'Films',
  font: 'Fonts',
  model: 'Models',
  data: 'Data',
  other: 'Other',
};

export const typeIcons: Readonly<Record<AssetType, IconName>> = {
  image: 'image',
  audio: 'sound',
  video: 'film',
  font: 'letter',
  model: 'cube',
  data: 'file',
  other: 'file',
};

/** Formats of pictures that browsers show. */
const seen = new Set(
  ['png', 'apng', 'jpeg', 'gif', 'webp', 'avif', 'bmp', 'x-icon', 'svg+xml'].map((format) => `image/${format}`),
);

/** Where a picture of it is, if there is one. */
export const pictureOf = ({ thumbnailUrl, type, mimeType, url }: Asset): string | undefined =>
  thumbnailUrl ?? (type === 'image' && seen.has(mimeType) ? url : undefined);

/** Whether it can become a part of a sheet. */
export const packable = ({ mimeType, deletedAt }: Asset): boolean =>
  deletedAt === null && ['image/png', 'image/jpeg', 'image/webp'].includes(mimeType);

/** Whether its file can be made smaller. */
export const shrinkable = (asset: Asset): boolean =>
  packable(asset) ||
  (asset.deletedAt === null && optimizedTypeOf(asset) !== undefined && asset.size <= limits.optimize.bytes);

const reasons: Readonly<Record<string, string>> = {
  asset_broken: 'It is damaged, or parts of it lie in other files.',
  payload_too_large: 'It takes more time or memory than there is for it.',
  quota_exceeded: 'There is no room left for another version.',
  conflict: 'It was changed meanwhile.',
};

/** Why a runner could not make it smaller. */
export const whyNotSmaller = ({ errorCode }: Pick<Optimization, 'errorCode'>): string =>
  reasons[errorCode ?? ''] ?? 'No build runner could do it now. Try again later.';

/** Where a build finds it; see `docs/guides/assets.md`. */
export const pathInBuild = ({ name }: Pick<Asset, 'name'>): string => `assets/${name}`;

const quoted = new Set(['ts', 'tsx', 'js', 'jsx', 'mjs', 'cjs', 'mts', 'cts']);

/** How code names it: as a string in scripts, unless the caret is in one already. */
export const nameInCode = (asset: Asset, path: string, before: string): string => {
  const name = pathInBuild(asset);
  return !quoted.has(extensionOf(path)) || /['"`/]/.test(before) ? name : `'${name}'`;
};

const nodeTypes: Readonly<Partial<Record<AssetType, string>>> = {
  image: 'sprite',
  audio: 'sound',
  video: 'video',
  model: 'model',
  font: 'text',
};

/** A node that shows it, for a scene. What its fields mean is the game's own. */
export const nodeOf = (asset: Asset): SceneNodeValue => {
  const { width, height } = asset.metadata;
  return {
    name: asset.name.replace(/\.[^.]+$/, ''),
    type: nodeTypes[asset.type] ?? 'node',
    asset: pathInBuild(asset),
    position: { x: 0, y: 0 },
    ...(typeof width === 'number' && typeof height === 'number' ? { size: { width, height } } : {}),
  };
};

/** What a card carries while it is dragged, beside its text. */
export const draggedAsset = 'application/x-kiln-asset';
