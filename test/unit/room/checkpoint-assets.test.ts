import { describe, expect, it } from 'vitest';
import type { Checkpoint, CheckpointKind } from '../../../src/contract/checkpoints.ts';
import { limits } from '../../../src/contract/limits.ts';
import { codeOf } from '../support/code-of.ts';
import { list } from '../support/history-setup.ts';
import { newWorld, world, worldPerTest, write } from '../support/room-setup.ts';
import { ids, type World } from '../support/room-world.ts';

worldPerTest();

const keep = (kind: CheckpointKind = 'manual', into = world): Promise<Checkpoint> =>
  into.room.history.checkpoint({ kind, by: ids.owner });
const marks = (): string[] => [...world.assets.marks.keys()].sort();
const waiting = (): number =>
  world.sql.all('SELECT at FROM asset_marks_pending UNION ALL SELECT at FROM asset_restores').length;
const away = (call: string) => (now: string) => {
  if (now === call) throw new Error('the database is away');
};

describe('[R25] The assets of a checkpoint', () => {
  it('are named in the relational store first, and make a state another one', async () => {
    await write('a.ts', 'a');
    world.assets.current.set('hero.png', 'v1');
    const first = await keep();
    expect(first).toMatchObject({ assetCount: 1, assetSize: 10 });
    expect(marks()).toEqual([first.id]);
    expect((await keep('build')).id).toBe(first.id);
    expect((await keep('auto')).id).toBe(first.id);
    world.assets.current.set('hero.png', 'v2');
    const built = await keep('build');
    expect(built.id).not.toBe(first.id);
    expect(built.treeHash).toBe(first.treeHash);
    expect(marks()).toEqual([first.id, built.id].sort());
    expect(waiting()).toBe(0);
  });

  it('are kept with a state on its own when only they have changed', async () => {
    await write('a.ts', 'a');
    await keep();
    world.room.record('asset.uploaded', ids.owner, { assetId: 'x' });
    world.assets.current.set('hero.png', 'v1');
    await world.pass(limits.checkpoint.automaticAfter);
    expect(list().map(({ kind, assetCount }) => [kind, assetCount])).toEqual([
      ['auto', 1],
      ['manual', 0],
    ]);
  });

  it('of two made at once are in an order, and neither is without', async () => {
    await write('a.ts', 'a');
    const made = await Promise.all([keep(), keep('build'), keep(), keep('auto')]);
    expect(marks()).toEqual([...new Set(made.map(({ id }) => id))].sort());
    expect(waiting()).toBe(0);
  });

  it('are found again though the newest checkpoint went while they were looked at', async () => {
    await write('a.ts', 'a');
    const first = await keep();
    let once = true;
    world.assets.before = (call) => {
      if (call !== 'mark' || !once) return;
      once = false;
      world.room.history.checkpoints.delete(first.id, ids.owner);
    };
    const second = await keep('build');
    expect(second.id).not.toBe(first.id);
    expect(second.assetCount).toBe(0);
    expect(marks()).toContain(second.id);
    await world.pass(limits.checkpoint.retryDelay);
    expect(marks()).toEqual([second.id]);
  });

  it('are let go of with it: by hand, by age, and where it was never finished', async () => {
    await write('a.ts', 'a');
    const first = await keep();
    world.room.history.checkpoints.delete(first.id, ids.owner);
    expect(waiting()).toBe(1);
    world.assets.before = away('keep');
    await world.pass(limits.checkpoint.retryDelay);
    expect(marks()).toEqual([first.id]);
    world.assets.before = () => undefined;
    await world.pass(limits.checkpoint.retryDelay);
    expect([marks(), waiting()]).toEqual([[], 0]);
    // The process dies while the relational store has it and the room has not.
    const died = Promise.withResolvers<void>();
    world.assets.afterMark = () => {
      died.resolve();
      return new Promise(() => undefined);
    };
    void keep();
    await died.promise;
    expect(marks()).toHaveLength(1);
    world.assets.afterMark = () => undefined;
    world.crash();
    await world.pass(limits.checkpoint.retryDelay);
    expect([marks(), waiting(), list()]).toEqual([[], 0, []]);
  });

  it('cannot be named while the database is away: what somebody asks for fails, what is kept on its own has none', async () => {
    await write('a.ts', 'a');
    world.assets.current.set('hero.png', 'v1');
    world.assets.before = away('mark');
    await expect(keep()).rejects.toThrow('away');
    await expect(keep('build')).rejects.toThrow('away');
    expect(list()).toEqual([]);
    const auto = await keep('auto');
    expect(auto).toMatchObject({ assetCount: null, assetSize: null });
    expect((await keep('auto')).id).toBe(auto.id);
    expect(world.logged).toContain('checkpoint.without_assets');
    world.assets.before = () => undefined;
    await write('a.ts', 'b');
    const { assets, changed } = await world.room.history.restore(auto.id, ids.editor);
    expect([assets, changed]).toEqual([null, 1]);
    expect(world.assets.current.get('hero.png')).toBe('v1');
  });
});

describe('A request for a checkpoint', () => {
  const once = (request: string, name = 'Once') =>
    world.room.history.checkpoint({ kind: 'manual', name, by: ids.owner, request });

  it('that comes again, after its answer, amid it or after a death, makes no second one', async () => {
    await write('a.ts', 'a');
    const [first, second] = await Promise.all([once('r1'), once('r1')]);
    expect(second).toEqual(first);
    await write('a.ts', 'b');
    world.room.history.checkpoints.update(first.id, { name: 'Other' }, ids.owner);
    world.crash();
    expect(await once('r1')).toEqual(first);
    expect((await once('r2')).id).not.toBe(first.id);
    expect(list()).toHaveLength(2);
    await world.pass(limits.checkpoint.retryDelay);
    expect(marks()).toEqual(
      list()
        .map(({ id }) => id)
        .sort(),
    );
    // For as long as the platform knows its key, and not for ever.
    await world.pass(limits.http.idempotencyTtl);
    expect(await once('r1')).toEqual(first);
    await write('a.ts', 'c');
    await world.pass(2 * limits.http.idempotencyTtl);
    expect(world.sql.all('SELECT request FROM checkpoint_requests')).toEqual([]);
  });
});

describe('[R25] A restore', () => {
  const prepare = async (into: World): Promise<Checkpoint> => {
    await write('a.ts', 'old', {}, into);
    into.assets.current.set('hero.png', 'old');
    const checkpoint = await keep('manual', into);
    await write('a.ts', 'new', {}, into);
    into.assets.current.set('hero.png', 'new');
    return checkpoint;
  };

  it('brings files and assets back, tells of it, and is undone by another', async () => {
    const peer = await world.channel(ids.viewer);
    const { id } = await prepare(world);
    const done = await world.room.history.restore(id, ids.editor);
    expect(done.assets).toEqual({ isPending: false, restored: 1, trashed: 0, missing: [] });
    expect([await world.text('a.ts'), world.assets.current.get('hero.png')]).toEqual(['old', 'old']);
    const types = peer.heard('event').map(({ event }) => event.type);
    expect(types.slice(types.indexOf('checkpoint.restored'))).toEqual(['checkpoint.restored', 'asset.reverted']);
    await world.room.history.restore(done.checkpoint.id, ids.editor);
    expect([await world.text('a.ts'), world.assets.current.get('hero.png')]).toEqual(['new', 'new']);
  });

  it('whose assets find no place changes nothing', async () => {
    const { id } = await prepare(world);
    world.assets.before = away('check');
    const before = list().length;
    await expect(world.room.history.restore(id, ids.editor)).rejects.toThrow('away');
    expect([await world.text('a.ts'), world.assets.current.get('hero.png'), list().length]).toEqual([
      'new',
      'new',
      before,
    ]);
    expect(waiting()).toBe(0);
  });

  it('is finished by the alarm where the database went amid it, also when its checkpoint is forgotten meanwhile', async () => {
    const { id } = await prepare(world);
    world.assets.before = away('revert');
    const done = await world.room.history.restore(id, ids.editor);
    expect(done.assets).toEqual({ isPending: true, restored: 0, trashed: 0, missing: [] });
    expect([await world.text('a.ts'), world.assets.current.get('hero.png')]).toEqual(['old', 'new']);
    world.room.history.checkpoints.delete(id, ids.owner);
    await world.pass(limits.checkpoint.retryDelay);
    expect(marks()).toContain(id);
    world.assets.before = () => undefined;
    world.crash();
    await world.pass(limits.checkpoint.retryDelay);
    expect(world.assets.current.get('hero.png')).toBe('old');
    expect([waiting(), marks().includes(id)]).toEqual([0, false]);
  });

  it('fault: the process dies at any call to the database: then both are as before, or both as then, and it is done once', async () => {
    const seen = new Set<string>();
    for (let step = 1; ; step += 1) {
      newWorld();
      const { id } = await prepare(world);
      let calls = 0;
      const death = Promise.withResolvers<'died'>();
      const die = (): void | Promise<void> => {
        calls += 1;
        if (calls < step) return;
        death.resolve('died');
        return new Promise(() => undefined);
      };
      world.assets.before = die;
      world.assets.afterMark = die;
      world.assets.afterRevert = die;
      const end = await Promise.race([world.room.history.restore(id, ids.editor), death.promise]);
      world.assets.before = world.assets.afterMark = world.assets.afterRevert = () => undefined;
      world.crash();
      await world.pass(limits.checkpoint.retryDelay);
      const text = await world.text('a.ts');
      expect(world.assets.current.get('hero.png')).toBe(text);
      expect(world.assets.reverted.size).toBe(text === 'old' ? 1 : 0);
      expect(waiting()).toBe(0);
      expect(marks()).toEqual(
        list()
          .map((one) => one.id)
          .sort(),
      );
      seen.add(text ?? '');
      if (end !== 'died') break;
    }
    expect([...seen].sort()).toEqual(['new', 'old']);
  });

  it('of a checkpoint that is not there is refused before anything is asked', async () => {
    world.assets.before = () => {
      throw new Error('nobody asks');
    };
    expect(await codeOf(world.room.history.restore('0192f0c1-2a3b-7c4d-8e5f-000000000123', ids.editor))).toBe(
      'not_found',
    );
  });
});
