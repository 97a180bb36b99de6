import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import type { MergeAnswer } from '../../../src/contract/merge.ts';
import { hashTree, sha256 } from '../../../src/core/tree.ts';
import type { MergeOrder } from '../../../src/durable-objects/room/history.ts';
import { replay } from '../../support/replay.ts';
import { codeOf } from '../support/code-of.ts';
import { stillTime } from '../support/room-setup.ts';
import { dyingEverywhere, ids, type TestClient, World } from '../support/room-world.ts';

/** Two projects: one left from the other. */
let home: World;
let fork: World;
const idOf = (world: World): string => (world === fork ? ids.editor : ids.viewer);

stillTime();

const write = (world: World, path: string, text: string) => world.room.write(path, { text }, ids.owner);
const remove = (world: World, path: string) => world.room.delete(path, ids.owner);
const move = (world: World, from: string, to: string) => world.room.batch([{ op: 'move', from, to }], ids.owner);
const list = (world: World) => world.room.history.checkpoints.list({ limit: 200 }).checkpoints;
const baseOf = (world: World) => world.room.history.checkpoints.base(idOf(world === fork ? home : fork));
const filesOf = (world: World, treeHash: string): Record<string, string> =>
  Object.fromEntries(
    (world.blobs.trees.get(treeHash) ?? []).map(({ path, hash }) => [
      path,
      new TextDecoder().decode(world.blobs.blobs.get(hash)),
    ]),
  );

/** A project with these files, and its fork. */
async function family(files: Record<string, string>): Promise<void> {
  home = new World();
  for (const [path, text] of Object.entries(files)) await write(home, path, text);
  const { treeHash } = await home.room.history.checkpoint({ kind: 'auto', by: ids.owner });
  fork = new World(home.blobs);
  const entries = home.blobs.trees.get(treeHash) ?? [];
  fork.room.adopt(entries, ids.owner, [], { projectId: idOf(home), treeHash });
}

async function merge(into: World, from: World, order: Partial<MergeOrder> = {}): Promise<MergeAnswer> {
  const treeHash = order.treeHash ?? (await from.room.history.snapshot()).treeHash;
  return await into.room.history.merge({
    from: idOf(from),
    fromName: 'The other',
    treeHash,
    base: from.room.history.checkpoints.base(idOf(into)),
    preview: false,
    resolutions: [],
    takeAll: undefined,
    message: undefined,
    by: ids.owner,
    ...order,
  });
}

const start = { same: 'same', ours: 'ours', theirs: 'theirs', gone: 'gone', name: 'renamed', 'dir/x': 'x' };

/** Both sides have done something of every kind, and nothing twice. */
async function diverged(): Promise<void> {
  await family(start);
  await write(home, 'ours', 'ours, changed at home');
  await write(home, 'new at home', 'n');
  await write(fork, 'theirs', 'theirs, changed in the fork');
  await write(fork, 'new in the fork', 'n f');
  await remove(fork, 'gone');
  await move(fork, 'name', 'other name');
  await move(fork, 'dir', 'DIR');
}
const merged = {
  same: 'same',
  ours: 'ours, changed at home',
  theirs: 'theirs, changed in the fork',
  'other name': 'renamed',
  'DIR/x': 'x',
  'new at home': 'n',
  'new in the fork': 'n f',
};

describe('[R18] A fork that comes home', () => {
  it('brings what it did, and leaves what was done at home; both states are checkpoints', async () => {
    await diverged();
    const before = home.room.tree().hash;
    const answer = await merge(home, fork, { message: 'The second level' });
    expect(await home.contents()).toEqual(merged);
    expect(answer).toMatchObject({ applied: true, conflicts: [] });
    expect(answer.changes).toEqual([
      { op: 'delete', path: 'gone' },
      { op: 'move', path: 'DIR/x', from: 'dir/x' },
      { op: 'move', path: 'other name', from: 'name' },
      { op: 'put', path: 'new in the fork' },
      { op: 'put', path: 'theirs' },
    ]);
    expect(answer.checkpoint).toMatchObject({
      kind: 'auto',
      message: 'The second level',
      treeHash: home.room.tree().hash,
    });
    expect(list(home).map(({ message, treeHash }) => [message, treeHash])).toEqual([
      ['The second level', home.room.tree().hash],
      ['Before merging from "The other"', before],
      [null, expect.any(String)],
    ]);
    const { events } = home.room.events(0);
    expect(events.find(({ type }) => type === 'project.merged')).toMatchObject({
      by: ids.owner,
      data: { from: idOf(fork), changes: 5 },
    });
    expect(Object.keys(Object.fromEntries(replay(events))).sort()).toEqual(Object.keys(merged).sort());
    // The fork itself is as it was.
    expect((await fork.contents())['new at home']).toBeUndefined();
    expect(home.crash().tree().hash).toBe(answer.checkpoint?.treeHash);
  });

  it('again has nothing to bring; new work only', async () => {
    await diverged();
    await merge(home, fork);
    const tree = home.room.tree().hash;
    expect(await merge(home, fork)).toMatchObject({ applied: true, changes: [], conflicts: [] });
    expect(home.room.tree().hash).toBe(tree);
    // What home changed since does not come back, though the fork has the older state of it.
    await write(home, 'theirs', 'changed again at home');
    await write(fork, 'same', 'changed later');
    const answer = await merge(home, fork);
    expect(answer.changes).toEqual([{ op: 'put', path: 'same' }]);
    expect(await home.contents()).toEqual({ ...merged, same: 'changed later', theirs: 'changed again at home' });
  });

  it('and follows its origin, back and forth: each merge is the base of the next, whichever way', async () => {
    await diverged();
    expect([baseOf(home), baseOf(fork)]).toEqual([null, { treeHash: expect.any(String), round: 0 }]);
    await merge(fork, home);
    expect(await fork.contents()).toEqual(merged);
    expect(baseOf(fork)?.round).toBe(1);
    // Home never changed what the fork did, so all of it comes without a question.
    const answer = await merge(home, fork);
    expect(answer).toMatchObject({ applied: true, conflicts: [] });
    expect(home.room.tree().hash).toBe(fork.room.tree().hash);
    expect([baseOf(home)?.round, baseOf(fork)?.round]).toEqual([2, 1]);
    await remove(home, 'same');
    await write(fork, 'ours', 'by the fork now');
    await merge(fork, home);
    await merge(home, fork);
    expect(home.room.tree().hash).toBe(fork.room.tree().hash);
    const { same, ...left } = merged;
    expect(await home.contents()).toEqual({ ...left, ours: 'by the fork now' });
  });

  it('with the same change on both sides has nothing to ask', async () => {
    await family(start);
    for (const world of [home, fork]) {
      await write(world, 'same', 'changed alike');
      await remove(world, 'gone');
      await move(world, 'name', 'renamed alike');
    }
    expect(await merge(home, fork)).toMatchObject({ applied: true, changes: [], conflicts: [] });
  });

  it('into a project that it has nothing to do with is refused', async () => {
    await family(start);
    home.sql.run('DELETE FROM merge_bases');
    const stranger = new World(home.blobs);
    await write(stranger, 'a', '1');
    expect(await codeOf(merge(home, stranger, { from: ids.stranger }))).toBe('conflict');
    expect(list(home)).toHaveLength(1);
  });

  it('keeps no more than it needs: the base of the last merge, and the checkpoints', async () => {
    await diverged();
    await merge(home, fork);
    await write(fork, 'theirs', 'newer');
    await merge(home, fork);
    for (const world of [home, fork])
      for (const { id } of list(world)) world.room.history.checkpoints.delete(id, ids.owner);
    await home.room.tick();
    await fork.room.tick();
    const bases = home.sql.all<{ hash: string }>('SELECT hash FROM kept_trees').map(({ hash }) => hash);
    expect(bases).toEqual([fork.room.tree().hash]);
    expect(home.sql.all('SELECT hash FROM kept_blobs ORDER BY hash')).toEqual(
      [...new Set(fork.room.list().files.map(({ hash }) => hash))].sort().map((hash) => ({ hash })),
    );
    expect(fork.sql.all('SELECT hash FROM kept_trees')).toHaveLength(1);
  });
});

describe('[R18] Conflicts', () => {
  async function contested(): Promise<void> {
    await family({ text: 'one\ntwo\nthree\n', gone: 'g', json: '{"a":1,"b":1}', fine: 'f' });
    await write(home, 'text', 'one\nTWO at home\nthree\n');
    await write(fork, 'text', 'one\ntwo in the fork\nthree\n');
    await remove(home, 'gone');
    await write(fork, 'gone', 'changed');
    await write(home, 'json', '{"a":2,"b":1}');
    await write(fork, 'json', '{"a":1,"b":2}');
    await write(fork, 'fine', 'fine in the fork');
  }

  it('change nothing, and say what each side has', async () => {
    await contested();
    await home.room.history.snapshot();
    const before = { disk: home.dump(), events: home.room.events(0) };
    const answer = await merge(home, fork);
    expect({ disk: home.dump(), events: home.room.events(0) }).toEqual(before);
    expect(answer).toMatchObject({ applied: false, checkpoint: null });
    expect(answer.conflicts.map(({ path, kind }) => [path, kind])).toEqual([
      ['gone', 'delete-modify'],
      ['text', 'text'],
    ]);
    const side = (content: string) => ({
      path: 'text',
      hash: sha256(content),
      size: content.length,
      isText: true,
      content,
    });
    // These sides and no word more: the room knows other things of a file, which are not for every reader.
    expect(answer.conflicts[1]).toEqual({
      path: 'text',
      kind: 'text',
      base: side('one\ntwo\nthree\n'),
      ours: side('one\nTWO at home\nthree\n'),
      theirs: side('one\ntwo in the fork\nthree\n'),
      merged: expect.stringContaining('<<<<<<<'),
    });
    // What would be done beside them is shown, too; for a preview as well.
    expect(answer.changes.map(({ path }) => path).sort()).toEqual(['fine', 'json']);
    expect(await merge(home, fork, { preview: true })).toEqual(answer);
    expect({ disk: home.dump(), events: home.room.events(0) }).toEqual(before);
  });

  it('are decided one by one, or all alike', async () => {
    await contested();
    const answer = await merge(home, fork, {
      resolutions: [{ path: 'text', take: { content: 'one\nboth\nthree\n' } }],
      takeAll: 'theirs',
    });
    expect(answer).toMatchObject({ applied: true, conflicts: [] });
    expect(await home.contents()).toEqual({
      text: 'one\nboth\nthree\n',
      gone: 'changed',
      json: '{"a":2,"b":2}',
      fine: 'fine in the fork',
    });
    // Decided is decided: the other way round there is nothing left to ask.
    expect(await merge(fork, home)).toMatchObject({ applied: true, conflicts: [] });
    expect(fork.room.tree().hash).toBe(home.room.tree().hash);
  });

  it('that nobody has are refused, and nothing is changed', async () => {
    await contested();
    const tree = home.room.tree();
    expect(await codeOf(merge(home, fork, { takeAll: 'ours', resolutions: [{ path: 'fine', take: 'ours' }] }))).toBe(
      'validation_failed',
    );
    expect(home.room.tree()).toEqual(tree);
    expect(baseOf(home)).toBeNull();
  });
});

describe('[R18] A preview', () => {
  it('changes nothing, and is a checkpoint of what the merge will make', async () => {
    await diverged();
    const { hash, tree } = home.room.tree();
    const { checkpoint, applied, changes } = await merge(home, fork, { preview: true });
    expect([applied, changes.length]).toEqual([false, 5]);
    expect(home.room.tree()).toMatchObject({ hash, tree });
    expect(baseOf(home)).toBeNull();
    expect(filesOf(home, checkpoint?.treeHash ?? '')).toEqual(merged);
    expect(hashTree(home.blobs.trees.get(checkpoint?.treeHash ?? '') ?? [])).toBe(checkpoint?.treeHash);
    expect(home.room.held([checkpoint?.treeHash ?? '', sha256('n f')])).toHaveLength(2);
    const answer = await merge(home, fork);
    expect(answer.checkpoint?.treeHash).toBe(checkpoint?.treeHash);
  });

  it('has texts that were merged and stand nowhere yet', async () => {
    await family({ text: '1\n2\n3\n4\n5\n' });
    await write(home, 'text', 'one\n2\n3\n4\n5\n');
    await write(fork, 'text', '1\n2\n3\n4\nfive\n');
    const { checkpoint } = await merge(home, fork, { preview: true });
    expect(filesOf(home, checkpoint?.treeHash ?? '')).toEqual({ text: 'one\n2\n3\n4\nfive\n' });
    expect(await home.contents()).toEqual({ text: 'one\n2\n3\n4\n5\n' });
  });

  it('is no excuse for not keeping what was done: work is kept on its own all the same', async () => {
    await diverged();
    const { hash } = home.room.tree();
    await merge(home, fork, { preview: true });
    for (let n = 0; n < 12; n += 1) await home.pass(60_000);
    expect(list(home).map(({ treeHash }) => treeHash)).toContain(hash);
  });

  it('can be restored like any other', async () => {
    await diverged();
    const { checkpoint } = await merge(home, fork, { preview: true });
    await home.room.history.restore(checkpoint?.id ?? '', ids.owner);
    expect(await home.contents()).toEqual(merged);
  });
});

describe('[R8] A merge and open documents', () => {
  it('lands as a minimal change: cursors, sockets and what is typed meanwhile stay', async () => {
    await family({ a: '1\n2\n3\n4\n5\n6\n7\n', b: 'b' });
    const client = await home.client(ids.owner, 'a');
    client.type(0, 'zero\n');
    await write(fork, 'a', '1\n2\n3\n4\n5\n6\nseven\n');
    const { treeHash } = await fork.room.history.snapshot();
    let calls = 0;
    home.blobs.before = (call) => {
      if (call === 'putTree' && ++calls === 1) client.type(client.text.length, 'eight\n');
    };
    const answer = await merge(home, fork, { treeHash });
    await home.settle();
    expect(answer).toMatchObject({ applied: true, conflicts: [] });
    expect(client.content).toBe('zero\n1\n2\n3\n4\n5\n6\nseven\neight\n');
    expect(await home.text('a')).toBe(client.content);
    expect(client.peer.closed).toBeNull();
  });

  it('moves a file under those who type in it, and ends what the other side deleted, kept as a checkpoint', async () => {
    await family({ a: 'a', gone: 'gone' });
    const [mover, deleted] = [await home.client(ids.owner, 'a'), await home.client(ids.editor, 'gone')];
    await move(fork, 'a', 'lib/a');
    await remove(fork, 'gone');
    await merge(home, fork);
    expect([mover.peer.closed, deleted.peer.closed]).toEqual([null, 'not_found']);
    mover.type(1, ' typed');
    await home.settle();
    expect(await home.contents()).toEqual({ 'lib/a': 'a typed' });
    // Typed into since the fork left, a file is not deleted without a question.
    await family({ a: 'a', gone: 'gone' });
    (await home.client(ids.editor, 'gone')).type(0, 'typed ');
    await home.settle();
    await remove(fork, 'gone');
    expect((await merge(home, fork)).conflicts).toMatchObject([{ path: 'gone', kind: 'delete-modify' }]);
  });

  it('is planned anew when others overtook it: a file that was to go is not deleted with what was typed since', async () => {
    await family({ gone: 'gone', a: 'a' });
    const client = await home.client(ids.editor, 'gone');
    await remove(fork, 'gone');
    const { treeHash } = await fork.room.history.snapshot();
    let calls = 0;
    home.blobs.before = (call) => {
      if (call === 'putTree' && ++calls === 1) client.type(0, 'precious ');
    };
    const answer = await merge(home, fork, { treeHash });
    expect(answer.applied).toBe(false);
    expect(answer.conflicts).toMatchObject([{ path: 'gone', ours: { content: 'precious gone' } }]);
    expect(client.peer.closed).toBeNull();
  });

  it('does not move a directory that came to stand where a file was', async () => {
    await family({ a: 'a' });
    await move(fork, 'a', 'b');
    const { treeHash } = await fork.room.history.snapshot();
    let calls = 0;
    home.blobs.before = async (call) => {
      if (call === 'putTree' && ++calls === 1)
        await home.room.batch(
          [
            { op: 'delete', path: 'a' },
            { op: 'create', path: 'a/x', content: { text: 'x' } },
          ],
          ids.owner,
        );
    };
    const answer = await merge(home, fork, { treeHash });
    expect(answer.applied).toBe(false);
    expect(await home.contents()).toEqual({ 'a/x': 'x' });
  });

  it('gives up with `conflict` when it is overtaken every time', async () => {
    await family({ a: '0' });
    await write(fork, 'a', 'fork');
    const { treeHash } = await fork.room.history.snapshot();
    let writes = 0;
    home.blobs.before = async (call) => {
      if (call === 'putTree')
        await write(home, `n${++writes}`, 'n').then(() => write(home, 'a', 'x').then(() => write(home, 'a', '0')));
    };
    // What overtakes it has nothing to do with it: it lands at once.
    expect(await merge(home, fork, { treeHash })).toMatchObject({ applied: true });
    home.blobs.before = () => undefined;
    await write(fork, 'a', 'fork again');
    const next = await fork.room.history.snapshot();
    home.blobs.before = async (call) => {
      if (call === 'putTree') await write(home, 'a', `${++writes}\nfork`);
    };
    const outcome = await merge(home, fork, { treeHash: next.treeHash, takeAll: 'theirs' }).then(
      ({ applied }) => applied,
      (error: { code: string }) => error.code,
    );
    expect(outcome).toBe('conflict');
    expect(baseOf(home)?.round).toBe(1);
  });
});

describe('[R18] A merge that is interrupted', () => {
  it('fault: by the death of the process at any await: tree and base go together; done again, all is well', async () => {
    let start = '';
    const steps = await dyingEverywhere(
      async () => {
        await diverged();
        const client = await home.client(ids.owner, 'theirs');
        client.type(0, '');
        home.sql.run('DELETE FROM contents WHERE hash = ?', sha256('theirs'));
        start = home.room.tree().hash;
        return home;
      },
      () => merge(home, fork),
      async () => {
        // Both lived in the process that died.
        fork.crash();
        const { hash } = home.room.tree();
        const isLanded = hash !== start;
        if (isLanded) expect(await home.contents()).toEqual(merged);
        expect(baseOf(home)?.round).toBe(isLanded ? 1 : undefined);
        for (const { treeHash } of list(home)) expect(hashTree(home.blobs.trees.get(treeHash) ?? [])).toBe(treeHash);
        const answer = await merge(home, fork);
        expect(answer).toMatchObject({ applied: true, conflicts: [] });
        expect(await home.contents()).toEqual(merged);
        expect(answer.checkpoint?.treeHash).toBe(home.room.tree().hash);
      },
    );
    expect(steps).toBeGreaterThan(5);
  });

  it('fault: by storage that fails at any statement: nothing is half-merged', async () => {
    await diverged();
    const client = await home.client(ids.owner, 'theirs');
    const contents = await home.contents();
    const { treeHash } = await fork.room.history.snapshot();
    const base = baseOf(fork);
    let failures = 0;
    for (let nth = 1; ; nth += 1) {
      let count = 0;
      home.sql.failure = () => (++count === nth ? new Error('disk I/O error') : undefined);
      const outcome = await merge(home, fork, { treeHash, base }).then(
        () => 'done',
        (error: unknown) => String(error),
      );
      home.sql.failure = null;
      if (outcome === 'done') break;
      failures += 1;
      expect(outcome).toBe('Error: disk I/O error');
      const now = await home.contents();
      // The checkpoint at the end may fail alone: then the merge is there, with its base.
      if (baseOf(home) === null) expect(now, `statement ${nth}`).toEqual(contents);
      else expect(now, `statement ${nth}`).toEqual(merged);
      expect(client.peer.closed).toBeNull();
    }
    expect(failures).toBeGreaterThan(30);
    await home.settle();
    expect(client.content).toBe(merged.theirs);
    expect(await home.contents()).toEqual(merged);
  });

  it('by a tree that cannot be read any more says so', async () => {
    await diverged();
    const { treeHash } = await fork.room.history.snapshot();
    home.blobs.trees.delete(baseOf(fork)?.treeHash ?? '');
    expect(await codeOf(merge(home, fork, { treeHash }))).toBe('unavailable');
  });
});

describe('[R18] Two projects', () => {
  const side = fc.constantFrom<'home' | 'fork'>('home', 'fork');
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        side,
        name: fc.constantFrom('a', 'b', 'c'),
        text: fc.string({ unit: fc.constantFrom('x', 'y', '\n'), minLength: 1, maxLength: 5 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('remove' as const), side, name: fc.constantFrom('a', 'b', 'c') }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('open' as const), side, which: fc.nat() }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('type' as const), side, who: fc.nat() }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('merge' as const), side, preview: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), side }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('sleep' as const), side }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('pass' as const), side, ms: fc.constantFrom(1000, 700_000) }),
    },
  );

  it('that each change files of their own have, after any merges in any direction, what was last merged of the other', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 25 }), async (steps) => {
        vi.clearAllTimers();
        await family({ 'home/a': 'home', 'fork/a': 'fork', both: 'both' });
        const worlds = { home, fork };
        /** Each side changes what is below its own name. */
        const model = {
          home: new Map(Object.entries(await home.contents())),
          fork: new Map(Object.entries(await home.contents())),
        };
        const clientsAt = (world: World, path: string): TestClient[] =>
          world.clients.filter((client) => client.path === path);
        const dropClosed = async (world: World): Promise<void> => {
          for (const client of world.clients.filter(({ peer }) => peer.closed !== null)) {
            client.drop();
            await world.leave(client.peer);
            world.clients.splice(world.clients.indexOf(client), 1);
          }
        };
        for (const action of steps) {
          const world = worlds[action.side];
          const files = model[action.side];
          if (action.kind === 'write') {
            await world.settle();
            await write(world, `${action.side}/${action.name}`, action.text);
            files.set(`${action.side}/${action.name}`, action.text);
          } else if (action.kind === 'remove') {
            if (files.delete(`${action.side}/${action.name}`)) await remove(world, `${action.side}/${action.name}`);
          } else if (action.kind === 'open') {
            const path = [...files.keys()][action.which % files.size] ?? '';
            if (clientsAt(world, path).length === 0) await world.client(ids.owner, path);
          } else if (action.kind === 'type') {
            const own = world.clients.filter(({ path }) => path.startsWith(`${action.side}/`));
            const client = own[action.who % Math.max(1, own.length)];
            if (!client) continue;
            await world.settle();
            client.type(0, 'typed\n');
            files.set(client.path, client.content);
            await vi.advanceTimersByTimeAsync(0);
          } else if (action.kind === 'merge') {
            const otherSide = action.side === 'home' ? 'fork' : 'home';
            const answer = await merge(world, worlds[otherSide], { preview: action.preview });
            expect([answer.applied, answer.conflicts]).toEqual([!action.preview, []]);
            const wanted = new Map([...files].filter(([path]) => !path.startsWith(`${otherSide}/`)));
            for (const [path, text] of model[otherSide]) if (path.startsWith(`${otherSide}/`)) wanted.set(path, text);
            if (action.preview)
              expect(filesOf(world, answer.checkpoint?.treeHash ?? '')).toEqual(Object.fromEntries(wanted));
            else model[action.side] = wanted;
          } else if (action.kind === 'crash') {
            await world.settle();
            world.crash();
            for (const client of world.clients) await client.connect();
          } else if (action.kind === 'sleep') {
            await world.settle();
            await vi.advanceTimersByTimeAsync(limits.room.savedWindow);
            world.hibernate(world.clients.map(({ peer }) => peer));
          } else await world.pass(action.ms);
          await world.settle();
          await dropClosed(world);
          for (const name of ['home', 'fork'] as const) {
            expect(await worlds[name].contents(), name).toEqual(Object.fromEntries(model[name]));
            for (const client of worlds[name].clients) expect(client.content).toBe(model[name].get(client.path));
          }
        }
      }),
      { numRuns: 60 },
    );
  }, 30_000);
});
