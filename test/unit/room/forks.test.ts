import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { hashTree, sha256 } from '../../../src/core/tree.ts';
import { codeOf } from '../support/code-of.ts';
import { filesOf, live, minute, remove, treeHash } from '../support/history-setup.ts';
import { world, worldPerTest, write } from '../support/room-setup.ts';
import { ids, World } from '../support/room-world.ts';

worldPerTest();

describe('[R18] A fork', () => {
  const origin = ids.stranger;

  it('starts with the tree of its origin as the base of merges, which it keeps', async () => {
    const entries = [world.blobs.seed('a', 'a'), world.blobs.seed('b', 'b')];
    const hash = hashTree(entries);
    world.room.adopt(entries, ids.owner, [], { projectId: origin, treeHash: hash });
    expect(world.room.history.checkpoints.base(origin)).toEqual({ treeHash: hash, round: 0 });
    expect(world.room.history.checkpoints.base(ids.owner)).toBeNull();
    await remove('a');
    await write('b', 'c');
    await live(20 * minute);
    const wanted = [hash, sha256('a'), sha256('b')];
    expect(world.room.held(wanted).sort()).toEqual(wanted.sort());
    // Adopted once more, nothing changes.
    world.room.adopt([], ids.owner, [], { projectId: origin, treeHash: sha256('other') });
    expect(world.crash().history.checkpoints.base(origin)).toEqual({ treeHash: hash, round: 0 });
  });

  it('that cannot take its tree over has no base either', async () => {
    const entries = [world.blobs.seed('a', 'a'), world.blobs.seed('A', 'b')];
    expect(
      await codeOf(() => world.room.adopt(entries, ids.owner, [], { projectId: origin, treeHash: hashTree(entries) })),
    ).toBe('path_conflict');
    expect(world.room.history.checkpoints.base(origin)).toBeNull();
    expect(world.sql.all('SELECT * FROM kept_trees')).toEqual([]);
  });

  it('or copy takes texts that no blob store has yet, and stores them itself', async () => {
    await write('a', 'hot');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'very ');
    const { entries, texts } = await world.room.history.copy();
    expect(texts.map(({ hash }) => hash)).toEqual([sha256('very hot')]);
    const blobs = world.blobs;
    const copy = new World();
    copy.room.adopt(entries, ids.owner, texts);
    expect(copy.room.tree().hash).toBe(treeHash());
    expect(await copy.text('a')).toBe('very hot');
    expect(blobs.order).toEqual([]);
    const made = await copy.room.history.checkpoint({ kind: 'manual', by: ids.owner });
    expect(filesOf(made, copy.blobs)).toEqual({ a: 'very hot' });
    // Its events tell where it started.
    expect(copy.room.events(0).events[0]).toMatchObject({
      type: 'project.created',
      data: { fileCount: 1, treeHash: made.treeHash },
    });
  });

  it('of texts that are too many to hand over finds them in the blob store', async () => {
    const large = 'x'.repeat(limits.file.textMax - 10);
    const count = limits.room.handOverBytes / limits.file.textMax + 1;
    for (let n = 0; n < count; n += 1) await write(`f${n}`, `${n}${large}`);
    const { entries, texts } = await world.room.history.copy();
    expect(texts).toEqual([]);
    expect(entries).toHaveLength(count);
    for (const { hash } of entries) expect(world.blobs.blobs.has(hash)).toBe(true);
  }, 20_000);
});
