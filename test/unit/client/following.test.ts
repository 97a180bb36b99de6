import { describe, expect, it } from 'vitest';
import type { KilnClient } from '../../../src/client/api.ts';
import type { OfflineStore } from '../../../src/client/offline.ts';
import { joinProject } from '../../../src/client/room.ts';
import type { EventList, RoomEvent } from '../../../src/contract/room.ts';
import { channel, FakeSocket, pass, paths, socketsPerTest } from '../support/fake-socket.ts';

socketsPerTest();

const moved = (seq: number, from: string, path: string): RoomEvent => ({
  seq,
  type: 'file.moved',
  at: '2026-01-01T00:00:00.000Z',
  by: null,
  data: { from, path },
});

describe('[R14] Somebody who was away for more events than are replayed', () => {
  it('follows a rename before the document connects, with what was typed meanwhile and what the device keeps', async () => {
    const asked: unknown[] = [];
    const list = Promise.withResolvers<(typeof EventList)['_output']>();
    const client = {
      baseUrl: 'http://kiln.test',
      call: async (name: string, args: { query?: unknown }) => {
        if (name === 'createTicket') return { ticket: 't', expiresIn: 60 };
        if (name !== 'listEvents') return { messages: [], next: null };
        asked.push(args.query);
        return await list.promise;
      },
    } as unknown as KilnClient;
    const kept: (string | undefined)[][] = [];
    const seen: number[] = [];
    const offline: OfflineStore = {
      open: () => ({
        origin: 'kept',
        works: true,
        load: async () => undefined,
        setBase: () => undefined,
        clear: async () => undefined,
        close: () => undefined,
      }),
      follow: async (_project, after) => void kept.push(['a.ts', 'b.ts'].map(after)),
      seen: async () => undefined,
      setSeen: async (_project, seq) => void seen.push(seq),
    };
    const room = joinProject(client, 'p', { WebSocket: FakeSocket as unknown as typeof WebSocket, offline });
    const first = await channel(5);
    const document = room.openDocument('a.ts');
    await pass(1000);
    expect(paths()).toEqual(['room', 'docs/a.ts']);
    FakeSocket.made[1]?.open();
    // The network goes, and with it both; somebody types on.
    FakeSocket.made[1]?.close();
    first.close();
    document.text.insert(0, 'typed offline');
    const second = await channel(5000);
    expect(second.sent).toEqual([JSON.stringify({ type: 'resume', since: 5 })]);
    second.say({ type: 'resync', seq: 5000 });
    // It goes on while nobody knows where the file is.
    second.say(moved(5001, 'b.ts', 'c.ts'));
    await pass(5000);
    expect([asked, paths().slice(3), seen]).toEqual([[{ since: 5, type: 'file.moved' }], [], [5]]);
    list.resolve({ events: [moved(700, 'a.ts', 'b.ts'), moved(5001, 'b.ts', 'c.ts')], seq: 5001, resync: false });
    await pass(20_000);
    expect([document.path, paths()[3]]).toEqual(['c.ts', 'docs/c.ts']);
    expect([document.text.toString(), document.dirty]).toEqual(['typed offline', true]);
    expect(kept).toEqual([
      ['b.ts', undefined],
      [undefined, 'c.ts'],
    ]);
    expect(seen.at(-1)).toBe(5001);
    room.leave();
  });

  it('goes on where nobody can say', async () => {
    const client = {
      baseUrl: 'http://kiln.test',
      call: async (name: string) => {
        if (name === 'createTicket') return { ticket: 't', expiresIn: 60 };
        throw new TypeError('no answer');
      },
    } as unknown as KilnClient;
    const room = joinProject(client, 'p', { WebSocket: FakeSocket as unknown as typeof WebSocket });
    (await channel(5)).close();
    const again = await channel(5000);
    const document = room.openDocument('a.ts');
    again.say({ type: 'resync', seq: 5000 });
    await pass(2000);
    expect(paths().at(-1)).toBe('docs/a.ts');
    again.say(moved(5001, 'a.ts', 'b.ts'));
    expect(document.path).toBe('b.ts');
    room.leave();
  });
});
