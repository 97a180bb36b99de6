import * as encoding from 'lib0/encoding';
import { writePermissionDenied } from 'y-protocols/auth';
import * as sync from 'y-protocols/sync';

/** First byte of a frame (y-protocols, PROTOCOL.md; 3 is y-websocket's). Only the room says `auth`. */
export const messageType = { sync: 0, awareness: 1, auth: 2, queryAwareness: 3 } as const;

/** Second byte of a sync frame. */
export const syncType = { step1: 0, step2: 1, update: 2 } as const;

/** "Here is what I have; send me what I lack." */
export function syncStep1Frame(stateVector: Uint8Array): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, messageType.sync);
  encoding.writeVarUint(encoder, syncType.step1);
  encoding.writeVarUint8Array(encoder, stateVector);
  return encoding.toUint8Array(encoder);
}

/** "Here is what you lack." */
export function syncStep2Frame(update: Uint8Array): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, messageType.sync);
  encoding.writeVarUint(encoder, syncType.step2);
  encoding.writeVarUint8Array(encoder, update);
  return encoding.toUint8Array(encoder);
}

export function updateFrame(update: Uint8Array): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, messageType.sync);
  sync.writeUpdate(encoder, update);
  return encoding.toUint8Array(encoder);
}

/** "What you wrote is not taken, and here is why." */
export function deniedFrame(reason: string): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, messageType.auth);
  writePermissionDenied(encoder, reason);
  return encoding.toUint8Array(encoder);
}
