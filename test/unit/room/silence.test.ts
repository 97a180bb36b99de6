import { describe, expect, it, vi } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { world, worldPerTest } from '../support/room-setup.ts';
import { ids, type TestPeer } from '../support/room-world.ts';

const { channel, document, answer, pace } = limits.room.silence;
const second = 1000;

worldPerTest({ a: 'text' });

/** Time passes second by second; alarms ring when they should, and clients answer what reached them. */
async function live(ms: number, each: (second: number) => Promise<void> | void = () => undefined): Promise<void> {
  for (let passed = 1; passed <= ms / second; passed += 1) {
    await vi.advanceTimersByTimeAsync(second);
    await each(passed);
    for (const client of world.clients) await client.pump();
    await world.alarm();
  }
}

/** A socket that pings only when its test says so. */
function silent<T extends TestPeer>(peer: T): T {
  peer.pinged = 0;
  return peer;
}

/** A socket whose room sees at once that it was dropped, as the shell's does. */
function watched(peer: TestPeer): TestPeer {
  peer.onDrop = () => void world.leave(peer);
  return peer;
}

/** As the client of the web answers; what the room sends to the others is lost on the way. */
function answers(peer: TestPeer): TestPeer {
  peer.onSend = (frame) => {
    const message = typeof frame === 'string' ? JSON.parse(frame) : {};
    if (message.type === 'probe') void world.send(peer, JSON.stringify({ type: 'probe', n: message.n }));
  };
  return peer;
}

const isThere = (userId: string): boolean => world.room.channel.presence().some((user) => user.userId === userId);

describe('[R24] #62 A socket whose other end is gone without a word', () => {
  it('#62 leaves the room within a minute, with its documents, and whoever is there hears of it', async () => {
    const ear = answers(silent(await world.channel(ids.owner)));
    const gone = watched(silent(await world.channel(ids.editor)));
    const client = await world.client(ids.editor, 'a');
    silent(watched(client.peer));
    client.drop();
    await live(60 * second, () => {
      ear.pinged = Date.now();
    });
    expect([gone.closed, client.peer.closed]).toEqual(['slow_reader', 'slow_reader']);
    expect(isThere(ids.editor)).toBe(false);
    expect(ear.heard('user.left').map(({ userId }) => userId)).toEqual([ids.editor]);
    expect(ear.closed).toBeNull();
    expect(await world.text('a')).toBe('text');
  });

  it('takes along what else its user has open, where that is as silent', async () => {
    const ear = answers(silent(await world.channel(ids.owner)));
    const gone = watched(silent(await world.channel(ids.editor)));
    const client = await world.client(ids.editor, 'a');
    silent(watched(client.peer));
    await live(8 * second);
    await client.sayAwareness({ cursor: 1 });
    client.drop();
    // Asked when the channel is dropped, and not only when its own time has come.
    await live(channel + answer - 8 * second);
    expect([gone.closed, client.peer.closed]).toEqual(['slow_reader', null]);
    await live(answer);
    expect([client.peer.closed, ear.closed, isThere(ids.editor)]).toEqual(['slow_reader', null, false]);
  });

  it('#62 is found also when the room sleeps between two looks', async () => {
    const ear = answers(silent(await world.channel(ids.owner)));
    const gone = watched(silent(await world.channel(ids.editor)));
    await live(60 * second, (passed) => {
      ear.pinged = Date.now();
      const isAsked = gone.frames.some((frame) => typeof frame === 'string' && frame.includes('"probe"'));
      // Not while an answer is awaited: a timer keeps an object awake.
      if (passed % 10 === 0 && !isAsked) world.hibernate([ear, gone]);
    });
    expect([gone.closed, ear.closed]).toEqual(['slow_reader', null]);
  });

  it('is looked for when somebody asks who is there, though nobody else has a socket', async () => {
    const gone = watched(silent(await world.channel(ids.editor)));
    world.scheduled = [];
    await live(60 * 60 * second);
    expect(gone.closed).toBeNull();
    expect(world.room.presence()).toHaveLength(1);
    await live(answer);
    expect(world.room.presence()).toEqual([]);
  });
});

describe('[R24] A socket that is there', () => {
  it('stays for hours in a tab in the background, whose timers run once a minute', async () => {
    const [ear, hidden] = [
      answers(silent(await world.channel(ids.owner))),
      answers(watched(silent(await world.channel(ids.editor)))),
    ];
    const client = await world.client(ids.editor, 'a');
    silent(watched(client.peer));
    await live(60 * 60 * second, async (passed) => {
      if (passed % 25 === 0) ear.pinged = Date.now();
      if (passed % 60 !== 0) return;
      hidden.pinged = Date.now();
      await client.sayAwareness({ cursor: passed });
    });
    expect([ear.closed, hidden.closed, client.peer.closed]).toEqual([null, null, null]);
  });

  it('stays as a provider that never pings and says nothing, for it answers', async () => {
    const [one, two] = [await world.client(ids.owner, 'a'), await world.client(ids.viewer, 'a')];
    for (const { peer } of [one, two]) silent(watched(peer));
    await live(30 * 60 * second);
    expect([one.peer.closed, two.peer.closed]).toEqual([null, null]);
    one.type(0, 'still ');
    await world.settle();
    expect(two.content).toBe('still text');
  });

  it('is not asked while it pings or speaks', async () => {
    const [one, two] = [silent(await world.channel(ids.owner)), silent(await world.channel(ids.editor))];
    await live(30 * 60 * second, async (passed) => {
      if (passed % 25 === 0) one.pinged = Date.now();
      if (passed % 25 === 0) await world.send(two, '{"type":"cursor","path":"a"}');
    });
    expect([...one.heard('probe'), ...two.heard('probe')]).toEqual([]);
    expect([one.closed, two.closed]).toEqual([null, null]);
  });

  it('is asked again only after as long a silence, though the room sleeps after each answer', async () => {
    const sockets = [answers(silent(await world.channel(ids.owner))), answers(silent(await world.channel(ids.editor)))];
    await live(10 * 60 * second, (passed) => {
      if (vi.getTimerCount() === 0 && passed % 5 === 0) world.hibernate(sockets);
    });
    expect(sockets.map(({ closed }) => closed)).toEqual([null, null]);
    for (const { frames } of sockets) {
      const asked = frames.filter((frame) => typeof frame === 'string' && frame.includes('"probe"')).length;
      expect(asked).toBeLessThanOrEqual((10 * 60 * second) / channel);
      expect(asked).toBeGreaterThan(10);
    }
  });
});

describe('[R24] Looking for the silent', () => {
  it('asks for no alarm in a room in which one person is alone', async () => {
    world.scheduled = [];
    silent(await world.channel(ids.editor));
    await world.client(ids.editor, 'a');
    expect(world.scheduled).toEqual([]);
    silent(await world.channel(ids.owner));
    expect(Math.min(...world.scheduled) - Date.now()).toBeGreaterThanOrEqual(pace);
  });

  it('takes less than a minute from the last sign of life, for a channel and for what else its user has open', () => {
    expect(channel + pace + answer + answer).toBeLessThanOrEqual(60 * second);
    expect(document + pace + answer).toBeLessThanOrEqual(60 * second);
    // Who pings is not asked.
    expect(limits.client.ping).toBeLessThan(channel);
  });
});
