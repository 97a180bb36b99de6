import { beforeEach, describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { limits } from '../../../src/contract/limits.ts';
import { world, worldPerTest } from '../support/room-setup.ts';
import { ids, step1, type TestPeer } from '../support/room-world.ts';

const { burst, perSecond, least } = limits.room.answers;
/** More of one socket in a second ends it. */
const most = limits.room.questionsPerSecond;

worldPerTest();

const size = 500_000;
/** Somebody who has something that nobody else has: the answer is all that there is. */
const foreign = (): Uint8Array => {
  const doc = new Y.Doc();
  doc.getText('content').insert(0, 'x');
  return step1(doc);
};
const answersOf = (peer: TestPeer): number[] =>
  peer.synced.filter(([type]) => type === 1).map(([, payload]) => payload.length);
/** Sockets of one user on the large document. */
const many = (count: number): Promise<TestPeer[]> =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const peer = world.socket(ids.viewer, { kind: 'document', file: world.room.documentTarget('large') });
      await world.room.join(peer);
      return peer;
    }),
  );
const wholeOf = (peer: TestPeer): number => answersOf(peer).filter((length) => length >= size).length;

describe('#62 [R12] Questions that are dear to answer', () => {
  beforeEach(async () => {
    await world.room.write('large', { text: 'x'.repeat(size) }, ids.owner);
  });

  it('wait beyond a burst, while others type and read', async () => {
    const [writer, reader] = [await world.client(ids.owner, 'large'), await world.client(ids.editor, 'large')];
    const sockets = await many(5);
    for (let n = 0; n < most; n += 1) {
      for (const peer of sockets) await world.send(peer, foreign());
      if (n % 8 === 0) writer.type(0, `edit ${n} `);
    }
    await world.settle();
    for (const n of [0, 8, 16]) expect(reader.content).toContain(`edit ${n} `);
    const whole = () => sockets.reduce((sum, peer) => sum + wholeOf(peer), 0);
    expect(whole()).toBeGreaterThan(0);
    expect(whole()).toBeLessThanOrEqual(burst / size + 1);
    expect(world.logged.filter((event) => event === 'room.answers_wait')).toHaveLength(1);
    // Those who asked are answered one after the other: each once more, with what was typed meanwhile.
    await vi.advanceTimersByTimeAsync(((5 * size) / perSecond) * 1000 + 1000);
    expect(whole()).toBeLessThanOrEqual(burst / size + 1 + 5);
    for (const peer of sockets) {
      const known = new Y.Doc();
      for (const [type, payload] of peer.synced) if (type !== 0) Y.applyUpdate(known, payload);
      expect(known.getText('content').toString()).toBe(writer.content);
      // Who counts the answers has as many as questions.
      expect(answersOf(peer)).toHaveLength(most);
      expect(peer.closed).toBeNull();
    }
    expect(vi.getTimerCount()).toBe(0);
  });

  it('of one user do not keep another waiting, nor those who come back after a restart', async () => {
    for (const _life of [1, 2]) {
      world.crash();
      for (const peer of await many(2)) for (let n = 0; n < most; n += 1) await world.send(peer, foreign());
    }
    const honest = Array.from({ length: 50 }, (_, n) => {
      const userId = `${ids.owner.slice(0, -2)}${n + 20}`;
      world.access.set(userId, 'editor');
      return world.socket(userId, { kind: 'document', file: world.room.documentTarget('large') });
    });
    for (const peer of honest) {
      await world.room.join(peer);
      await world.send(peer, foreign());
      expect(wholeOf(peer)).toBe(1);
    }
  });

  it('end no window of others without end', async () => {
    const writer = await world.client(ids.owner, 'large');
    const reader = await world.client(ids.editor, 'large');
    const sockets = await many(20);
    const before = reader.peer.updates.length;
    // Of the document as it is: the answer is a few bytes.
    for (let n = 0; n < most; n += 1)
      for (const peer of sockets) {
        await world.send(peer, step1(writer.doc));
        writer.type(0, 'y');
      }
    await world.settle();
    expect(reader.content).toBe(writer.content);
    expect(reader.peer.updates.length - before).toBeLessThanOrEqual(burst / least + 2);
  });

  it('are not answered to who left, and what is no question ends its socket when its turn comes', async () => {
    const [gone, bad] = await many(2);
    if (!gone || !bad) throw new Error('there are two');
    const other = await world.client(ids.editor, 'large');
    for (let n = 0; n < most; n += 1) await world.send(gone, foreign());
    await world.send(bad, Uint8Array.of(0, 0, 2, 255, 255));
    await world.leave(gone);
    const answered = gone.frames.length;
    expect(bad.closed).toBeNull();
    await vi.advanceTimersByTimeAsync(60_000);
    expect([gone.frames.length, bad.closed, other.peer.closed]).toEqual([answered, 'malformed_request', null]);
    expect(world.logged).toContain('socket.refused_frame');
  });
});

describe('#62 [R14] Events that are asked for', () => {
  it('again and again are replayed at a pace, the newest question at last', async () => {
    const peer = await world.channel(ids.viewer);
    peer.onSend = (frame) => {
      if (typeof frame !== 'string' || !frame.startsWith('{"type":"probe"')) return;
      peer.flow.answered((JSON.parse(frame) as { n: number }).n);
    };
    const data = { text: 'x'.repeat(1000) };
    for (let n = 0; n < limits.room.eventsReplayed; n += 1) world.room.record('project.updated', ids.owner, data);
    const replayed = () => peer.heard('event').length - limits.room.eventsReplayed;
    for (let n = 0; n < 250; n += 1) await world.send(peer, JSON.stringify({ type: 'resume', since: 0 }));
    const atOnce = replayed();
    expect(atOnce).toBeGreaterThan(0);
    expect(atOnce).toBeLessThanOrEqual(burst / data.text.length + limits.room.eventsReplayed);
    await world.send(peer, JSON.stringify({ type: 'resume', since: limits.room.eventsReplayed - 3 }));
    expect(replayed()).toBe(atOnce);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(replayed()).toBe(atOnce + 3);
  });
});

describe('#62 [R7] The awareness of all', () => {
  beforeEach(async () => {
    await world.room.write('a', { text: 'text' }, ids.owner);
  });

  it('is told to who asks at a pace', async () => {
    const talker = await world.client(ids.owner, 'a');
    await talker.sayAwareness({ note: 'x'.repeat(3000) });
    const asking = await Promise.all(Array.from({ length: 10 }, () => world.client(ids.viewer, 'a')));
    // What each of them asked on its way in is paid for.
    await vi.advanceTimersByTimeAsync(10_000);
    const frames = () => asking.reduce((sum, { peer }) => sum + peer.frames.length, 0);
    const before = frames();
    for (const { peer } of asking) for (let n = 0; n < most; n += 1) await world.send(peer, Uint8Array.of(3));
    expect(frames() - before).toBeLessThanOrEqual(burst / least + 1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(frames() - before).toBeLessThanOrEqual(burst / least + 1 + asking.length);
    for (const { peer } of asking) expect(peer.closed).toBeNull();
  });
});
