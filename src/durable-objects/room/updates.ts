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

/** Says that there is nothing to say. */
export const emptyUpdate: Uint8Array = Uint8Array.of(0, 0);

/** No structs and no deletions: two zero bytes (Yjs update format v1). */
export const isEmptyUpdate = (update: Uint8Array): boolean => update.length === 2 && update[0] === 0 && update[1] === 0;

/** The state vector of a document that nothing was written into: no clients. */
export const isEmptyVector = (vector: Uint8Array): boolean => vector.length === 1 && vector[0] === 0;
