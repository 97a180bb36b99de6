import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Checkpoint, CheckpointKind } from '../../../src/contract/checkpoints.ts';
import { limits } from '../../../src/contract/limits.ts';
import { sha256 } from '../../../src/core/tree.ts';
import { codeOf } from '../support/code-of.ts';
import { day, filesOf, keep, list, live, minute, remove, restore, treeHash } from '../support/history-setup.ts';
import { newWorld, world, worldPerTest, write } from '../support/room-setup.ts';
import { dyingEverywhere, ids } from '../support/room-world.ts';

worldPerTest();

describe('[R9] The texts of a batch', () => {
  const batch = (count: number) =>
    world.room.batch(
      Array.from({ length: count }, (_, n) => ({ op: 'put', path: `f${n}`, content: { text: `text ${n}` } }) as const),
      ids.owner,
    );
  const blobs = (): string[] => world.blobs.order.filter((one) => one.startsWith('blob'));
  const many = limits.room.blobsEager;

  it('are stored soon when they are many, and when nobody edits them any more when they are few', async () => {
    await batch(many - 1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(blobs()).toEqual([]);
    await live(limits.room.blobIdle + limits.room.indexDelay);
    expect(blobs()).toHaveLength(many - 1);
    await batch(many);
    await live(limits.room.blobsEagerAfter, 1000);
    expect(blobs()).toHaveLength(many);
  });

  it('let others go first while nobody waits for them, and only then', async () => {
    await batch(many - 1);
    await keep('now');
    expect(blobs()).toHaveLength(many - 1);
    expect(world.blobs.pauses).toBe(0);
    await write('one', 'more');
    await live(2 * limits.room.blobIdle);
    expect(world.blobs.pauses).toBe(1);
    await world.room.batch(
      Array.from({ length: many }, (_, n) => ({ op: 'put', path: `g${n}`, content: { text: `other ${n}` } }) as const),
      ids.owner,
    );
    await live(limits.room.blobsEagerAfter, 1000);
    expect(world.blobs.pauses).toBe(1 + many);
  });

  it('are stored once, whoever waits for them meanwhile, and never more at a time than may be', async () => {
    let now = 0;
    let most = 0;
    world.blobs.beforePut = async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setTimeout(resolve, 10));
      now -= 1;
    };
    await batch(100);
    const ringing = live(limits.room.blobsEagerAfter, 1000);
    const waiting = [keep('one'), keep('two'), world.room.history.snapshot()];
    await vi.advanceTimersByTimeAsync(5000);
    await Promise.all([ringing, ...waiting]);
    expect(blobs()).toHaveLength(100);
    expect(new Set(blobs()).size).toBe(100);
    expect(most).toBe(limits.room.blobsParallel);
    expect(world.sql.all('SELECT hash FROM contents WHERE stored = 0')).toEqual([]);
  });

  it('that could not be stored, or were not before the room died, are stored later, and before any manifest', async () => {
    let failing = true;
    let count = 0;
    world.blobs.beforePut = () => {
      count += 1;
      if (failing && count > 20) throw new Error('the store is away');
    };
    await batch(100);
    await expect(live(limits.room.blobsEagerAfter, 1000)).rejects.toThrow('away');
    await expect(keep()).rejects.toThrow('away');
    expect(list()).toEqual([]);
    world.crash();
    failing = false;
    const kept = await keep();
    expect(Object.keys(filesOf(kept))).toHaveLength(100);
    expect(new Set(blobs()).size).toBe(100);
  });
});

describe('A snapshot of a build', () => {
  const build = () => keep(undefined, 'build');
  const held = (hash: string) => world.room.heldTree(hash)?.map(({ path }) => path) ?? null;
  const texts = (...contents: string[]) =>
    world.room.texts(contents.map((text) => sha256(text))).map(({ data }) => new TextDecoder().decode(data));

  it('waits for no store: its runner has manifest and texts of the room, until they are stored', async () => {
    world.blobs.before = () => {
      throw new Error('the store is away');
    };
    await write('a', 'one');
    const { treeHash: hash } = await build();
    expect(held(hash)).toEqual(['a']);
    expect(texts('one')).toEqual(['one']);
    // It is what it was, whatever happens to the project, or to the room.
    await write('a', 'two');
    await write('b', 'three');
    await remove('a');
    world.crash();
    await expect(live(limits.room.blobIdle + limits.room.indexDelay)).rejects.toThrow('away');
    expect(held(hash)).toEqual(['a']);
    expect(texts('one', 'never written')).toEqual(['one']);
    world.blobs.before = async () => {};
    await live(2 * limits.room.blobIdle);
    expect(held(hash)).toBeNull();
    expect([...world.blobs.trees.keys()]).toContain(hash);
    expect(new TextDecoder().decode(world.blobs.blobs.get(sha256('one')))).toBe('one');
    // Nothing names the text any more, and the store has it.
    await live(2 * limits.room.blobIdle);
    expect(texts('one')).toEqual([]);
  });

  it('gives its runner the texts that were written last, as many as travel with a job', async () => {
    const newest = () => world.room.newestTexts().map(({ data }) => new TextDecoder().decode(data).slice(0, 3));
    const half = 'x'.repeat(limits.build.jobTexts / 2);
    for (const text of ['one', 'two', `3: ${half}`, `4: ${half}`]) {
      await write('a', text);
      await live(1);
    }
    expect(newest()).toEqual(['4: ']);
    await write('b', 'six');
    expect(newest()).toEqual(['six', '4: ']);
    // What is in the store was built before, or can be had there.
    await live(2 * limits.room.blobIdle);
    expect(newest()).toEqual([]);
  });

  it('is stored for whoever reads it as a checkpoint, and for a backup', async () => {
    await write('a', 'one');
    const first = await build();
    expect(filesOf(first)).toEqual({});
    expect(await world.room.history.stored(first.id)).toEqual(first);
    expect(filesOf(first)).toEqual({ a: 'one' });
    expect(held(first.treeHash)).toBeNull();
    // Stored and named already: there is nothing to wait for.
    await write('a', 'two');
    await build();
    await write('a', 'one');
    expect((await build()).treeHash).toBe(first.treeHash);
    expect(held(first.treeHash)).toBeNull();
  });

  it('can be gone back to while the room alone has it', async () => {
    await write('a', 'one');
    const made = await build();
    await write('a', 'two');
    await restore(made.id);
    expect(await world.room.read('a')).toMatchObject({ text: 'one' });
  });

  it('names its manifest in the store only after every text, where the room dies amid it', async () => {
    const contents = ['one', 'two', 'three'];
    const steps = await dyingEverywhere(
      async () => {
        newWorld();
        for (const [n, text] of contents.entries()) await write(`f${n}`, text);
        await build();
        for (const n of contents.keys()) await write(`f${n}`, 'other');
        return world;
      },
      () => live(limits.room.blobIdle + limits.room.indexDelay, limits.room.blobIdle),
      async (survivor) => {
        // The store of these tests refuses a manifest that comes before what it names.
        const [made] = list();
        const hash = made?.treeHash ?? '';
        expect(held(hash) ?? survivor.blobs.trees.get(hash)?.map(({ path }) => path)).toEqual(['f0', 'f1', 'f2']);
        if (held(hash)) expect(texts(...contents)).toEqual(contents);
        else expect(Object.values(filesOf(made as Checkpoint))).toEqual(contents);
        await live(3 * limits.room.blobIdle);
        expect(Object.values(filesOf(made as Checkpoint))).toEqual(contents);
      },
    );
    expect(steps).toBeGreaterThan(4);
  });
});

describe('[R16] What history keeps', () => {
  /** Trees that are named, and how many of them name each blob: counted anew. */
  function naive(): { trees: string[]; blobs: Record<string, number> } {
    const trees = new Set([
      ...world.sql.all<{ hash: string }>('SELECT tree_hash AS hash FROM checkpoints').map(({ hash }) => hash),
      ...world.sql.all<{ hash: string }>('SELECT tree_hash AS hash FROM merge_bases').map(({ hash }) => hash),
    ]);
    const blobs: Record<string, number> = {};
    for (const tree of trees)
      for (const hash of new Set(
        (world.room.heldTree(tree) ?? world.blobs.trees.get(tree) ?? []).map((entry) => entry.hash),
      ))
        blobs[hash] = (blobs[hash] ?? 0) + 1;
    return { trees: [...trees].sort(), blobs };
  }
  function counted(): { trees: string[]; blobs: Record<string, number> } {
    const trees = world.sql.all<{ hash: string }>('SELECT hash FROM kept_trees').map(({ hash }) => hash);
    const blobs = world.sql.all<{ hash: string; trees: number }>('SELECT hash, trees FROM kept_blobs');
    return { trees: trees.sort(), blobs: Object.fromEntries(blobs.map(({ hash, trees: count }) => [hash, count])) };
  }

  it('is held against the collector until it was let go of, and no longer', async () => {
    await write('a', 'old');
    await write('b', 'same');
    const first = await keep();
    await write('a', 'new');
    const second = await keep();
    await live(2 * limits.room.blobIdle);
    const all = [first.treeHash, second.treeHash, ...['old', 'new', 'same', 'never'].map((text) => sha256(text))];
    expect(world.room.held(all).sort()).toEqual(all.slice(0, 5).sort());
    world.room.history.checkpoints.delete(first.id, ids.owner);
    // Held for a little longer, never for shorter.
    expect(world.room.held(all).sort()).toEqual(all.slice(0, 5).sort());
    await world.room.tick();
    expect(world.room.held(all).sort()).toEqual([second.treeHash, sha256('new'), sha256('same')].sort());
    await remove('a');
    await remove('b');
    await live(2 * limits.room.blobIdle);
    expect(world.room.held(all).sort()).toEqual([second.treeHash, sha256('new'), sha256('same')].sort());
  });

  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        path: fc.constantFrom('a', 'b', 'c'),
        text: fc.constantFrom('1', '2', '3'),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), path: fc.constantFrom('a', 'b', 'c') }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('keep' as const),
        as: fc.constantFrom<CheckpointKind>('manual', 'auto', 'build'),
        named: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('forget' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('unname' as const), which: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('restore' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('base' as const), project: fc.constantFrom('p', 'q') }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1, day / 3, day, 20 * day) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('tick' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
  );

  it('is counted exactly, whatever is kept, named, forgotten, restored, merged and aged', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        vi.clearAllTimers();
        vi.setSystemTime(Date.UTC(2026, 0, 1));
        newWorld();
        const pick = (which: number): Checkpoint | undefined => list()[which % Math.max(1, list().length)];
        let rounds = 0;
        for (const action of steps) {
          if (action.kind === 'write') await write(action.path, action.text);
          else if (action.kind === 'remove') await remove(action.path).catch(() => undefined);
          else if (action.kind === 'keep') await keep(action.named ? 'name' : undefined, action.as);
          else if (action.kind === 'pass') vi.setSystemTime(Date.now() + action.ms);
          else if (action.kind === 'crash') world.crash();
          else if (action.kind === 'base') {
            const { entries, treeHash: hash } = await world.room.history.snapshot();
            rounds += 1;
            world.room.history.checkpoints.setBase(action.project, { treeHash: hash, entries }, rounds);
          } else if (action.kind === 'tick') {
            await world.room.tick();
            expect(counted()).toEqual(naive());
          } else {
            const checkpoint = pick(action.which);
            if (!checkpoint) continue;
            if (action.kind === 'forget') world.room.history.checkpoints.delete(checkpoint.id, ids.owner);
            else if (action.kind === 'unname')
              world.room.history.checkpoints.update(checkpoint.id, { name: null }, ids.owner);
            else {
              await restore(checkpoint.id);
              expect(treeHash()).toBe(checkpoint.treeHash);
            }
          }
          // Never less than what is named.
          const [has, needs] = [counted(), naive()];
          for (const tree of needs.trees) expect(has.trees).toContain(tree);
          for (const [hash, trees] of Object.entries(needs.blobs))
            expect(has.blobs[hash] ?? 0).toBeGreaterThanOrEqual(trees);
          const named = [...needs.trees, ...Object.keys(needs.blobs)];
          expect(world.room.held(named).sort()).toEqual(named.sort());
        }
        await world.room.tick();
        expect(counted()).toEqual(naive());
        for (const { id } of list()) world.room.history.checkpoints.delete(id, ids.owner);
        world.sql.run('DELETE FROM merge_bases');
        await world.room.tick();
        expect(counted().trees.length).toBeLessThanOrEqual(1);
        expect(counted()).toEqual(naive());
      }),
      { numRuns: 60 },
    );
  });
});

describe('[R16] A blob store that fails', () => {
  it('at any of its calls leaves no checkpoint behind, and counts nothing', async () => {
    for (let n = 0; n < 3; n += 1) await write(`f${n}`, `text ${n}`);
    const events = world.room.events(0);
    for (let nth = 1; nth <= 4; nth += 1) {
      let calls = 0;
      world.blobs.before = () => {
        calls += 1;
        if (calls === nth) throw new Error('R2 is away');
      };
      // What was stored by the tries before is not stored again.
      world.sql.run('UPDATE contents SET stored = 0');
      await expect(keep(), `call ${nth}`).rejects.toThrow('R2 is away');
      expect(list()).toEqual([]);
      expect(world.sql.all('SELECT * FROM kept_trees')).toEqual([]);
      expect(world.sql.all('SELECT * FROM kept_blobs')).toEqual([]);
      expect(world.room.events(0)).toEqual(events);
      expect(world.room.list().files).toHaveLength(3);
    }
    world.blobs.before = () => undefined;
    expect(filesOf(await keep())).toEqual({ f0: 'text 0', f1: 'text 1', f2: 'text 2' });
  });

  it('while a state is brought back leaves the tree as it is; the next try does it', async () => {
    await write('a', 'one');
    const client = await world.client(ids.editor, 'a');
    const { id } = await keep();
    await write('a', 'two');
    await write('b', 'b');
    world.sql.run('DELETE FROM contents WHERE hash = ?', sha256('one'));
    const tree = treeHash();
    for (const call of ['getTree', 'put', 'putTree', 'get'] as const) {
      world.blobs.before = (now) => {
        if (now === call) throw new Error('R2 is away');
      };
      world.sql.run('UPDATE contents SET stored = 0');
      await expect(restore(id), call).rejects.toThrow('R2 is away');
      expect(treeHash()).toBe(tree);
      expect(client.peer.closed).toBeNull();
    }
    world.blobs.before = () => undefined;
    await restore(id);
    expect(await world.contents()).toEqual({ a: 'one' });
  });

  it('that lost a manifest says so', async () => {
    await write('a', 'one');
    const { id } = await keep();
    world.blobs.trees.clear();
    expect(await codeOf(restore(id))).toBe('unavailable');
    expect(await codeOf(restore(ids.stranger))).toBe('not_found');
  });
});

describe('[R17] Blobs that a client uploads before it names them', () => {
  const blob = (text: string, size = text.length) => ({ hash: sha256(text), size, isText: false });
  const name = (text: string) =>
    codeOf(world.room.batch([{ op: 'put', path: text, content: { hash: sha256(text) } }], ids.owner));

  it('may be named for a day, and are held for it', async () => {
    world.room.uploaded(blob('x'));
    expect(await world.room.missing([sha256('x'), sha256('y')])).toEqual([sha256('y')]);
    vi.setSystemTime(Date.now() + limits.blob.lease - 1);
    expect(world.room.held([sha256('x')])).toEqual([sha256('x')]);
    expect(await name('x')).toBe('done');
    world.room.uploaded(blob('z'));
    vi.setSystemTime(Date.now() + limits.blob.lease);
    expect(world.room.held([sha256('z')])).toEqual([]);
    expect(await world.room.missing([sha256('z')])).toEqual([sha256('z')]);
    expect(await name('z')).toBe('validation_failed');
  });

  it('are asked for, which is a lease of its own: the answer holds though the file goes', async () => {
    await write('a', 'content');
    expect(await world.room.missing([sha256('content'), sha256('never')])).toEqual([sha256('never')]);
    await remove('a');
    await live(5 * minute);
    await world.room.tick();
    expect(world.sql.all('SELECT * FROM contents')).toEqual([]);
    expect(world.room.held([sha256('content')])).toEqual([sha256('content')]);
    expect(
      await codeOf(world.room.batch([{ op: 'create', path: 'b', content: { hash: sha256('content') } }], ids.owner)),
    ).toBe('done');
    expect(await world.text('b')).toBe('content');
  });

  it('last longer when they are asked for again', async () => {
    world.room.uploaded(blob('x'));
    vi.setSystemTime(Date.now() + limits.blob.lease - 1);
    expect(await world.room.missing([sha256('x')])).toEqual([]);
    vi.setSystemTime(Date.now() + limits.blob.lease - 1);
    expect(await world.room.missing([sha256('x')])).toEqual([]);
  });

  it('are of this project alone: what only its history has, has to be uploaded again', async () => {
    await write('a', 'content');
    await keep();
    await remove('a');
    await live(5 * minute);
    expect(await world.room.missing([sha256('content')])).toEqual([sha256('content')]);
    expect(await name('content')).toBe('validation_failed');
  });

  it('are so many, and so many bytes; named ones do not count', async () => {
    const half = limits.project.totalSize / 2;
    world.room.uploaded(blob('x', half));
    world.room.uploaded(blob('y', half));
    expect(await codeOf(() => world.room.uploaded(blob('z', 1)))).toBe('quota_exceeded');
    expect(await world.room.missing([sha256('z')])).toEqual([sha256('z')]);
    await name('x');
    expect(await codeOf(() => world.room.uploaded(blob('z', 1)))).toBe('done');
    vi.setSystemTime(Date.now() + limits.blob.lease);
    world.sql.transaction(() => {
      for (let n = 1; n < limits.blob.leasesMax; n += 1)
        world.sql.run(
          'INSERT INTO blob_leases (hash, size, is_text, expires) VALUES (?, 1, 0, ?)',
          sha256(`small ${n}`),
          Date.now() + limits.blob.lease,
        );
    });
    world.room.uploaded(blob('the last'));
    expect(await codeOf(() => world.room.uploaded(blob('one more')))).toBe('quota_exceeded');
    // Those that have run out make room.
    vi.setSystemTime(Date.now() + limits.blob.lease);
    expect(await codeOf(() => world.room.uploaded(blob('one more')))).toBe('done');
    expect(world.sql.all('SELECT hash FROM blob_leases')).toHaveLength(1);
  });

  it('are forgotten with the room, not with its life', async () => {
    world.room.uploaded(blob('x'));
    expect(await world.crash().missing([sha256('x')])).toEqual([]);
  });
});
