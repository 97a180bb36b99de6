import { LRUCache } from 'lru-cache';
import { limits } from '../../contract/limits.ts';
import { hashTree, sha256 } from '../../core/tree.ts';
import { allAssets } from '../../data/assets.ts';
import type { ManifestEntry } from '../../data/objects.ts';
import { asEntry } from '../assets/as-entry.ts';
import { withAssets } from '../assets/build-source.ts';
import type { AppContext } from '../http/context.ts';
import type { GatedRoom } from '../http/gated-room.ts';
import { type Packages, packagesOf } from './packages.ts';

/** What there is to preview of a project at one moment. */
export interface State {
  readonly projectId: string;
  /** Whoever asked. */
  readonly userId: string;
  /** As whoever asked may use it. */
  readonly room: GatedRoom;
  /** Hash of the files with the assets, and of the packages that are ready. */
  readonly sourceHash: string;
  readonly entries: ReadonlyMap<string, ManifestEntry>;
  readonly packages: Packages | null;
}

/** Trees that rooms have told, so that they need not tell them again. */
const trees = new LRUCache<string, { readonly treeHash: string; readonly entries: readonly ManifestEntry[] }>({
  max: limits.preview.trees,
});

/** Texts of sources by their hash. What is known here was sent by a gated room or read for one, and is served behind the gate. */
export const texts = new LRUCache<string, string>({
  maxSize: limits.preview.keptSources,
  sizeCalculation: (text) => Math.max(1, text.length),
});

/** The newest state, live edits included. Passes the gate of the room. */
export async function newestState(c: AppContext, room: GatedRoom, userId: string): Promise<State> {
  const { projectId } = room;
  const known = trees.get(projectId);
  const [told, assets, packages] = await Promise.all([
    room.call((stub, caller, right) => stub.sources(caller, right, known?.treeHash)),
    allAssets(c.var.db, projectId),
    packagesOf(c, projectId),
  ]);
  const decoder = new TextDecoder();
  for (const { hash, data } of told.tree?.texts ?? []) texts.set(hash, decoder.decode(data));
  const files = told.tree?.entries ?? known?.entries ?? [];
  if (told.tree) trees.set(projectId, { treeHash: told.treeHash, entries: files });
  const entries = withAssets(files, assets.map(asEntry));
  const treeHash = entries ? hashTree(entries) : told.treeHash;
  return {
    projectId,
    userId,
    room,
    sourceHash: packages ? sha256(`${treeHash} ${packages.key}`) : treeHash,
    entries: new Map((entries ?? files).map((entry) => [entry.path, entry])),
    packages,
  };
}
