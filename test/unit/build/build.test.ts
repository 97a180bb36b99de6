import { beforeEach, describe, expect, it } from 'vitest';
import { BuildOptions } from '../../../src/contract/builds.ts';
import { KilnError } from '../../../src/contract/errors.ts';
import { limits } from '../../../src/contract/limits.ts';
import { buildKey } from '../../../src/core/build-key.ts';
import { sha256 } from '../../../src/core/tree.ts';
import {
  BuildWorld,
  batch,
  buildId,
  failure,
  log,
  output,
  progress,
  row,
  someone,
  success,
} from '../support/build-world.ts';

const { build } = limits;
const [hashA, hashB] = ['a'.repeat(64), 'b'.repeat(64)];

let world: BuildWorld;
beforeEach(() => {
  world = new BuildWorld();
});

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (error instanceof KilnError) return error.code;
    throw error;
  }
}

const messages = (): string[] => world.core.logs(0, 100_000).map(({ message }) => message);
const lastProjected = () => world.projected.at(-1);

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

describe('A batch', () => {
  it('that comes twice is taken once', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, log('once')));
    await world.core.events(batch(1, 1, log('once')));
    await world.core.events(batch(1, 2, log('twice')));
    await world.core.events(batch(1, 1, log('late')));
    expect(messages()).toEqual(['once', 'twice']);
  });

  it('that comes twice is taken once also when it brings the outcome', async () => {
    await world.create().claim();
    // The first time its output is not there yet; the runner stores it and reports again.
    const last = batch(1, 1, log('done'), success(output('a.zip', 1, hashA)));
    expect(await codeOf(world.core.events(last))).toBe('conflict');
    world.stored.set(hashA, 1);
    await world.core.events(last);
    expect(world.core.state.status).toBe('success');
    expect(messages()).toEqual(['done']);
  });

  it('of an earlier attempt is refused, and changes nothing [hostile 72]', async () => {
    await world.create().claim();
    await world.pass(build.lease);
    expect(await codeOf(world.core.events(batch(1, 1, log('zombie'))))).toBe('conflict');
    await world.claim();
    world.stored.set(hashA, 1);
    expect(await codeOf(world.core.events(batch(1, 1, success(output('a', 1, hashA)))))).toBe('conflict');
    expect(world.core.state).toMatchObject({ status: 'building', attempt: 2 });
    expect(messages().filter((message) => message === 'zombie')).toEqual([]);
  });

  it('of an attempt that was never started is refused [hostile 72]', async () => {
    world.create();
    expect(await codeOf(world.core.events(batch(1, 1, success())))).toBe('conflict');
    await world.claim();
    expect(await codeOf(world.core.events(batch(2, 1, success())))).toBe('conflict');
    expect(world.core.state.status).toBe('building');
  });

  it('after the end changes nothing, and its answer is said again', async () => {
    await world.create().claim();
    const last = batch(1, 1, failure('user'));
    await world.core.events(last);
    const { state } = world.core;
    expect(await world.core.events(last)).toEqual({ cancelled: false });
    expect(await world.core.events(batch(1, 2, success()))).toEqual({ cancelled: false });
    expect(world.core.state).toEqual(state);
  });

  it('of which a part cannot be stored is not stored at all, and can come again', async () => {
    await world.create().claim();
    world.sql.failOnce(/COMMIT/);
    await expect(world.core.events(batch(1, 1, log('one'), progress(0.5)))).rejects.toThrow('disk I/O error');
    await world.core.events(batch(1, 1, log('one'), progress(0.5)));
    expect(messages()).toEqual(['one']);
    const { state } = world.core;
    expect(world.restart().state).toEqual(state);
  });
});

describe('Success', () => {
  it('with a lock file larger than a row of SQLite ends by a rule, not by an error of the storage', async () => {
    await world.create().claim();
    const big = { ...success(), lock: 'x'.repeat(2_500_000) };
    expect(['done', 'payload_too_large', 'validation_failed']).toContain(
      await codeOf(world.core.events(batch(1, 1, big))),
    );
  });

  it('keeps the lock that the runner reported by its hash, and is found by a key that names it', async () => {
    await world.create().claim();
    const { key } = world.core.state;
    await world.core.events(batch(1, 1, { ...success(), lock: '{"lockfileVersion":3}' }));
    const lockHash = sha256('{"lockfileVersion":3}');
    expect(world.core.state.lockHash).toBe(lockHash);
    expect([...world.locks]).toEqual([[lockHash, '{"lockfileVersion":3}']]);
    const { treeHash, target, projectName } = world.core.state;
    expect(world.core.state.key).toBe(
      buildKey({ name: projectName, treeHash, target, options: BuildOptions.parse({}), lock: lockHash }),
    );
    expect(world.core.state.key).not.toBe(key);
  });

  it('without a lock keeps the one that it was given', async () => {
    const lockHash = 'c'.repeat(64);
    const claim = await world.create({ lockHash }).claim();
    expect(claim.lockHash).toBe(lockHash);
    await world.core.events(batch(1, 1, success()));
    expect(world.core.state.lockHash).toBe(lockHash);
    expect(world.locks.size).toBe(0);
  });

  it('needs every output stored with the size that was said', async () => {
    await world.create().claim();
    world.stored.set(hashA, 10);
    const outputs = [output('a.zip', 10, hashA), output('b.zip', 20, hashB)];
    expect(await codeOf(world.core.events(batch(1, 1, success(...outputs))))).toBe('conflict');
    world.stored.set(hashB, 19);
    expect(await codeOf(world.core.events(batch(1, 1, success(...outputs))))).toBe('conflict');
    expect(world.core.state.status).toBe('building');
    expect(world.kept).toBeNull();
    world.stored.set(hashB, 20);
    expect(await codeOf(world.core.events(batch(1, 1, success(...outputs))))).toBe('done');
    expect(world.core.state.status).toBe('success');
    expect(world.kept).toEqual(outputs);
  });

  it('refuses two outputs of one name, but for a site and a download', async () => {
    await world.create().claim();
    world.stored.set(hashA, 1).set(hashB, 1);
    const twins = [output('a', 1, hashA), output('a', 1, hashB, 'report')];
    expect(await codeOf(world.core.events(batch(1, 1, success(...twins))))).toBe('validation_failed');
    const both = [output('a', 1, hashA), output('a', 1, hashB, 'site')];
    expect(await codeOf(world.core.events(batch(1, 1, success(...both))))).toBe('done');
  });

  it('shows downloads before reports, and no file of the site', async () => {
    await world.create().claim();
    world.stored.set(hashA, 1);
    await world.core.events(
      batch(
        1,
        1,
        success(
          output('sbom.json', 1, hashA, 'report'),
          output('index.html', 1, hashA, 'site'),
          output('game.zip', 1, hashA),
        ),
      ),
    );
    expect(world.core.state.artifacts.map(({ name }) => name)).toEqual(['game.zip', 'sbom.json']);
    // One content under three names.
    expect(world.core.state.outputBytes).toBe(1);
  });

  it('never comes after a cancel, not even one while the outputs are looked at [hostile 72]', async () => {
    await world.create().claim();
    world.stored.set(hashA, 1);
    world.beforeSize = async () => {
      world.beforeSize = () => undefined;
      expect(await world.core.cancel(someone)).toBe(true);
    };
    expect(await world.core.events(batch(1, 1, success(output('a', 1, hashA))))).toEqual({ cancelled: true });
    expect(world.core.state).toMatchObject({ status: 'cancelled', errorCode: 'build_cancelled', artifacts: [] });
    expect(world.projected.some(({ status }) => status === 'success')).toBe(false);
    expect(world.announced).toEqual(['cancelled']);
  });

  it('never comes from an attempt whose lease ran out while its outputs were looked at', async () => {
    await world.create().claim();
    world.stored.set(hashA, 1);
    world.beforeSize = async () => {
      world.beforeSize = () => undefined;
      await world.pass(build.lease);
      await world.claim();
    };
    await world.core.events(batch(1, 1, success(output('a', 1, hashA))));
    expect(world.core.state).toMatchObject({ status: 'building', attempt: 2, artifacts: [] });
  });

  it('reported twice at once is one success', async () => {
    await world.create().claim();
    world.stored.set(hashA, 1);
    const last = batch(1, 1, success(output('a', 1, hashA)));
    expect(await Promise.all([world.core.events(last), world.core.events(last)])).toEqual([
      { cancelled: false },
      { cancelled: false },
    ]);
    expect(world.announced).toEqual(['success']);
  });

  it('cannot be cancelled or retried', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, success()));
    expect(await world.core.cancel(someone)).toBe(false);
    expect(await codeOf(world.core.retry(someone))).toBe('conflict');
    expect(world.core.state.status).toBe('success');
  });
});

describe('Failure', () => {
  it.each(['user', 'limit'] as const)('of kind %s is final: nobody tries again', async (kind) => {
    await world.create().claim();
    await world.core.events(batch(1, 1, failure(kind)));
    expect(world.core.state).toMatchObject({
      status: 'failed',
      errorCode: 'build_failed',
      errorMessage: 'src/main.ts:1:1: no',
      timings: { bundle: 3 },
    });
    await world.pass(10 * build.queuedTimeout);
    expect(world.core.state.status).toBe('failed');
    expect(await world.core.claim()).toBeNull();
  });

  it('of kind infra is tried again, up to three times in all', async () => {
    world.create();
    for (let attempt = 1; attempt <= build.attempts; attempt += 1) {
      await world.claim();
      expect(await world.core.events(batch(attempt, 1, failure('infra', 'internal')))).toEqual({ cancelled: false });
      expect(world.core.state.status).toBe(attempt < build.attempts ? 'queued' : 'failed');
    }
    expect(world.core.state.errorCode).toBe('runner_lost');
  });

  it('backs off longer each time, within bounds', async () => {
    world.create();
    for (let attempt = 1; attempt < build.attempts; attempt += 1) {
      await world.claim();
      await world.core.release(attempt, false);
      const delay = world.core.state.notBefore - world.now;
      expect(delay).toBeGreaterThan(0);
      expect(delay).toBeLessThanOrEqual(Math.min(build.queuedSweep, build.retryDelay * 2 ** (attempt - 1)));
      expect(Math.min(...world.scheduled)).toBeLessThanOrEqual(world.core.state.notBefore);
    }
  });

  it('can be retried by a person: same build, fresh count of failures, next attempt', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, failure('user')));
    await world.core.retry(someone);
    expect(world.core.state).toMatchObject({
      status: 'queued',
      failures: 0,
      errorCode: null,
      errorMessage: null,
      completedAt: null,
    });
    expect(world.wakes.at(-1)).toBe(`${buildId} 2`);
    // It is theirs from now on: place, turn, and what is given back.
    expect(world.projected.at(-1)).toMatchObject({ status: 'queued', userId: someone.actorId });
    expect((await world.claim()).attempt).toBe(2);
    expect(await codeOf(world.core.retry(someone))).toBe('conflict');
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

describe('The log', () => {
  it('is numbered from 1 over all attempts, and read from any number', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, log('a'), log('b'), log('c')));
    expect(world.core.logs(0, 2).map(({ seq, message }) => [seq, message])).toEqual([
      [1, 'a'],
      [2, 'b'],
    ]);
    expect(world.core.logs(2, 10).map(({ message }) => message)).toEqual(['c']);
    await world.pass(build.lease);
    await world.claim();
    await world.core.events(batch(2, 1, log('d')));
    expect(world.core.logs(0, 10).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  });

  it('is capped, with one note that says so', async () => {
    await world.create().claim();
    await world.status({ logLines: build.logLines - 2 });
    await world.core.events(batch(1, 1, ...Array.from({ length: 10 }, (_, n) => log(`line ${n}`))));
    await world.core.events(batch(1, 2, log('one more')));
    expect(messages()).toEqual(['line 0', 'line 1', expect.stringMatching(/full/)]);
    // The build itself goes on.
    await world.core.events(batch(1, 3, success()));
    expect(world.core.state.status).toBe('success');
  });

  it('is capped in bytes, too, with one note', async () => {
    await world.create().claim();
    await world.status({ logBytes: build.logBytes - 10 });
    await world.core.events(batch(1, 1, log('12345'), log('界界'), log('x'), log('y')));
    expect(messages()).toEqual(['12345', expect.stringMatching(/full/)]);
    await world.core.events(batch(1, 2, log('z')));
    expect(messages()).toHaveLength(2);
  });

  it('is kept as one object soon after the build has ended, whole over all attempts', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, log('one'), failure('infra')));
    await world.core.tick();
    expect(world.keptLog).toBeNull();
    await world.claim();
    world.scheduled.length = 0;
    await world.core.events(batch(2, 1, log('two'), failure('user')));
    expect(world.scheduled).toContain(world.now + build.queuedSweep);
    await world.core.tick();
    const kept = (world.keptLog ?? '')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(kept).toEqual(world.core.logs(0, 100));
    expect(kept).toHaveLength(3);
    // Once.
    world.keptLog = null;
    await world.core.tick();
    expect(world.keptLog).toBeNull();
    // And again with what another try adds.
    await world.core.retry(someone);
    await world.claim();
    await world.core.tick();
    expect(world.keptLog).toBeNull();
    await world.core.events(batch(3, 1, log('three'), failure('user')));
    await world.core.tick();
    expect((world.keptLog ?? '').trim().split('\n')).toHaveLength(4);
  });

  it('goes on answering where it could not be kept, and is kept later, by another life of the object, too', async () => {
    await world.create().claim();
    world.logFails = true;
    await world.core.events(batch(1, 1, log('one'), failure('user')));
    expect(world.core.state.status).toBe('failed');
    await world.core.tick();
    expect(world.keptLog).toBeNull();
    expect(messages()).toEqual(['one']);
    expect(world.scheduled.length).toBeGreaterThan(0);
    world.logFails = false;
    await world.restart().tick();
    expect(world.keptLog).toContain('one');
  });

  it('masks what looks like a secret, in lines and in the reason of a failure [hostile 71]', async () => {
    const token = `ghp_${'a1'.repeat(18)}`;
    await world.create().claim();
    await world.core.events(
      batch(1, 1, log(`const t = '\u001b[32m${token}\u001b[0m'`), {
        type: 'failure',
        kind: 'user',
        code: 'build_failed',
        message: `src/main.ts:1:1: \u001b[31m${token}`,
        timings: {},
      }),
    );
    expect(messages()).toEqual(["const t = '[masked]'"]);
    expect(world.core.state.errorMessage).toBe('src/main.ts:1:1: [masked]');
    await world.core.tick();
    expect(world.keptLog).toContain('[masked]');
    expect(world.keptLog).not.toContain(token);
  });

  it('caps a line', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, log('x'.repeat(3 * build.logLineBytes))));
    expect(Buffer.byteLength(messages()[0] ?? '')).toBe(build.logLineBytes);
  });

  it('caps a line in bytes, also of wide characters', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, log('界'.repeat(build.logLineBytes))));
    expect(Buffer.byteLength(messages()[0] ?? '')).toBeLessThanOrEqual(build.logLineBytes);
  });

  it.each([
    ['colours', '\u001b[31mred\u001b[0m', 'red'],
    ['true colours', '\u001b[38;2;1;2;3mx\u001b[m', 'x'],
    ['cursor movement', 'a\u001b[2K\u001b[1Gb', 'ab'],
    ['a window title', '\u001b]0;title\u0007text', 'text'],
    [
      'a hyperlink, but not its text',
      '\u001b]8;;http://evil.example\u001b\\click\u001b]8;;\u001b\\ here',
      'click here',
    ],
    ['bells and backspaces', 'a\u0007b\u0008c', 'abc'],
    ['NUL and DEL', 'a\u0000b\u007fc', 'abc'],
    ['a carriage return', 'over\rwritten', 'overwritten'],
    ['a lone escape', 'a\u001bb\u001b', null],
    ['an open sequence', 'a\u001b]0;never closed', null],
  ])('is plain text: %s are removed [hostile 71]', async (_name, raw, wanted) => {
    await world.create().claim();
    await world.core.events(batch(1, 1, log(raw)));
    const [message = ''] = messages();
    expect([...message].every((letter) => letter >= ' ' && letter !== '\u007f')).toBe(true);
    if (wanted !== null) expect(message).toBe(wanted);
  });

  it('keeps tabs, line ends, HTML and any script as they are', async () => {
    await world.create().claim();
    const text = '<script>\talert(1)</script>\n日本語 😀';
    await world.core.events(batch(1, 1, log(text)));
    expect(messages()).toEqual([text]);
  });

  it('keeps file, line and column', async () => {
    await world.create().claim();
    await world.core.events(
      batch(1, 1, {
        type: 'log',
        at: 0,
        level: 'error',
        step: 'bundle',
        message: 'm',
        file: 'a.ts',
        line: 3,
        column: 0,
      }),
    );
    expect(world.core.logs(0, 1)).toEqual([
      {
        seq: 1,
        at: '1970-01-01T00:00:00.000Z',
        level: 'error',
        step: 'bundle',
        message: 'm',
        file: 'a.ts',
        line: 3,
        column: 0,
      },
    ]);
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
