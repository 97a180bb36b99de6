import { describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { limits } from '../../../src/contract/limits.ts';
import { sha256 } from '../../../src/core/tree.ts';
import { commitWindowFor } from '../../../src/durable-objects/room/live-document.ts';
import { commitWindow, world, worldPerTest, write } from '../support/room-setup.ts';
import { ids, step1, type TestClient, updateOf } from '../support/room-world.ts';

worldPerTest();

describe('[R1] Durable before seen', () => {
  it('[R1] an update is in the log before any other peer gets it', async () => {
    await write('a', '');
    const one = await world.client(ids.owner, 'a');
    const two = await world.client(ids.editor, 'a');
    const seen: string[] = [];
    two.peer.onSend = () => {
      expect(world.sql.inTransaction).toBe(false);
      seen.push(world.durable('a'));
    };
    one.type(0, 'durable');
    await vi.advanceTimersByTimeAsync(commitWindow);
    expect(seen).toEqual(['durable']);
  });

  it('[R1] nobody is sent what is not on disk yet; then all of it comes, in its order, whatever is known first', async () => {
    await write('a', '');
    const one = await world.client(ids.owner, 'a');
    const two = await world.client(ids.editor, 'a');
    const { length } = two.peer.frames;
    const disks: PromiseWithResolvers<void>[] = [];
    for (const text of ['first ', 'second ', 'third ']) {
      const disk = Promise.withResolvers<void>();
      disks.push(disk);
      world.disk = disk;
      one.type(one.content.length, text);
      await vi.advanceTimersByTimeAsync(commitWindow);
    }
    expect(world.durable('a')).toBe('first second third ');
    expect(two.peer.frames.length).toBe(length);
    disks[1]?.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(two.peer.frames.length).toBe(length + 2);
    await two.pump();
    expect(two.content).toBe('first second ');
    disks[0]?.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(two.peer.frames.length).toBe(length + 2);
    disks[2]?.resolve();
    await world.settle();
    expect(two.peer.frames.length).toBe(length + 3);
    expect(two.content).toBe('first second third ');
  });

  it('[R1] a disk that fails later than the write ends the sockets, and nobody has seen the update', async () => {
    await write('a', 'before');
    const one = await world.client(ids.owner, 'a');
    const two = await world.client(ids.editor, 'a');
    const frames = two.peer.frames.length;
    world.disk = Promise.withResolvers();
    one.type(0, 'lost? ');
    await vi.advanceTimersByTimeAsync(commitWindow);
    world.disk.reject(new Error('disk I/O error'));
    await vi.advanceTimersByTimeAsync(0);
    expect(world.logged).toContain('room.commit_failed');
    expect(two.peer.frames.length).toBe(frames);
    expect([one.peer.closed, two.peer.closed]).toEqual(['unavailable', 'unavailable']);
  });

  it('[R1] a newcomer is told only what is in the log, also in the middle of a window', async () => {
    await write('a', '');
    const one = await world.client(ids.owner, 'a');
    one.type(0, 'x');
    const peer = world.socket(ids.editor, { kind: 'document', file: world.room.documentTarget('a') });
    const seen: string[] = [];
    peer.onSend = () => seen.push(world.durable('a'));
    one.type(0, 'y');
    await world.room.join(peer);
    one.type(0, 'z');
    await world.send(peer, step1(new Y.Doc()));
    expect(seen.length).toBeGreaterThanOrEqual(2);
    expect(seen[0]).toBe('yx');
    expect(seen.at(-1)).toBe('zyx');
  });

  it('[R1] a reader over REST is told only what is in the log', async () => {
    await write('a', '');
    const one = await world.client(ids.owner, 'a');
    one.type(0, 'typed');
    expect(await world.text('a')).toBe('typed');
    expect(world.durable('a')).toBe('typed');
  });

  it.each([/INSERT INTO document_log/, /INSERT INTO dirty/, /COMMIT/])(
    '[R1] when storing fails at %s, nobody sees the update and the sockets end as unavailable',
    async (statement) => {
      await write('a', 'before');
      const one = await world.client(ids.owner, 'a');
      const two = await world.client(ids.editor, 'a');
      const frames = two.peer.frames.length;
      one.type(0, 'lost? ');
      world.sql.failOnce(statement);
      vi.advanceTimersByTime(commitWindow);
      expect(world.logged).toContain('room.commit_failed');
      expect(two.peer.frames.length).toBe(frames);
      expect([one.peer.closed, two.peer.closed]).toEqual(['unavailable', 'unavailable']);
      expect(world.durable('a')).toBe('before');
    },
  );

  it('[R1] while somebody types on, a window is one statement; where that fails nobody sees the update', async () => {
    await write('a', 'before');
    const one = await world.client(ids.owner, 'a');
    const two = await world.client(ids.editor, 'a');
    one.type(0, 'first ');
    vi.advanceTimersByTime(commitWindow);
    const [all, transaction] = [vi.spyOn(world.sql, 'all'), vi.spyOn(world.sql, 'transaction')];
    one.type(0, 'second ');
    vi.advanceTimersByTime(commitWindow);
    expect(all.mock.calls.map(([query]) => query.split(' ').slice(0, 3).join(' '))).toEqual([
      'INSERT INTO document_log',
    ]);
    expect(transaction).not.toHaveBeenCalled();
    const frames = two.peer.frames.length;
    one.type(0, 'lost? ');
    world.sql.failOnce(/INSERT INTO document_log/);
    vi.advanceTimersByTime(commitWindow);
    expect(two.peer.frames.length).toBe(frames);
    expect([one.peer.closed, two.peer.closed]).toEqual(['unavailable', 'unavailable']);
    world.crash();
    expect(world.durable('a')).toBe('second first before');
  });

  it('[R1] after a failure nobody who comes sees what was not stored, and the author who comes back brings it again', async () => {
    await write('a', 'before');
    const one = await world.client(ids.owner, 'a');
    const two = await world.client(ids.editor, 'a');
    one.type(0, 'kept: ');
    world.sql.failOnce(/INSERT INTO document_log/);
    vi.advanceTimersByTime(commitWindow);
    expect(world.logged).toContain('room.commit_failed');
    for (const { peer } of [one, two]) await world.leave(peer);
    expect(await world.text('a')).toBe('before');
    await two.connect();
    await world.settle();
    expect(two.content).toBe('before');
    await one.connect();
    await world.settle();
    expect([one.content, two.content]).toEqual(['kept: before', 'kept: before']);
    expect(world.durable('a')).toBe('kept: before');
    expect(await world.text('a')).toBe('kept: before');
  });

  it('[R1] after a failure a REST write is stored, not only answered', async () => {
    await write('a', 'before');
    const one = await world.client(ids.owner, 'a');
    one.type(0, 'x');
    world.sql.failOnce(/INSERT INTO document_log/);
    vi.advanceTimersByTime(commitWindow);
    expect(world.logged).toContain('room.commit_failed');
    await world.leave(one.peer);
    await write('a', 'written after the failure');
    expect(await world.text('a')).toBe('written after the failure');
    expect(world.crash().list().files[0]?.hash).toBe(sha256('written after the failure'));
  });

  it('[R1] a sender who depends on what only another client had gets it when it comes', async () => {
    await write('a', '');
    const one = await world.client(ids.owner, 'a');
    const two = await world.client(ids.editor, 'a');
    // Both are tabs of one browser and share edits beside the room; two's edit reaches the room first.
    one.online = false;
    two.online = false;
    one.type(0, 'AB');
    Y.applyUpdate(two.doc, Y.encodeStateAsUpdate(one.doc), 'server');
    const vector = Y.encodeStateVector(two.doc);
    two.type(1, '-');
    const dependent = Y.encodeStateAsUpdate(two.doc, vector);
    one.online = true;
    two.online = true;
    await world.send(two.peer, updateOf(dependent));
    await world.settle();
    await world.send(one.peer, updateOf(Y.encodeStateAsUpdate(one.doc)));
    await world.settle();
    expect(await world.text('a')).toBe('A-B');
    expect(one.content).toBe('A-B');
    expect(two.content).toBe('A-B');
  });
});

describe('[R2] Acknowledgements', () => {
  it('[R2] go to the author only, only after the commit, batched within their window', async () => {
    await write('a', '');
    const [author, other] = [await world.channel(ids.editor), await world.channel(ids.owner)];
    const client = await world.client(ids.editor, 'a');
    await world.client(ids.owner, 'a');
    author.onSend = (frame) => {
      if (String(frame).includes('"saved"')) expect(world.durable('a')).toContain('x');
    };
    for (let n = 0; n < 5; n += 1) {
      client.type(0, 'x');
      await vi.advanceTimersByTimeAsync(commitWindowFor(2));
    }
    expect(author.heard('saved')).toEqual([]);
    await vi.advanceTimersByTimeAsync(limits.room.savedWindow);
    const [saved, ...more] = author.heard('saved');
    expect(more).toEqual([]);
    expect(saved).toMatchObject({ path: 'a' });
    expect(saved?.seq).toBe(world.sql.all<{ seq: number }>('SELECT max(seq) AS seq FROM document_log')[0]?.seq);
    expect(other.heard('saved')).toEqual([]);
  });

  it('[R2] name every author of a merged window', async () => {
    await write('a', '');
    const [one, two] = [await world.channel(ids.editor), await world.channel(ids.owner)];
    const [a, b] = [await world.client(ids.editor, 'a'), await world.client(ids.owner, 'a')];
    a.type(0, 'a');
    b.type(0, 'b');
    await vi.advanceTimersByTimeAsync(commitWindow + limits.room.savedWindow);
    expect([one.heard('saved').length, two.heard('saved').length]).toEqual([1, 1]);
  });

  it('[R2] are not given for what waits for updates of others, also beside those of the same window', async () => {
    await write('a', '');
    const [waiting, told] = [await world.channel(ids.editor), await world.channel(ids.owner)];
    const [one, two] = [await world.client(ids.editor, 'a'), await world.client(ids.owner, 'a')];
    // The second update of a document whose first has not come.
    const doc = new Y.Doc();
    doc.getText('content').insert(0, 'AB');
    const first = Y.encodeStateAsUpdate(doc);
    const vector = Y.encodeStateVector(doc);
    doc.getText('content').insert(1, '-');
    two.type(0, 'x');
    await world.send(one.peer, updateOf(Y.encodeStateAsUpdate(doc, vector)));
    await vi.advanceTimersByTimeAsync(commitWindow + limits.room.savedWindow);
    expect([waiting.heard('saved').length, told.heard('saved').length]).toEqual([0, 1]);
    // What others send meanwhile is theirs, and told to them.
    two.type(0, 'y');
    await vi.advanceTimersByTimeAsync(commitWindow + limits.room.savedWindow);
    expect([waiting.heard('saved').length, told.heard('saved').length]).toEqual([0, 2]);
    await world.send(one.peer, updateOf(first));
    await vi.advanceTimersByTimeAsync(commitWindow + limits.room.savedWindow);
    expect(waiting.heard('saved').length).toBe(1);
    await world.settle();
    expect(world.durable('a')).toContain('A-B');
    expect(one.content).toBe(world.durable('a'));
    expect(two.content).toBe(world.durable('a'));
  });

  it('[R2] are not given for what could not be stored', async () => {
    await write('a', '');
    const channel = await world.channel(ids.editor);
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'x');
    world.sql.failOnce(/COMMIT/);
    vi.advanceTimersByTime(commitWindow);
    expect(world.logged).toContain('room.commit_failed');
    await vi.advanceTimersByTimeAsync(10 * limits.room.savedWindow);
    expect(channel.heard('saved')).toEqual([]);
  });

  it('[R2] are not given to a viewer, whose edits are dropped', async () => {
    await write('a', '');
    const channel = await world.channel(ids.viewer);
    const client = await world.client(ids.viewer, 'a');
    client.type(0, 'x');
    await vi.advanceTimersByTimeAsync(commitWindow + limits.room.savedWindow);
    expect(channel.heard('saved')).toEqual([]);
  });
});

describe('[R2] Answers', () => {
  /** Types, asks, and looks at each answer that it comes after what was typed is stored. */
  async function typeAndAsk(client: TestClient): Promise<() => number> {
    let answers = 0;
    client.peer.onSend = (frame) => {
      if (frame[0] !== 0 || frame[1] !== 1) return;
      answers += 1;
      expect(world.durable('a')).toBe('typed');
    };
    client.type(0, 'typed');
    await Promise.resolve();
    return () => answers;
  }

  it('[R2] come after what was sent before the question is stored, though the document has to be read first', async () => {
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    for (const wait of [0, 1, 5]) {
      world.hibernate([client.peer]);
      const answers = await typeAndAsk(client);
      for (let turn = 0; turn < wait; turn += 1) await Promise.resolve();
      await world.send(client.peer, step1(client.doc));
      await world.settle();
      expect([answers(), client.peer.closed]).toEqual([1, null]);
      client.text.delete(0, 5);
      await world.settle();
    }
  });

  it('[R2] come after what was sent before the question, though its author is looked at for longer than others', async () => {
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    await vi.advanceTimersByTimeAsync(limits.room.memberCacheTtl + 1);
    const late = Promise.withResolvers<void>();
    const { accessOfAll } = world.directory;
    vi.spyOn(world.directory, 'accessOfAll').mockImplementationOnce(async (users) => {
      await late.promise;
      return accessOfAll(users);
    });
    const answers = await typeAndAsk(client);
    await world.room.membersChanged();
    const asked = world.send(client.peer, step1(client.doc));
    await Promise.resolve();
    late.resolve();
    await asked;
    await world.settle();
    expect([answers(), client.peer.closed]).toEqual([1, null]);
  });

  it('what was sent before a socket closed is taken, though the document has to be read first', async () => {
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    world.hibernate([client.peer]);
    client.type(0, 'typed');
    await world.leave(client.peer);
    expect(await world.text('a')).toBe('typed');
  });
});
