import { describe, expect, it, vi } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { etag } from '../../../src/core/etag.ts';
import { hashTree, sha256 } from '../../../src/core/tree.ts';
import { codeOf } from '../support/code-of.ts';
import { world, worldPerTest, write } from '../support/room-setup.ts';
import { ids } from '../support/room-world.ts';

worldPerTest();

describe('adopt', () => {
  it('takes over the tree of a template without reading a byte of it', async () => {
    const entries = [world.blobs.seed('b.ts', 'b'), world.blobs.seed('a.ts', 'a')];
    const snapshot = world.room.adopt(entries, ids.owner);
    expect(snapshot).toEqual({ treeHash: hashTree(entries), seq: 1, fileCount: 2, totalSize: 2 });
    expect(world.room.list().files.map(({ path }) => path)).toEqual(['a.ts', 'b.ts']);
    expect(await world.text('a.ts')).toBe('a');
  });

  it('done twice changes nothing', () => {
    const first = world.room.adopt([world.blobs.seed('a', 'a')], ids.owner);
    expect(world.room.adopt([world.blobs.seed('b', 'b')], ids.editor)).toEqual(first);
    expect(world.room.events(0).events.map(({ type }) => type)).toEqual(['project.created']);
  });

  it('of a tree that contradicts itself changes nothing', async () => {
    const entries = [world.blobs.seed('a', 'a'), world.blobs.seed('a/b', 'b')];
    expect(await codeOf(() => world.room.adopt(entries, ids.owner))).toBe('path_conflict');
    expect(world.room.list()).toEqual({ files: [], seq: 0 });
    expect(world.sql.all('SELECT * FROM events')).toEqual([]);
  });
});

describe('Files', () => {
  it('are written, read, listed and deleted', async () => {
    const { file, created } = await write('src/main.ts', 'let a = 1;\n');
    expect(created).toBe(true);
    expect(file).toMatchObject({
      path: 'src/main.ts',
      size: 11,
      hash: sha256('let a = 1;\n'),
      mimeType: 'text/typescript',
      isText: true,
      updatedBy: ids.owner,
      seq: 1,
    });
    expect(await world.room.read('src/main.ts')).toEqual({ file, text: 'let a = 1;\n' });
    expect(world.room.list().files).toEqual([file]);
    await world.room.delete('src/main.ts', ids.owner);
    expect(await codeOf(world.room.read('src/main.ts'))).toBe('not_found');
    expect(world.room.list().files).toEqual([]);
  });

  it('are listed by prefix', async () => {
    for (const path of ['src/a', 'src/b', 'srcs', 'z']) await write(path, path);
    expect(world.room.list('src/').files.map(({ path }) => path)).toEqual(['src/a', 'src/b']);
  });

  it('may be empty, and may hold any text', async () => {
    for (const [index, text] of ['', '\ufeffBOM', '😀\r\n', 'a'.repeat(limits.file.textMax)].entries()) {
      await write(`f${index}`, text);
      expect(await world.text(`f${index}`)).toBe(text);
    }
  });

  it('written with the content that they have change nothing, and take no number', async () => {
    await write('a', 'same');
    const before = world.room.list();
    const { created, file } = await write('a', 'same');
    expect(created).toBe(false);
    expect(file).toEqual(before.files[0]);
    expect(world.room.list()).toEqual(before);
  });

  it('that contradict the tree are refused, and nothing is changed', async () => {
    await write('src/a', 'a');
    const before = world.room.tree();
    for (const path of ['src', 'SRC/b', 'src/A', 'src/a/b'])
      expect(await codeOf(write(path, 'x'))).toBe('path_conflict');
    expect(world.room.tree()).toEqual(before);
    expect(world.room.events(0).seq).toBe(1);
    expect(world.crash().tree()).toEqual(before);
  });

  it('that are bytes are only named: their blob is stored by somebody else', async () => {
    const hash = sha256('bytes');
    const { file } = await world.room.write('a.png', { hash, size: 5 }, ids.owner);
    expect(file).toMatchObject({ hash, size: 5, isText: false, mimeType: 'image/png' });
    expect(await world.room.read('a.png')).toEqual({ file, text: null });
    expect(await codeOf(() => world.room.documentTarget('a.png'))).toBe('not_a_document');
  });

  it('become text and bytes and text again', async () => {
    await write('f', 'text');
    await world.room.write('f', { hash: sha256('bytes'), size: 5 }, ids.owner);
    expect(await world.text('f')).toBeNull();
    await write('f', 'text again');
    expect(await world.text('f')).toBe('text again');
  });

  it('that were changed since are not overwritten: If-Match', async () => {
    const { file } = await write('a', 'one');
    expect(await codeOf(write('a', 'two', { ifMatch: etag(sha256('other')) }))).toBe('precondition_failed');
    expect(await world.text('a')).toBe('one');
    expect(await codeOf(write('a', 'two', { ifMatch: etag(file.hash) }))).toBe('done');
    expect(await codeOf(write('a', 'three', { ifMatch: etag(file.hash) }))).toBe('precondition_failed');
    expect(await codeOf(write('a', 'three', { ifMatch: '*' }))).toBe('done');
    expect(await codeOf(write('new', 'x', { ifMatch: '*' }))).toBe('precondition_failed');
    expect(await codeOf(world.room.delete('a', ids.owner, { ifMatch: etag(file.hash) }))).toBe('precondition_failed');
    expect(await world.text('a')).toBe('three');
  });

  it('that exist are not created: createOnly', async () => {
    expect(await codeOf(write('a', 'one', { createOnly: true }))).toBe('done');
    expect(await codeOf(write('a', 'two', { createOnly: true }))).toBe('file_exists');
    expect(await codeOf(world.room.write('a', { hash: sha256('b'), size: 1 }, ids.owner, { createOnly: true }))).toBe(
      'file_exists',
    );
    expect(await world.text('a')).toBe('one');
  });

  it('whose storage fails half-way are as they were, in memory and on disk', async () => {
    await write('a', 'one');
    const before = world.room.tree();
    for (const statement of [
      /INSERT INTO contents/,
      /INSERT INTO events/,
      /INSERT INTO files/,
      /INSERT INTO index_pending/,
      /COMMIT/,
    ]) {
      world.sql.failOnce(statement);
      await expect(write('a', 'two'), String(statement)).rejects.toThrow('disk I/O error');
      expect(world.room.tree()).toEqual(before);
      expect(await world.text('a')).toBe('one');
    }
    world.sql.failOnce(/DELETE FROM files/);
    await expect(world.room.delete('a', ids.owner)).rejects.toThrow('disk I/O error');
    expect(world.room.tree()).toEqual(before);
    expect(world.crash().tree()).toEqual(before);
    // And the room goes on: the next number is the next one.
    expect((await write('a', 'three')).file.seq).toBe(2);
  });
});

describe('Events', () => {
  it('are numbered without gaps, in the order of the changes, with who and what', async () => {
    world.room.adopt([], ids.owner);
    await write('a', '1');
    await write('a', '2');
    await world.room.delete('a', ids.editor);
    world.room.record('build.success', null, { buildId: 'b' });
    const { events, seq } = world.room.events(0);
    expect(events.map(({ seq, type, by }) => [seq, type, by])).toEqual([
      [1, 'project.created', ids.owner],
      [2, 'file.created', ids.owner],
      [3, 'file.updated', ids.owner],
      [4, 'file.deleted', ids.editor],
      [5, 'build.success', null],
    ]);
    expect(seq).toBe(5);
    expect(events[1]?.data).toEqual({ path: 'a', hash: sha256('1'), size: 1 });
    expect(events[1]?.at).toBe('2026-01-01T00:00:00.000Z');
  });

  it('go on with the next number after a restart', async () => {
    await write('a', '1');
    world.crash();
    await write('a', '2');
    expect(world.room.events(0).events.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(world.room.events(1).events.map(({ seq }) => seq)).toEqual([2]);
  });

  it('[R14] that are gone, too many or in the future answer `resync`', () => {
    for (let n = 0; n < limits.room.eventsReplayed + 1; n += 1) world.room.record('x', null, {});
    expect(world.room.events(0)).toMatchObject({ resync: true, events: [] });
    expect(world.room.events(1)).toMatchObject({ resync: false });
    expect(world.room.events(1).events).toHaveLength(limits.room.eventsReplayed);
    expect(world.room.events(5000)).toMatchObject({ resync: true, events: [] });
    world.sql.run('DELETE FROM events WHERE seq <= 10');
    expect(world.room.events(5)).toMatchObject({ resync: true, events: [] });
    expect(world.room.events(10)).toMatchObject({ resync: false });
  });

  it('older than the kept ones are dropped, and their numbers never used again', () => {
    world.sql.transaction(() => {
      for (let seq = 1; seq <= limits.room.eventsKept + 99; seq += 1)
        world.sql.run('INSERT INTO events (seq, type, at, by, data) VALUES (?, ?, ?, ?, ?)', seq, 'x', 0, null, '{}');
    });
    world.crash().record('x', null, {});
    const [range] = world.sql.all<{ first: number; last: number }>(
      'SELECT min(seq) AS first, max(seq) AS last FROM events',
    );
    expect(range).toEqual({ first: 101, last: limits.room.eventsKept + 100 });
  });

  it('are told to the channel after they are stored, never when the change failed', async () => {
    const peer = await world.channel(ids.editor);
    const stored: number[] = [];
    peer.onSend = (frame) => {
      if (!String(frame).includes('"data"')) return;
      expect(world.sql.inTransaction).toBe(false);
      stored.push(world.sql.all('SELECT seq FROM events').length);
    };
    await write('a', '1');
    world.sql.failOnce(/INSERT INTO files/);
    await expect(write('b', '1')).rejects.toThrow();
    await write('c', '1');
    expect(stored).toEqual([1, 2]);
    expect(peer.heard('event').map(({ event }) => event.data.path)).toEqual(['a', 'c']);
  });
});

describe('Snapshots', () => {
  it('store every blob before the manifest, which names the tree of the moment', async () => {
    world.room.adopt([world.blobs.seed('from-template', 't')], ids.owner);
    for (const path of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) await write(path, `text of ${path}`);
    const snapshot = await world.room.history.snapshot();
    expect(snapshot).toMatchObject({ treeHash: world.room.tree().hash, fileCount: 9 });
    expect(world.blobs.order.at(-1)).toBe(`tree ${snapshot.treeHash}`);
    expect(world.blobs.order.slice(0, -1).every((line) => line.startsWith('blob '))).toBe(true);
    const manifest = world.blobs.trees.get(snapshot.treeHash) ?? [];
    expect(hashTree(manifest)).toBe(snapshot.treeHash);
  });

  it('store a blob once', async () => {
    await write('a', 'same');
    await write('b', 'same');
    await world.room.history.snapshot();
    await write('c', 'same');
    await world.room.history.snapshot();
    expect(world.blobs.order.filter((line) => line.startsWith('blob '))).toHaveLength(1);
  });

  it('hold the tree of their start, whatever is written and swept while blobs are stored', async () => {
    // More files than uploads run at once, so that some are read only after the disturbance.
    const paths = Array.from({ length: 20 }, (_, index) => `f${index}`);
    for (const path of paths) await write(path, `first ${path}`);
    const before = world.room.tree();
    const first = new Set(before.tree.children?.map(({ hash }) => hash));
    let disturbance: Promise<void> | undefined;
    const disturb = async (): Promise<void> => {
      for (const path of paths) await write(path, `second ${path}`);
      await world.room.delete('f3', ids.owner);
      vi.setSystemTime(Date.now() + 10 * limits.room.blobIdle);
      await world.room.tick();
    };
    world.blobs.beforePut = async (hash) => {
      if (!first.has(hash)) return;
      disturbance ??= disturb();
      await disturbance;
    };
    const snapshot = await world.room.history.snapshot();
    expect(disturbance).toBeDefined();
    expect(snapshot.treeHash).toBe(before.hash);
    for (const { hash } of world.blobs.trees.get(snapshot.treeHash) ?? [])
      expect(world.blobs.blobs.has(hash)).toBe(true);
    expect(world.blobs.trees.get(snapshot.treeHash)).toHaveLength(20);
  });

  it('that fail to store a blob store no manifest; the next one does', async () => {
    await write('a', 'a');
    world.blobs.beforePut = () => {
      throw new Error('R2 is away');
    };
    await expect(world.room.history.snapshot()).rejects.toThrow('R2 is away');
    expect(world.blobs.trees.size).toBe(0);
    world.blobs.beforePut = () => undefined;
    await world.room.history.snapshot();
    expect(world.blobs.trees.size).toBe(1);
  });

  it('hold what collaborators have typed up to now', async () => {
    await write('a', 'old');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'typed ');
    const { treeHash } = await world.room.history.snapshot();
    const [entry] = world.blobs.trees.get(treeHash) ?? [];
    expect(entry?.hash).toBe(sha256('typed old'));
  });
});

describe('Background work', () => {
  it('copies idle text to the blob store after its delay, not before, and once', async () => {
    await write('a', 'text');
    await world.pass(limits.room.blobIdle - 1000);
    expect(world.blobs.order).toEqual([]);
    await world.pass(1000);
    await world.pass(1000);
    expect(world.blobs.order).toEqual([`blob ${sha256('text')}`]);
    // The automatic checkpoint stores the tree.
    await world.pass(10 * limits.room.blobIdle);
    expect(world.blobs.order.filter((put) => put.startsWith('blob'))).toHaveLength(1);
  });

  it('tells the index of changed and removed files within its delay', async () => {
    await write('a', '1');
    await write('b', '1');
    await world.pass(limits.room.indexDelay - 1);
    expect(world.indexed).toEqual([]);
    await write('a', '2');
    await world.room.delete('b', ids.owner);
    await world.pass(1);
    expect(world.indexed).toHaveLength(1);
    expect(world.indexed[0]).toMatchObject({
      changed: [{ path: 'a', hash: sha256('2') }],
      removed: [{ path: 'b' }],
      fileCount: 1,
      totalSize: 1,
      treeHash: world.room.tree().hash,
    });
    await world.room.writeIndex();
    expect(world.indexed).toHaveLength(1);
  });

  it('forgets nothing of the index when the database fails or the room dies', async () => {
    await write('a', '1');
    world.indexFails = true;
    await expect(world.pass(limits.room.indexDelay)).rejects.toThrow('the database is away');
    world.indexFails = false;
    await world.crash().tick();
    expect(world.indexed.map(({ changed }) => changed.map(({ path }) => path))).toEqual([['a']]);
  });

  it('keeps pending what changes while the index is written', async () => {
    await write('a', '1');
    const writing = world.room.writeIndex();
    await write('a', '2');
    await writing;
    await world.room.writeIndex();
    expect(world.indexed.map(({ changed }) => changed[0]?.hash)).toEqual([sha256('1'), sha256('2')]);
  });

  it('sweeps old contents that no file names, and none that one does', async () => {
    await write('a', 'old');
    await write('a', 'new');
    await world.pass(limits.room.blobIdle + 1000);
    expect(world.sql.all('SELECT hash FROM contents')).toEqual([{ hash: sha256('new') }]);
    expect(await world.text('a')).toBe('new');
  });

  it('reads text that was adopted from the blob store once, then from its own storage', async () => {
    world.room.adopt([world.blobs.seed('a', 'text')], ids.owner);
    expect(await world.text('a')).toBe('text');
    world.blobs.blobs.clear();
    expect(await world.text('a')).toBe('text');
  });
});

describe('Tickets', () => {
  it('open one socket, once', () => {
    expect(world.room.spendTicket('j1', Date.now() + 60_000)).toBe(true);
    expect(world.room.spendTicket('j1', Date.now() + 60_000)).toBe(false);
    expect(world.crash().spendTicket('j1', Date.now() + 60_000)).toBe(false);
    expect(world.room.spendTicket('j2', Date.now() + 60_000)).toBe(true);
  });

  it('#57 are remembered as long as a clock may hold them valid, and forgotten after', async () => {
    const { ticketTtl } = limits.room;
    const end = Date.now() + ticketTtl + limits.auth.clockLeeway;
    world.room.spendTicket('j1', Date.now() + ticketTtl);
    vi.setSystemTime(end);
    expect(world.room.spendTicket('j1', Date.now() + ticketTtl)).toBe(false);
    vi.setSystemTime(end + ticketTtl + 10);
    world.room.spendTicket('j2', Date.now() + 60_000);
    expect(world.sql.all('SELECT jti FROM tickets')).toEqual([{ jti: 'j2' }]);
  });
});

describe('Names with a meaning in JavaScript [hostile 39]', () => {
  it.each(['__proto__', 'constructor', 'a/__proto__/constructor', 'x.constructor', 'toString'])(
    '%s is a file like any other',
    async (path) => {
      await write(path, 'text');
      expect(await world.text(path)).toBe('text');
      const client = await world.client(ids.editor, path);
      client.type(0, 'live ');
      await world.settle();
      expect(await world.text(path)).toBe('live text');
      expect(({} as Record<string, unknown>).text).toBeUndefined();
    },
  );
});
