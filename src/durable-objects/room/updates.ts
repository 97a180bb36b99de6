import * as Y from 'yjs';

/**
 * Throws for an update that Yjs would stumble over half-way, with part of it integrated: one that cannot be
 * decoded whole, one in which something hangs on what its own author wrote only later (Yjs waits for what
 * other authors have yet to send, and takes what an author refers to of its own for there), or one with an
 * empty range of deletions, which it reads and does not write. [R12]
 */
export function refuseBroken(update: Uint8Array): void {
  const { structs, ds } = Y.decodeUpdate(update);
  for (const ranges of ds.clients.values())
    if (ranges.some(({ len }) => len === 0)) throw new Error('an update deletes nothing, and says so');
  for (const struct of structs) {
    if (!(struct instanceof Y.Item)) continue;
    const { id, origin, rightOrigin, parent } = struct;
    for (const reference of [origin, rightOrigin, parent instanceof Y.ID ? parent : null])
      if (reference?.client === id.client && reference.clock >= id.clock)
        throw new Error('an update refers to what comes after it');
  }
}

/** Says that there is nothing to say. */
export const emptyUpdate: Uint8Array = Uint8Array.of(0, 0);

/** No structs and no deletions: two zero bytes (Yjs update format v1). */
export const isEmptyUpdate = (update: Uint8Array): boolean => update.length === 2 && update[0] === 0 && update[1] === 0;

/** The state vector of a document that nothing was written into: no clients. */
export const isEmptyVector = (vector: Uint8Array): boolean => vector.length === 1 && vector[0] === 0;
