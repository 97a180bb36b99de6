import { describe, expect, it, vi } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { world, worldPerTest } from '../support/room-setup.ts';
import { awarenessOf, awarenessPayload, ids, step2 } from '../support/room-world.ts';

worldPerTest({ a: 'text' });

const say = (frame: object): string => JSON.stringify(frame);
const pass = (ms: number = limits.presence.window) => vi.advanceTimersByTimeAsync(ms);
const seen = (userId: string) => world.room.presence().find((user) => user.userId === userId);

describe('[R7] Presence', () => {
  it('says where somebody is: cursor, nodes, viewport, idle, and keeps it over a sleep', async () => {
    const peer = await world.channel(ids.editor);
    expect(seen(ids.editor)).toMatchObject({ path: null, idle: false, cursor: null, nodes: [], view: null });
    await world.send(peer, say({ type: 'cursor', path: 'a', position: 2, selection: { from: 1, to: 2 } }));
    await world.send(peer, say({ type: 'selection', path: 'a', nodes: ['n'] }));
    await world.send(peer, say({ type: 'viewport', path: 'a', view: { zoom: 2.5 } }));
    const here = {
      path: 'a',
      cursor: { position: 2, selection: { from: 1, to: 2 } },
      nodes: ['n'],
      view: { zoom: 2.5 },
    };
    expect(seen(ids.editor)).toMatchObject(here);
    await world.send(peer, say({ type: 'idle', idle: true }));
    await pass();
    world.hibernate([peer]);
    expect(seen(ids.editor)).toMatchObject({ ...here, idle: true });
    // In another file it is another place.
    await world.send(peer, say({ type: 'cursor', path: 'b' }));
    expect(seen(ids.editor)).toMatchObject({ path: 'b', idle: false, cursor: null, nodes: [], view: null });
  });

  it('of somebody with two windows is that of the one last used', async () => {
    const [one, two] = [await world.channel(ids.editor), await world.channel(ids.editor)];
    await world.send(one, say({ type: 'cursor', path: 'a', position: 1 }));
    await pass(10);
    await world.send(two, say({ type: 'cursor', path: 'b', position: 2 }));
    expect(seen(ids.editor)?.path).toBe('b');
    await pass(10);
    await world.send(one, say({ type: 'viewport', path: 'a', view: null }));
    expect(seen(ids.editor)?.path).toBe('a');
    const watcher = await world.channel(ids.owner);
    await world.leave(one);
    expect(watcher.heard('user.changed')).toMatchObject([{ user: { userId: ids.editor, path: 'b' } }]);
  });

  it('is gathered: of each kind of each person the newest, in one frame for those who asked for that', async () => {
    const [one, two, watcher, plain] = [
      await world.channel(ids.editor),
      await world.channel(ids.viewer),
      await world.channel(ids.owner, { batched: true }),
      await world.channel(ids.owner),
    ];
    const before = watcher.frames.length;
    const plainBefore = plain.frames.length;
    for (let position = 0; position < 10; position += 1) {
      await world.send(one, say({ type: 'cursor', path: 'a', position }));
      await world.send(two, say({ type: 'viewport', path: 'a', view: { top: position } }));
    }
    await world.send(two, say({ type: 'typing', thread: null }));
    await pass();
    expect(watcher.frames.slice(before)).toHaveLength(1);
    expect(plain.frames.slice(plainBefore).map((frame) => JSON.parse(String(frame)))).toEqual(
      watcher.messages.slice(-3),
    );
    expect(watcher.heard('cursor')).toEqual([{ type: 'cursor', userId: ids.editor, path: 'a', position: 9 }]);
    expect(watcher.heard('viewport')).toEqual([{ type: 'viewport', userId: ids.viewer, path: 'a', view: { top: 9 } }]);
    expect(watcher.heard('typing')).toEqual([{ type: 'typing', userId: ids.viewer, thread: null }]);
    expect(one.heard('cursor')).toEqual([]);
    expect(one.heard('typing')).toHaveLength(1);
  });

  it('that comes too fast is dropped, and the socket stays', async () => {
    const [one, watcher] = [await world.channel(ids.editor), await world.channel(ids.owner)];
    for (let n = 0; n < 3 * limits.presence.perSecond; n += 1)
      await world.send(one, say({ type: 'cursor', path: 'a', position: n }));
    await pass();
    expect(watcher.heard('cursor')).toMatchObject([{ position: limits.presence.perSecond - 1 }]);
    expect(one.closed).toBeNull();
    await pass(1000);
    await world.send(one, say({ type: 'cursor', path: 'a', position: 0 }));
    await pass();
    expect(watcher.heard('cursor')).toHaveLength(2);
  });

  it('fits the attachment of a socket at its largest, and larger is no message', async () => {
    const peer = await world.channel(ids.editor);
    const path = '漢'.repeat(limits.file.pathMax);
    const nodes = Array.from({ length: limits.presence.nodesMax }, () => '漢'.repeat(limits.scene.idMax));
    const view = Object.fromEntries(
      Array.from({ length: limits.presence.viewMax }, (_, n) => [
        `${n}`.padEnd(limits.presence.viewKeyMax, '漢'),
        -1.1e-300,
      ]),
    );
    // `persist` of the test's socket measures.
    await world.send(peer, say({ type: 'selection', path, nodes }));
    await world.send(peer, say({ type: 'viewport', path, view }));
    expect(seen(ids.editor)).toMatchObject({ nodes, view });
    expect(peer.heard('error')).toEqual([]);
    for (const bad of [
      { type: 'selection', path, nodes: [...nodes, 'x'] },
      { type: 'viewport', path, view: { ...view, more: 1 } },
      { type: 'viewport', path, view: { a: 'b' } },
      { type: 'idle' },
      { type: 'typing', thread: 'none' },
      { type: 'deleteAll' },
      { type: 'constructor' },
    ])
      await world.send(peer, say(bad));
    expect(peer.heard('error')).toHaveLength(7);
  });

  it('hears awareness no faster than its rate, and then the newest', async () => {
    const [one, two] = [await world.client(ids.editor, 'a'), await world.client(ids.owner, 'a')];
    await pass(1000);
    for (let n = 1; n <= 3 * limits.room.awarenessPerSecond; n += 1)
      await world.send(one.peer, awarenessOf(awarenessPayload([one.doc.clientID, n, { n }])));
    await world.settle();
    expect(two.awareness.getStates().get(one.doc.clientID)).toMatchObject({ n: limits.room.awarenessPerSecond });
    await pass(1000);
    await world.settle();
    expect(two.awareness.getStates().get(one.doc.clientID)).toMatchObject({ n: 3 * limits.room.awarenessPerSecond });
    expect(one.peer.closed).toBeNull();
  });
});

describe('[R12] A reader', () => {
  it('of a document is asked by a sync step 1, and dropped when it has not read so much more', async () => {
    const writer = await world.client(ids.owner, 'a');
    const [slow, fast] = [await world.client(ids.editor, 'a'), await world.client(ids.viewer, 'a')];
    slow.drop();
    const asked = slow.peer.synced.filter(([type]) => type === 0).length;
    const paste = 'x'.repeat(100_000);
    for (let n = 0; n * paste.length < 2 * limits.room.sendBuffer && !slow.peer.closed; n += 1) {
      writer.text.delete(0, writer.text.length);
      writer.type(0, paste);
      await world.settle();
    }
    expect(slow.peer.synced.filter(([type]) => type === 0)).toHaveLength(asked + 1);
    expect(slow.peer.closed).toBe('slow_reader');
    expect([fast.peer.closed, writer.peer.closed]).toEqual([null, null]);
    expect(fast.content).toBe(paste);
  });

  it('who comes back from a pause is not dropped', async () => {
    const writer = await world.client(ids.owner, 'a');
    const reader = await world.client(ids.viewer, 'a');
    for (let n = 0; n < 60; n += 1) {
      if (n % 20 === 10) reader.drop();
      writer.text.delete(0, writer.text.length);
      writer.type(0, 'y'.repeat(100_000));
      await world.settle();
      reader.online = true;
      // An empty step 2 says that all before it was read.
      await world.send(reader.peer, step2(new Uint8Array([0, 0])));
    }
    expect(reader.peer.closed).toBeNull();
  });

  it('of the channel answers probes, or is dropped and leaves', async () => {
    const [slow, fast] = [await world.channel(ids.editor), await world.channel(ids.viewer)];
    fast.onSend = (frame) => {
      const said = JSON.parse(String(frame)) as { type: string; n: number };
      if (said.type === 'probe') fast.flow.answered(said.n);
    };
    let dropped = false;
    slow.onDrop = () => {
      dropped = true;
    };
    const data = { text: 'x'.repeat(200_000) };
    for (let n = 0; n < 40 && !dropped; n += 1) world.room.record('project.updated', ids.owner, data);
    expect(dropped).toBe(true);
    expect(slow.closed).toBe('slow_reader');
    expect(slow.heard('probe')).toHaveLength(1);
    expect(fast.closed).toBeNull();
    expect(fast.heard('probe').length).toBeGreaterThan(3);
    await world.send(fast, say({ type: 'probe', n: 1 }));
    expect(fast.heard('error')).toEqual([]);
  });
});

describe('[R12] #62 A flood', () => {
  const { framesPerSecond, frameBytesPerSecond, frameBytes, busySockets, questionsPerSecond } = limits.room;
  const nothing = step2(Uint8Array.of(0, 0));
  const times = (count: number, frame: Uint8Array) => new Uint8Array(Buffer.concat(Array(count).fill(frame)));

  it('of frames is one too many after the limit of a second, for its socket alone', async () => {
    const [one, other] = [await world.channel(ids.editor), await world.channel(ids.owner)];
    const admitted = () => Array.from({ length: framesPerSecond + 1 }, () => world.room.admits(one, 1));
    expect(admitted().indexOf(false)).toBe(framesPerSecond);
    expect(world.room.admits(other, 1)).toBe(true);
    await pass(1000);
    expect(admitted().indexOf(false)).toBe(framesPerSecond);
  });

  it('of bytes is too much after two of the largest frames', async () => {
    const peer = await world.channel(ids.editor);
    expect(frameBytesPerSecond).toBe(2 * frameBytes);
    expect([frameBytes, frameBytes, 1].map((bytes) => world.room.admits(peer, bytes))).toEqual([true, true, false]);
    await pass(1000);
    expect(world.room.admits(peer, frameBytes)).toBe(true);
  });

  it('from all sockets of a user is no more than a few of them may send', async () => {
    const peers = await Promise.all(Array.from({ length: 2 * busySockets }, () => world.channel(ids.editor)));
    const other = await world.channel(ids.owner);
    const admitted = Array.from({ length: framesPerSecond }, () => peers.map((peer) => world.room.admits(peer, 1)));
    expect(admitted.flat().filter((isIn) => isIn)).toHaveLength(busySockets * framesPerSecond);
    expect(world.room.admits(other, 1)).toBe(true);
    await pass(1000);
    expect(peers.every((peer) => world.room.admits(peer, frameBytes))).toBe(true);
    expect(peers.every((peer) => world.room.admits(peer, frameBytes))).toBe(false);
  });

  it('of messages in one frame ends its socket', async () => {
    const [evil, kind] = [await world.client(ids.editor, 'a'), await world.client(ids.owner, 'a')];
    await pass(1000);
    await world.send(evil.peer, times(framesPerSecond, nothing));
    expect(evil.peer.closed).toBeNull();
    await world.send(evil.peer, nothing);
    expect([evil.peer.closed, kind.peer.closed]).toEqual(['rate_limited', null]);
  });

  it.each([
    ['sync steps 1', Uint8Array.of(0, 0, 1, 0)],
    ['questions for awareness', Uint8Array.of(3)],
  ])('of %s, in one frame, is answered a few times', async (_what, question) => {
    const evil = await world.client(ids.viewer, 'a');
    await pass(1000);
    const before = evil.peer.frames.length;
    await world.send(evil.peer, times(questionsPerSecond + 1, question));
    expect(evil.peer.closed).toBe('rate_limited');
    expect(evil.peer.frames.length - before).toBe(questionsPerSecond);
  });
});

describe('#62 A socket that says nothing for hours', () => {
  it('costs nothing: no timer, no alarm, no frame; and it is served when there is something', async () => {
    const [document, channel] = [await world.client(ids.editor, 'a'), await world.channel(ids.editor)];
    await pass(60 * 60_000);
    await world.room.tick();
    const sent = document.peer.frames.length + channel.frames.length;
    world.scheduled = [];
    vi.clearAllTimers();
    await pass(8 * 60 * 60_000);
    expect([world.scheduled, vi.getTimerCount()]).toEqual([[], 0]);
    expect(document.peer.frames.length + channel.frames.length).toBe(sent);
    const other = await world.client(ids.owner, 'a');
    other.type(0, 'after hours ');
    await world.settle();
    expect(document.content).toBe('after hours text');
    expect([document.peer.closed, channel.closed]).toEqual([null, null]);
  });

  it('#63 hears nothing any more once its owner was removed, though nobody told the room', async () => {
    const gone = await world.channel(ids.viewer);
    world.access.delete(ids.viewer);
    await pass(limits.room.memberCacheTtl);
    await world.room.lookAround();
    world.room.record('build.queued', ids.owner, {});
    expect(gone.closed).toBe('forbidden');
    expect(gone.heard('event')).toEqual([]);
  });

  it('#63 hears nothing of what the alarm does, either', async () => {
    const gone = await world.channel(ids.viewer);
    world.access.delete(ids.viewer);
    await pass(limits.room.memberCacheTtl);
    await world.room.tick();
    expect(gone.closed).toBe('forbidden');
  });

  it('[R11] keeps no role that was taken away while an older look was on its way', async () => {
    const [editor, owner] = [await world.client(ids.editor, 'a'), await world.client(ids.owner, 'a')];
    await pass(limits.room.memberCacheTtl + 1);
    // The look that the next frame causes is answered late, with what was true when the database was asked.
    const late = Promise.withResolvers<void>();
    const { accessOfAll } = world.directory;
    vi.spyOn(world.directory, 'accessOfAll').mockImplementationOnce(async (users) => {
      const then = await accessOfAll(users);
      await late.promise;
      return then;
    });
    owner.type(0, 'o');
    await Promise.resolve();
    world.access.set(ids.editor, 'viewer');
    await world.room.membersChanged();
    expect(editor.peer.state.access).toBe('viewer');
    late.resolve();
    await world.settle();
    expect(editor.peer.state.access).toBe('viewer');
    editor.type(0, 'not any more');
    await world.settle();
    expect(await world.text('a')).toBe('otext');
  });

  it('[R11] ends when the database cannot be asked for too long', async () => {
    const silent = await world.channel(ids.viewer);
    world.directory.accessOfAll = () => Promise.reject(new Error('the database is away'));
    await pass(limits.room.memberCacheTtl);
    await world.room.lookAround();
    expect(silent.closed).toBeNull();
    await pass(limits.room.memberGrace);
    await world.room.lookAround();
    expect(silent.closed).toBe('unavailable');
  });
});

describe('[R11] The end of a session', () => {
  it('ends its sockets at once, and those of nobody else', async () => {
    const [document, channel, other] = [
      await world.client(ids.editor, 'a'),
      await world.channel(ids.editor),
      await world.channel(ids.owner),
    ];
    world.room.endSockets(ids.editor, [`session of ${ids.editor}`]);
    expect([document.peer.closed, channel.closed, other.closed]).toEqual(['unauthenticated', 'unauthenticated', null]);
    world.room.endSockets(ids.owner, null);
    expect(other.closed).toBe('unauthenticated');
  });

  it('#63 is seen at the first frame of anybody when nobody told of it, also after a sleep', async () => {
    const [gone, other] = [await world.client(ids.editor, 'a'), await world.channel(ids.owner)];
    world.endedSessions.add(`session of ${ids.editor}`);
    await pass(limits.room.memberCacheTtl);
    await world.send(other, say({ type: 'typing', thread: null }));
    expect(gone.peer.closed).toBe('unauthenticated');
    const late = await world.client(ids.viewer, 'a');
    world.endedSessions.add(`session of ${ids.viewer}`);
    world.hibernate([late.peer]);
    late.type(0, 'x');
    await world.settle();
    expect(late.peer.closed).toBe('unauthenticated');
    expect(await world.text('a')).toBe('text');
  });

  it('[R11] tells those who stay of another role', async () => {
    const [editor, watcher] = [await world.channel(ids.editor), await world.channel(ids.owner)];
    world.access.set(ids.editor, 'viewer');
    await world.room.membersChanged();
    expect(watcher.heard('user.changed')).toMatchObject([{ user: { userId: ids.editor, role: 'viewer' } }]);
    expect(editor.closed).toBeNull();
  });
});
