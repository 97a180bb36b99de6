import fc from 'fast-check';
import * as encoding from 'lib0/encoding';
import { describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { limits } from '../../../src/contract/limits.ts';
import { stillTime } from '../support/room-setup.ts';
import { awarenessOf, awarenessPayload, frameOf, ids, step1, step2, updateOf, World } from '../support/room-world.ts';

stillTime();

const made = (change: (doc: Y.Doc) => void): Uint8Array => {
  const doc = new Y.Doc();
  change(doc);
  return Y.encodeStateAsUpdate(doc);
};
const nested = (depth: number): Uint8Array =>
  made((doc) => {
    let map = doc.getMap<unknown>('root');
    for (let level = 0; level < depth; level += 1) {
      const inner = new Y.Map<unknown>();
      map.set('d', inner);
      map = inner;
    }
  });
const varints = (...values: readonly number[]): Uint8Array =>
  frameOf((encoder) => {
    for (const value of values) encoding.writeVarUint(encoder, value);
  });

/** Frames of every kind, honest and not: what mutation starts from. */
const corpus: readonly Uint8Array[] = [
  step1(new Y.Doc()),
  updateOf(made((doc) => doc.getText('content').insert(0, 'honest'))),
  step2(made((doc) => doc.getText('content').insert(0, 'answer'))),
  updateOf(made((doc) => doc.getMap('root').set('a', { b: [1, null, 'x'] }))),
  updateOf(
    made((doc) => {
      for (let n = 0; n < 50; n += 1) doc.getText('content').insert(0, 'x');
      doc.getText('content').delete(10, 20);
    }),
  ),
  updateOf(nested(30)),
  awarenessOf(awarenessPayload([1, 1, { cursor: 1 }])),
  awarenessOf(awarenessPayload([1, 1, 'not json'])),
  awarenessOf(awarenessPayload([2 ** 31, 2 ** 31, null])),
  varints(3),
  // Lengths that lie: of the message, of the update, of the number of clients and structs.
  varints(0, 2, 2 ** 53 - 1),
  varints(0, 2, 4, 2 ** 40),
  varints(1, 2 ** 53 - 1),
  varints(9, 9, 9),
  new Uint8Array([0, 2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
  new Uint8Array(),
];

const mutate = (frame: Uint8Array, kind: number, at: number, value: number, other: Uint8Array): Uint8Array => {
  const place = frame.length === 0 ? 0 : at % frame.length;
  const copy = frame.slice();
  switch (kind % 6) {
    case 0:
      copy[place] = value;
      return copy;
    case 1:
      return copy.subarray(0, place);
    case 2:
      return new Uint8Array([...copy.subarray(0, place), value, ...copy.subarray(place)]);
    case 3:
      copy[place] = (copy[place] ?? 0) ^ (1 << (value % 8));
      return copy;
    case 4:
      // Two messages in one frame.
      return new Uint8Array([...copy, ...other]);
    default:
      return new Uint8Array([...copy.subarray(0, place), ...other.subarray(other.length >> 1)]);
  }
};

describe('[R12] #61 Malformed frames', () => {
  it('10,000 of them end the sockets that sent them, in bounded time, and honest clients go on', async () => {
    const world = new World();
    await world.room.write('a', { text: 'calm' }, ids.owner);
    const [one, two] = [await world.client(ids.owner, 'a'), await world.client(ids.owner, 'a')];
    const mutation = fc.tuple(fc.nat(corpus.length - 1), fc.nat(), fc.nat(), fc.nat(255), fc.nat(corpus.length - 1));
    const frames = fc
      .sample(mutation, { numRuns: 10_000 - corpus.length, seed: 61 })
      .map(([of, kind, at, value, other]) =>
        mutate(corpus[of] as Uint8Array, kind, at, value, corpus[other] as Uint8Array),
      );
    let evil = world.socket(ids.editor, { kind: 'document', file: world.room.documentTarget('a') });
    await world.room.join(evil);
    const slowest = { ms: 0, frame: new Uint8Array() };
    let ended = 0;
    for (const frame of [...corpus, ...frames]) {
      const from = performance.now();
      await world.send(evil, frame);
      const ms = performance.now() - from;
      if (ms > slowest.ms) Object.assign(slowest, { ms, frame });
      if (!evil.closed) continue;
      expect(['malformed_request', 'payload_too_large', 'rate_limited']).toContain(evil.closed);
      ended += 1;
      await world.leave(evil);
      evil = world.socket(ids.editor, { kind: 'document', file: world.room.documentTarget('a') });
      await world.room.join(evil);
    }
    expect(ended).toBeGreaterThan(1000);
    // A frame of a hundred bytes is no second of work, on whatever machine.
    expect(slowest.ms, Buffer.from(slowest.frame).toString('hex')).toBeLessThan(1000);
    await world.settle();
    one.type(0, 'still ');
    await world.settle();
    expect([one.peer.closed, two.peer.closed]).toEqual([null, null]);
    expect(two.content).toBe(one.content);
    expect(await world.text('a')).toBe(one.content);
    world.crash();
    expect(await world.text('a')).toBe(one.content);
    expect(world.logged.filter((event) => !['room.recovered', 'room.answers_wait'].includes(event))).toEqual([]);
  }, 120_000);

  it.each([
    [
      '100,000 tiny structs',
      () =>
        made((doc) => {
          const text = doc.getText('content');
          for (let n = 0; n < 100_000; n += 1) text.insert(0, n % 2 ? 'a' : 'b');
        }),
    ],
    ['types nested 5,000 deep', () => nested(5000)],
    [
      'a million ranges of deletions',
      () =>
        frameOf((encoder) => {
          encoding.writeVarUint(encoder, 0);
          encoding.writeVarUint(encoder, 1);
          encoding.writeVarUint(encoder, 7);
          encoding.writeVarUint(encoder, 1_000_000);
          for (let n = 0; n < 1_000_000; n += 1) {
            encoding.writeVarUint(encoder, 2 * n);
            encoding.writeVarUint(encoder, 1);
          }
        }),
    ],
  ])(
    '%s leave a document that can be opened, read and edited',
    async (_, update) => {
      const world = new World();
      await world.room.write('a', { text: 'calm' }, ids.owner);
      const honest = await world.client(ids.owner, 'a');
      const evil = await world.client(ids.editor, 'a');
      const frame = updateOf(update());
      // The shell closes what is larger before the room sees it.
      if (frame.length <= limits.room.frameBytes) await world.send(evil.peer, frame);
      await world.settle();
      if (honest.peer.closed) await honest.connect();
      await world.settle();
      honest.type(0, 'still ');
      await world.settle();
      expect(honest.peer.closed).toBeNull();
      expect(await world.text('a')).toContain('still ');
      world.crash();
      const late = await world.client(ids.viewer, 'a');
      expect(late.content).toBe(honest.content);
      expect(await world.text('a')).toBe(honest.content);
    },
    120_000,
  );
});
