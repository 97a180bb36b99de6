import { describe, expect, it, vi } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { etag } from '../../../src/core/etag.ts';
import { hashTree, sha256 } from '../../../src/core/tree.ts';
import { replay } from '../../support/replay.ts';
import { codeOf } from '../support/code-of.ts';
import { amid, filesOf, keep, list, live, minute, remove, restore, treeHash } from '../support/history-setup.ts';
import { newWorld, world, worldPerTest, write } from '../support/room-setup.ts';
import { dyingEverywhere, ids } from '../support/room-world.ts';

worldPerTest();

const writeBytes = async (path: string, content: string) => {
  await world.blobs.put(sha256(content), new TextEncoder().encode(content));
  return await world.room.write(path, { hash: sha256(content), size: content.length }, ids.owner);
};

describe('[R16] A restore', () => {
  it('makes the tree of the checkpoint a new head: added, removed, changed, text and bytes, twins, files and directories', async () => {
    await write('same', 'same');
    await write('changed', 'old');
    await write('removed later', 'removed');
    await write('Twin', 'upper');
    await write('dir', 'a file');
    await write('file/x', 'in a directory');
    await write('to bytes', 'text');
    await writeBytes('to text', 'bytes');
    const before = await world.contents();
    const target = await keep('Start');
    await write('changed', 'new');
    await write('added', 'added');
    await remove('removed later');
    await world.room.batch(
      [
        { op: 'move', from: 'Twin', to: 'tWIN' },
        { op: 'delete', path: 'dir' },
        { op: 'create', path: 'dir/x', content: { text: 'now a directory' } },
        { op: 'delete', path: 'file' },
        { op: 'create', path: 'file', content: { text: 'now a file' } },
      ],
      ids.owner,
    );
    await writeBytes('to bytes', 'other bytes');
    await write('to text', 'text now');
    const after = await world.contents();
    const afterTree = world.room.tree();

    const { seq } = world.room.events(0);
    const restored = await restore(target.id);
    expect(await world.contents()).toEqual(before);
    expect(restored.treeHash).toBe(target.treeHash);
    expect(treeHash()).toBe(target.treeHash);
    expect(restored.seq).toBe(world.room.events(0).seq);
    expect(restored.seq).toBeGreaterThan(seq);
    expect(restored.checkpoint).toMatchObject({
      kind: 'restore',
      author: ids.editor,
      name: null,
      message: 'Before going back to Start',
      treeHash: afterTree.hash,
    });
    expect(world.room.events(0).events.at(-1)).toMatchObject({
      type: 'checkpoint.restored',
      by: ids.editor,
      data: { id: target.id, treeHash: target.treeHash, changed: restored.changed },
    });
    const replayed = replay(world.room.events(0).events);
    expect(Object.fromEntries([...replayed].map(([path, { hash }]) => [path, hash]))).toEqual(
      Object.fromEntries(world.room.list().files.map(({ path, hash }) => [path, hash])),
    );
    const infos = new Map(world.room.list().files.map((file) => [file.path, file]));
    expect([infos.get('to bytes')?.isText, infos.get('to text')?.isText]).toEqual([true, false]);
    expect(infos.get('same')?.updatedBy).toBe(ids.owner);

    // And back: the state before was a checkpoint itself.
    const back = await restore(restored.checkpoint.id);
    expect(await world.contents()).toEqual(after);
    expect(back.treeHash).toBe(afterTree.hash);
    expect(back.changed).toBe(restored.changed);
    expect(world.crash().tree().hash).toBe(afterTree.hash);
  });

  it('of the state that is there changes nothing but the history', async () => {
    await write('a', '1');
    const { id } = await keep();
    const { files } = world.room.list();
    expect(await restore(id)).toMatchObject({ changed: 0 });
    expect(world.room.list().files).toEqual(files);
    expect(list().map(({ kind }) => kind)).toEqual(['restore', 'manual']);
  });

  it('makes room first: what shrinks and what goes comes before what grows', async () => {
    const sized = (path: string, size: number) => ({
      path,
      hash: sha256(`${path} ${size}`),
      size,
      mode: 0o644,
      isText: false,
    });
    const third = Math.floor(limits.project.totalSize / 3);
    const tree = (entries: ReturnType<typeof sized>[]) => {
      for (const { hash } of entries) world.blobs.blobs.set(hash, new Uint8Array());
      return entries;
    };
    world.room.adopt(tree([sized('a', 2 * third), sized('b', 1), sized('c', third - 10)]), ids.owner);
    const { id } = await keep();
    for (const { path, hash, size } of tree([sized('a', 1), sized('b', 2 * third), sized('c', 1), sized('d', 2)]))
      await world.room.write(path, { hash, size }, ids.owner);
    const other = await keep();
    await restore(id);
    expect(treeHash()).toBe(list().find((one) => one.id === id)?.treeHash);
    await restore(other.id);
    expect(treeHash()).toBe(other.treeHash);
  });

  it('of a full project replaces every file', async () => {
    const many = (prefix: string) =>
      Array.from({ length: limits.project.filesMax }, (_, n) => world.blobs.seed(`${prefix}/${n}`, prefix));
    world.room.adopt(many('old'), ids.owner);
    const { id } = await keep();
    await world.room.batch([{ op: 'move', from: 'old', to: 'new' }], ids.owner);
    await write('new/0', 'changed');
    expect((await restore(id)).changed).toBe(2 * limits.project.filesMax);
    expect(world.room.list().files.every(({ path }) => path.startsWith('old/'))).toBe(true);
  }, 20_000);

  it('lands in open documents as a minimal change: cursors stay, sockets stay, what is added goes', async () => {
    await write('a', 'one two three');
    const target = await keep();
    const [ada, grace] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
    ada.type(3, ' and a half');
    grace.type(0, 'zero ');
    await world.settle();
    const restored = await restore(target.id);
    await world.settle();
    for (const client of [ada, grace]) {
      expect(client.content).toBe('one two three');
      expect(client.peer.closed).toBeNull();
    }
    expect(filesOf(restored.checkpoint)).toEqual({ a: 'zero one and a half two three' });
    ada.type(0, 'again ');
    await world.settle();
    expect(await world.text('a')).toBe('again one two three');
    expect(world.durable('a')).toBe('again one two three');
  });

  it('keeps what is typed between its plan and its landing, where the words before are known', async () => {
    await write('a', 'one two');
    const target = await keep();
    const client = await world.client(ids.editor, 'a');
    client.type(3, ' and a half');
    await world.settle();
    amid('putTree', 1, () => client.type(client.text.length, ' typed meanwhile'));
    const restored = await restore(target.id);
    await world.settle();
    expect(client.content).toBe('one two typed meanwhile');
    expect(await world.text('a')).toBe('one two typed meanwhile');
    expect(filesOf(restored.checkpoint)).toEqual({ a: 'one and a half two' });
    expect(restored.treeHash).toBe(treeHash());
  });

  it('is planned anew when others overtook it, so that nothing of theirs is lost', async () => {
    await write('a', 'one');
    await write('b', 'one');
    const target = await keep();
    await write('a', 'two');
    await write('later', 'soon to go');
    const calls = amid('putTree', 1, async () => {
      await write('a', 'three');
      await write('later', 'changed');
      await write('new', 'created');
      await remove('b');
    });
    const restored = await restore(target.id);
    expect(calls()).toBe(2);
    expect(await world.contents()).toEqual({ a: 'one', b: 'one' });
    expect(filesOf(restored.checkpoint)).toEqual({ a: 'three', later: 'changed', new: 'created' });
  });

  it('is planned anew for a document that is deleted, or whose words before nobody knows any more', async () => {
    await write('gone', 'to be deleted');
    await write('a', 'one');
    const made = await keep();
    await write('a', 'two');
    const client = await world.client(ids.editor, 'a');
    world.room.history.checkpoints.delete(made.id, ids.owner);
    await remove('gone');
    const target = await keep();
    await write('new', 'n');
    const other = await world.client(ids.owner, 'new');
    amid('putTree', 1, () => {
      client.type(0, 'typed ');
      other.type(0, 'typed ');
    });
    const restored = await restore(target.id);
    await world.settle();
    expect(filesOf(restored.checkpoint)).toEqual({ a: 'typed two', new: 'typed n' });
    expect(await world.contents()).toEqual({ a: 'two' });
    expect([client.peer.closed, other.peer.closed]).toEqual([null, 'not_found']);
  });

  it('does not take a directory that came to stand where a file was to go', async () => {
    const target = await keep();
    await write('x', 'a file');
    amid('putTree', 1, () =>
      world.room.batch(
        [
          { op: 'delete', path: 'x' },
          { op: 'create', path: 'x/y', content: { text: 'precious' } },
        ],
        ids.owner,
      ),
    );
    const restored = await restore(target.id);
    expect(await world.contents()).toEqual({});
    expect(filesOf(restored.checkpoint)).toEqual({ 'x/y': 'precious' });
  });

  it('gives up with `conflict` when it is overtaken every time, and has changed nothing', async () => {
    await write('a', '0');
    const target = await keep();
    await write('a', 'x');
    let writes = 0;
    world.blobs.before = async (call) => {
      if (call === 'putTree') await write('a', String(++writes));
    };
    expect(await codeOf(restore(target.id))).toBe('conflict');
    world.blobs.before = () => undefined;
    expect(writes).toBe(limits.checkpoint.landAttempts);
    expect(await world.contents()).toEqual({ a: String(writes) });
  });

  it('ends a document that was bytes then, and makes one of bytes that were text', async () => {
    await writeBytes('a', 'bytes');
    await write('b', 'text');
    const target = await keep();
    await write('a', 'text now');
    await writeBytes('b', 'bytes now');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'typed ');
    await world.settle();
    const restored = await restore(target.id);
    expect(client.peer.closed).toBe('not_a_document');
    expect(filesOf(restored.checkpoint)).toEqual({ a: 'typed text now', b: 'bytes now' });
    expect((await world.client(ids.editor, 'b')).content).toBe('text');
    expect(await codeOf(() => world.room.documentTarget('a'))).toBe('not_a_document');
  });

  it('fetches texts that are in the blob store alone, though the room sweeps meanwhile', async () => {
    const paths = ['a', 'b', 'c', 'd'];
    for (const path of paths) await write(path, `old ${path}`);
    const target = await keep();
    const clients = [];
    for (const path of paths) {
      await write(path, `new ${path}`);
      clients.push(await world.client(ids.editor, path));
    }
    await live(5 * minute);
    expect(world.sql.all('SELECT hash FROM contents WHERE hash = ?', sha256('old a'))).toEqual([]);
    const gets = amid('get', 3, async () => {
      vi.setSystemTime(Date.now() + 10 * limits.room.blobIdle);
      await world.room.tick();
    });
    await restore(target.id);
    expect(gets()).toBeGreaterThan(paths.length);
    await world.settle();
    expect(clients.map(({ content }) => content)).toEqual(paths.map((path) => `old ${path}`));
  });

  it('two at once land one after the other, each with the state before it', async () => {
    await write('a', '1');
    const first = await keep();
    await write('a', '2');
    const second = await keep();
    await write('a', '3');
    const [one, two] = await Promise.all([restore(first.id), restore(second.id)]);
    expect(['1', '2']).toContain(await world.text('a'));
    const texts = [one, two].map(({ checkpoint }) => filesOf(checkpoint).a);
    expect(texts).toContain('3');
  });

  it('fault: the process dies at any await: the tree is the one before or the one after, and both can be had', async () => {
    let targetId = '';
    let target = '';
    let start = '';
    const steps = await dyingEverywhere(
      async () => {
        newWorld();
        for (const path of ['a', 'b', 'c']) await write(path, `old ${path}`);
        const client = await world.client(ids.editor, 'a');
        ({ id: targetId, treeHash: target } = await keep());
        client.type(0, 'typed ');
        await world.settle();
        await write('b', 'new b');
        await remove('c');
        await write('d', 'new d');
        world.sql.run('DELETE FROM contents WHERE hash = ?', sha256('old a'));
        start = treeHash();
        return world;
      },
      () => restore(targetId),
      async (_world, isDone) => {
        expect(treeHash()).toBe(isDone ? target : start);
        for (const one of list()) {
          const entries = world.blobs.trees.get(one.treeHash) ?? [];
          expect(hashTree(entries)).toBe(one.treeHash);
          for (const { hash } of entries) expect(world.blobs.blobs.has(hash)).toBe(true);
        }
        // Done again, it is as if nothing had happened in between.
        const again = await restore(targetId);
        expect(treeHash()).toBe(target);
        await restore(isDone ? (list()[1]?.id ?? '') : again.checkpoint.id);
        expect(treeHash()).toBe(start);
        const numbers = world.room.events(0).events.map(({ seq }) => seq);
        expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      },
    );
    expect(steps).toBeGreaterThan(5);
  });

  it('fault: storage that fails at any statement of the landing leaves tree, documents and events as they were', async () => {
    await write('a', 'old a');
    await write('b', 'old b');
    const client = await world.client(ids.editor, 'a');
    const target = await keep();
    client.type(0, 'typed ');
    await world.settle();
    await remove('b');
    await write('c', 'c');
    const contents = await world.contents();
    let failures = 0;
    for (let nth = 1; ; nth += 1) {
      let count = 0;
      const events = world.room.events(0).events.filter(({ type }) => type.startsWith('file.'));
      world.sql.failure = () => (++count === nth ? new Error('disk I/O error') : undefined);
      const outcome = await restore(target.id).then(
        () => 'done',
        (error: unknown) => String(error),
      );
      world.sql.failure = null;
      if (outcome === 'done') break;
      failures += 1;
      expect(outcome).toBe('Error: disk I/O error');
      expect(await world.contents(), `statement ${nth}`).toEqual(contents);
      expect(world.room.events(0).events.filter(({ type }) => type.startsWith('file.'))).toEqual(events);
      expect(client.peer.closed).toBeNull();
      expect(world.sql.all('SELECT hash FROM kept_trees').length).toBeLessThanOrEqual(2);
    }
    expect(failures).toBeGreaterThan(20);
    await world.settle();
    expect(client.content).toBe('old a');
    expect(await world.contents()).toEqual({ a: 'old a', b: 'old b' });
  });
});

describe('[R8] Conditions and history', () => {
  it('a file that was restored has the entity tag that it had', async () => {
    const { file } = await write('a', 'one');
    const target = await keep();
    await write('a', 'two');
    await restore(target.id);
    expect(await codeOf(world.room.write('a', { text: 'three' }, ids.owner, { ifMatch: etag(file.hash) }))).toBe(
      'done',
    );
  });
});
