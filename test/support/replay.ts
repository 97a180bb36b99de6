import type { RoomEvent } from '../../src/contract/room.ts';

/** What a tree says of one file. */
export interface Replayed {
  readonly hash: string;
  readonly size: number;
}

/** The tree that events tell of, in order, from the tree before them. Path → content. */
export function replay(
  events: readonly Pick<RoomEvent, 'type' | 'data'>[],
  start: ReadonlyMap<string, Replayed> = new Map(),
): Map<string, Replayed> {
  const tree = new Map(start);
  /** The file, or the files below the directory. */
  const at = (path: string): string[] =>
    tree.has(path) ? [path] : [...tree.keys()].filter((file) => file.startsWith(`${path}/`));
  for (const { type, data } of events) {
    const { path, from, hash, size } = data as { path: string; from: string; hash: string; size: number };
    if (type === 'file.created' || type === 'file.updated') tree.set(path, { hash, size });
    else if (type === 'file.deleted') for (const file of at(path)) tree.delete(file);
    else if (type === 'file.moved') {
      const moved = at(from).map((file) => [file, tree.get(file)] as const);
      for (const [file] of moved) tree.delete(file);
      for (const [file, content] of moved) if (content) tree.set(path + file.slice(from.length), content);
    }
  }
  return tree;
}
