import { beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { type Credential, type Facts, Guard } from '../../../src/durable-objects/guard/guard.ts';
import { Meters } from '../../../src/durable-objects/guard/meters.ts';
import { NodeSql } from '../support/node-sql.ts';

const session = (id: string): Credential => ({ kind: 'session', id });
const facts = (id: string): Facts => ({ kind: 'session', id, endsAt: 10 ** 12 });

/** A guard over a database of live sessions, and rooms that may be away. */
class World {
  now = 1_000_000;
  readonly live = new Set<string>(['a', 'b']);
  databaseIsAway = false;
  readonly roomsAway = new Set<string>();
  looks = 0;
  readonly ended: [string, readonly string[] | null][] = [];
  readonly alarms: number[] = [];
  beforeAnswer: () => void | Promise<void> = () => undefined;
  readonly sql = new NodeSql();

  start(): Guard {
    return new Guard({
      sql: this.sql,
      look: async (credential) => {
        this.looks += 1;
        if (this.databaseIsAway) throw new Error('away');
        const found = credential.kind === 'session' && this.live.has(credential.id) ? facts(credential.id) : null;
        await this.beforeAnswer();
        return found;
      },
      endSockets: async (project, sessions) => {
        if (this.roomsAway.has(project)) throw new Error('away');
        this.ended.push([project, sessions]);
      },
      now: () => this.now,
      schedule: (at) => void this.alarms.push(at),
      log: () => undefined,
    });
  }
}

let world: World;
let guard: Guard;
beforeEach(() => {
  world = new World();
  guard = world.start();
});

describe('The guard of an account', () => {
  it('asks the database once, however often it is asked itself', async () => {
    for (let n = 0; n < 5; n += 1) expect(await guard.ask(session('a'))).toEqual(facts('a'));
    expect(await guard.ask(session('unknown'))).toBeNull();
    expect(world.looks).toBe(2);
  });

  it('forgets at a notice, so that what ended is dead at the next question', async () => {
    await guard.ask(session('a'));
    world.live.delete('a');
    expect(await guard.ask(session('a'))).not.toBeNull();
    await guard.ended(['a']);
    expect(await guard.ask(session('a'))).toBeNull();
    expect(await guard.ask(session('b'))).not.toBeNull();
  });

  it('heals a notice that got lost', async () => {
    await guard.ask(session('a'));
    world.live.delete('a');
    world.now += limits.guard.recheck;
    expect(await guard.ask(session('a'))).toBeNull();
  });

  it('does not keep what it read before a notice', async () => {
    world.beforeAnswer = async () => {
      world.beforeAnswer = () => undefined;
      world.live.delete('a');
      await guard.ended(['a']);
    };
    expect(await guard.ask(session('a'))).toBeNull();
  });

  it('stands by its last word for a short while without the database, then lets nobody in', async () => {
    await guard.ask(session('a'));
    world.databaseIsAway = true;
    world.now += limits.guard.grace - 1;
    expect(await guard.ask(session('a'))).toEqual(facts('a'));
    await expect(guard.ask(session('b'))).rejects.toMatchObject({ code: 'unavailable' });
    world.now += 1;
    await expect(guard.ask(session('a'))).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('does not stand by what a notice has taken back', async () => {
    await guard.ask(session('a'));
    await guard.ended(['a']);
    world.databaseIsAway = true;
    await expect(guard.ask(session('a'))).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('tells the rooms of an ended session, and no others', async () => {
    guard.opened('a', 'p1');
    guard.opened('a', 'p2');
    guard.opened('b', 'p3');
    await guard.ended(['a']);
    expect(world.ended.sort()).toEqual([
      ['p1', ['a']],
      ['p2', ['a']],
    ]);
    await guard.ended(['a']);
    expect(world.ended).toHaveLength(2);
    await guard.ended(null);
    expect(world.ended).toHaveLength(3);
  });

  it('tells a room that was away when it is back, also after its own restart', async () => {
    guard.opened('a', 'p1');
    world.roomsAway.add('p1');
    await guard.ended(['a']);
    expect([world.ended, world.alarms]).toEqual([[], [world.now + limits.guard.retryDelay]]);
    world.roomsAway.clear();
    await world.start().deliver();
    expect(world.ended).toEqual([['p1', ['a']]]);
  });

  it('remembers no more credentials than it may', async () => {
    for (let n = 0; n < limits.guard.credentials + 10; n += 1) await guard.ask(session(`x${n}`));
    expect(await guard.ask(session('a'))).not.toBeNull();
  });
});

describe('Meters', () => {
  it('add up what several isolates counted', () => {
    const meters = new Meters(() => 0);
    const policy = { limit: 60, window: 60_000 };
    meters.add('u', [{ name: 'read', policy, uses: 10 }]);
    expect(meters.add('u', [{ name: 'read', policy, uses: 5 }])).toEqual({ read: 15_000 });
    expect(meters.add('v', [{ name: 'read', policy, uses: 1 }])).toEqual({ read: 1000 });
  });
});
