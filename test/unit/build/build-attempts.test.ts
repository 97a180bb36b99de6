import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { buildPerTest, hashA, lastProjected, messages, world } from '../support/build-setup.ts';
import { batch, buildId, failure, log, output, progress, someone, success } from '../support/build-world.ts';
import { codeOf } from '../support/code-of.ts';

const { build } = limits;

buildPerTest();

describe('A lease', () => {
  it('is renewed by every batch, also an empty one', async () => {
    await world.create().claim();
    for (let n = 1; n < 10; n += 1) {
      await world.pass(build.lease - 1);
      expect(await world.core.events(batch(1, n))).toEqual({ cancelled: false });
    }
    expect(world.core.state).toMatchObject({ status: 'building', attempt: 1 });
  });

  it('that runs out puts the build back, with a line in its log and a back-off', async () => {
    await world.create().claim();
    await world.pass(build.lease - 1);
    expect(world.core.state.status).toBe('building');
    await world.pass(1);
    expect(world.core.state).toMatchObject({ status: 'queued', failures: 1, leaseUntil: null });
    expect(messages()[0]).toMatch(/silent.*again/i);
    expect(lastProjected()?.status).toBe('queued');
    expect(Math.min(...world.scheduled)).toBeLessThanOrEqual(world.now + build.queuedSweep);
  });

  it('that runs out in every attempt ends the build as runner_lost, after the third', async () => {
    world.create();
    for (let attempt = 1; attempt <= build.attempts; attempt += 1) {
      expect((await world.claim()).attempt).toBe(attempt);
      await world.pass(build.lease);
    }
    expect(world.core.state).toMatchObject({ status: 'failed', errorCode: 'runner_lost', attempt: build.attempts });
    expect(world.announced).toEqual(['failed']);
    expect(await world.core.claim()).toBeNull();
    expect(messages()).toHaveLength(build.attempts);
    expect(messages().at(-1)).not.toMatch(/again/);
  });

  it('outlives a restart of the object', async () => {
    await world.create().claim();
    world.restart();
    world.now += build.lease;
    await world.core.tick();
    expect(world.core.state.status).toBe('queued');
  });
});

describe('An attempt that runners pull', () => {
  const [one, other] = ['0192f0c1-2a3b-7c4d-8e5f-00000000e001', '0192f0c1-2a3b-7c4d-8e5f-00000000e002'];
  const waiting = async (): Promise<void> => {
    await world.create().claim();
    world.core.offered(1);
  };

  it('may lie in the queue for as long as a build may wait, and opens nothing there', async () => {
    await waiting();
    await world.pass(build.lease + 1);
    expect(world.core.state).toMatchObject({ status: 'building', attempt: 1, failures: 0 });
    expect(await codeOf(world.core.events(batch(1, 1)))).toBe('conflict');
    await world.pass(build.queuedTimeout);
    expect(world.core.state).toMatchObject({ status: 'failed', errorCode: 'runner_lost', failures: 0 });
  });

  it('is put into the queue again, the same one, when nobody takes it: its message may be lost', async () => {
    await waiting();
    for (let n = 1; n <= 3; n += 1) {
      await world.pass(build.pullResend - 1);
      expect(world.offers).toHaveLength(n - 1);
      await world.pass(1);
      expect(world.offers).toHaveLength(n);
    }
    expect(new Set(world.offers)).toEqual(new Set([1]));
    expect(messages()).toHaveLength(1);
  });

  it('starts its lease and its clock when a runner begins it', async () => {
    await waiting();
    await world.pass(build.lease * 3);
    expect(await world.core.begin(1, one)).toMatchObject({ attempt: 1, treeHash: hashA });
    expect(world.core.state).toMatchObject({ startedAt: world.now, leaseUntil: world.now + build.lease });
    expect(world.core.state.timings.queued).toBe(build.lease * 3);
    expect(lastProjected()?.startedAt).toBe(world.now);
    expect(await world.core.events(batch(1, 1, log('hello')))).toEqual({ cancelled: false });
    await world.pass(build.lease + 1);
    expect(world.core.state).toMatchObject({ status: 'queued', failures: 1 });
  });

  it('belongs to the first that begins it, who may ask again [hostile 72]', async () => {
    await waiting();
    await world.core.begin(1, one);
    const { leaseUntil } = world.core.state;
    world.now += 1000;
    expect(await codeOf(world.core.begin(1, other))).toBe('conflict');
    expect(await codeOf(world.core.begin(1, one))).toBe('done');
    expect(world.core.state.leaseUntil).toBe(leaseUntil);
    expect(await codeOf(world.restart().begin(1, other))).toBe('conflict');
  });

  it('cannot be begun once it is over, whatever ended it', async () => {
    await waiting();
    await world.core.begin(1, one);
    await world.pass(build.lease + 1);
    expect(await codeOf(world.core.begin(1, one))).toBe('conflict');
    await world.claim();
    expect(await codeOf(world.core.begin(1, one))).toBe('conflict');
    expect(await codeOf(world.core.begin(2, other))).toBe('done');
    await world.core.cancel(someone);
    expect(await codeOf(world.core.begin(2, other))).toBe('conflict');
  });

  it('begun before it is said to be offered stays begun', async () => {
    await world.create().claim();
    await world.core.begin(1, one);
    world.core.offered(1);
    expect(world.core.state.leaseUntil).toBe(world.now + build.lease);
    expect(messages()).toEqual([]);
  });
});

describe('A message that is dead', () => {
  const now = (): number => world.now;

  it('ends a build that waits, queued or to be pulled, with a code of its own', async () => {
    world.create();
    expect(await world.core.undeliverable(1, now())).toBe(true);
    expect(world.core.state).toMatchObject({ status: 'failed', errorCode: 'build_undelivered', attempt: 0 });
    expect(lastProjected()).toMatchObject({ status: 'failed', errorCode: 'build_undelivered' });
    await world.core.retry(someone);
    await world.claim();
    world.core.offered(1);
    expect(await world.core.undeliverable(1, now())).toBe(true);
    expect(world.core.state).toMatchObject({ status: 'failed', errorCode: 'build_undelivered', attempt: 1 });
  });

  it('changes nothing once a runner has the build, or had it in another attempt', async () => {
    await world.create().claim();
    expect(await world.core.undeliverable(1, now())).toBe(false);
    expect(await world.core.undeliverable(2, now())).toBe(false);
    await world.pass(build.lease + 1);
    expect(world.core.state.status).toBe('queued');
    expect(await world.core.undeliverable(1, now())).toBe(false);
    expect(world.core.state.status).toBe('queued');
  });

  it('never changes a build that has ended, however it did', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, failure('user')));
    for (const attempt of [1, 2]) expect(await world.core.undeliverable(attempt, now())).toBe(false);
    expect(world.core.state.errorCode).toBe('build_failed');
  });

  it('changes nothing of a build that somebody tried again since it was sent', async () => {
    world.create();
    const sentAt = now();
    await world.core.cancel(someone);
    world.now += 1000;
    await world.core.retry(someone);
    expect(await world.core.undeliverable(1, sentAt)).toBe(false);
    expect(world.core.state.status).toBe('queued');
  });
});

describe('A failure of the platform', () => {
  it('is given back to the user, once', async () => {
    world.create();
    await world.pass(build.queuedTimeout);
    expect(world.core.state.errorCode).toBe('runner_lost');
    expect(world.refunds).toEqual([world.core.state.userId]);
    await world.restart().tick();
    expect(world.refunds).toHaveLength(1);
    // Tried again, it counts again.
    await world.core.retry(someone);
    await world.core.undeliverable(1, world.now);
    expect(world.refunds).toHaveLength(2);
  });

  it.each(['user', 'limit'] as const)('is not one that is the project’s: %s', async (kind) => {
    await world.create().claim();
    await world.core.events(batch(1, 1, failure(kind)));
    expect(world.refunds).toEqual([]);
  });

  it('that another attempt makes good costs what a build costs', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, failure('infra')));
    await world.claim();
    world.stored.set(hashA, 1);
    await world.core.events(batch(2, 1, success(output('a.zip', 1, hashA))));
    expect(world.core.state.status).toBe('success');
    expect(world.refunds).toEqual([]);
  });
});

describe('What nobody else looks after', () => {
  it('a queued build whose message was lost wakes a dispatcher, again and again', async () => {
    world.create();
    for (let n = 1; n <= 3; n += 1) {
      await world.pass(build.queuedSweep);
      expect(world.wakes).toHaveLength(n);
    }
    expect(world.wakes[0]).toBe(`${buildId} 1`);
  });

  it('a build that waits for its back-off wakes nobody before, and somebody then', async () => {
    await world.create().claim();
    await world.core.release(1, false);
    const { notBefore } = world.core.state;
    world.now = notBefore - 1;
    await world.core.tick();
    expect(world.wakes).toEqual([]);
    await world.pass(1);
    expect(world.wakes).toEqual([`${buildId} 2`]);
  });

  it('a build that no runner took within its time ends as runner_lost', async () => {
    world.create();
    await world.pass(build.queuedTimeout - 1);
    expect(world.core.state.status).toBe('queued');
    await world.pass(build.queuedSweep);
    expect(world.core.state).toMatchObject({ status: 'failed', errorCode: 'runner_lost' });
    expect(world.announced).toEqual(['failed']);
  });

  it('a build that every runner was too busy for ends within its time as well', async () => {
    world.create();
    const end = world.now + build.queuedTimeout + 2 * build.queuedSweep;
    while (world.now < end && world.core.state.status === 'queued') {
      await world.pass(build.queuedSweep);
      const claim = await world.core.claim();
      if (claim) await world.core.release(claim.attempt, true);
    }
    expect(world.core.state).toMatchObject({ status: 'failed', errorCode: 'runner_lost' });
  });

  it('the time in the queue is counted from when it was queued, also when runners were busy in between', async () => {
    world.create();
    world.now += 10_000;
    await world.claim();
    await world.core.release(1, true);
    world.now += 5000;
    await world.claim();
    expect(world.core.state.timings).toMatchObject({ queued: 15_000 });
  });

  it('a projection that failed is tried again until the database has the state', async () => {
    world.create();
    world.projectionFails = true;
    await world.core.cancel(someone);
    expect(world.projected).toEqual([]);
    expect(world.core.state).toMatchObject({ status: 'cancelled', projected: false });
    expect(world.logged.map(({ event }) => event)).toContain('build.projection_failed');
    await world.pass(build.heartbeat);
    world.restart();
    await world.core.tick();
    expect(world.scheduled.length).toBeGreaterThan(0);
    world.projectionFails = false;
    await world.pass(build.heartbeat);
    expect(lastProjected()).toMatchObject({ status: 'cancelled' });
    expect(world.core.state.projected).toBe(true);
  });

  it('progress reaches the database at most once in its interval, the end at once', async () => {
    await world.create().claim();
    const before = world.projected.length;
    world.now += build.projectionInterval;
    for (let n = 1; n <= 10; n += 1) await world.core.events(batch(1, n, progress(n / 20)));
    expect(world.projected.length).toBeLessThanOrEqual(before + 2);
    await world.core.events(batch(1, 11, failure('user')));
    expect(lastProjected()?.status).toBe('failed');
  });

  it('every state that reaches the database is newer than the one before: seq rises', async () => {
    world.create();
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      await world.claim();
      for (let n = 1; n <= 3; n += 1) {
        world.now += build.projectionInterval;
        await world.core.events(batch(attempt, n, progress(n / 10)));
      }
      await world.pass(build.lease);
    }
    await world.core.cancel(someone);
    await world.core.retry(someone);
    await world.claim();
    const order = world.projected.map(({ seq }) => seq);
    expect(order.length).toBeGreaterThan(8);
    for (const [index, value] of order.entries()) if (index) expect(value).toBeGreaterThan(order[index - 1] ?? 0);
  });

  it('a listener hears of every change', async () => {
    world.create();
    let heard = 0;
    const listen = (): void => {
      void world.core.changed().then(() => {
        heard += 1;
        listen();
      });
    };
    listen();
    await world.claim();
    await world.core.events(batch(1, 1, log('x')));
    await world.core.cancel(someone);
    expect(heard).toBe(3);
  });
});
