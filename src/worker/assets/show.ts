import type { Asset, AssetVersion } from '../../contract/assets.ts';
import { limits } from '../../contract/limits.ts';
import { changesOf } from '../../core/changes.ts';
import { cdnUrl, thumbnailUrl } from '../../core/links.ts';
import { showsItself, tooMuch } from '../../core/pictures.ts';
import { signToken } from '../../core/tokens.ts';
import type { AssetAt, AssetRow, AssetVersionRow } from '../../data/assets.ts';
import { projectById } from '../../data/projects.ts';
import { iso, isoOrNull } from '../../data/time.ts';
import type { AppContext } from '../http/context.ts';

type Link = (asset: AssetRow, version: number) => Promise<string>;

/**
 * Addresses of the versions of a project's assets. Those of a private project are signed, and the same for
 * everybody for an hour, so that caches of browsers know them again.
 */
async function linksOf({ var: { db, config, started } }: AppContext, projectId: string): Promise<Link> {
  const isPublic = (await projectById(db, projectId))?.isPublic ?? false;
  const { linkTtl } = limits.asset;
  const since = started - (started % linkTtl);
  return async ({ id, name }, version) =>
    cdnUrl(
      config,
      { id, version, name },
      isPublic ? null : await signToken(config, 'cdn', { sub: id }, 2 * linkTtl, { at: since, id: `cdn-${since}` }),
    );
}

/** A small picture where one can be made, the picture itself where that shows, or none. */
const thumbnail = (url: string, { mimeType, size }: AssetVersionRow, metadata: Asset['metadata']): string | null => {
  if (!tooMuch({ mimeType, size, metadata })) return thumbnailUrl(url);
  return showsItself(mimeType) ? url : null;
};

/** Assets of one project as the API shows them. */
export async function showAssets(c: AppContext, projectId: string, list: readonly AssetAt[]): Promise<Asset[]> {
  const link = await linksOf(c, projectId);
  return await Promise.all(
    list.map(async ({ asset, version }) => {
      const url = await link(asset, version.version);
      const metadata = version.metadata as Asset['metadata'];
      return {
        id: asset.id,
        projectId: asset.projectId,
        name: asset.name,
        type: asset.type,
        mimeType: version.mimeType,
        size: version.size,
        hash: version.hash,
        version: version.version,
        url,
        thumbnailUrl: thumbnail(url, version, metadata),
        metadata,
        uploadedBy: version.createdBy,
        uploadedAt: iso(version.createdAt),
        deletedAt: isoOrNull(asset.deletedAt),
      };
    }),
  );
}

export async function showAsset(c: AppContext, at: AssetAt): Promise<Asset> {
  const [shown] = await showAssets(c, at.asset.projectId, [at]);
  if (!shown) throw new Error('one asset gives one');
  return shown;
}

const facts = ({ size, mimeType, metadata }: AssetVersionRow) => ({ ...metadata, size, mimeType });

const changesSince = (before: AssetVersionRow | undefined, row: AssetVersionRow): AssetVersion['changes'] =>
  before ? (changesOf(facts(before), facts(row)) as AssetVersion['changes']) : {};

/** Versions of one asset, newest first. */
export async function showVersions(
  c: AppContext,
  asset: AssetRow,
  rows: readonly AssetVersionRow[],
): Promise<AssetVersion[]> {
  const link = await linksOf(c, asset.projectId);
  return await Promise.all(
    rows.map(async (row, index) => ({
      version: row.version,
      mimeType: row.mimeType,
      size: row.size,
      hash: row.hash,
      url: await link(asset, row.version),
      metadata: row.metadata as AssetVersion['metadata'],
      changes: changesSince(rows[index + 1], row),
      uploadedBy: row.createdBy,
      uploadedAt: iso(row.createdAt),
    })),
  );
}
