import { assetsRoot } from '../../contract/archives.ts';
import { KilnError } from '../../contract/errors.ts';
import { ancestors, foldPath } from '../../core/paths.ts';
import { hashTree, sorted } from '../../core/tree.ts';
import { type ManifestEntry, putTree } from '../../data/objects.ts';
import { snapshotFiles } from '../../queues/build-files.ts';
import type { AppContext } from '../http/context.ts';

const folder = assetsRoot.slice(0, -1);

/**
 * Files of a project and its assets at `assets/<name>`: what is built. A file of the project goes before an asset of
 * its name; a project that has a file called `assets` gets none. Null where no asset has a place.
 */
export function withAssets(files: readonly ManifestEntry[], assets: readonly ManifestEntry[]): ManifestEntry[] | null {
  if (assets.length === 0 || files.some(({ path }) => foldPath(path) === folder)) return null;
  const taken = new Set(files.flatMap(({ path }) => [path, ...ancestors(path)].map(foldPath)));
  const added = assets
    .map((asset) => ({ ...asset, path: `${assetsRoot}${asset.path}` }))
    .filter(({ path }) => !taken.has(foldPath(path)));
  return added.length === 0 ? null : sorted([...files, ...added]);
}

/** The stored tree that is built, by its hash: so the key of a build follows the assets, too. */
export async function buildSource(
  c: AppContext,
  projectId: string,
  treeHash: string,
  assets: readonly ManifestEntry[],
): Promise<string> {
  if (assets.length === 0) return treeHash;
  const files = await snapshotFiles(c.env, projectId, treeHash);
  if (!files) throw new KilnError('unavailable', { detail: 'The snapshot could not be read.' });
  const entries = withAssets(files, assets);
  if (!entries) return treeHash;
  const hash = hashTree(entries);
  await putTree(c.env.ASSETS, hash, entries);
  return hash;
}
