import type { Checkpoint, CheckpointKind } from '../../../src/contract/checkpoints.ts';
import { world } from './room-setup.ts';
import { ids, type MemoryBlobs } from './room-world.ts';

/** Milliseconds. */
export const minute = 60_000;
/** Milliseconds. */
export const day = 24 * 60 * minute;

export const remove = (path: string) => world.room.delete(path, ids.owner);
export const keep = (name?: string, kind: CheckpointKind = 'manual'): Promise<Checkpoint> =>
  world.room.history.checkpoint({ kind, name, by: ids.owner });
export const restore = (id: string) => world.room.history.restore(id, ids.editor);
/** Checkpoints, newest first. */
export const list = (): Checkpoint[] => world.room.history.checkpoints.list({ limit: 200 }).checkpoints;
export const treeHash = (): string => world.room.tree().hash;

/** Files of a checkpoint, as the blob store has them. */
export const filesOf = ({ treeHash: hash }: Checkpoint, blobs: MemoryBlobs = world.blobs): Record<string, string> =>
  Object.fromEntries(
    (blobs.trees.get(hash) ?? []).map((entry) => [entry.path, new TextDecoder().decode(blobs.blobs.get(entry.hash))]),
  );

/** Time passes as it does: the alarm rings whenever it is due. */
export async function live(ms: number, step = 10_000): Promise<void> {
  for (let left = ms; left > 0; left -= step) await world.pass(Math.min(step, left));
}

/** Does something amid other work: before its n-th call of a kind to the blob store, once. */
export function amid(call: 'put' | 'get' | 'putTree' | 'getTree', nth: number, work: () => unknown): () => number {
  let count = 0;
  world.blobs.before = async (now) => {
    if (now !== call) return;
    count += 1;
    if (count === nth) await work();
  };
  return () => count;
}
