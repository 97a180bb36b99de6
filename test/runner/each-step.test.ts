import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { type FakeBuild, FakePlatform, type Files, type JobOverrides } from './support/fake-platform.ts';
import { largeProject } from './support/large.ts';
import { RunnerProcess } from './support/runner-process.ts';

/** [4] What becomes of a build that is cancelled, or whose processes are killed, at each step of its way. */
let platform: FakePlatform;
let runner: RunnerProcess;
/** A registry that takes every question and answers none. */
let silent: Server;

beforeAll(async () => {
  platform = await FakePlatform.start();
  silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
});
afterAll(async () => {
  await platform?.stop();
  silent?.closeAllConnections();
  silent?.close();
});
beforeEach(async () => {
  const registry = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
  runner = await RunnerProcess.start({ platformUrl: platform.url, capacity: 1, env: { NPM_REGISTRY: registry } });
});
afterEach(async () => {
  giveBlobs();
  await runner.dispose();
});

let giveBlobs = (): void => undefined;
/** The platform answers for no blob until `giveBlobs`, which lets go those that wait as well. */
const holdBlobs = (): void => {
  const { promise, resolve } = Promise.withResolvers<void>();
  platform.blobGate = promise;
  giveBlobs = resolve;
};

const eventually = async (check: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await check())) await sleep(50);
};

const signal = (pids: readonly number[], name: NodeJS.Signals): void => {
  for (const pid of pids) process.kill(pid, name);
};

const begin = async (files: Files, overrides: JobOverrides = {}): Promise<FakeBuild> => {
  const build = await platform.build(files, overrides);
  expect((await runner.post(build.job)).status).toBe(202);
  return build;
};

/** Children of the runner that run this script. */
const childrenOf = async (script: string): Promise<number[]> => {
  const children = await runner.children();
  const lines = await Promise.all(children.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')));
  return children.filter((_, index) => lines[index]?.includes(script));
};

const small: Files = { 'src/main.ts': 'console.info(1);' };
const never = (): Promise<void> => new Promise(() => undefined);

const noise = async (side: number): Promise<Buffer> =>
  await sharp(randomBytes(side * side * 3), { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toBuffer();

/** A build that is at this step and does not get on, and what works on it. */
const held: Record<string, () => Promise<{ build: FakeBuild; workers: number[] }>> = {
  child: async () => {
    await eventually(async () => (await childrenOf('child.cjs')).length === 1);
    signal(await runner.children(), 'SIGKILL');
    await eventually(async () => (await runner.children()).length === 0);
    holdBlobs();
    const build = await begin(small);
    // Between fork and exec it is still the runner's, which would wait with it.
    await eventually(async () => (await childrenOf('child.cjs')).length === 1);
    const workers = await childrenOf('child.cjs');
    signal(workers, 'SIGSTOP');
    return { build, workers };
  },
  source: async () => {
    holdBlobs();
    const build = await begin(small);
    await eventually(() => build.blobRequests > 0);
    return { build, workers: await runner.children() };
  },
  dependencies: async () => {
    const asked = once(silent, 'request');
    const build = await begin({ ...small, 'package.json': JSON.stringify({ dependencies: { x: '1.0.0' } }) });
    await asked;
    return { build, workers: await childrenOf('installer.ts') };
  },
  typecheck: async () => {
    const build = await begin(largeProject(80), { options: { typecheck: true } });
    await eventually(async () => (await runner.programs('tsc')).length === 1);
    const workers = await runner.programs('tsc');
    signal(workers, 'SIGSTOP');
    return { build, workers };
  },
  bundle: async () => {
    // Stopped before it is ready it would hold its child there, and never come to a bundle.
    const build = await begin(largeProject(100));
    await eventually(() => build.logs.some(({ step }) => step === 'bundle'));
    const workers = await runner.programs('esbuild');
    signal(workers, 'SIGSTOP');
    return { build, workers };
  },
  assets: async () => {
    const pictures = { 'public/a.png': await noise(16), 'public/b.png': await noise(2000) };
    const build = await begin({ ...small, ...pictures }, { options: { optimizeAssets: true } });
    // The small one is done, and the large one under way.
    await eventually(() => build.events.some((event) => event.type === 'progress' && event.step === 'assets'));
    const workers = await runner.children();
    signal(workers, 'SIGSTOP');
    return { build, workers };
  },
  package: async () => {
    // What is bundled in no time, and packed in seconds.
    const text = randomBytes(16 * 1024 * 1024).toString('base64');
    const pages = Object.fromEntries(['a', 'b'].map((name) => [`public/${name}.json`, `"${name}${text}"`]));
    const build = await begin({ ...small, ...pages });
    await eventually(() => build.logs.some(({ step }) => step === 'bundle'));
    const workers = await runner.children();
    signal(workers, 'SIGSTOP');
    return { build, workers };
  },
};

const expectGone = async (workers: readonly number[]): Promise<void> => {
  await eventually(async () => {
    const alive = await Promise.all(
      workers.map(async (pid) => {
        const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
        return stat !== '' && !/^\) [ZX]/.test(stat.slice(stat.lastIndexOf(')')));
      }),
    );
    return !alive.includes(true);
  });
};

/** The runner takes the next build, and of the one before only caches are left. */
const expectClean = async (): Promise<void> => {
  giveBlobs();
  const next = await runner.run(await platform.build({ 'src/main.ts': `console.info('${newId()}');` }));
  expect(await next.outcome.promise).toMatchObject({ type: 'success' });
  const work = join(runner.dir, 'work', String(runner.process.pid));
  const left = async (): Promise<string[][]> =>
    await Promise.all((await runner.workFolders()).map((name) => readdir(join(work, name, 'project')).catch(() => [])));
  await eventually(async () => (await left()).every((files) => files.length === 0));
  const staging = join(runner.dir, 'staging', String(runner.process.pid));
  await eventually(async () => (await readdir(staging).catch(() => [])).length === 0);
};

describe('a build that is cancelled', () => {
  /** The promise of the API is 2 s (builds.md): the runner asks twice in that time, stops at the first answer, and one may be on its way. */
  const expectStopped = async (build: FakeBuild): Promise<void> => {
    build.cancelled = true;
    const asked = build.batches.length;
    await eventually(async () => (await runner.health()).running === 0);
    expect(build.batches.length - asked).toBeLessThanOrEqual(2);
    expect(build.events.filter(({ type }) => type === 'success' || type === 'failure')).toEqual([]);
  };

  it.each(Object.keys(held))('at the step “%s”: stops, with all that works on it', async (step) => {
    const { build, workers } = (await held[step]?.()) ?? expect.unreachable();
    expect(workers.length).toBeGreaterThan(0);
    await expectStopped(build);
    await expectGone(workers);
    await expectClean();
  });

  it('while its outputs are on their way: stops, and says nothing of them', async () => {
    const build = await platform.build({ ...small, 'public/large.bin': randomBytes(3 * 1024 * 1024) });
    build.outputsGate = never();
    await runner.post(build.job);
    await eventually(() => build.outputRequests > 0);
    await expectStopped(build);
    expect(build.stored.size).toBe(0);
    await expectClean();
  });

  it('when all is done and only to be told: is for the platform to decide, and the runner goes on', async () => {
    const build = await platform.build(small);
    const gate = Promise.withResolvers<void>();
    build.successGate = gate.promise;
    await runner.post(build.job);
    await eventually(() => build.successRequests > 0);
    build.cancelled = true;
    // Its place is free already.
    await expectClean();
    gate.resolve();
    await eventually(async () => (await runner.health()).running === 0);
    expect(build.successRequests).toBe(1);
  });
});

describe('a build whose process is killed', () => {
  it.each(Object.keys(held))('at the step “%s”: is nobody’s fault, and the next one is clean', async (step) => {
    const { build, workers } = (await held[step]?.()) ?? expect.unreachable();
    signal(workers, 'SIGKILL');
    giveBlobs();
    expect(await build.failure()).toMatchObject({ kind: 'infra', code: 'runner_lost' });
    await expectClean();
  });
});

describe('a runner that is killed after the last upload', () => {
  const files: Files = { ...small, 'public/large.bin': randomBytes(3 * 1024 * 1024) };

  const another = async (): Promise<void> => {
    await runner.stop('SIGKILL');
    runner = await RunnerProcess.start({ platformUrl: platform.url, capacity: 1, dir: runner.dir });
  };

  it('before its word of success was believed: the next attempt makes the same', async () => {
    const first = await platform.build(files);
    first.successGate = never();
    await runner.post(first.job);
    await eventually(() => first.successRequests > 0);
    await another();
    expect(first.events.some(({ type }) => type === 'success')).toBe(false);
    const { buildId, projectId } = first.job;
    const second = await runner.run(await platform.build(files, { buildId, projectId, attempt: 2 }));
    const outputs = await second.outputs();
    // What was stored before is what is named now: nothing of the first attempt is anything else.
    const named = new Set(outputs.map(({ sha256 }) => sha256));
    expect(first.stored.size).toBeGreaterThan(0);
    for (const hash of first.stored.keys()) expect(named).toContain(hash);
    expect(second.events.filter(({ type }) => type === 'success')).toHaveLength(1);
  });

  it('after it was believed, and before it heard so: the job comes again and changes nothing', async () => {
    const build = await platform.build(files);
    build.outcomeGate = never();
    await runner.post(build.job);
    const outcome = await build.outcome.promise;
    await another();
    const stored = [...build.stored.keys()];
    // The platform knows how it ended, and refuses every word of an attempt that is over.
    build.refuseWith = 409;
    expect((await runner.post(build.job)).status).toBe(202);
    await eventually(async () => (await runner.health()).running === 0);
    expect(outcome).toMatchObject({ type: 'success' });
    expect([...build.stored.keys()]).toEqual(stored);
    expect(build.events.filter(({ type }) => type === 'success' || type === 'failure')).toHaveLength(1);
  });
});
