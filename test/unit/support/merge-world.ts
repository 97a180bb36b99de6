import { Buffer } from 'node:buffer';
import {
  type MergeChange,
  type MergeResult,
  mergeTrees,
  type Resolution,
  type TreeFile,
} from '../../../src/core/merge/merge-trees.ts';
import { defaultMode, sha256, type TreeEntry, WorkingTree } from '../../../src/core/tree.ts';

/** Path → content. Content that begins with NUL stands for a binary file. */
export type Files = Readonly<Record<string, string>>;

export const isBinary = (content: string): boolean => content.startsWith('\0');

export const fileOf = (path: string, content: string): TreeFile => ({
  path,
  hash: sha256(content),
  size: Buffer.byteLength(content),
  isText: !isBinary(content),
});

export const treeOf = (files: Files): TreeFile[] =>
  Object.entries(files).map(([path, content]) => fileOf(path, content));

/** Loads what is in these trees, and only texts. */
export function loaderOf(...trees: readonly Files[]): (hash: string) => Promise<string> {
  const contents = new Map(
    trees.flatMap((files) => Object.values(files)).map((content) => [sha256(content), content] as const),
  );
  return async (hash) => {
    const content = contents.get(hash);
    if (content === undefined || isBinary(content)) throw new Error(`no text ${hash}`);
    return content;
  };
}

export interface MergeOptions {
  readonly resolutions?: readonly Resolution[];
  readonly takeAll?: 'ours' | 'theirs';
}

export const merge = (base: Files, ours: Files, theirs: Files, options: MergeOptions = {}): Promise<MergeResult> =>
  mergeTrees({
    base: treeOf(base),
    ours: treeOf(ours),
    theirs: treeOf(theirs),
    text: loaderOf(base, ours, theirs),
    ...options,
  });

/**
 * Applies the changes to ours one by one, on a tree that refuses what a room's tree refuses, and returns
 * what is there then.
 */
export function apply(changes: readonly MergeChange[], base: Files, ours: Files, theirs: Files): Files {
  const contents = new Map(
    [base, ours, theirs].flatMap((files) => Object.values(files)).map((content) => [sha256(content), content]),
  );
  const tree = new WorkingTree<TreeEntry>(treeOf(ours).map((file) => ({ ...file, mode: defaultMode })));
  const entryAt = (path: string): TreeEntry => {
    const entry = tree.delete(path);
    if (!entry) throw new Error(`nothing at ${path}`);
    return entry;
  };
  for (const change of changes) {
    if (change.op === 'delete') entryAt(change.path);
    else if (change.op === 'move') tree.put({ ...entryAt(change.from), path: change.to });
    else {
      const { path } = change;
      const file = 'file' in change ? change.file : fileOf(path, change.text);
      if ('text' in change) contents.set(file.hash, change.text);
      if (file.path !== path || tree.get(path)?.hash === file.hash) throw new Error(`needless put of ${path}`);
      tree.put({ path, hash: file.hash, size: file.size, mode: defaultMode });
    }
  }
  return Object.fromEntries(
    tree.list().map(({ path, hash }) => {
      const content = contents.get(hash);
      if (content === undefined) throw new Error(`${path} has bytes that nobody has`);
      return [path, content];
    }),
  );
}

/** What ours becomes, when nothing is in conflict. */
export async function merged(base: Files, ours: Files, theirs: Files, options: MergeOptions = {}): Promise<Files> {
  const { changes, conflicts } = await merge(base, ours, theirs, options);
  if (conflicts.length > 0) throw new Error(`conflicts: ${JSON.stringify(conflicts)}`);
  return apply(changes, base, ours, theirs);
}
