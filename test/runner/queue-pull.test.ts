import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { png } from '../support/media.ts';
import { QueueApi } from '../support/queue-api.ts';
import { FakePlatform } from './support/fake-platform.ts';
import { RunnerProcess } from './support/runner-process.ts';

const token = 'account-token-77c1';

let platform: FakePlatform;
let queue: QueueApi;
let runner: RunnerProcess;

const settings = (): Record<string, string> => ({
  JOB_SOURCE: 'queue-pull',
  QUEUE_API: queue.url,
  QUEUE_ACCOUNT: 'studio',
  QUEUE_ID: 'jobs',
  QUEUE_TOKEN: token,
});

beforeAll(async () => {
  platform = await FakePlatform.start();
});
afterAll(async () => {
  await platform?.stop();
});
beforeEach(async () => {
  queue = await QueueApi.start(token);
  runner = await RunnerProcess.start({ platformUrl: platform.url, capacity: 2, env: settings() });
});
afterEach(async () => {
  platform.blobGate = Promise.resolve();
  await runner.dispose();
  await queue.stop();
});

const game = (): Record<string, string> => ({ 'src/main.ts': `console.info('${newId()}');` });
const isEmpty = async (): Promise<void> => {
  await expect.poll(() => queue.size).toBe(0);
};

/** Keeps builds in their first step. */
const hold = (): (() => void) => {
  const gate = Promise.withResolvers<void>();
  platform.blobGate = gate.promise;
  return gate.resolve;
};

describe('a runner that pulls its jobs', () => {
  it('builds what the queue holds, and acknowledges it at the end', async () => {
    const build = await platform.build(game());
    const release = hold();
    queue.send(build.ticket);
    await expect.poll(() => build.blobRequests).toBeGreaterThan(0);
    expect(queue.size).toBe(1);
    release();
    expect(await build.outcome.promise).toMatchObject({ type: 'success' });
    await isEmpty();
    const pulls = queue.calls.filter(({ path }) => path === 'messages/pull').map(({ body }) => body);
    expect(pulls[0]).toMatchObject({ batch_size: 2 });
    for (const pull of pulls as { visibility_timeout_ms: number }[])
      expect(pull.visibility_timeout_ms).toBeGreaterThan(limits.build.timeout);
  });

  it('takes no more than it has places for, and the rest when there are some', async () => {
    const builds = await Promise.all([1, 2, 3, 4, 5].map(() => platform.build(game())));
    const release = hold();
    for (const { ticket } of builds) queue.send(ticket, 'text');
    await expect.poll(async () => (await runner.health()).running).toBe(2);
    await sleep(1500);
    expect(builds.filter(({ blobRequests }) => blobRequests > 0)).toHaveLength(2);
    release();
    for (const build of builds) expect((await build.outcome.promise).type).toBe('success');
    await isEmpty();
  });

  it('[72] does no work for a message that comes a second time, or for an attempt that is over', async () => {
    const build = await platform.build(game());
    const release = hold();
    queue.send(build.ticket);
    await expect.poll(() => build.blobRequests).toBeGreaterThan(0);
    // The same message again, while its job runs: its lease was thought to be over.
    queue.expireLeases();
    await sleep(1500);
    release();
    await build.outcome.promise;
    await isEmpty();
    expect(build.events.filter(({ type }) => type === 'success')).toHaveLength(1);

    build.refuseWith = 409;
    const said = build.events.length;
    queue.send(build.ticket);
    await isEmpty();
    expect(build.events).toHaveLength(said);
  });

  it('[72] does no work for a message that two runners get: the platform gives the attempt to one', async () => {
    const other = await RunnerProcess.start({ platformUrl: platform.url, capacity: 2, env: settings() });
    try {
      const build = await platform.build(game());
      const release = hold();
      queue.send(build.ticket);
      queue.send(build.ticket);
      await expect.poll(() => build.executions.length).toBeGreaterThan(0);
      // One runner knows an attempt that it has; to see both ask, the message comes until the other one got it.
      while (new Set(build.executions).size < 2) {
        queue.send(build.ticket);
        await sleep(300);
      }
      release();
      expect(await build.outcome.promise).toMatchObject({ type: 'success' });
      await isEmpty();
      expect(build.events.filter(({ type }) => type === 'success')).toHaveLength(1);
    } finally {
      await other.dispose();
    }
  });

  it('is given the lock by the platform, however large: a message would not hold it', async () => {
    const lock = JSON.stringify({ lockfileVersion: 3, packages: {}, note: 'x'.repeat(300_000) });
    const build = await platform.build(game(), { lock });
    queue.send(build.ticket);
    expect(JSON.stringify(build.ticket).length).toBeLessThan(2000);
    expect(await build.outcome.promise).toMatchObject({ type: 'success' });
    await isEmpty();
  });

  it('gives a message back when the platform does not answer, and takes it later', async () => {
    const build = await platform.build(game());
    build.refuseWith = 503;
    queue.maxRetries = 10;
    queue.send(build.ticket);
    const retried = (): boolean =>
      queue.calls.some(({ path, body }) => path === 'messages/ack' && JSON.stringify(body).includes('delay_seconds'));
    await expect.poll(retried).toBe(true);
    build.refuseWith = null;
    expect(await build.outcome.promise).toMatchObject({ type: 'success' });
    await isEmpty();
  });

  it('[71] drops what is no job of this platform', async () => {
    const stranger = await FakePlatform.start();
    const { job, ticket } = await platform.build(game());
    queue.send('{');
    queue.send({ v: 2 });
    queue.send({ ...ticket, token: await stranger.sign(job) });
    queue.send({ ...ticket, attempt: 2 });
    await stranger.stop();
    await isEmpty();
    expect(queue.dead).toEqual([]);
    expect((await runner.health()).running).toBe(0);
    expect(runner.lines.filter((line) => line.includes('queue.message_refused'))).toHaveLength(4);
  });

  it('goes on after failures of the queue', async () => {
    const build = await platform.build(game());
    queue.failures = [500, 429, 503];
    queue.send(build.ticket);
    expect(await build.outcome.promise).toMatchObject({ type: 'success' });
    await isEmpty();
  });

  it('gives a message back when the platform cannot say whose it is', async () => {
    const other = await FakePlatform.start();
    const build = await other.build(game());
    const url = other.url;
    await other.stop();
    const lost = await RunnerProcess.start({ platformUrl: url, env: settings() });
    try {
      await runner.stop();
      queue.send(build.ticket);
      const retried = (): boolean =>
        queue.calls.some(({ path, body }) => path === 'messages/ack' && JSON.stringify(body).includes('delay_seconds'));
      await expect.poll(retried).toBe(true);
      expect(queue.size).toBe(1);
    } finally {
      await lost.dispose();
    }
  });

  it('says so of its jobs and acknowledges them when it is stopped', async () => {
    const build = await platform.build(game());
    hold();
    queue.send(build.ticket);
    await expect.poll(() => build.blobRequests).toBeGreaterThan(0);
    await runner.stop('SIGTERM');
    expect(await build.failure()).toMatchObject({ kind: 'infra', code: 'runner_lost' });
    expect(queue.size).toBe(0);
  });

  it('keeps the token of the account from its children, and takes no jobs over HTTP', async () => {
    for (const pid of await runner.children())
      expect(await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')).not.toContain(token);
    expect(runner.lines.join('\n')).not.toContain(token);
    expect((await runner.post((await platform.build(game())).job)).status).toBe(404);
  });

  it('does not start without a queue', async () => {
    const env = { ...settings(), QUEUE_TOKEN: '' };
    await expect(RunnerProcess.start({ platformUrl: platform.url, dir: runner.dir, env })).rejects.toThrow(
      'QUEUE_TOKEN',
    );
  });

  it('writes pictures anew beside its jobs, and says which it cannot', async () => {
    const order = { format: 'webp', quality: 80, maxWidth: 8, maxHeight: null } as const;
    const build = await platform.build(game());
    const other = await platform.build(game());
    const release = hold();
    queue.send(build.ticket);
    await expect.poll(() => build.blobRequests).toBeGreaterThan(0);
    const good = await platform.picture(png(16, 16), order);
    queue.send(good.ticket);
    const made = await good.outcome.promise;
    expect(Buffer.isBuffer(made) && (await sharp(made).metadata())).toMatchObject({
      format: 'webp',
      width: 8,
      height: 8,
    });
    const cut = await platform.picture(png(40, 40).slice(0, 60), order);
    queue.send(cut.ticket);
    expect(await cut.outcome.promise).toEqual({ code: 'asset_broken' });
    // Somebody has made it, the token is of another key, or it is none at all.
    const known = await platform.picture(png(17, 17), order);
    known.refuseWith = 409;
    queue.send(known.ticket);
    const forged = await platform.picture(png(18, 18), order);
    queue.send({ ...forged.ticket, token: `${forged.ticket.token.slice(0, -8)}AAAAAAAA` });
    await expect.poll(() => queue.size).toBe(1);
    expect([known.calls, forged.calls]).toEqual([['source'], []]);
    queue.send(other.ticket);
    release();
    for (const { outcome } of [build, other]) expect((await outcome.promise).type).toBe('success');
    await isEmpty();
    expect(queue.dead).toEqual([]);
  });
});
