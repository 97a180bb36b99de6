import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { newWorld, world, worldPerTest, write } from '../support/room-setup.ts';
import { dyingEverywhere, ids } from '../support/room-world.ts';

worldPerTest();

const keep = (name?: string) =>
  world.room.history.checkpoint({ kind: 'manual', name, by: ids.owner, requestId: 'request-1' });

/** What the room's log says that the activity must tell of. */
function told(): string[] {
  return world.room.events(0).events.flatMap(({ type, data }) => {
    if (type === 'checkpoint.created') return data.kind === 'manual' ? [`${type} checkpoint:${data.id}`] : [];
    if (type === 'project.merged') return [`${type} project:${data.from}`];
    return type.startsWith('checkpoint.') ? [`${type} checkpoint:${data.id}`] : [];
  });
}
const listed = (): string[] =>
  [...world.activity.values()]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ action, subject }) => `${action} ${subject}`);

describe('[R21] The activity', () => {
  it('has who did what, when, to what and in which request', async () => {
    await write('a', 'one');
    const { id } = await keep('first');
    await world.room.history.restore(id, ids.editor, 'request-2');
    world.room.history.checkpoints.update(id, { name: 'renamed' }, ids.owner, 'request-3');
    world.room.history.checkpoints.delete(id, ids.owner, 'request-4');
    await world.room.deliverActivity();
    const subject = `checkpoint:${id}`;
    const at = Date.now();
    expect([...world.activity.values()]).toMatchObject([
      {
        at,
        action: 'checkpoint.created',
        subject,
        actorId: ids.owner,
        requestId: 'request-1',
        data: { name: 'first' },
      },
      { at, action: 'checkpoint.restored', subject, actorId: ids.editor, requestId: 'request-2', data: { changed: 0 } },
      { at, action: 'checkpoint.updated', subject, actorId: ids.owner, data: { name: 'renamed' } },
      { at, action: 'checkpoint.deleted', subject, actorId: ids.owner, requestId: 'request-4' },
    ]);
    expect(listed()).toEqual(told());
  });

  it('says nothing of what the room keeps on its own', async () => {
    await write('a', 'one');
    await world.room.history.checkpoint({ kind: 'auto', by: ids.owner });
    await write('a', 'two');
    await world.pass(limits.checkpoint.automaticAfter);
    await world.room.deliverActivity();
    expect(world.room.history.checkpoints.list({ limit: 9 }).checkpoints.length).toBe(2);
    expect(listed()).toEqual([]);
  });

  it('says nothing of what was refused', async () => {
    await write('a', 'one');
    const { id } = await keep();
    await world.room.deliverActivity();
    world.blobs.before = () => {
      throw new Error('the store is away');
    };
    await write('a', 'two');
    await expect(world.room.history.restore(id, ids.owner)).rejects.toThrow('away');
    await expect(keep()).rejects.toThrow('away');
    await world.room.deliverActivity();
    expect(listed()).toEqual(told());
    expect(listed()).toHaveLength(1);
  });

  it('waits while the database is away, holds up nothing, and follows by itself', async () => {
    world.beforeActivity = () => {
      throw new Error('the database is away');
    };
    await write('a', 'one');
    const { id } = await keep();
    await world.room.deliverActivity();
    expect(world.logged).toContain('room.activity_waits');
    await world.room.history.restore(id, ids.owner);
    await expect(world.pass(limits.room.indexDelay)).rejects.toThrow('away');
    world.beforeActivity = () => undefined;
    world.crash();
    await world.pass(limits.room.indexDelay);
    expect(listed()).toEqual(told());
    expect(listed()).toHaveLength(2);
  });

  it('is sent in parts, all of it', async () => {
    await write('a', 'one');
    for (let n = 0; n < limits.outbox.batch + 3; n += 1) await keep();
    await world.room.deliverActivity();
    expect(listed()).toHaveLength(limits.outbox.batch + 3);
    expect(listed()).toEqual(told());
  });

  it('is whole and without repeats wherever the room died on the way to a restore', async () => {
    let id = '';
    const steps = await dyingEverywhere(
      async () => {
        newWorld();
        await write('a', 'old');
        ({ id } = await keep());
        await write('a', 'new');
        return world;
      },
      () => world.room.history.restore(id, ids.editor),
      async () => {
        await world.pass(limits.room.indexDelay);
        expect(listed()).toEqual(told());
      },
    );
    expect(steps).toBeGreaterThan(2);
  });

  const death = fc.constantFrom('none' as const, 'unsent' as const, 'before' as const, 'after' as const);
  it('is whole and without repeats wherever the room died on the way to the database', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(death, { minLength: 1, maxLength: 6 }), async (deaths) => {
        newWorld();
        await write('a', 'old');
        for (const when of deaths) {
          const { id } = await keep();
          await write('a', when);
          await world.room.history.restore(id, ids.editor);
          const died = Promise.withResolvers<void>();
          const die = (): Promise<void> => {
            died.resolve();
            return new Promise(() => undefined);
          };
          world.beforeActivity = () => (when === 'before' ? die() : undefined);
          world.afterActivity = () => (when === 'after' ? die() : undefined);
          if (when !== 'unsent') await Promise.race([world.room.deliverActivity(), died.promise]);
          world.beforeActivity = () => undefined;
          world.afterActivity = () => undefined;
          if (when !== 'none') world.crash();
        }
        await world.pass(limits.room.indexDelay);
        expect(listed()).toEqual(told());
        expect(world.dump().activity_pending).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });
});
