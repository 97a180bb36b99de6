import { assetsRoot } from '../../contract/archives.ts';
import type { CarriedComment } from '../../contract/comments.ts';
import { foldName } from '../../core/asset-types.ts';
import { allAssets, assetsByIds } from '../../data/assets.ts';
import type { Database } from '../../data/database.ts';

/*
 * Comments on assets. The room keeps the id of the asset, and knows nothing else of it: what it is called, and whether
 * it is there, is said here.
 */

/** Where assets of a project are in its builds; those that are not there, or in the trash, are left out. */
export async function assetPaths(
  db: Database,
  projectId: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const found = ids.length === 0 ? [] : await assetsByIds(db, projectId, ids);
  return new Map(found.map(({ asset }) => [asset.id, `${assetsRoot}${asset.name}`]));
}

interface Anchored {
  readonly path: string;
  readonly anchor: { readonly kind: string } | { readonly kind: 'asset'; readonly asset: string } | null;
}

const assetOf = ({ anchor }: Anchored): string | null => (anchor && 'asset' in anchor ? anchor.asset : null);

/** The comments with the paths that their assets have now. */
export async function withAssetPaths<C extends Anchored>(
  db: Database,
  projectId: string,
  comments: readonly C[],
): Promise<C[]> {
  const ids = [...new Set(comments.map(assetOf).filter((id) => id !== null))];
  const paths = await assetPaths(db, projectId, ids);
  return comments.map((comment) => {
    const id = assetOf(comment);
    if (id === null) return comment;
    const path = paths.get(id);
    return { ...comment, path: path ?? comment.path, ...('orphaned' in comment && { orphaned: path === undefined }) };
  });
}

/** Comments of another project for a new one, whose assets are there: by their names they are the same. */
export async function onAdopted(
  db: Database,
  projectId: string,
  comments: readonly CarriedComment[],
): Promise<CarriedComment[]> {
  if (!comments.some((comment) => assetOf(comment) !== null)) return [...comments];
  const ids = new Map((await allAssets(db, projectId)).map(({ asset }) => [foldName(asset.name), asset.id]));
  return comments.map((comment) => {
    const { anchor, path } = comment;
    const asset =
      anchor?.kind === 'asset' && path.startsWith(assetsRoot) && ids.get(foldName(path.slice(assetsRoot.length)));
    return anchor?.kind === 'asset' && asset ? { ...comment, anchor: { ...anchor, asset } } : comment;
  });
}
