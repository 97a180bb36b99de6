import { describe, expect, it } from 'vitest';
import { KilnError } from '../../../src/contract/errors.ts';
import { limits } from '../../../src/contract/limits.ts';
import { buildPerTest, hashA, hashB, lastProjected, messages, world } from '../support/build-setup.ts';
import { batch, buildId, failure, log, output, progress, row, someone, success } from '../support/build-world.ts';
import { codeOf } from '../support/code-of.ts';

const { build } = limits;

buildPerTest();

describe('A build', () => {
  it('is not there before it was created', () => {
    expect(() => world.core.state).toThrow(KilnError);
  });

  it('is created once: a second call changes nothing', () => {
    world.create();
    world.core.create(row({ treeHash: 'f'.repeat(64) }), 'Other');
    expect(world.core.state).toMatchObject({ treeHash: hashA, projectName: 'My game', status: 'queued' });
    expect(world.scheduled).toEqual([world.now + build.queuedSweep]);
  });

  it('is as it was after a restart of its object', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, progress(0.5), log('line')));
    const { state } = world.core;
    expect(world.restart().state).toEqual(state);
    expect(messages()).toEqual(['line']);
  });

  it('runs from queued over building to success, and says so to database and project', async () => {
    world.create();
    world.now += 700;
    const claim = await world.claim();
    expect(claim).toMatchObject({ buildId, attempt: 1, target: 'web', projectName: 'My game', treeHash: hashA });
    expect(claim.timeout).toBe(build.timeout);
    expect(lastProjected()).toMatchObject({ status: 'building', attempt: 1 });
    world.now += 1000;
    expect(await world.core.events(batch(1, 1, progress(0.4), log('bundling')))).toEqual({ cancelled: false });
    expect(world.core.state).toMatchObject({ progress: 400, step: 'bundle' });
    world.stored.set(hashA, 10);
    await world.core.events(batch(1, 2, success(output('game.zip', 10, hashA))));
    expect(world.core.state).toMatchObject({
      status: 'success',
      progress: 1000,
      errorCode: null,
      outputOf: buildId,
      artifacts: [{ name: 'game.zip', size: 10, sha256: hashA }],
      timings: { queued: 700, bundle: 5, total: 1700 },
      leaseUntil: null,
      completedAt: world.now,
    });
    expect(lastProjected()?.status).toBe('success');
    expect(world.announced).toEqual(['success']);
    // Its end wakes whoever waits for the place.
    expect(world.wakes).toHaveLength(1);
  });

  it('that leaves a free place behind wakes others a moment later: who told of it gives the place away', async () => {
    world.create();
    await world.claim();
    world.stored.set(hashA, 10);
    await world.core.events({ ...batch(1, 1, success(output('game.zip', 10, hashA))), vacant: true });
    expect(world.wakes).toEqual([`${buildId} 1 in ${build.fillWithin} ms`]);
  });

  it('that fails wakes others so, too', async () => {
    world.create();
    await world.claim();
    await world.core.events({ ...batch(1, 1, failure('user')), vacant: true });
    expect(world.wakes).toEqual([`${buildId} 1 in ${build.fillWithin} ms`]);
  });

  it('waits on as it was while its user has as many running as they may, and nobody is told otherwise', async () => {
    world.create();
    const told: string[] = [];
    void world.core.changed().then(() => told.push('changed'));
    const { state } = world.core;
    world.userIsFull = true;
    expect(await world.core.claim()).toBeNull();
    expect(world.core.state).toEqual({ ...state, seq: state.seq + 2 });
    expect(world.restart().state).toEqual(world.core.state);
    expect([told, world.projected, world.wakes]).toEqual([[], [], []]);
    world.userIsFull = false;
    expect(await world.core.claim()).toMatchObject({ attempt: 1 });
    expect(lastProjected()).toMatchObject({ status: 'building', attempt: 1 });
  });

  it('that is cancelled while the database is asked stays cancelled, and is given to nobody', async () => {
    world.create();
    for (const isFull of [true, false]) {
      world.userIsFull = isFull;
      const claimed = world.core.claim();
      expect(await world.core.cancel(someone)).toBe(true);
      expect(await claimed).toBeNull();
      expect(world.core.state.status).toBe('cancelled');
      expect(lastProjected()?.status).toBe('cancelled');
      await world.core.retry(someone);
    }
  });

  it('is started all the same where the database cannot be asked', async () => {
    world.create();
    world.projectionFails = true;
    expect(await world.core.claim()).toMatchObject({ attempt: 1 });
    expect(world.core.state).toMatchObject({ status: 'building', projected: false });
  });

  it('does not ask the store for outputs that this attempt was seen to store, and for all others', async () => {
    await world.create().claim();
    world.core.stored(1, [{ sha256: hashA, size: 10 }]);
    world.core.stored(2, [{ sha256: hashB, size: 20 }]);
    const outputs = success(output('game.zip', 10, hashA), output('map.zip', 20, hashB));
    expect(await codeOf(world.core.events(batch(1, 1, outputs)))).toBe('conflict');
    world.stored.set(hashB, 20);
    await world.core.events(batch(1, 1, outputs));
    expect(world.core.state.status).toBe('success');
  });

  it('believes nothing that an earlier attempt has stored', async () => {
    await world.create().claim();
    world.core.stored(1, [{ sha256: hashA, size: 10 }]);
    await world.core.release(1, true);
    await world.claim();
    expect(await codeOf(world.core.events(batch(1, 1, success(output('game.zip', 10, hashA)))))).toBe('conflict');
  });

  it('never shows less progress than before within an attempt', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, progress(0.6)));
    await world.core.events(batch(1, 2, progress(0.2)));
    expect(world.core.state.progress).toBe(600);
  });
});

describe('A claim', () => {
  it('is given once, however many ask', async () => {
    world.create();
    const claims = await Promise.all(Array.from({ length: 10 }, () => world.core.claim()));
    expect(claims.filter(Boolean)).toHaveLength(1);
    expect(await world.core.claim()).toBeNull();
    expect(world.restart().state.attempt).toBe(1);
  });

  it('waits for its back-off', async () => {
    await world.create().claim();
    await world.core.release(1, false);
    expect(world.core.state.notBefore).toBeGreaterThan(world.now);
    expect(await world.core.claim()).toBeNull();
    world.now = world.core.state.notBefore;
    expect((await world.core.claim())?.attempt).toBe(2);
  });

  it('is in the database before it is answered: fairness counts running builds there', async () => {
    world.create();
    await world.core.claim();
    expect(lastProjected()).toMatchObject({ status: 'building', attempt: 1 });
    // Also when it was in the queue only for a moment.
    await world.core.release(1, true);
    expect(lastProjected()).toMatchObject({ status: 'queued' });
    await world.core.claim();
    expect(lastProjected()).toMatchObject({ status: 'building' });
  });

  it('that finds the runner busy costs nothing, not even a number', async () => {
    await world.create().claim();
    await world.core.release(1, true);
    expect(world.core.state).toMatchObject({ status: 'queued', failures: 0 });
    // Whoever was not served keeps their turn, which the row says.
    expect(lastProjected()).toMatchObject({ status: 'queued', startedAt: null });
    expect((await world.core.claim())?.attempt).toBe(1);
    expect(messages()).toEqual([]);
  });

  it('that reaches no runner costs its number, so that a runner that did start is fenced off, but is no failure', async () => {
    world.create();
    for (let attempt = 1; attempt <= 2 * build.attempts; attempt += 1) {
      expect((await world.claim()).attempt).toBe(attempt);
      await world.core.release(attempt, false);
      expect(await codeOf(world.core.events(batch(attempt, 1, success())))).toBe('conflict');
    }
    expect(world.core.state).toMatchObject({ status: 'queued', failures: 0 });
  });

  it('released late, by another attempt or after the end changes nothing', async () => {
    await world.create().claim();
    await world.core.release(7, false);
    expect(world.core.state.status).toBe('building');
    await world.core.cancel(someone);
    await world.core.release(1, false);
    expect(world.core.state.status).toBe('cancelled');
  });
});

describe('An end by cancelling', () => {
  it('of a running build wakes others twice: its runner has no free place until it has heard of it', async () => {
    await world.create().claim();
    await world.core.cancel(someone);
    const { id } = world.core.state;
    expect(world.wakes).toEqual([`${id} 1`, `${id} 1 in ${build.cancelWithin} ms`]);
  });

  it('of a build that waits wakes them once', async () => {
    world.create();
    await world.core.cancel(someone);
    expect(world.wakes).toHaveLength(1);
  });
});

describe('Cancel', () => {
  it('of a queued build ends it, and it is not claimed any more', async () => {
    world.create();
    expect(await world.core.cancel(someone)).toBe(true);
    expect(await world.core.claim()).toBeNull();
    expect(lastProjected()?.status).toBe('cancelled');
    expect(await world.core.cancel(someone)).toBe(false);
  });

  it('of a running build is told to its runner at the next report, whatever attempt it is', async () => {
    await world.create().claim();
    await world.core.cancel(someone);
    expect(await world.core.events(batch(1, 1, log('late')))).toEqual({ cancelled: true });
    expect(await world.core.events(batch(9, 1, success()))).toEqual({ cancelled: true });
    expect(world.core.state.status).toBe('cancelled');
    expect(messages()).toEqual([]);
  });

  it('is not undone by the lease', async () => {
    await world.create().claim();
    await world.core.cancel(someone);
    await world.pass(build.lease);
    await world.core.tick();
    expect(world.core.state.status).toBe('cancelled');
  });
});

describe('A retry', () => {
  const failed = async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, failure('user')));
  };

  it('that would be one more than may wait is refused, and the build is as it was', async () => {
    await failed();
    const { seq: _seq, projectedAt: _at, ...before } = world.core.state;
    const wakes = world.wakes.length;
    world.waitsTooMany = true;
    expect(await codeOf(world.core.retry(someone))).toBe('quota_exceeded');
    expect(world.core.state).toMatchObject(before);
    expect(world.wakes).toHaveLength(wakes);
    // The row has it too, whatever was written of the other.
    expect(world.projected.at(-1)).toMatchObject({ status: 'failed', userId: before.userId });
    expect(world.projected.flatMap(({ entries }) => entries ?? [])).toEqual([]);
    world.waitsTooMany = false;
    expect(await codeOf(world.core.retry(someone))).toBe('done');
    expect((await world.claim()).attempt).toBe(2);
  });

  it('is begun by nobody before it may wait, and is given up where the database is away', async () => {
    await failed();
    let begun: unknown = 'not asked';
    world.beforeQueue = async () => {
      begun = await world.core.claim();
    };
    await world.core.retry(someone);
    expect(begun).toBeNull();
    await world.claim();
    await world.core.events(batch(2, 1, failure('user')));
    world.projectionFails = true;
    await expect(world.core.retry(someone)).rejects.toThrow('away');
    expect(world.core.state).toMatchObject({ status: 'failed', attempt: 2 });
    world.projectionFails = false;
    await world.core.tick();
    expect(world.projected.at(-1)).toMatchObject({ status: 'failed' });
  });

  it('that was cancelled while the database was asked stays cancelled', async () => {
    await failed();
    world.beforeQueue = async () => {
      world.beforeQueue = () => undefined;
      await world.core.cancel(someone);
    };
    await world.core.retry(someone);
    expect(world.core.state.status).toBe('cancelled');
  });
});

describe('What people did to a build', () => {
  const written = () => world.projected.flatMap(({ entries }) => entries ?? []);

  it('goes into the audit log with the row that shows it, once', async () => {
    world.create();
    await world.core.cancel(someone);
    await world.core.retry({ ...someone, requestId: 'request-2' });
    expect(written()).toMatchObject([
      { action: 'build.cancelled', actorId: someone.actorId, subject: `build:${buildId}`, data: { target: 'web' } },
      { action: 'build.retried', requestId: 'request-2' },
    ]);
    expect(world.projected.find(({ entries }) => entries?.length)?.status).toBe('cancelled');
    await world.claim();
    expect(written()).toHaveLength(2);
  });

  it('is not lost when the database is away, nor when the object dies before it is told', async () => {
    world.create();
    world.projectionFails = true;
    await world.core.cancel(someone);
    expect(written()).toEqual([]);
    world.restart();
    world.projectionFails = false;
    await world.core.tick();
    expect(written()).toHaveLength(1);
    await world.core.tick();
    expect(written()).toHaveLength(1);
  });

  it('is nothing when nothing came of it', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, success()));
    await world.core.cancel(someone);
    await codeOf(world.core.retry(someone));
    expect(written()).toEqual([]);
  });

  it('is kept of builds that an earlier release made', async () => {
    world.create();
    const { entries: _entries, ...state } = world.core.state;
    world.sql.run('UPDATE state SET json = ?', JSON.stringify(state));
    world.restart();
    await world.core.cancel(someone);
    expect(written()).toHaveLength(1);
  });
});
