import { describe, expect, it } from 'vitest';
import { BuildOptions } from '../../../src/contract/builds.ts';
import { limits } from '../../../src/contract/limits.ts';
import { buildKey } from '../../../src/core/build-key.ts';
import { sha256 } from '../../../src/core/tree.ts';
import { buildPerTest, hashA, hashB, messages, world } from '../support/build-setup.ts';
import { batch, buildId, failure, log, output, progress, someone, success } from '../support/build-world.ts';
import { codeOf } from '../support/code-of.ts';

const { build } = limits;

buildPerTest();

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
