import * as Y from 'yjs';
import { limits } from '../../contract/limits.ts';
import { sizeOfUpdate, type UpdateSize, type UpdateVisitor } from './update-size.ts';

/**
 * Throws for an update that Yjs would stumble over half-way, with part of it integrated: one that cannot be
 * decoded whole, one in which something hangs on what its own author wrote only later (Yjs waits for what
 * other authors have yet to send, and takes what an author refers to of its own for there), or one with an
 * empty range of deletions, which it reads and does not write; and `payload_too_large` for one that holds more
 * than any document may. Returns what it holds. [R3, R12]
 */
export const refuseBroken = (update: Uint8Array): UpdateSize => sizeOfUpdate(update, limits.room.documentItems, broken);

/** One for all updates: functions made anew for each of them cost more than the reading. */
const broken: UpdateVisitor = {
  reference: (client, clock, _to, ofClient, ofClock) => {
    if (ofClient === client && ofClock >= clock) throw new Error('an update refers to what comes after it');
  },
  range: (_client, _clock, length) => {
    if (length === 0) throw new Error('an update deletes nothing, and says so');
  },
};

/** Thrown where the reading of an update may end: its reader knows enough. */
class Unknown extends Error {}

const requireKnown = (isKnown: boolean): void => {
  if (!isKnown) throw new Unknown();
};

/**
 * Whether an update says nothing that a document of that state vector has not: whoever answers a sync step 1 names all deletions that it knows
 * of, also the room's own. `docOf` is asked when there are deletions to look for. What cannot be read is not known either.
 */
export function isKnown(update: Uint8Array, vector: Uint8Array, docOf: () => Y.Doc): boolean {
  const clocks = Y.decodeStateVector(vector);
  // Ranges do not overlap in what Yjs writes, so nothing is looked at twice.
  let looks = limits.room.documentItems;
  try {
    sizeOfUpdate(update, limits.room.documentItems, {
      struct: (client, clock, length) => requireKnown(clock + length <= (clocks.get(client) ?? 0)),
      range: (client, clock, length) => {
        requireKnown(clock + length <= (clocks.get(client) ?? 0));
        const structs = docOf().store.clients.get(client) ?? [];
        requireKnown(structs.length > 0);
        for (let at = Y.findIndexSS(structs, clock); (structs[at]?.id.clock ?? Infinity) < clock + length; at += 1) {
          requireKnown(structs[at]?.deleted === true && looks > 0);
          looks -= 1;
        }
      },
    });
    return true;
  } catch {
    return false;
  }
}

/** Says that there is nothing to say. */
export const emptyUpdate: Uint8Array = Uint8Array.of(0, 0);

/** No structs and no deletions: two zero bytes (Yjs update format v1). */
export const isEmptyUpdate = (update: Uint8Array): boolean => update.length === 2 && update[0] === 0 && update[1] === 0;

/** The state vector of a document that nothing was written into: no clients. */
export const isEmptyVector = (vector: Uint8Array): boolean => vector.length === 1 && vector[0] === 0;
