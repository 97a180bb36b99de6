import { describe, expect, it, vi } from 'vitest';
import { sha256 } from '../../../src/core/tree.ts';
import { commitWindowFor } from '../../../src/durable-objects/room/live-document.ts';
import { codeOf } from '../support/code-of.ts';
import { commitWindow, logRows, world, worldPerTest, write } from '../support/room-setup.ts';
import { ids, step1, TestClient } from '../support/room-world.ts';

worldPerTest();

describe('Documents', () => {
  it('start with the text of their file', async () => {
    await write('a', 'hello');
    expect((await world.client(ids.editor, 'a')).content).toBe('hello');
  });

  it('start with text from the blob store when it is not hot, once, also when two come together', async () => {
    world.room.adopt([world.blobs.seed('a', 'hello')], ids.owner);
    const [one, two] = [new TestClient(world, ids.owner, 'a'), new TestClient(world, ids.editor, 'a')];
    world.clients.push(one, two);
    await Promise.all([one.connect(), two.connect()]);
    await world.settle();
    expect([one.content, two.content]).toEqual(['hello', 'hello']);
  });

  it('do not double their text when they are opened again, after a leave, a crash or a sleep', async () => {
    await write('a', 'hello');
    const client = await world.client(ids.editor, 'a');
    await world.leave(client.peer);
    await client.connect();
    await world.settle();
    world.crash();
    await client.connect();
    await world.settle();
    world.hibernate([client.peer]);
    client.type(0, '>');
    await world.settle();
    expect(client.content).toBe('>hello');
    expect(await world.text('a')).toBe('>hello');
  });

  it('are the same for all: what one types the others get', async () => {
    await write('a', '');
    const [one, two, three] = [
      await world.client(ids.owner, 'a'),
      await world.client(ids.editor, 'a'),
      await world.client(ids.viewer, 'a'),
    ];
    one.type(0, 'from one. ');
    two.type(0, 'from two. ');
    await world.settle();
    expect(two.content).toBe(one.content);
    expect(three.content).toBe(one.content);
    expect(one.content).toContain('from one. ');
    expect(one.content).toContain('from two. ');
    expect(await world.text('a')).toBe(one.content);
  });

  it('exist for text files only', async () => {
    await world.room.write('a.png', { hash: sha256('x'), size: 1 }, ids.owner);
    expect(await codeOf(() => world.room.documentTarget('a.png'))).toBe('not_a_document');
    expect(await codeOf(() => world.room.documentTarget('missing'))).toBe('not_found');
  });

  it('are not said to have moved when the last file of that path was deleted', async () => {
    const target = () => codeOf(() => world.room.documentTarget('dir/a'));
    const move = (from: string, to: string) => world.room.batch([{ op: 'move', from, to }], ids.owner);
    await write('dir/a', 'a');
    await move('dir', 'elsewhere');
    expect(await target()).toBe('moved');
    await write('dir/a', 'another');
    await world.room.delete('dir/a', ids.owner);
    expect(await target()).toBe('not_found');
    await write('dir/a', 'a third');
    await move('dir/a', 'b');
    expect(await target()).toBe('moved');
  });

  it('end with their file: deleted, or turned into bytes', async () => {
    await write('a', 'a');
    await write('b', 'b');
    const [a, b] = [await world.client(ids.editor, 'a'), await world.client(ids.editor, 'b')];
    a.type(0, 'unsaved');
    await world.room.delete('a', ids.owner);
    await world.room.write('b', { hash: sha256('x'), size: 1 }, ids.owner);
    expect([a.peer.closed, b.peer.closed]).toEqual(['not_found', 'not_a_document']);
    for (const { peer } of [a, b]) await world.leave(peer);
    expect(world.sql.all('SELECT * FROM document_log')).toEqual([]);
    expect(world.sql.all('SELECT * FROM dirty')).toEqual([]);
    expect(world.room.presence()).toEqual([]);
    // A new file of that name starts anew.
    await write('a', 'fresh');
    expect((await world.client(ids.owner, 'a')).content).toBe('fresh');
  });
});

describe('[R5] Group commit', () => {
  it('[R5] merges the updates of a window into one row and one frame', async () => {
    await write('a', '');
    const [one, two, watcher] = [
      await world.client(ids.owner, 'a'),
      await world.client(ids.editor, 'a'),
      await world.client(ids.viewer, 'a'),
    ];
    const rows = logRows();
    const updates = watcher.peer.updates.length;
    for (let n = 0; n < 10; n += 1) {
      one.type(0, 'a');
      two.type(0, 'b');
    }
    await vi.advanceTimersByTimeAsync(commitWindowFor(3) - 1);
    expect([logRows(), watcher.peer.updates.length]).toEqual([rows, updates]);
    await vi.advanceTimersByTimeAsync(1);
    expect([logRows(), watcher.peer.updates.length]).toEqual([rows + 1, updates + 1]);
    await world.settle();
    expect(watcher.content).toHaveLength(20);
  });

  it('[R5] counts the window from its first update: typing does not put it off', async () => {
    await write('a', '');
    const client = await world.client(ids.owner, 'a');
    const rows = logRows();
    for (let ms = 0; ms < commitWindowFor(1); ms += 3) {
      client.type(0, 'x');
      await vi.advanceTimersByTimeAsync(3);
    }
    expect(logRows()).toBe(rows + 1);
  });

  it('[R5] the only sender of a window does not get its own edits back', async () => {
    await write('a', '');
    const [one, two] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
    one.type(0, 'x');
    await vi.advanceTimersByTimeAsync(commitWindow);
    expect([one.peer.updates.length, two.peer.updates.length]).toEqual([0, 1]);
  });

  it('[R5] a read, a sync step 1 and a leave end the window first', async () => {
    await write('a', '');
    const [one, two] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
    let rows = logRows();
    one.type(0, 'r');
    expect(await world.text('a')).toBe('r');
    expect(logRows()).toBe(++rows);
    one.type(0, 's');
    await world.send(two.peer, step1(two.doc));
    expect(logRows()).toBe(++rows);
    one.type(0, 'l');
    await world.leave(one.peer);
    expect(logRows()).toBe(++rows);
    await world.settle();
    expect(two.content).toBe('lsr');
  });
});
