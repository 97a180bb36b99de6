import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ranOut, readMemoryEvents } from '../../containers/build-runner/src/memory-events.ts';
import { newId } from '../../src/contract/ids.ts';
import { type FakeBuild, FakePlatform, type Files } from './support/fake-platform.ts';
import { largeProject } from './support/large.ts';
import { RunnerProcess } from './support/runner-process.ts';

/** Processes of builds that end before their time: by a limit that their project came to, or by somebody who killed them. */
let platform: FakePlatform;
let runner: RunnerProcess;

beforeAll(async () => {
  platform = await FakePlatform.start();
});
afterEach(async () => {
  await runner?.dispose();
});
afterAll(async () => {
  await platform?.stop();
});

const eventually = async (check: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await check())) await sleep(50);
};

const start = async (env: Record<string, string> = {}, capacity = 1): Promise<void> => {
  runner = await RunnerProcess.start({ platformUrl: platform.url, capacity, env });
};

const run = async (files: Files, options: Partial<FakeBuild['job']['options']> = {}): Promise<FakeBuild> =>
  await runner.run(await platform.build(files, { options }));

/** A file that the child itself reads and takes apart. */
const settings = (bytes: number): Files => ({
  'src/main.ts': 'console.info(1);',
  'kiln.json': `[${Array.from({ length: bytes / 12 }, () => '{"a":[1,2]}').join(',')}]`,
});

/** The child is replaced, and nothing of what ended is left in the next build. */
const expectBuilds = async (): Promise<void> => {
  const next = await run({ 'src/main.ts': `console.info('${newId()}');` });
  expect(await next.outcome.promise).toMatchObject({ type: 'success' });
};

describe('a project that takes more memory than a build may', () => {
  it.each<[string, Files, Partial<FakeBuild['job']['options']>, number]>([
    ['in esbuild', largeProject(120), {}, 768],
    ['in the type checker', largeProject(48), { typecheck: true }, 768],
    ['in the child itself', settings(24_000_000), {}, 128],
  ])('%s: is told of the limit, and nobody tries again', async (_title, files, options, limit) => {
    await start({ BUILD_MEMORY_MIB: '768' });
    const build = await run(files, options);
    const message = `The build needed more than ${limit} MiB of memory.`;
    expect(await build.failure()).toMatchObject({ kind: 'limit', code: 'build_too_large', message });
    // What a client of a lost process says of the project is no mistake of the project.
    expect(build.logs.filter(({ level }) => level === 'error').map((line) => line.message)).toEqual([message]);
    await expectBuilds();
  });
});

describe('a project that takes more processor time than a build may', () => {
  it.each<[string, Files, Partial<FakeBuild['job']['options']>]>([
    ['in esbuild', largeProject(80), { minify: true }],
    ['in the child itself', settings(48_000_000), {}],
  ])('%s: is told of the limit, and nobody tries again', async (_title, files, options) => {
    await start({ BUILD_CPU_SECONDS: '2' });
    const build = await run(files, options);
    expect(await build.failure()).toMatchObject({
      kind: 'limit',
      code: 'build_timeout',
      message: 'The build took more than 2 s of processor time.',
    });
    await expectBuilds();
  });
});

describe('a program of a build that somebody kills', () => {
  const kill = (pids: readonly number[], signal: NodeJS.Signals): void => {
    for (const pid of pids) process.kill(pid, signal);
  };

  it('in the middle of a bundle: is nobody’s fault', async () => {
    await start();
    const build = await platform.build(largeProject(100));
    await runner.post(build.job);
    await eventually(() => build.logs.some(({ step }) => step === 'bundle'));
    kill(await runner.programs('esbuild'), 'SIGKILL');
    expect(await build.failure()).toMatchObject({ kind: 'infra', code: 'runner_lost' });
    expect(build.logs.filter(({ level }) => level === 'error')).toEqual([]);
    await expectBuilds();
  });

  it('while it checks types: is nobody’s fault', async () => {
    await start();
    const build = await platform.build(largeProject(120), { options: { typecheck: true } });
    await runner.post(build.job);
    await eventually(async () => (await runner.programs('tsc')).length === 1);
    kill(await runner.programs('tsc'), 'SIGKILL');
    expect(await build.failure()).toMatchObject({ kind: 'infra', code: 'runner_lost' });
    await expectBuilds();
  });

  it('while it waits for a build: no build is given to what is left', async () => {
    await start();
    await eventually(async () => (await runner.programs('esbuild')).length === 1);
    const [before] = await runner.children();
    kill(await runner.programs('esbuild'), 'SIGKILL');
    await eventually(async () => !(await runner.children()).includes(before ?? 0));
    await expectBuilds();
  });
});

/** A control group with so much memory; null where none can be made, which takes root and a kernel that lets it. */
const memoryGroup = (bytes: number): { readonly procs: string; remove(): void } | null => {
  const kinds = [
    { mount: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes' },
    { mount: '/sys/fs/cgroup', limit: 'memory.max' },
  ];
  for (const { mount, limit } of kinds) {
    const folder = join(mount, `kiln-test-${newId()}`);
    try {
      mkdirSync(folder);
      writeFileSync(join(folder, limit), String(bytes));
      return { procs: join(folder, 'cgroup.procs'), remove: () => rmdirSync(folder) };
    } catch {
      if (existsSync(folder)) rmdirSync(folder);
    }
  }
  return null;
};

const probe = memoryGroup(2 ** 29);
probe?.remove();
if (probe === null)
  process.stderr.write('Builds that the kernel kills are only told from others, for no control group can be made.\n');

describe.skipIf(probe === null)('a runner whose memory is used up', () => {
  let group: ReturnType<typeof memoryGroup> = null;

  /** All of its processes come to one limit, which is below that of any of them. */
  const confine = async (): Promise<void> => {
    group = memoryGroup(2 ** 29);
    const programs = await runner.programs('esbuild');
    for (const pid of [runner.process.pid, ...(await runner.children()), ...programs])
      writeFileSync(group?.procs ?? '', String(pid));
    // The kernel takes a compiler, the largest of them: what else it might take would end another build first.
    for (const pid of programs) writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
  };
  afterEach(async () => {
    await runner.dispose();
    await eventually(() => {
      try {
        group?.remove();
        return true;
      } catch {
        return false;
      }
    });
  });

  it('by one build: is told so, and nobody tries again', async () => {
    await start();
    await eventually(async () => (await runner.programs('esbuild')).length === 1);
    await confine();
    const build = await run(largeProject(120));
    expect(await build.failure()).toMatchObject({
      kind: 'limit',
      code: 'build_too_large',
      message: 'The build needed more memory than its runner has.',
    });
    await expectBuilds();
  });

  it('by several builds: is the fault of none of them', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const isAsked = once(silent, 'request');
    try {
      await start({ NPM_REGISTRY: `http://127.0.0.1:${(silent.address() as AddressInfo).port}/` }, 2);
      await eventually(async () => (await runner.programs('esbuild')).length === 2);
      await confine();
      const other = await platform.build({
        'src/main.ts': "import 'x';",
        'package.json': JSON.stringify({ dependencies: { x: '1.0.0' } }),
      });
      await runner.post(other.job);
      await isAsked;
      const build = await run(largeProject(120));
      expect(await build.failure()).toMatchObject({ kind: 'infra', code: 'runner_lost' });
      other.cancelled = true;
      await eventually(async () => (await runner.health()).running === 0);
    } finally {
      silent.closeAllConnections();
      silent.close();
    }
  });
});

describe('what the kernel says of memory', () => {
  let root: string;
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'kiln-cgroup-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('is read of the process’ own group, in both versions, inside a container too', () => {
    expect(readMemoryEvents(root)).toBeNull();
    write('proc/self/cgroup', '0::/kiln\n');
    write('sys/fs/cgroup/kiln/memory.events', 'low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n');
    expect(readMemoryEvents(root)).toEqual({ kills: 1, hits: 2 });
    write('proc/self/cgroup', '0::/\n');
    write('sys/fs/cgroup/memory.events', 'oom 5\noom_kill 4\n');
    expect(readMemoryEvents(root)).toEqual({ kills: 4, hits: 5 });
    // Named as the machine has it, mounted as the container sees it.
    write('proc/self/cgroup', '5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n');
    write('sys/fs/cgroup/memory/memory.oom_control', 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n');
    write('sys/fs/cgroup/memory/memory.failcnt', '9\n');
    expect(readMemoryEvents(root)).toEqual({ kills: 3, hits: 9 });
    write('sys/fs/cgroup/memory/docker/abc/memory.oom_control', 'oom_kill_disable 0\nunder_oom 0\n');
    write('sys/fs/cgroup/memory/docker/abc/memory.failcnt', '0\n');
    // An old kernel counts no kills there.
    expect(readMemoryEvents(root)).toEqual({ kills: 3, hits: 9 });
  });

  it('means that the runner ran out only where its own limit was met', () => {
    const before = { kills: 1, hits: 1 };
    expect(ranOut(before, { kills: 2, hits: 2 })).toBe(true);
    // The machine was short of memory, and took a process of ours.
    expect(ranOut(before, { kills: 2, hits: 1 })).toBe(false);
    // Somebody was refused memory, and nobody died of it.
    expect(ranOut(before, { kills: 1, hits: 2 })).toBe(false);
    expect(ranOut(null, { kills: 1, hits: 1 })).toBe(false);
    expect(ranOut(before, null)).toBe(false);
  });
});
