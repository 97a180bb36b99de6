import type { TreeFile } from './merge-trees.ts';

/** One file through the three trees, under whatever path; null where it is not. */
export interface Unit {
  readonly base: TreeFile | null;
  readonly ours: TreeFile | null;
  readonly theirs: TreeFile | null;
}

type ByPath = ReadonlyMap<string, TreeFile>;

/**
 * Old path → new path, for what disappeared from base and what appeared in `side` with the very same bytes,
 * where that is unambiguous. Empty files are all the same, which says nothing.
 */
function renames(base: ByPath, side: ByPath): Map<string, string> {
  const byHash = (from: ByPath, without: ByPath): Map<string, string | null> => {
    const paths = new Map<string, string | null>();
    for (const { path, hash, size } of from.values())
      if (size > 0 && !without.has(path)) paths.set(hash, paths.has(hash) ? null : path);
    return paths;
  };
  const appeared = byHash(side, base);
  const found = new Map<string, string>();
  for (const [hash, from] of byHash(base, side)) {
    const to = appeared.get(hash);
    if (from && to) found.set(from, to);
  }
  return found;
}

/**
 * Follows every file through the trees, by path and by renames. A rename onto a path that the other side has,
 * too, is taken for what it also is: a deletion and an addition. So no two units have a path in common.
 */
export function pairFiles(base: ByPath, ours: ByPath, theirs: ByPath): Unit[] {
  const ourRenames = renames(base, ours);
  const theirRenames = renames(base, theirs);
  const free = (own: Map<string, string>, others: Map<string, string>, side: ByPath): Map<string, string> =>
    new Map([...own].filter(([from, to]) => !side.has(to) || others.get(from) === to));
  const ourMoves = free(ourRenames, theirRenames, theirs);
  const theirMoves = free(theirRenames, ourRenames, ours);

  const units: Unit[] = [];
  const [ourSeen, theirSeen] = [new Set<string>(), new Set<string>()];
  for (const file of base.values()) {
    const [ourPath, theirPath] = [ourMoves.get(file.path) ?? file.path, theirMoves.get(file.path) ?? file.path];
    ourSeen.add(ourPath);
    theirSeen.add(theirPath);
    units.push({ base: file, ours: ours.get(ourPath) ?? null, theirs: theirs.get(theirPath) ?? null });
  }
  for (const file of ours.values())
    if (!ourSeen.has(file.path)) units.push({ base: null, ours: file, theirs: theirs.get(file.path) ?? null });
  for (const file of theirs.values())
    if (!theirSeen.has(file.path) && !ours.has(file.path)) units.push({ base: null, ours: null, theirs: file });
  return units;
}
