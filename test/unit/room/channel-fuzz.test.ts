import { afterEach, describe, expect, it, vi } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { ClientMessage } from '../../../src/contract/room.ts';
import { fatalFrames, mutatedFrames, wrongFrames } from '../../support/channel-frames.ts';
import { newWorld, stillTime, world } from '../support/room-setup.ts';
import { ids, type TestPeer } from '../support/room-world.ts';

stillTime();

/** What others may hear of somebody who says things on the channel, and with which fields. */
const heardOf: Readonly<Record<string, readonly string[]>> = {
  cursor: ['type', 'userId', 'path', 'position', 'selection'],
  selection: ['type', 'userId', 'path', 'nodes'],
  viewport: ['type', 'userId', 'path', 'view'],
  idle: ['type', 'userId', 'idle'],
  typing: ['type', 'userId', 'thread'],
};

/** A room in which somebody works in a document and two others listen, and one who sends what follows. */
async function among() {
  newWorld();
  await world.room.write('a', { text: 'calm' }, ids.owner);
  const honest = await world.client(ids.owner, 'a');
  const ears = [await world.channel(ids.owner), await world.channel(ids.viewer, { batched: true })];
  const evil = await world.channel(ids.editor);
  await world.settle();
  const stored = JSON.stringify(world.dump());
  for (const peer of [...ears, evil]) peer.frames.splice(0);
  return { honest, ears, evil, stored };
}

/** What the room answered, in a session that goes on because it reads: a `probe` in between gets its answer. */
async function answersOf(peer: TestPeer): Promise<{ type: string; code?: string; userId?: string }[]> {
  const messages = peer.frames.splice(0).flatMap((frame) => JSON.parse(frame as string));
  for (const { type, n } of messages) if (type === 'probe') await world.send(peer, JSON.stringify({ type, n }));
  return messages.filter(({ type }) => type !== 'probe');
}

describe('[R12] #61 Frames of the channel that are no message', () => {
  afterEach(() => {
    for (const key of Object.keys(Object.prototype)) Reflect.deleteProperty(Object.prototype, key);
  });

  it('are answered with one error each; nobody else hears of 10,000 of them, and nothing is kept', async () => {
    const { honest, ears, evil, stored } = await among();
    const state = JSON.stringify(evil.state);
    for (const frame of wrongFrames(10_000, 62)) {
      await world.send(evil, frame);
      expect(await answersOf(evil), frame.slice(0, 200)).toEqual([
        { type: 'error', code: 'validation_failed', message: 'unknown message' },
      ]);
    }
    await vi.advanceTimersByTimeAsync(limits.presence.window);
    expect(ears.map(({ frames }) => frames)).toEqual([[], []]);
    expect([honest.peer, ...ears, evil].map(({ closed }) => closed)).toEqual([null, null, null, null]);
    expect(JSON.stringify(evil.state)).toBe(state);
    expect(JSON.stringify(world.dump())).toBe(stored);
    expect([world.refusals, world.logged]).toEqual([[], []]);
    expect(Object.keys(Object.prototype)).toEqual([]);
    honest.type(0, 'still ');
    await world.settle();
    expect(await world.text('a')).toBe('still calm');
  });

  it('are told from messages where one letter makes the difference: others hear whole messages of 10,000, and only such are kept', async () => {
    const { honest, ears, evil, stored } = await among();
    let understood = 0;
    for (const [index, frame] of mutatedFrames(10_000, 63).entries()) {
      await world.send(evil, frame);
      const answers = await answersOf(evil);
      const isMessage = ClientMessage.safeParse(parsed(frame)).success;
      if (isMessage) understood += 1;
      else
        expect(
          answers.map(({ type, code }) => code ?? type),
          frame,
        ).toEqual(['validation_failed']);
      // Time goes on, and what people do is heard.
      if (index % 10 === 0) await vi.advanceTimersByTimeAsync(1000);
    }
    await vi.advanceTimersByTimeAsync(limits.presence.window);
    expect(understood).toBeGreaterThan(100);
    const [told = [], batched = []] = await Promise.all(ears.map(answersOf));
    expect(told.length).toBeGreaterThan(100);
    expect(batched).toEqual(told);
    let lines = 0;
    for (const message of told) {
      if (message.type === 'chat') {
        lines += 1;
        continue;
      }
      expect(message.userId).toBe(ids.editor);
      expect(heardOf[String(message.type)], JSON.stringify(message)).toEqual(
        expect.arrayContaining(Object.keys(message)),
      );
    }
    const { chat, events, ...rest } = world.dump();
    const { chat: noChat, events: before, ...restBefore } = JSON.parse(stored) as Record<string, unknown[]>;
    expect(noChat).toEqual([]);
    expect([chat?.length, events?.length]).toEqual([lines, (before?.length ?? 0) + lines]);
    expect(JSON.stringify(rest)).toBe(JSON.stringify(restBefore));
    expect([honest.peer, ...ears, evil].map(({ closed }) => closed)).toEqual([null, null, null, null]);
    expect(world.refusals).toEqual([]);
  });

  it('give nobody a prototype: of a view such a key is left out', async () => {
    const { ears, evil } = await among();
    await world.send(evil, '{"type":"viewport","path":"a","view":{"__proto__":{"polluted":true},"first":1}}');
    await vi.advanceTimersByTimeAsync(limits.presence.window);
    expect(ears[0]?.frames).toEqual([
      JSON.stringify({ type: 'viewport', path: 'a', view: { first: 1 }, userId: ids.editor }),
    ]);
    expect(await answersOf(evil)).toEqual([]);
  });

  it('end the socket, and no other, where they are bytes or too long', async () => {
    const { honest, ears, stored } = await among();
    for (const frame of fatalFrames) {
      const evil = await world.channel(ids.editor);
      evil.frames.splice(0);
      await world.send(evil, frame);
      expect([evil.closed, evil.frames]).toEqual(['malformed_request', []]);
      await world.leave(evil);
    }
    expect(world.refusals).toHaveLength(fatalFrames.length);
    expect(ears.flatMap((ear) => ear.heard('error'))).toEqual([]);
    expect([honest.peer, ...ears].map(({ closed }) => closed)).toEqual([null, null, null]);
    expect(JSON.stringify(world.dump())).toBe(stored);
  });
});

function parsed(frame: string): unknown {
  try {
    return JSON.parse(frame);
  } catch {
    return undefined;
  }
}
