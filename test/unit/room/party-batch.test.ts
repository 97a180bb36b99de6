import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { PartyBatches } from '../../../src/durable-objects/room/party-batch.ts';
import type { Peer } from '../../../src/durable-objects/room/peer.ts';

const peer = (kind: 'document' | 'channel' = 'document') => ({ state: { target: { kind } } }) as unknown as Peer;
const marker = (type: 'start' | 'end', size: number, count: number, id = 'b') =>
  `y-pk-batch#${JSON.stringify({ id, type, size, count })}`;
const bytes = (...values: number[]) => Uint8Array.from(values);

describe("[R12] frames of y-partykit's provider", () => {
  it('are whole again when their last part has come', () => {
    const batches = new PartyBatches();
    const socket = peer();
    expect(batches.take(socket, marker('start', 3, 2))).toBeNull();
    expect(batches.take(socket, bytes(1, 2))).toBeNull();
    expect(batches.take(socket, bytes(3))).toBeNull();
    expect(batches.take(socket, marker('end', 3, 2))).toEqual(bytes(1, 2, 3));
    expect(batches.take(socket, bytes(9))).toEqual(bytes(9));
  });

  it('of two sockets do not mix', () => {
    const batches = new PartyBatches();
    const [left, right] = [peer(), peer()];
    batches.take(left, marker('start', 1, 1));
    expect(batches.take(right, bytes(7))).toEqual(bytes(7));
    batches.take(left, bytes(1));
    expect(batches.take(left, marker('end', 1, 1))).toEqual(bytes(1));
  });

  it.each<[string, (Uint8Array | string)[]]>([
    ['more bytes than announced', [marker('start', 2, 2), bytes(1), bytes(2, 3)]],
    ['more parts than announced', [marker('start', 3, 1), bytes(1), bytes(2)]],
    ['fewer parts than announced', [marker('start', 2, 2), bytes(1, 2), marker('end', 2, 2)]],
    ['fewer bytes than announced', [marker('start', 3, 1), bytes(1, 2), marker('end', 3, 1)]],
    ['the end of another batch', [marker('start', 1, 1), bytes(1), marker('end', 1, 1, 'c')]],
    ['an end without a start', [marker('end', 1, 1)]],
    ['a start within a batch', [marker('start', 1, 1), marker('start', 1, 1)]],
    ['a size that is none', [marker('start', -1, 1)]],
    ['a marker that is no JSON', ['y-pk-batch#{']],
  ])('end the socket with %s', (_, frames) => {
    const batches = new PartyBatches();
    const socket = peer();
    expect(() => {
      for (const frame of frames) batches.take(socket, frame);
    }).toThrow();
  });

  it('are no larger than others, and only so many wait at a time', () => {
    const { frameBytes, batchBytes } = limits.room;
    const batches = new PartyBatches();
    expect(() => batches.take(peer(), marker('start', frameBytes + 1, 5))).toThrow(
      expect.objectContaining({ code: 'payload_too_large' }),
    );
    const waiting = Array.from({ length: batchBytes / frameBytes }, () => peer());
    for (const socket of waiting) batches.take(socket, marker('start', frameBytes, 5));
    expect(() => batches.take(peer(), marker('start', 1, 1))).toThrow(
      expect.objectContaining({ code: 'rate_limited' }),
    );
    for (const socket of waiting.slice(1)) batches.forget(socket);
    expect(batches.take(peer(), marker('start', frameBytes, 5))).toBeNull();
  });

  it('are text like any other on the channel', () => {
    expect(new PartyBatches().take(peer('channel'), marker('start', 1, 1))).toBe(marker('start', 1, 1));
  });
});
