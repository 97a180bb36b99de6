import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Checkpoint, CheckpointKind } from '../../../src/contract/checkpoints.ts';
import { limits } from '../../../src/contract/limits.ts';
import { etag } from '../../../src/core/etag.ts';
import { hashTree, sha256 } from '../../../src/core/tree.ts';
import { replay } from '../../support/replay.ts';
import { codeOf, dyingEverywhere, ids, type MemoryBlobs, World } from '../support/room-world.ts';

const minute = 60_000;
const day = 24 * 60 * minute;

let world: World;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
  world = new World();
});
afterEach(() => {
  vi.useRealTimers();
});

const write = (path: string, text: string) => world.room.write(path, { text }, ids.owner);
const remove = (path: string) => world.room.delete(path, ids.owner);
const writeBytes = async (path: string, content: string) => {
  await world.blobs.put(sha256(content), new TextEncoder().encode(content));
  return await world.room.write(path, { hash: sha256(content), size: content.length }, ids.owner);
};
const keep = (name?: string, kind: CheckpointKind = 'manual'): Promise<Checkpoint> =>
  world.room.history.checkpoint({ kind, name, by: ids.owner });
const restore = (id: string) => world.room.history.restore(id, ids.editor);
const list = (): Checkpoint[] => world.room.history.checkpoints.list({ limit: 200 }).checkpoints;
const treeHash = (): string => world.room.tree().hash;

/** Files of a checkpoint, as the blob store has them. */
const filesOf = ({ treeHash: hash }: Checkpoint, blobs: MemoryBlobs = world.blobs): Record<string, string> =>
  Object.fromEntries(
    (blobs.trees.get(hash) ?? []).map((entry) => [entry.path, new TextDecoder().decode(blobs.blobs.get(entry.hash))]),
  );

/** Time passes as it does: the alarm rings whenever it is due. */
async function live(ms: number, step = 10_000): Promise<void> {
  for (let left = ms; left > 0; left -= step) await world.pass(Math.min(step, left));
}

/** Does something amid other work: before its n-th call of a kind to the blob store, once. */
function amid(call: 'put' | 'get' | 'putTree' | 'getTree', nth: number, work: () => unknown): () => number {
  let count = 0;
  world.blobs.before = async (now) => {
    if (now !== call) return;
    count += 1;
    if (count === nth) await work();
  };
  return () => count;
}

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
        world = new World();
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

describe('[R16] A checkpoint', () => {
  it('is the state of its moment, whole, with who, why and what', async () => {
    await write('a', 'one');
    const client = await world.client(ids.editor, 'a');
    client.type(3, ' typed');
    const made = await world.room.history.checkpoint({
      kind: 'manual',
      name: 'First',
      message: 'with a message',
      by: ids.owner,
    });
    expect(made).toEqual({
      id: expect.any(String),
      seq: 2,
      treeHash: treeHash(),
      name: 'First',
      message: 'with a message',
      kind: 'manual',
      author: ids.owner,
      fileCount: 1,
      totalSize: 9,
      assetCount: 0,
      assetSize: 0,
      createdAt: new Date().toISOString(),
    });
    expect(filesOf(made)).toEqual({ a: 'one typed' });
    expect(world.room.events(2).events).toMatchObject([
      {
        seq: 3,
        type: 'checkpoint.created',
        by: ids.owner,
        data: { id: made.id, kind: 'manual', name: 'First', treeHash: made.treeHash },
      },
    ]);
    expect(world.crash().history.checkpoints.get(made.id)).toEqual(made);
  });

  it('by hand is always a new one; on its own or for a build, an equal newest one will do', async () => {
    await write('a', '1');
    const first = await keep();
    const second = await keep();
    expect(second.id).not.toBe(first.id);
    expect(await keep(undefined, 'auto')).toEqual(second);
    expect(await keep(undefined, 'build')).toEqual(second);
    await write('a', '2');
    const third = await keep(undefined, 'build');
    await write('a', '1');
    // Not the newest one: what came between is part of the story.
    const fourth = await keep(undefined, 'auto');
    expect(list().map(({ id }) => id)).toEqual([fourth.id, third.id, second.id, first.id]);
    expect(list().map(({ kind }) => kind)).toEqual(['auto', 'build', 'manual', 'manual']);
  });

  it('of the same state made twice at once, on its own, is one', async () => {
    await write('a', '1');
    const made = await Promise.all([keep(undefined, 'auto'), keep(undefined, 'build'), keep(undefined, 'auto')]);
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    expect(list()).toHaveLength(1);
  });

  it('holds the state of its start, whatever is written while it is stored', async () => {
    for (let n = 0; n < 20; n += 1) await write(`f${n}`, `text ${n}`);
    amid('put', 3, async () => {
      for (let n = 0; n < 20; n += 1) await write(`f${n}`, `other ${n}`);
      await remove('f7');
      vi.setSystemTime(Date.now() + 10 * limits.room.blobIdle);
      await world.room.tick();
    });
    const made = await keep();
    expect(filesOf(made)).toEqual(Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`f${n}`, `text ${n}`])));
    expect(made.seq).toBe(20);
  });

  it('is named, renamed, and takes its name away; who does it is told', async () => {
    await write('a', '1');
    const { id } = await keep();
    const { checkpoints } = world.room.history;
    expect(checkpoints.update(id, { name: 'Best' }, ids.editor)).toMatchObject({ name: 'Best', message: null });
    expect(checkpoints.update(id, { message: 'why' }, ids.editor)).toMatchObject({ name: 'Best', message: 'why' });
    expect(checkpoints.update(id, {}, ids.editor)).toMatchObject({ name: 'Best', message: 'why' });
    expect(checkpoints.update(id, { name: null, message: null }, ids.editor)).toMatchObject({
      name: null,
      message: null,
    });
    expect(await codeOf(() => checkpoints.update(ids.stranger, { name: 'x' }, ids.editor))).toBe('not_found');
    checkpoints.delete(id, ids.editor);
    expect(await codeOf(() => checkpoints.get(id))).toBe('not_found');
    expect(await codeOf(() => checkpoints.delete(id, ids.editor))).toBe('not_found');
    expect(
      world.room
        .events(2)
        .events.map(({ type, by, data }) => [type, by, data.name])
        .slice(0, 5),
    ).toEqual([
      ['checkpoint.updated', ids.editor, 'Best'],
      ['checkpoint.updated', ids.editor, 'Best'],
      ['checkpoint.updated', ids.editor, 'Best'],
      ['checkpoint.updated', ids.editor, null],
      ['checkpoint.deleted', ids.editor, undefined],
    ]);
  });

  it('with a name is one of so many; another one is refused, and changes nothing', async () => {
    await write('a', '1');
    const plain = await keep();
    world.sql.transaction(() => {
      for (let n = 0; n < limits.checkpoint.namedMax; n += 1)
        world.sql.run(
          "INSERT INTO checkpoints (id, seq, tree_hash, kind, name, at, file_count, total_size, newest) VALUES (?, 1, ?, 'manual', ?, 0, 1, 1, 1)",
          `0192f0c1-0000-7000-8000-${String(n).padStart(12, '0')}`,
          plain.treeHash,
          `n${n}`,
        );
    });
    const events = world.room.events(0);
    expect(await codeOf(keep('one too many'))).toBe('quota_exceeded');
    expect(await codeOf(() => world.room.history.checkpoints.update(plain.id, { name: 'x' }, ids.owner))).toBe(
      'quota_exceeded',
    );
    expect(world.room.events(0)).toEqual(events);
    expect(await codeOf(keep())).toBe('done');
    const [named] = world.room.history.checkpoints
      .list({ limit: 200, kind: 'manual' })
      .checkpoints.filter(({ name }) => name !== null);
    expect(world.room.history.checkpoints.update(named?.id ?? '', { name: 'renamed' }, ids.owner).name).toBe('renamed');
  });

  it('is listed newest first, page by page, each once, by kind', async () => {
    const made: Checkpoint[] = [];
    for (let n = 0; n < 7; n += 1) {
      await write('a', String(n));
      made.unshift(await keep(undefined, n % 3 === 0 ? 'build' : 'manual'));
    }
    const pages = (kind?: CheckpointKind): Checkpoint[][] => {
      const found: Checkpoint[][] = [];
      let cursor: string | undefined;
      do {
        const page = world.room.history.checkpoints.list({ limit: 2, cursor, kind });
        found.push(page.checkpoints);
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
      return found;
    };
    expect(pages().flat()).toEqual(made);
    expect(pages().map(({ length }) => length)).toEqual([2, 2, 2, 1]);
    expect(pages('build').flat()).toEqual(made.filter(({ kind }) => kind === 'build'));
    expect(pages('restore')).toEqual([[]]);
    // One made between two pages does not move the second.
    const first = world.room.history.checkpoints.list({ limit: 2 });
    await keep();
    const second = world.room.history.checkpoints.list({ limit: 2, cursor: first.nextCursor ?? '' });
    expect([...first.checkpoints, ...second.checkpoints]).toEqual(made.slice(0, 4));
    expect(await codeOf(() => world.room.history.checkpoints.list({ limit: 2, cursor: 'x' }))).toBe(
      'validation_failed',
    );
  });
});

describe('[R16] Work is kept on its own', () => {
  it('so long after the first change since the newest checkpoint, and not again without a change', async () => {
    world.room.adopt([world.blobs.seed('a', '1')], ids.owner);
    await live(30 * minute, minute);
    expect(list()).toEqual([]);
    const changedAt = Date.now();
    await write('a', '2');
    await live(5 * minute);
    await write('a', '3');
    await live(4 * minute);
    expect(list()).toEqual([]);
    await live(2 * minute);
    expect(list()).toMatchObject([{ kind: 'auto', author: null, name: null, seq: 3 }]);
    expect(Date.parse(list()[0]?.createdAt ?? '')).toBe(changedAt + limits.checkpoint.automaticAfter);
    await live(2 * 60 * minute, minute);
    expect(list()).toHaveLength(1);
    await write('a', '4');
    await live(limits.checkpoint.automaticAfter + minute);
    expect(list().map((one) => filesOf(one))).toEqual([{ a: '4' }, { a: '3' }]);
  });

  it('also when it was typed, by somebody who stays, over sleeps and crashes', async () => {
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    await keep();
    for (let n = 0; n < 10; n += 1) {
      client.type(0, 'x');
      await world.settle();
      await live(minute);
      world.hibernate([client.peer]);
    }
    world.crash();
    await world.room.tick();
    await live(2 * minute);
    expect(list().map(({ kind }) => kind)).toEqual(['auto', 'manual']);
    expect(filesOf(list()[0] as Checkpoint)).toEqual({ a: 'x'.repeat(10) });
  });

  it('also what was changed while another checkpoint was being stored', async () => {
    await write('a', '1');
    amid('putTree', 1, () => write('a', '2'));
    const first = await keep();
    expect(filesOf(first)).toEqual({ a: '1' });
    await live(limits.checkpoint.automaticAfter + minute);
    expect(list().map((one) => filesOf(one))).toEqual([{ a: '2' }, { a: '1' }]);
  });

  it('not for what changes no file: names, members, builds', async () => {
    await write('a', '1');
    const { id } = await keep();
    world.room.history.checkpoints.update(id, { name: 'x' }, ids.owner);
    world.room.record('member.added', ids.owner, {});
    world.room.record('build.success', null, {});
    await live(60 * minute, minute);
    expect(list()).toHaveLength(1);
  });

  it('makes none where the newest has the same state, and asks no more', async () => {
    await write('a', '1');
    await keep();
    await write('a', '2');
    await write('a', '1');
    await live(60 * minute, minute);
    expect(list()).toHaveLength(1);
    world.scheduled = [];
    await world.room.tick();
    expect(world.scheduled).toEqual([]);
  });

  it('is tried again while the blob store is away, and holds up nothing else', async () => {
    await write('a', '1');
    world.blobs.before = (call) => {
      if (call === 'putTree') throw new Error('R2 is away');
    };
    const tick = async (): Promise<void> => await world.alarm().catch(() => undefined);
    for (let n = 0; n < 15; n += 1) {
      await vi.advanceTimersByTimeAsync(minute);
      await tick();
    }
    expect(list()).toEqual([]);
    expect(world.indexed).toHaveLength(1);
    // It asked for another time before it tried, so that it comes back even if nobody asks.
    expect(world.scheduled.some((at) => at <= Date.now() + limits.checkpoint.retryDelay)).toBe(true);
    world.blobs.before = () => undefined;
    await live(2 * minute);
    expect(list()).toHaveLength(1);
  });
});

describe('[R16] What ages', () => {
  it('all of a day stay, then the newest of each day of a month, and named ones for ever', async () => {
    vi.setSystemTime(Date.UTC(2026, 0, 1, 0, 30));
    const made: Checkpoint[] = [];
    // Eight a day, every third hour.
    for (let n = 0; n < 8 * 40; n += 1) {
      await write('a', String(n));
      made.push(await keep(n === 5 ? 'named' : undefined));
      vi.setSystemTime(Date.now() + 3 * 60 * minute);
    }
    world.room.history.checkpoints.prune();
    const now = Date.now();
    const left = list().map(({ createdAt, name }) => [now - Date.parse(createdAt), name] as const);
    const recent = left.filter(([age]) => age < day);
    expect(recent).toHaveLength(7);
    const daily = left.filter(([age, name]) => age >= day && name === null);
    // The last of each day of the month before: 21:30, and none twice.
    expect(daily.map(([age]) => Math.round(age / minute))).toEqual(
      Array.from({ length: 29 }, (_, n) => (n + 1) * 24 * 60 + 180),
    );
    expect(left.filter(([, name]) => name !== null)).toHaveLength(1);
    expect(left.at(-1)?.[1]).toBe('named');
    expect(world.room.history.checkpoints.prune()).toBe(0);
    expect(made).toHaveLength(320);
  });

  it('one whose name was taken away ages with the others; the newest of all stays however old', async () => {
    await write('a', '1');
    const first = await keep('named');
    await write('a', '2');
    const last = await keep();
    vi.setSystemTime(Date.now() + 400 * day);
    await world.room.tick();
    expect(list().map(({ id }) => id)).toEqual([last.id, first.id]);
    world.room.history.checkpoints.update(first.id, { name: null }, ids.owner);
    await world.room.tick();
    expect(list().map(({ id }) => id)).toEqual([last.id]);
  });

  it('goes at its time, though nobody comes; then the room sleeps for good', async () => {
    for (let n = 0; n < 6; n += 1) {
      await write('a', String(n));
      await keep();
      await live(day / 4, 60 * minute);
    }
    await live(10 * day, 60 * minute);
    // The last of each of the two days.
    expect(list().map((one) => filesOf(one).a)).toEqual(['5', '3']);
    await live(30 * day, 60 * minute);
    expect(list().map((one) => filesOf(one).a)).toEqual(['5']);
    expect(world.sql.all('SELECT hash FROM kept_blobs')).toEqual([{ hash: sha256('5') }]);
    expect(world.scheduled).toEqual([]);
  });

  it('is let go of by and by, however much at once, without anybody coming', async () => {
    const count = 3 * limits.checkpoint.forgetBatch;
    for (let n = 0; n < count; n += 1) {
      await write('a', `text ${n}`);
      await keep();
    }
    for (const { id } of list().slice(1)) world.room.history.checkpoints.delete(id, ids.owner);
    await live(10 * minute);
    expect(world.sql.all('SELECT hash FROM kept_trees')).toHaveLength(1);
    expect(world.sql.all('SELECT hash, trees FROM kept_blobs')).toEqual([
      { hash: sha256(`text ${count - 1}`), trees: 1 },
    ]);
  });

  it('does not stay for ever because of one manifest that cannot be read', async () => {
    const made: Checkpoint[] = [];
    for (const text of ['1', '2', '3']) {
      await write('a', text);
      made.push(await keep());
    }
    const [first, second] = made;
    if (!first || !second) throw new Error('three');
    for (const { id } of [first, second]) world.room.history.checkpoints.delete(id, ids.owner);
    const lost = [first, second].sort((a, b) => (a.treeHash < b.treeHash ? -1 : 1))[0] as Checkpoint;
    const manifest = world.blobs.trees.get(lost.treeHash);
    world.blobs.trees.delete(lost.treeHash);
    await world.room.tick();
    expect(world.logged).toContain('room.forget_failed');
    expect(world.sql.all('SELECT hash FROM kept_trees')).toHaveLength(2);
    // Back again, as after a restore of the bucket: nothing was miscounted.
    world.blobs.trees.set(lost.treeHash, manifest ?? []);
    await world.room.tick();
    expect(world.sql.all('SELECT hash, trees FROM kept_blobs')).toEqual([{ hash: sha256('3'), trees: 1 }]);
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
        world = new World();
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
        world = new World();
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
