import * as Y from 'yjs';

/**
 * Throws for an update that Yjs would stumble over half-way, with part of it integrated: one that cannot be
 * decoded whole, or in which something hangs on what its own author wrote only later. Yjs waits for what
 * other authors have yet to send, and takes what an author refers to of its own for there. [R12]
 */
export function refuseBroken(update: Uint8Array): void {
  for (const struct of Y.decodeUpdate(update).structs) {
    if (!(struct instanceof Y.Item)) continue;
    const { id, origin, rightOrigin, parent } = struct;
    for (const reference of [origin, rightOrigin, parent instanceof Y.ID ? parent : null])
      if (reference?.client === id.client && reference.clock >= id.clock)
        throw new Error('an update refers to what comes after it');
  }
}

/** No structs and no deletions: two zero bytes (Yjs update format v1). */
export const isEmptyUpdate = (update: Uint8Array): boolean => update.length === 2 && update[0] === 0 && update[1] === 0;
