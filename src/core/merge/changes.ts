import { defaultMode, WorkingTree } from '../tree.ts';
import type { MergeChange, Merged, TreeFile } from './merge-trees.ts';

/** A file before and after the merge; null where it is not there. */
interface Step {
  readonly before: TreeFile | null;
  readonly after: Merged | null;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * The changes in an order in which each leaves a valid tree: deletions, moves, then contents, smaller ones first so
 * that no total exceeds the larger of the totals before and after. A move that waits for one that waits for it
 * becomes a deletion and an addition.
 */
export function orderChanges(steps: readonly Step[]): MergeChange[] {
  const tree = new WorkingTree(steps.flatMap(({ before }) => (before ? [{ ...before, mode: defaultMode }] : [])));
  const deletes: string[] = [];
  const puts: { readonly merged: Merged; readonly growth: number }[] = [];
  let waiting: { readonly from: string; readonly merged: Merged; readonly before: TreeFile }[] = [];
  for (const { before, after } of steps) {
    if (before && !after) {
      deletes.push(before.path);
      tree.delete(before.path);
    } else if (after && !before) puts.push({ merged: after, growth: after.file.size });
    else if (before && after) {
      if (before.path !== after.file.path) waiting.push({ from: before.path, merged: after, before });
      if (before.hash !== after.file.hash) puts.push({ merged: after, growth: after.file.size - before.size });
    }
  }

  const moves: MergeChange[] = [];
  while (waiting.length > 0) {
    const stuck = waiting.filter(({ from, before, merged: { file } }) => {
      tree.delete(from);
      const isPossible = tree.obstacleTo(file.path) === null;
      tree.put({ ...before, path: isPossible ? file.path : from, mode: defaultMode }, true);
      if (isPossible) moves.push({ op: 'move', from, to: file.path });
      return !isPossible;
    });
    const [first] = stuck;
    if (first && stuck.length === waiting.length) {
      stuck.shift();
      tree.delete(first.from);
      deletes.push(first.from);
      if (first.before.hash === first.merged.file.hash)
        puts.push({ merged: first.merged, growth: first.merged.file.size });
    }
    waiting = stuck;
  }

  puts.sort((a, b) => Math.sign(a.growth) - Math.sign(b.growth) || compare(a.merged.file.path, b.merged.file.path));
  return [
    ...deletes.sort(compare).map((path) => ({ op: 'delete', path }) as const),
    ...moves,
    ...puts.map(
      ({ merged: { file, text } }): MergeChange =>
        text === undefined ? { op: 'put', path: file.path, file } : { op: 'put', path: file.path, text },
    ),
  ];
}
