import { describe, expect, it, vi } from 'vitest';
import type { Checkpoint, CheckpointKind } from '../../../src/contract/checkpoints.ts';
import { limits } from '../../../src/contract/limits.ts';
import { sha256 } from '../../../src/core/tree.ts';
import { codeOf } from '../support/code-of.ts';
import { amid, day, filesOf, keep, list, live, minute, remove, treeHash } from '../support/history-setup.ts';
import { world, worldPerTest, write } from '../support/room-setup.ts';
import { ids } from '../support/room-world.ts';

worldPerTest();

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
