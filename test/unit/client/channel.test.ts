import { describe, expect, it } from 'vitest';
import type { KilnClient } from '../../../src/client/api.ts';
import { KilnApiError } from '../../../src/client/errors.ts';
import { joinProject } from '../../../src/client/room.ts';
import { limits } from '../../../src/contract/limits.ts';
import { channel, FakeSocket, pass, paths, socketsPerTest } from '../support/fake-socket.ts';

socketsPerTest();

/** A room whose tickets come from the test. */
function join(ticket: () => unknown = () => ({ ticket: 't', expiresIn: 60 })) {
  let asked = 0;
  const client = {
    baseUrl: 'http://kiln.test',
    call: async () => {
      asked += 1;
      return ticket();
    },
  } as unknown as KilnClient;
  const room = joinProject(client, 'p', { WebSocket: FakeSocket as unknown as typeof WebSocket });
  const heard: number[] = [];
  room.on('event', ({ event }) => heard.push(event.seq));
  const ended: string[] = [];
  room.on('ended', ({ code }) => ended.push(code));
  return { room, heard, ended, asked: () => asked };
}
const event = (seq: number) => ({ seq, type: 'build.created', at: '2026-01-01T00:00:00.000Z', by: null, data: {} });

describe('The client’s channel', () => {
  it('[R14] hears every event once and in order, whatever is said while those that were missed are replayed', async () => {
    const { room, heard } = join();
    const first = await channel(5);
    first.say(event(6));
    first.close();
    const second = await channel(9);
    expect(second.sent).toEqual([JSON.stringify({ type: 'resume', since: 6 })]);
    // Live, and in front of the replay, which has it, too.
    second.say(event(10));
    for (const seq of [7, 8, 9, 10]) second.say(event(seq));
    // Twice.
    second.say(event(9));
    second.say(event(11));
    expect(heard).toEqual([6, 7, 8, 9, 10, 11]);
    room.leave();
  });

  it('[R2] asks for what was typed again once it is back: the acknowledgement may have come meanwhile', async () => {
    const { room } = join();
    const document = room.openDocument('a.ts');
    const first = await channel(1);
    await pass(2000);
    const [own] = FakeSocket.made.filter(({ url }) => url.includes('/docs/'));
    own?.open();
    own?.answer();
    document.text.insert(0, 'typed');
    expect(document.state).toBe('saving');
    first.close();
    const before = own?.sent.length ?? 0;
    await channel(1);
    expect(own?.sent.slice(before).map(([kind, step]) => [kind, step])).toEqual([[0, 0]]);
    own?.answer();
    expect(document.state).toBe('saved');
    room.leave();
  });

  it('[R24] says that it is there when it is asked', async () => {
    const { room } = join();
    const socket = await channel(1);
    socket.say({ type: 'probe', n: 3 });
    expect(socket.sent).toEqual([JSON.stringify({ type: 'probe', n: 3 })]);
    room.leave();
  });

  it('takes a room that answers no ping for gone, and comes again; not one that says anything', async () => {
    const { room } = join();
    const { ping, pong } = limits.client;
    const socket = await channel(1);
    for (let turn = 0; turn < 3; turn += 1) {
      await pass(ping);
      socket.say({ type: 'pong' });
    }
    await pass(pong);
    expect([room.status, paths()]).toEqual(['online', ['room']]);
    await pass(ping);
    expect([room.status, socket.readyState]).toEqual(['offline', WebSocket.CLOSED]);
    await channel(1);
    expect([room.status, paths()]).toEqual(['online', ['room', 'room']]);
    room.leave();
  });

  it('ends where it is refused for good, and asks no more', async () => {
    const { room, ended, asked } = join(() => {
      throw new KilnApiError('forbidden');
    });
    const document = room.openDocument('a.ts');
    await pass(60_000);
    expect([ended, room.status, document.state, asked(), paths()]).toEqual([['forbidden'], 'closed', 'closed', 1, []]);
  });

  it('waits for as long as it is told to', async () => {
    const { room, ended, asked } = join(() => {
      throw new KilnApiError('rate_limited', { retryAfter: 30 });
    });
    await pass(29_000);
    expect([asked(), ended]).toEqual([1, []]);
    await pass(32_000);
    expect(asked()).toBeGreaterThan(1);
    room.leave();
  });
});
