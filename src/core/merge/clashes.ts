import { ancestors, foldPath } from '../paths.ts';

export interface Clash {
  /** A path that ours does not have. */
  readonly path: string;
  /** Paths of ours that it cannot stand beside, sorted. */
  readonly blockers: readonly string[];
}

/**
 * Which of these paths break the rule of a tree: a name stands for one file or for one directory, in one
 * spelling. Each clash is between a path that ours has and one that it has not. Sorted by path.
 */
export function findClashes(paths: Iterable<string>, isOurs: (path: string) => boolean): Clash[] {
  /** Fold of a name → what it stands for, as kind and spelling → the files that say so. */
  const meanings = new Map<string, Map<string, string[]>>();
  const mean = (name: string, kind: 'file' | 'directory', path: string): void => {
    const fold = foldPath(name);
    const known = meanings.get(fold) ?? new Map<string, string[]>();
    meanings.set(fold, known);
    const meaning = `${kind} ${name}`;
    const files = known.get(meaning);
    if (files) files.push(path);
    else known.set(meaning, [path]);
  };
  for (const path of new Set(paths)) {
    mean(path, 'file', path);
    for (const directory of ancestors(path)) mean(directory, 'directory', path);
  }
  const blockers = new Map<string, Set<string>>();
  for (const known of meanings.values()) {
    if (known.size === 1) continue;
    for (const [meaning, files] of known)
      for (const path of files) {
        if (isOurs(path)) continue;
        const found = blockers.get(path) ?? new Set<string>();
        blockers.set(path, found);
        for (const [other, others] of known)
          if (other !== meaning) for (const each of others) if (isOurs(each)) found.add(each);
      }
  }
  return [...blockers]
    .filter(([, found]) => found.size > 0)
    .map(([path, found]) => ({ path, blockers: [...found].sort() }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}
