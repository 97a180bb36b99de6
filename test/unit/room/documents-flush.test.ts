import { describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { limits } from '../../../src/contract/limits.ts';
import { hashTree, sha256 } from '../../../src/core/tree.ts';
import { codeOf } from '../support/code-of.ts';
import { commitWindow, logRows, world, worldPerTest, write } from '../support/room-setup.ts';
import { ids, type TestClient, updateOf, World } from '../support/room-world.ts';

worldPerTest();

describe('[R9] Flush and recovery', () => {
  it('[R9] an edit is in the tree, with an event, within a second after it, without anybody asking', async () => {
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'typed');
    await vi.advanceTimersByTimeAsync(commitWindow);
    const wanted = Math.min(...world.scheduled);
    expect(wanted - Date.now()).toBeLessThanOrEqual(limits.room.flushAfter);
    await world.pass(limits.room.flushAfter);
    const [row] = world.sql.all<{ hash: string; updated_by: string }>('SELECT hash, updated_by FROM files');
    expect(row).toEqual({ hash: sha256('typed'), updated_by: ids.editor });
    expect(world.room.events(0).events.at(-1)).toMatchObject({ type: 'file.updated', by: ids.editor });
    expect(world.sql.all('SELECT * FROM dirty')).toEqual([]);
  });

  it('[R9] while somebody types on it is written now and then, and a second after the last edit', async () => {
    const { flushAfter, flushLatest, flushQuiet } = limits.room;
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    const hash = () => world.sql.all<{ hash: string }>('SELECT hash FROM files')[0]?.hash;
    const typeFor = async (ms: number): Promise<void> => {
      for (const end = Date.now() + ms; Date.now() < end; ) {
        client.type(0, 'x');
        await world.pass(flushQuiet / 2);
      }
    };
    await typeFor(flushLatest - flushQuiet);
    expect(hash()).toBe(sha256(''));
    await typeFor(2 * flushQuiet);
    const flushed = world.room.events(0).events.filter(({ type }) => type === 'file.updated');
    expect(flushed).toHaveLength(1);
    await typeFor(flushLatest / 2);
    expect(hash()).not.toBe(sha256(client.content));
    await vi.advanceTimersByTimeAsync(flushAfter - flushQuiet / 2);
    await world.alarm();
    expect(hash()).not.toBe(sha256(client.content));
    await world.pass(flushQuiet / 2 + commitWindow);
    expect(hash()).toBe(sha256(client.content));
    expect(world.sql.all('SELECT * FROM dirty')).toEqual([]);
  });

  it('[R9] the last one out flushes', async () => {
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'typed');
    await world.leave(client.peer);
    expect(world.sql.all('SELECT hash FROM files')).toEqual([{ hash: sha256('typed') }]);
  });

  it('[R9] text, row and event are one: when one cannot be stored none is, and the next flush does it', async () => {
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'typed');
    await vi.advanceTimersByTimeAsync(commitWindow + limits.room.flushQuiet);
    const before = world.sql.all('SELECT * FROM files');
    for (const statement of [
      /INSERT INTO contents/,
      /INSERT INTO events/,
      /INSERT INTO files/,
      /INSERT INTO revisions/,
      /COMMIT/,
    ]) {
      world.sql.failOnce(statement);
      world.logged.length = 0;
      await world.room.tick();
      expect(world.logged, String(statement)).toContain('room.flush_failed');
      expect(world.sql.all('SELECT * FROM files')).toEqual(before);
      expect(world.sql.all('SELECT file FROM dirty')).toHaveLength(1);
      expect(world.room.events(0).seq).toBe(1);
    }
    await world.room.tick();
    expect(await world.text('a')).toBe('typed');
    expect(world.room.events(0).seq).toBe(2);
  });

  it('[R9] a crash after the commit and before the flush loses nothing: the tree has the text when the room is back', async () => {
    await write('a', 'old');
    const one = await world.client(ids.editor, 'a');
    const two = await world.client(ids.owner, 'a');
    one.type(0, 'seen by two ');
    await world.settle();
    expect(two.content).toBe('seen by two old');
    expect(world.sql.all('SELECT hash FROM files')).toEqual([{ hash: sha256('old') }]);
    const room = world.crash();
    expect(world.sql.all('SELECT hash FROM files')).toEqual([{ hash: sha256('seen by two old') }]);
    expect(room.list().files[0]).toMatchObject({ hash: sha256('seen by two old'), updatedBy: ids.editor });
    expect(room.tree().hash).toBe(hashTree([{ path: 'a', hash: sha256('seen by two old'), size: 15, mode: 0o644 }]));
    expect(await world.text('a')).toBe('seen by two old');
    expect(room.events(0).events.at(-1)).toMatchObject({ type: 'file.updated', by: ids.editor });
    expect(world.logged).toContain('room.recovered');
  });

  it.each(['the log', 'a snapshot', 'the log after a snapshot'])(
    '[R9] what is flushed after a crash counts for who edited last, as %s says',
    async (kept) => {
      await write('a', '');
      const [first, second] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
      const edit = async (client: TestClient) => {
        client.type(0, 'x');
        await vi.advanceTimersByTimeAsync(commitWindow);
      };
      await edit(first);
      await edit(second);
      if (kept !== 'the log') for (let row = logRows(); row < limits.room.logRows; row += 1) await edit(second);
      if (kept === 'the log after a snapshot') await edit(second);
      expect(logRows()).toBe({ 'the log': 3, 'a snapshot': 0 }[kept] ?? 1);
      expect(world.sql.all('SELECT by FROM dirty')).toEqual([{ by: ids.owner }]);
      expect(world.crash().list().files[0]?.updatedBy).toBe(ids.editor);
    },
  );

  it('[R9] nobody, after a crash, counts for an edit that nobody made', async () => {
    await write('a.txt', '{"nodes":{}}');
    const client = await world.client(ids.editor, 'a.txt');
    client.type(0, ' ');
    await world.leave(client.peer);
    await world.room.batch([{ op: 'move', from: 'a.txt', to: 'a.scene.json' }], ids.owner);
    const again = world.socket(ids.viewer, { kind: 'document', file: world.room.documentTarget('a.scene.json') });
    await world.room.join(again);
    expect(world.sql.all('SELECT by FROM dirty')).toEqual([{ by: null }]);
    expect(world.crash().list().files[0]).toMatchObject({ path: 'a.scene.json', updatedBy: null });
  });

  it('[R9] a log without authors, of an earlier release, has the author of the first edit', async () => {
    await write('a', '');
    const [first, second] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
    first.type(0, 'x');
    await vi.advanceTimersByTimeAsync(commitWindow);
    second.type(0, 'x');
    await vi.advanceTimersByTimeAsync(commitWindow);
    world.sql.run('UPDATE document_log SET author = NULL');
    expect(world.crash().list().files[0]?.updatedBy).toBe(ids.owner);
  });

  it('[R9] a flush that would break a quota does not lock the project: edits are durable already', async () => {
    const big = sha256('big');
    world.room.adopt(
      [{ path: 'big.bin', hash: big, size: limits.project.totalSize - 10, mode: 0o644, isText: false }],
      ids.owner,
    );
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'more than ten characters');
    await world.settle();
    expect(await codeOf(() => void world.room.list())).toBe('done');
    expect(await codeOf(world.room.read('big.bin'))).toBe('done');
    expect(await codeOf(() => void world.crash())).toBe('done');
  });

  describe('[R9] in a full project', () => {
    const slack = limits.project.typingSlack;
    const max = limits.project.totalSize + slack;
    /** A project with so many bytes left for typing, and two empty files. */
    const full = async (left: number): Promise<[TestClient, TestClient]> => {
      world.room.adopt(
        [
          { path: 'big.bin', hash: sha256('big'), size: max - left, mode: 0o644, isText: false },
          { ...world.blobs.seed('a', '') },
          { ...world.blobs.seed('b', '') },
        ],
        ids.owner,
      );
      return [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'b')];
    };
    const used = (): number => world.room.list().files.reduce((sum, { size }) => sum + size, 0);

    it('whole files are refused and typing goes on, as far as the slack reaches', async () => {
      const [client] = await full(slack);
      expect(await codeOf(write('c', 'x'))).toBe('quota_exceeded');
      client.type(0, 'x'.repeat(slack - 100));
      await world.settle();
      expect(client.peer.closed).toBeNull();
      expect(used()).toBe(max - 100);
    });

    it('an edit past the slack ends the socket of its author, who hears why; everybody else goes on', async () => {
      const [ada, grace] = await full(30);
      const channel = await world.channel(ids.owner);
      const [others] = [await world.channel(ids.editor)];
      ada.type(0, 'a'.repeat(25));
      await world.settle();
      grace.type(0, 'g'.repeat(5));
      await world.settle();
      expect([ada.peer.closed, grace.peer.closed]).toEqual([null, null]);
      ada.type(0, 'x');
      await world.settle();
      expect([ada.peer.closed, grace.peer.closed]).toEqual(['quota_exceeded', null]);
      expect(channel.heard('error')).toMatchObject([{ code: 'quota_exceeded' }]);
      expect(others.heard('error')).toEqual([]);
      expect(used()).toBe(max);
      expect(await world.text('a')).toBe('a'.repeat(25));
      // Who makes room may go on.
      grace.text.delete(0, 3);
      await world.settle();
      grace.type(0, 'xy');
      await world.settle();
      expect(grace.peer.closed).toBeNull();
      expect(await world.text('b')).toBe('xygg');
    });

    it('what several people type within one window is counted together', async () => {
      const [ada, grace] = await full(200);
      for (let n = 0; n < 20; n += 1) {
        if (!ada.peer.closed) ada.type(0, '0123456789');
        if (!grace.peer.closed) grace.type(0, '0123456789');
        // They have reached the room, and their window is open.
        await vi.advanceTimersByTimeAsync(0);
      }
      await world.settle();
      expect([ada.peer.closed, grace.peer.closed]).toEqual(['quota_exceeded', 'quota_exceeded']);
      expect(used()).toBe(max);
    });

    it('what was made to wait for an update is counted when that comes', async () => {
      const [ada] = await full(50_000);
      const doc = new Y.Doc();
      doc.getText('content').insert(0, 'x');
      const first = Y.encodeStateAsUpdate(doc);
      const before = Y.encodeStateVector(doc);
      doc.getText('content').insert(1, 'y'.repeat(60_000));
      await world.send(ada.peer, updateOf(Y.encodeStateAsUpdate(doc, before)));
      await world.pass(limits.room.flushAfter);
      await world.send(ada.peer, updateOf(first));
      await world.settle();
      expect(ada.peer.closed).toBe('quota_exceeded');
      expect(used()).toBeLessThanOrEqual(max);
    });

    it('may be copied as it is', async () => {
      await full(10);
      const { entries, texts } = await world.room.history.copy();
      const copy = new World(world.blobs);
      expect(copy.room.adopt(entries, ids.owner, texts)).toMatchObject({
        treeHash: world.room.tree().hash,
        totalSize: max - 10,
      });
    });
  });

  it('[R9] typing back and forth to the same text makes no event', async () => {
    await write('a', 'text');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'x');
    client.text.delete(0, 1);
    await world.settle();
    await world.pass(limits.room.flushAfter);
    expect(world.room.events(0).events.map(({ type }) => type)).toEqual(['file.created']);
  });
});
