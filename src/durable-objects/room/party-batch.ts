import * as z from 'zod';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Peer } from './peer.ts';

/** In front of the text frames that begin and end a batch. */
const sentinel = 'y-pk-batch#';

const Marker = z.strictObject({
  id: z.string().max(64),
  type: z.enum(['start', 'end']),
  size: z.int().positive(),
  count: z.int().positive(),
});
type Marker = z.infer<typeof Marker>;

interface Batch {
  readonly start: Marker;
  readonly parts: Uint8Array[];
  size: number;
}

/**
 * `y-partykit/provider` cuts a frame above 1 MB in parts, between two text frames that count them. Here they become one frame
 * again, which is then read as any other. A batch lives in memory only: after hibernation its rest is no frame, the socket
 * ends, and the client brings its edits anew. [R12]
 */
export class PartyBatches {
  readonly #open = new Map<Peer, Batch>();
  /** Bytes that the open batches have announced. */
  #reserved = 0;

  /** The frame to read, or null where it is a part of one. Throws what ends the socket. */
  take(peer: Peer, frame: Uint8Array | string): Uint8Array | string | null {
    if (peer.state.target.kind !== 'document') return frame;
    const batch = this.#open.get(peer);
    if (typeof frame !== 'string') {
      if (!batch) return frame;
      batch.size += frame.length;
      batch.parts.push(frame);
      if (batch.size > batch.start.size || batch.parts.length > batch.start.count) throw mismatch();
      return null;
    }
    if (!frame.startsWith(sentinel)) return frame;
    const marker = Marker.parse(JSON.parse(frame.slice(sentinel.length)));
    if (marker.type === 'start') {
      if (batch) throw mismatch();
      this.#begin(peer, marker);
      return null;
    }
    const { start, parts, size } = batch ?? {};
    if (!start || marker.id !== start.id || size !== start.size || parts?.length !== start.count) throw mismatch();
    this.forget(peer);
    return joined(parts, size);
  }

  /** The socket is gone, and its batch with it. */
  forget(peer: Peer): void {
    this.#reserved -= this.#open.get(peer)?.start.size ?? 0;
    this.#open.delete(peer);
  }

  #begin(peer: Peer, start: Marker): void {
    if (start.size > limits.room.frameBytes) throw new KilnError('payload_too_large');
    if (this.#reserved + start.size > limits.room.batchBytes) throw new KilnError('rate_limited');
    this.#reserved += start.size;
    this.#open.set(peer, { start, parts: [], size: 0 });
  }
}

const mismatch = (): Error => new Error('not the batch that was announced');

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
