import { convertIndexedToRgb, decode, encode } from 'fast-png';
import type { AssetMetadata, AssetType, PackAssets } from '../../contract/assets.ts';
import { KilnError } from '../../contract/errors.ts';
import { assetName } from '../../core/asset-types.ts';
import { atlasOf, layOut, type Placed, type Sheet } from '../../core/atlas.ts';
import { logEvent } from '../../core/log.ts';
import { tooMuch } from '../../core/pictures.ts';
import { sha256 } from '../../core/tree.ts';
import { type AssetAt, addAssetVersions, assetsByIds, type NewVersion } from '../../data/assets.ts';
import { blobKey, putBlob } from '../../data/objects.ts';
import { type AppContext, actorOf } from '../http/context.ts';
import { metadataOf } from './metadata.ts';
import { remake } from './pictures.ts';

const pictureOf = ({ version: { mimeType, size, metadata, objectKey, hash } }: AssetAt) => ({
  mimeType,
  size,
  metadata: metadata as AssetMetadata,
  objectKey,
  hash,
});

const asPng = { format: 'png', quality: 100, maxWidth: null, maxHeight: null } as const;

/** Puts pixels where they belong. Whatever the PNG is made of, the sheet has four channels of eight bits. */
function draw(sheet: Sheet, pixels: Uint8Array, tile: Placed, png: Uint8Array): void {
  const image = decode(png);
  if (image.width !== tile.width || image.height !== tile.height)
    throw new KilnError('unsupported_media_type', { detail: 'A picture is not as large as it says.' });
  const data = image.palette ? convertIndexedToRgb(image) : image.data;
  const channels = image.palette ? data.length / (image.width * image.height) : image.channels;
  const shift = image.depth === 16 ? 8 : 0;
  const at = (index: number): number => (data[index] ?? 0) >> shift;
  const hasAlpha = channels === 2 || channels === 4;
  for (let y = 0; y < tile.height; y += 1)
    for (let x = 0; x < tile.width; x += 1) {
      const from = (y * tile.width + x) * channels;
      const to = ((tile.y + y) * sheet.width + tile.x + x) * 4;
      const grey = channels < 3;
      pixels[to] = at(from);
      pixels[to + 1] = at(grey ? from : from + 1);
      pixels[to + 2] = at(grey ? from : from + 2);
      pixels[to + 3] = hasAlpha ? at(from + channels - 1) : 255;
    }
}

/** Stores bytes as a blob, for a version that will name them. */
async function versionOf(
  c: AppContext,
  name: string,
  bytes: Uint8Array,
  kind: { readonly type: AssetType; readonly mimeType: string },
): Promise<NewVersion> {
  const hash = sha256(bytes);
  const objectKey = blobKey(hash);
  await putBlob(c.env.ASSETS, hash, bytes);
  const metadata = await metadataOf(c.env.ASSETS, { objectKey, size: bytes.length, head: bytes }, kind);
  return { name, content: { ...kind, objectKey, hash, size: bytes.length, metadata } };
}

/**
 * Packs pictures into a sheet and stores it together with its atlas, once under the key of the request. One picture is decoded at
 * a time, by the service that makes pictures: what is decoded here are PNGs that it wrote. Throws `not_found` for an asset that is
 * not there, what `tooMuch` says, and `payload_too_large` where they do not fit.
 */
export async function pack(c: AppContext, projectId: string, userId: string, wanted: PackAssets) {
  const base = wanted.name.replace(/\.(?:png|json)$/i, '');
  const [imageName, atlasName] = [assetName(`${base}.png`), assetName(`${base}.json`)];
  const ids = [...new Set(wanted.assetIds)];
  const found = await assetsByIds(c.var.db, projectId, ids);
  if (found.length !== ids.length) throw new KilnError('not_found');
  const sources = new Map(found.map((at) => [at.asset.name, at]));
  const tiles = found.map((at) => {
    const picture = pictureOf(at);
    const refusal = tooMuch(picture);
    if (refusal) throw refusal;
    return { name: at.asset.name, width: picture.metadata.width ?? 0, height: picture.metadata.height ?? 0 };
  });
  const sheet = layOut(tiles, wanted.maxSize, wanted.padding);
  if (!sheet)
    throw new KilnError('payload_too_large', {
      detail: `The pictures do not fit into ${wanted.maxSize}×${wanted.maxSize} pixels; pack fewer, or allow more.`,
    });
  const pixels = new Uint8Array(sheet.width * sheet.height * 4);
  for (const tile of sheet.tiles) {
    const source = sources.get(tile.name);
    if (!source) throw new Error('every tile has its source');
    draw(sheet, pixels, tile, await remake(c.env, pictureOf(source), asPng));
  }
  const png = encode({ width: sheet.width, height: sheet.height, data: pixels, channels: 4, depth: 8 });
  const text = new TextEncoder().encode(atlasOf(sheet, imageName));
  const [image, atlas] = await addAssetVersions(
    c.var.db,
    projectId,
    [
      await versionOf(c, imageName, png, { type: 'image', mimeType: 'image/png' }),
      await versionOf(c, atlasName, text, { type: 'data', mimeType: 'application/json' }),
    ],
    actorOf(c, userId),
    { step: { keys: c.var.claimed.keys, name: 'sheet' } },
  );
  if (!image || !atlas) throw new Error('two versions give two');
  logEvent('asset.packed', {
    requestId: c.var.requestId,
    project: projectId,
    asset: image.asset.id,
    pictures: tiles.length,
    bytes: png.length,
  });
  return { image, atlas };
}
