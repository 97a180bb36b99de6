import { createHash } from 'node:crypto';
import { KilnError } from '../contract/errors.ts';
import type { TreeNode } from '../contract/files.ts';
import { limits } from '../contract/limits.ts';
import { ancestors, foldPath } from './paths.ts';

/** What a tree says of one file. `mode` is POSIX; only 0o644 is written today. */
export interface TreeEntry {
  readonly path: string;
  readonly hash: string;
  readonly size: number;
  readonly mode: number;
}

export const defaultMode = 0o644;

/** By UTF-16 code unit, so that every runtime sorts alike. */
const byPath = (a: { readonly path: string }, b: { readonly path: string }): number =>
  a.path < b.path ? -1 : a.path > b.path ? 1 : 0;

export const sorted = <E extends { readonly path: string }>(entries: Iterable<E>): E[] => [...entries].sort(byPath);

/** The content address of a tree: SHA-256 over `mode hash size path` lines sorted by path. */
export function hashTree(entries: Iterable<TreeEntry>): string {
  const hash = createHash('sha256');
  for (const entry of sorted(entries))
    hash.update(`${entry.mode.toString(8)} ${entry.hash} ${entry.size} ${entry.path}\n`);
  return hash.digest('hex');
}

export const sha256 = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');

/** The nested form of sorted entries. */
export function nest(entries: readonly TreeEntry[]): TreeNode {
  const root: TreeNode & { children: TreeNode[] } = { name: '', type: 'directory', path: '', children: [] };
  const directories = new Map<string, TreeNode & { children: TreeNode[] }>([['', root]]);
  const directory = (path: string): TreeNode & { children: TreeNode[] } => {
    const known = directories.get(path);
    if (known) return known;
    const slash = path.lastIndexOf('/');
    const made = { name: path.slice(slash + 1), type: 'directory' as const, path, children: [] };
    directories.set(path, made);
    directory(slash === -1 ? '' : path.slice(0, slash)).children.push(made);
    return made;
  };
  for (const entry of entries) {
    const slash = entry.path.lastIndexOf('/');
    directory(slash === -1 ? '' : entry.path.slice(0, slash)).children.push({
      name: entry.path.slice(slash + 1),
      type: 'file',
      path: entry.path,
      size: entry.size,
      hash: entry.hash,
    });
  }
  for (const { children } of directories.values())
    children.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return root;
}

/**
 * A working tree in memory with its invariants: no two paths that differ only in case, no file where
 * a directory stands, bounded in count and size. Keeps derived values until the next change.
 */
export class WorkingTree<E extends TreeEntry> {
  readonly #files = new Map<string, E>();
  /** Fold → the one spelling in use, and by how many files for a directory. */
  readonly #fileFolds = new Map<string, string>();
  readonly #directoryFolds = new Map<string, { spelling: string; files: number }>();
  #size = 0;
  #sorted: readonly E[] | null = null;
  #hash: string | null = null;

  constructor(entries: Iterable<E> = []) {
    for (const entry of entries) this.#add(entry);
  }

  get count(): number {
    return this.#files.size;
  }

  get size(): number {
    return this.#size;
  }

  get(path: string): E | undefined {
    return this.#files.get(path);
  }

  list(): readonly E[] {
    this.#sorted ??= sorted(this.#files.values());
    return this.#sorted;
  }

  hash(): string {
    this.#hash ??= hashTree(this.list());
    return this.#hash;
  }

  /**
   * Adds or replaces; throws `path_conflict` or `quota_exceeded` and is then unchanged. `isStored`: the
   * content is durable already and cannot be refused any more, so its size is only counted.
   */
  put(entry: E, isStored = false): void {
    const before = this.#files.get(entry.path);
    const obstacle = before ? null : this.obstacleTo(entry.path);
    if (obstacle !== null)
      throw new KilnError('path_conflict', { detail: `"${entry.path}" cannot stand beside "${obstacle}".` });
    const size = this.#size - (before?.size ?? 0) + entry.size;
    if (!isStored && size > limits.project.totalSize && entry.size > (before?.size ?? 0))
      throw new KilnError('quota_exceeded', {
        detail: `A project holds at most ${limits.project.totalSize} bytes; ${this.#size} are used.`,
      });
    if (!before && this.count >= limits.project.filesMax)
      throw new KilnError('quota_exceeded', { detail: `A project holds at most ${limits.project.filesMax} files.` });
    if (before) this.#remove(before);
    this.#add(entry);
  }

  /** The file or directory that a new file at `path` could not stand beside; null when there is none. */
  obstacleTo(path: string): string | null {
    const fold = foldPath(path);
    const twin = this.#fileFolds.get(fold);
    if (twin !== undefined) return twin;
    const directory = this.#directoryFolds.get(fold);
    if (directory) return `${directory.spelling}/`;
    for (const ancestor of ancestors(path)) {
      const ancestorFold = foldPath(ancestor);
      const file = this.#fileFolds.get(ancestorFold);
      if (file !== undefined) return file;
      const known = this.#directoryFolds.get(ancestorFold);
      if (known && known.spelling !== ancestor) return `${known.spelling}/`;
    }
    return null;
  }

  delete(path: string): E | undefined {
    const entry = this.#files.get(path);
    if (entry) this.#remove(entry);
    return entry;
  }

  #add(entry: E): void {
    this.#files.set(entry.path, entry);
    this.#fileFolds.set(foldPath(entry.path), entry.path);
    for (const directory of ancestors(entry.path)) {
      const fold = foldPath(directory);
      const known = this.#directoryFolds.get(fold);
      if (known) known.files += 1;
      else this.#directoryFolds.set(fold, { spelling: directory, files: 1 });
    }
    this.#size += entry.size;
    this.#sorted = null;
    this.#hash = null;
  }

  #remove(entry: E): void {
    this.#files.delete(entry.path);
    this.#fileFolds.delete(foldPath(entry.path));
    for (const directory of ancestors(entry.path)) {
      const fold = foldPath(directory);
      const known = this.#directoryFolds.get(fold);
      if (known && --known.files === 0) this.#directoryFolds.delete(fold);
    }
    this.#size -= entry.size;
    this.#sorted = null;
    this.#hash = null;
  }
}
