import { describe, expect, it, vi } from 'vitest';
import { colorOf } from '../../../src/contract/color.ts';
import { limits } from '../../../src/contract/limits.ts';
import { Members } from '../../../src/durable-objects/room/members.ts';
import { codeOf } from '../support/code-of.ts';
import { world, worldPerTest } from '../support/room-setup.ts';
import { awarenessOf, awarenessPayload, ids, type TestClient, TestPeer } from '../support/room-world.ts';

worldPerTest({ a: 'text' });

/** What a client knows of the others. */
const others = (client: TestClient): unknown[] =>
  [...client.awareness.getStates()].filter(([id]) => id !== client.doc.clientID).map(([, state]) => state);

describe('[R7] Awareness', () => {
  it('[R7] carries what a client says of its cursor, and what the room says of its user', async () => {
    const [one, two] = [await world.client(ids.editor, 'a'), await world.client(ids.owner, 'a')];
    await one.sayAwareness({
      cursor: { anchor: 3 },
      user: { name: 'Somebody else', color: 'red', id: ids.owner, admin: true },
    });
    await world.settle();
    expect(others(two)).toEqual([
      {
        cursor: { anchor: 3 },
        user: {
          id: ids.editor,
          name: 'User 02',
          color: colorOf(ids.editor),
          colorLight: `${colorOf(ids.editor)}33`,
          role: 'editor',
        },
      },
    ]);
  });

  it('[R7] of another socket cannot be changed or removed', async () => {
    const [one, two, evil] = [
      await world.client(ids.editor, 'a'),
      await world.client(ids.owner, 'a'),
      await world.client(ids.viewer, 'a'),
    ];
    await one.sayAwareness({ cursor: 1 });
    await world.settle();
    const victim = one.doc.clientID;
    await world.send(evil.peer, awarenessOf(awarenessPayload([victim, 1000, { cursor: 'moved' }])));
    await world.send(evil.peer, awarenessOf(awarenessPayload([victim, 1001, null])));
    await world.settle();
    expect(others(two)).toMatchObject([{ cursor: 1, user: { id: ids.editor } }]);
    expect(evil.peer.closed).toBeNull();
  });

  it('[R7] of one socket are two at most, each of a bounded size', async () => {
    const [one, two] = [await world.client(ids.editor, 'a'), await world.client(ids.owner, 'a')];
    await world.send(one.peer, awarenessOf(awarenessPayload([1, 1, { n: 1 }], [2, 1, { n: 2 }], [3, 1, { n: 3 }])));
    await world.send(one.peer, awarenessOf(awarenessPayload([1, 2, { big: 'x'.repeat(limits.room.awarenessBytes) }])));
    await world.settle();
    expect(others(two)).toMatchObject([{ n: 1 }, { n: 2 }]);
    expect(one.peer.state.awareness).toHaveLength(limits.room.awarenessClients);
    expect(one.peer.closed).toBeNull();
  });

  it('[R7] of a viewer is shown too: reading is not hiding', async () => {
    const [viewer, owner] = [await world.client(ids.viewer, 'a'), await world.client(ids.owner, 'a')];
    await viewer.sayAwareness({ cursor: 1 });
    await world.settle();
    expect(others(owner)).toMatchObject([{ user: { role: 'viewer' } }]);
  });

  it('[R7] goes with its socket, and when its client says so', async () => {
    const [one, two, three] = [
      await world.client(ids.editor, 'a'),
      await world.client(ids.owner, 'a'),
      await world.client(ids.viewer, 'a'),
    ];
    await one.sayAwareness({ cursor: 1 });
    await two.sayAwareness({ cursor: 2 });
    await world.settle();
    expect(others(three)).toHaveLength(2);
    await world.leave(one.peer);
    one.drop();
    await world.settle();
    expect(others(three)).toMatchObject([{ cursor: 2 }]);
    await two.sayAwareness(null);
    await world.settle();
    expect(others(three)).toEqual([]);
  });

  it('[R7] of those who are there is told to a newcomer at once', async () => {
    const one = await world.client(ids.editor, 'a');
    await one.sayAwareness({ cursor: 1 });
    const two = await world.client(ids.owner, 'a');
    expect(others(two)).toMatchObject([{ cursor: 1 }]);
  });

  it('[R7] of a client that reconnects is shown again with its next clock', async () => {
    const [one, two] = [await world.client(ids.editor, 'a'), await world.client(ids.owner, 'a')];
    await one.sayAwareness({ cursor: 1 });
    await world.settle();
    one.drop();
    await world.leave(one.peer);
    await world.settle();
    expect(others(two)).toEqual([]);
    await one.connect();
    await one.sayAwareness({ cursor: 2 });
    await world.settle();
    expect(others(two)).toMatchObject([{ cursor: 2 }]);
  });
});

describe('[R10] Hibernation', () => {
  it('[R10] sockets that slept get what the others type, and what they type is taken', async () => {
    const [one, two] = [await world.client(ids.editor, 'a'), await world.client(ids.owner, 'a')];
    world.hibernate([one.peer, two.peer]);
    one.type(0, 'after the sleep ');
    await world.settle();
    expect(two.content).toBe('after the sleep text');
    two.type(0, 'both ways ');
    await world.settle();
    expect(one.content).toBe('both ways after the sleep text');
    expect(await world.text('a')).toBe(one.content);
  });

  it('[R10] awareness of those who slept is whole for who comes after', async () => {
    const [one, two] = [await world.client(ids.editor, 'a'), await world.client(ids.viewer, 'a')];
    await one.sayAwareness({ cursor: 1 });
    await two.sayAwareness({ cursor: 2 });
    await world.settle();
    world.hibernate([one.peer, two.peer]);
    const late = await world.client(ids.owner, 'a');
    expect(others(late)).toMatchObject([
      { cursor: 1, user: { id: ids.editor } },
      { cursor: 2, user: { id: ids.viewer } },
    ]);
  });

  it('[R10] presence, path and channel are whole after a sleep', async () => {
    const channel = await world.channel(ids.owner);
    const one = await world.client(ids.editor, 'a');
    await world.send(channel, JSON.stringify({ type: 'cursor', path: 'a' }));
    const before = world.room.presence();
    world.hibernate([channel, one.peer]);
    expect(world.room.presence()).toEqual(before);
    expect(channel.heard('hello')).toHaveLength(1);
    await world.room.write('b', { text: 'b' }, ids.owner);
    expect(channel.heard('event').at(-1)?.event.data.path).toBe('b');
  });

  it('[R10] who slept hears of what is made good at the start', async () => {
    const client = await world.client(ids.editor, 'a');
    const listener = await world.channel(ids.viewer);
    client.type(0, 'not flushed');
    await world.settle();
    world.hibernate([client.peer, listener]);
    expect(listener.heard('event').map(({ event }) => event.seq)).toEqual([world.room.events(0).seq]);
  });

  it('[R10] who leaves after a sleep is gone for those who stay', async () => {
    const [one, two] = [await world.client(ids.editor, 'a'), await world.client(ids.owner, 'a')];
    const channel = await world.channel(ids.viewer);
    await one.sayAwareness({ cursor: 1 });
    await world.settle();
    expect(others(two)).toHaveLength(1);
    world.hibernate([one.peer, two.peer, channel]);
    one.drop();
    await world.leave(one.peer);
    await world.settle();
    expect(others(two)).toEqual([]);
    expect(channel.heard('user.left')).toEqual([{ type: 'user.left', userId: ids.editor }]);
  });

  it('[R10] who slept on a document that is deleted then leaves the room for good', async () => {
    const [one, two] = [await world.client(ids.editor, 'a'), await world.client(ids.viewer, 'a')];
    await one.sayAwareness({ cursor: 1 });
    await two.sayAwareness({ cursor: 2 });
    await world.settle();
    world.hibernate([one.peer, two.peer]);
    await world.room.delete('a', ids.owner);
    expect([one.peer.closed, two.peer.closed]).toEqual(['not_found', 'not_found']);
    for (const { peer } of [one, two]) expect(await codeOf(world.leave(peer))).toBe('done');
    expect(world.room.presence()).toEqual([]);
  });
});

describe('The project channel', () => {
  it('says hello with the number of the newest event, oneself and everybody', async () => {
    await world.client(ids.editor, 'a');
    const channel = await world.channel(ids.owner);
    const [hello] = channel.heard('hello');
    expect(hello).toMatchObject({ seq: 1, self: { userId: ids.owner, role: 'owner', path: null } });
    expect(hello?.users.map(({ userId, path }) => [userId, path])).toEqual([
      [ids.editor, 'a'],
      [ids.owner, null],
    ]);
  });

  it('tells of users, once for each, however many sockets they have', async () => {
    const channel = await world.channel(ids.owner);
    const first = await world.channel(ids.editor);
    const second = await world.client(ids.editor, 'a');
    expect(channel.heard('user.joined').map(({ user }) => user.userId)).toEqual([ids.editor]);
    await world.leave(first);
    expect(channel.heard('user.left')).toEqual([]);
    await world.leave(second.peer);
    expect(channel.heard('user.left')).toEqual([{ type: 'user.left', userId: ids.editor }]);
    await world.leave(second.peer);
    expect(channel.heard('user.left')).toHaveLength(1);
  });

  it('[R7] passes cursors on under the name of their socket, not to oneself', async () => {
    const [one, two] = [await world.channel(ids.editor), await world.channel(ids.owner)];
    await world.send(one, JSON.stringify({ type: 'cursor', path: 'a', position: 3, selection: { from: 1, to: 3 } }));
    await vi.advanceTimersByTimeAsync(limits.presence.window);
    expect(two.heard('cursor')).toEqual([
      { type: 'cursor', userId: ids.editor, path: 'a', position: 3, selection: { from: 1, to: 3 } },
    ]);
    expect(one.heard('cursor')).toEqual([]);
    await world.send(one, JSON.stringify({ type: 'cursor', path: 'a', userId: ids.owner }));
    expect(one.heard('error')[0]?.code).toBe('validation_failed');
    expect(two.heard('cursor')).toHaveLength(1);
  });

  it.each([
    'not json',
    '[]',
    'null',
    '{}',
    '{"type":"deleteAll"}',
    '{"type":"resume"}',
    '{"type":"resume","since":-1}',
    '{"type":"__proto__"}',
  ])('[R12] answers %s with an error and nothing else [hostile 65]', async (frame) => {
    const channel = await world.channel(ids.editor);
    const before = channel.messages.length;
    await world.send(channel, frame);
    expect(channel.messages.slice(before)).toMatchObject([{ type: 'error', code: 'validation_failed' }]);
    expect(channel.closed).toBeNull();
  });

  it('[R12] ends a socket that sends binary or too much', async () => {
    const [one, two] = [await world.channel(ids.editor), await world.channel(ids.viewer)];
    await world.send(one, new Uint8Array([0, 0]));
    await world.send(two, JSON.stringify({ type: 'ping', x: 'x'.repeat(limits.room.channelFrameBytes) }));
    expect([one.closed, two.closed]).toEqual(['malformed_request', 'malformed_request']);
  });

  it('answers ping', async () => {
    const channel = await world.channel(ids.editor);
    await world.send(channel, '{"type":"ping"}');
    expect(channel.heard('pong')).toHaveLength(1);
  });

  it('[R14] replays what was missed, in order, and says resync when it is gone', async () => {
    const channel = await world.channel(ids.editor);
    for (let n = 0; n < 3; n += 1) world.room.record('x', null, { n });
    const late = await world.channel(ids.viewer);
    await world.send(late, JSON.stringify({ type: 'resume', since: 2 }));
    expect(late.heard('event').map(({ event }) => event.seq)).toEqual([3, 4]);
    expect(channel.heard('event').map(({ event }) => event.seq)).toEqual([2, 3, 4]);
    await world.send(late, JSON.stringify({ type: 'resume', since: 99 }));
    expect(late.heard('resync')).toEqual([{ type: 'resync', seq: 4 }]);
  });

  it('[R14] lists events of one type past what is replayed, and says when some of them may be gone', async () => {
    const { seq } = world.room.events(0);
    await world.room.batch([{ op: 'move', from: 'a', to: 'b' }], ids.owner);
    for (let n = 0; n < limits.room.eventsReplayed; n += 1) world.room.record('file.updated', ids.owner, { n });
    await world.room.batch([{ op: 'move', from: 'b', to: 'c' }], ids.owner);
    expect(world.room.events(seq)).toMatchObject({ events: [], resync: true });
    const moves = (since: number) => {
      const { events, resync } = world.room.events(since, 'file.moved');
      return [events.map(({ data }) => data.path), resync];
    };
    expect(moves(seq)).toEqual([['b', 'c'], false]);
    expect(moves(world.room.events(0).seq)).toEqual([[], false]);
    expect(moves(world.room.events(0).seq + 1)).toEqual([[], true]);
    const many = world.room.events(seq, 'file.updated');
    expect([many.events.length, many.resync]).toEqual([limits.room.eventsReplayed, true]);
    for (let n = 0; n < limits.room.eventsKept; n += 1) world.room.record('file.updated', ids.owner, { n });
    expect(moves(seq)).toEqual([['c'], true]);
  });
});

describe('[R11] Membership', () => {
  it('[R11] a member who is removed is out at once, on every socket', async () => {
    const channel = await world.channel(ids.editor);
    const document = await world.client(ids.editor, 'a');
    const honest = await world.client(ids.owner, 'a');
    document.type(0, 'last words ');
    // The gate has seen this member a moment ago.
    await world.members.enter({ userId: ids.editor }, 'project.write');
    world.access.delete(ids.editor);
    await world.room.membersChanged();
    expect([channel.closed, document.peer.closed, honest.peer.closed]).toEqual(['forbidden', 'forbidden', null]);
    expect(await codeOf(world.members.enter({ userId: ids.editor }, 'project.read'))).toBe('not_found');
  });

  it('[R11] a sign-in that ends takes its sockets along, and nobody else’s', async () => {
    const [channel, honest] = [await world.channel(ids.editor), await world.channel(ids.owner)];
    const document = await world.client(ids.editor, 'a');
    world.room.endSockets(ids.editor, ['another session']);
    expect(channel.closed).toBeNull();
    world.room.endSockets(ids.owner, [`session of ${ids.editor}`]);
    expect(channel.closed).toBeNull();
    world.room.endSockets(ids.editor, [`session of ${ids.editor}`]);
    expect([channel.closed, document.peer.closed, honest.closed]).toEqual(['unauthenticated', 'unauthenticated', null]);
  });

  it('[R11] a sign-in whose end was not told is found by the next look at the sockets', async () => {
    const [channel, honest] = [await world.channel(ids.editor), await world.channel(ids.owner)];
    world.endedSessions.add(`session of ${ids.editor}`);
    await world.room.membersChanged();
    expect([channel.closed, honest.closed]).toEqual(['unauthenticated', null]);
  });

  it('[R11] a project that becomes public does not keep strangers in the room', async () => {
    const channel = await world.channel(ids.editor);
    world.access.set(ids.editor, 'public');
    await world.room.membersChanged();
    expect(channel.closed).toBe('forbidden');
  });

  it('[R11] a project that goes away closes every socket, and what was typed is stored before', async () => {
    const channel = await world.channel(ids.viewer);
    const document = await world.client(ids.editor, 'a');
    document.type(0, 'typed ');
    world.room.closeAll('not_found');
    expect([channel.closed, document.peer.closed]).toEqual(['not_found', 'not_found']);
    expect(world.durable('a')).toBe('typed text');
  });

  it('[R11] a gate asks the database once in five seconds, and shares a look-up that is under way', async () => {
    let asked = 0;
    const members = new Members(
      {
        ...world.directory,
        access: (userId) => {
          asked += 1;
          return world.directory.access(userId);
        },
      },
      Date.now,
    );
    await Promise.all(Array.from({ length: 10 }, () => members.enter({ userId: ids.editor }, 'project.read')));
    expect(asked).toBe(1);
    await members.enter({ userId: ids.editor }, 'project.read');
    expect(asked).toBe(1);
    vi.setSystemTime(Date.now() + limits.room.memberCacheTtl);
    await members.enter({ userId: ids.editor }, 'project.read');
    expect(asked).toBe(2);
  });

  it('[R11] strangers get not_found, members without the right forbidden', async () => {
    expect(await codeOf(world.members.enter({ userId: ids.stranger }, 'project.read'))).toBe('not_found');
    expect(await codeOf(world.members.enter({ userId: ids.viewer }, 'project.write'))).toBe('forbidden');
    expect(await codeOf(world.members.enter({ userId: ids.viewer }, 'project.read'))).toBe('done');
  });

  it('[R11] a failed look-up is not remembered, and opens nothing', async () => {
    let away = true;
    const members = new Members(
      {
        ...world.directory,
        access: async (userId) => {
          if (away) throw new Error('the database is away');
          return await world.directory.access(userId);
        },
      },
      Date.now,
    );
    await expect(members.enter({ userId: ids.owner }, 'project.read')).rejects.toThrow('the database is away');
    away = false;
    expect(await codeOf(members.enter({ userId: ids.owner }, 'project.read'))).toBe('done');
  });

  it('[R11] a look-up that began before a removal does not open the door after it', async () => {
    let answer: (() => void) | undefined;
    let slow = true;
    const members = new Members(
      {
        ...world.directory,
        access: async (userId) => {
          const seen = await world.directory.access(userId);
          if (slow) {
            slow = false;
            await new Promise<void>((resolve) => {
              answer = resolve;
            });
          }
          return seen;
        },
      },
      Date.now,
    );
    const entering = codeOf(members.enter({ userId: ids.editor }, 'project.join'));
    await vi.advanceTimersByTimeAsync(1);
    world.access.delete(ids.editor);
    members.forget();
    answer?.();
    expect(await entering).toBe('not_found');
  });

  it('[R11] a removal whose notice was lost ends what a socket may write within five seconds [hostile 63]', async () => {
    const client = await world.client(ids.editor, 'a');
    world.access.delete(ids.editor);
    await world.pass(limits.room.memberCacheTtl + 1);
    client.type(0, 'written by nobody ');
    await world.settle();
    await world.pass(limits.room.memberCacheTtl);
    expect(await world.text('a')).toBe('text');
  });
});

describe('[R15] Limits of a room', () => {
  it('[R15] refuse one socket too many of a user, and one user too many', async () => {
    for (let n = 0; n < limits.room.socketsPerUser; n += 1) {
      world.room.refuseCrowd(ids.editor);
      await world.channel(ids.editor);
    }
    expect(await codeOf(() => world.room.refuseCrowd(ids.editor))).toBe('rate_limited');
    for (let n = 1; n < limits.room.usersMax; n += 1) await world.channel(`0192f0c1-2a3b-7c4d-8e5f-1000000000${n}`);
    expect(await codeOf(() => world.room.refuseCrowd(ids.stranger))).toBe('rate_limited');
    expect(world.room.presence()).toHaveLength(limits.room.usersMax);
  });

  it('[R15] refuse one socket too many of the room', async () => {
    const users = limits.room.socketsMax / limits.room.socketsPerUser;
    const peers: TestPeer[] = [];
    for (let user = 0; user < users; user += 1)
      for (let n = 0; n < limits.room.socketsPerUser; n += 1)
        peers.push(world.socket(`0192f0c1-2a3b-7c4d-8e5f-2000000000${user}`, { kind: 'channel' }));
    world.hibernate(peers);
    expect(await codeOf(() => world.room.refuseCrowd(ids.owner))).toBe('rate_limited');
    const [first] = peers;
    expect(first).toBeInstanceOf(TestPeer);
    if (first) await world.leave(first);
    expect(await codeOf(() => world.room.refuseCrowd(ids.owner))).toBe('done');
  });
});
