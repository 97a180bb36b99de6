import { assetsRoot } from '../../contract/archives.ts';
import { KilnError } from '../../contract/errors.ts';
import { ancestors, foldPath } from '../../core/paths.ts';
import { hashTree, sorted } from '../../core/tree.ts';
import { allAssets } from '../../data/assets.ts';
import { getTree, putTree } from '../../data/objects.ts';
import type { AppContext } from '../http/context.ts';
import { asEntry } from './as-entry.ts';

const folder = assetsRoot.slice(0, -1);

/**
 * The tree that is built: the project's own, with its assets at `assets/<name>`. So the hash of what is
 * built, and with it the build's key, follows the assets too. A file of the project goes before an asset
 * of its name; a project that has a file called `assets` gets none.
 */
export async function buildSource(c: AppContext, projectId: string, treeHash: string): Promise<string> {
  const assets = await allAssets(c.var.db, projectId);
  if (assets.length === 0) return treeHash;
  const files = await getTree(c.env.ASSETS, treeHash);
  if (!files) throw new KilnError('unavailable', { detail: 'The snapshot could not be read.' });
  if (files.some(({ path }) => foldPath(path) === folder)) return treeHash;
  const taken = new Set(files.flatMap(({ path }) => [path, ...ancestors(path)].map(foldPath)));
  const added = assets
    .map((at) => ({ ...asEntry(at), path: `${assetsRoot}${at.asset.name}` }))
    .filter(({ path }) => !taken.has(foldPath(path)));
  if (added.length === 0) return treeHash;
  const entries = sorted([...files, ...added]);
  const hash = hashTree(entries);
  await putTree(c.env.ASSETS, hash, entries);
  return hash;
}
