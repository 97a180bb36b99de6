import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import * as z from 'zod';
import { limits } from '../../contract/limits.ts';
import type { AwarenessEntry, PeerState } from './peer.ts';
import { messageType } from './protocol.ts';

const State = z.record(z.string(), z.unknown()).nullable();

/**
 * Reads a client's awareness frame and keeps what the client may say: its own ids, capped in number
 * and size, with the room's word on who it is. [R7] Changes `peer.awareness`; returns the entries to
 * apply, a null state meaning that the client left.
 */
export function stampAwareness(
  peer: PeerState,
  payload: Uint8Array,
  isTakenByOther: (clientId: number) => boolean,
): [number, number, Record<string, unknown> | null][] {
  const decoder = decoding.createDecoder(payload);
  const count = decoding.readVarUint(decoder);
  if (count > limits.room.awarenessEntries) throw new Error('too many awareness entries');
  const own = new Map<number, AwarenessEntry>(peer.awareness.map((entry) => [entry[0], entry]));
  const accepted: [number, number, Record<string, unknown> | null][] = [];
  for (let index = 0; index < count; index += 1) {
    const clientId = decoding.readVarUint(decoder);
    const clock = decoding.readVarUint(decoder);
    const text = decoding.readVarString(decoder);
    if (text.length > limits.room.awarenessBytes || isTakenByOther(clientId)) continue;
    const claimed = State.parse(JSON.parse(text));
    if (claimed === null) {
      if (own.delete(clientId)) accepted.push([clientId, clock, null]);
      continue;
    }
    if (!own.has(clientId) && own.size >= limits.room.awarenessClients) continue;
    const state = {
      ...claimed,
      user: {
        id: peer.user.userId,
        name: peer.user.displayName,
        color: peer.user.color,
        colorLight: `${peer.user.color}33`,
        role: peer.access,
      },
    };
    own.set(clientId, [clientId, clock, state]);
    accepted.push([clientId, clock, state]);
  }
  peer.awareness = [...own.values()];
  return accepted;
}

/** The payload that `applyAwarenessUpdate` reads. */
export function encodeAwareness(
  entries: readonly (readonly [number, number, Record<string, unknown> | null])[],
): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, entries.length);
  for (const [clientId, clock, state] of entries) {
    encoding.writeVarUint(encoder, clientId);
    encoding.writeVarUint(encoder, clock);
    encoding.writeVarString(encoder, JSON.stringify(state));
  }
  return encoding.toUint8Array(encoder);
}

export function awarenessFrame(payload: Uint8Array): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, messageType.awareness);
  encoding.writeVarUint8Array(encoder, payload);
  return encoding.toUint8Array(encoder);
}
