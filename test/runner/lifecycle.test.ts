import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runnerLimits } from '../../containers/build-runner/src/runner-limits.ts';
import { newId } from '../../src/contract/ids.ts';
import { FakePlatform } from './support/fake-platform.ts';
import { RunnerProcess } from './support/runner-process.ts';

let platform: FakePlatform;
let runner: RunnerProcess;

beforeAll(async () => {
  platform = await FakePlatform.start();
});
afterAll(async () => {
  await platform?.stop();
});
beforeEach(async () => {
  runner = await RunnerProcess.start({ platformUrl: platform.url, capacity: 2 });
});
afterEach(async () => {
  release();
  await runner.dispose();
});

let release: () => void = () => undefined;

/** Keeps builds in their first step until `release()`. */
const hold = (): void => {
  const gate = Promise.withResolvers<void>();
  platform.blobGate = gate.promise;
  release = () => {
    gate.resolve();
    platform.blobGate = Promise.resolve();
  };
};

const game = (): Record<string, string> => ({ 'src/main.ts': `console.info('${newId()}');` });

const eventually = async (check: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await check())) await sleep(50);
};

describe('POST /jobs', () => {
  it('answers 202 to a job that runs already, without running it twice', async () => {
    hold();
    const build = await platform.build(game());
    const answers = await Promise.all([runner.post(build.job), runner.post(build.job), runner.post(build.job)]);
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    expect(await answers[0]?.json()).toEqual({ accepted: true });
    expect(await runner.health()).toMatchObject({ status: 'ok', running: 1, capacity: 2 });
    release();
    await build.outcome.promise;
    await eventually(async () => (await runner.health()).running === 0);
    expect(build.events.filter(({ type }) => type === 'success')).toHaveLength(1);
    expect(build.blobRequests).toBe(1);
  });

  it('answers 503 with Retry-After when every place is taken', async () => {
    hold();
    const third = await platform.build(game());
    const builds = [await platform.build(game()), await platform.build(game()), third];
    const statuses = [];
    for (const build of builds) {
      const answer = await runner.post(build.job);
      statuses.push([answer.status, answer.headers.get('retry-after')]);
    }
    expect(statuses).toEqual([
      [202, null],
      [202, null],
      [503, '1'],
    ]);
    release();
    await Promise.all(builds.slice(0, 2).map((build) => build.outcome.promise));
    await eventually(async () => (await runner.health()).running === 0);
    expect(await (await runner.run(third)).outcome.promise).toMatchObject({ type: 'success' });
  });

  it('tells the operator where the time of a build went', async () => {
    const build = await runner.run(await platform.build(game()));
    const logged = (): { buildId: string; phases: Record<string, number> } | undefined =>
      runner.lines.map((line) => JSON.parse(line)).find(({ event }) => event === 'job');
    await eventually(() => logged() !== undefined);
    expect(logged()?.buildId).toBe(build.job.buildId);
    expect(Object.keys(logged()?.phases ?? {}).sort()).toEqual(
      [
        ...['child', 'manifest', 'source', 'dependencies', 'work', 'bundle', 'esbuild', 'package', 'sbom'],
        ...['collect', 'outputs', 'upload', 'cleanup', 'outcome'],
      ].sort(),
    );
  });

  it('asks for no manifest that came with its job', async () => {
    const build = await platform.build({ ...game(), 'src/other.ts': 'export {};' });
    await runner.run({ ...build, job: { ...build.job, files: [...build.files] } } as typeof build);
    expect(await build.outcome.promise).toMatchObject({ type: 'success' });
    const phases = (): Record<string, number> | undefined =>
      runner.lines.map((line) => JSON.parse(line)).find(({ event }) => event === 'job')?.phases;
    await eventually(() => phases() !== undefined);
    expect(phases()).not.toHaveProperty('manifest');
  });

  it('asks for no contents that came with its job, and believes them by their hash alone', async () => {
    const files = {
      ...game(),
      'src/other.ts': `export const here = '\ufeff${newId()}';`,
      'src/asked.ts': `// ${newId()}`,
    };
    const [asked, ...texts] = [files['src/asked.ts'], ...Object.values(files)];
    const build = await platform.build(files);
    const given = [...texts.filter((text) => text !== asked), 'of no file'];
    await runner.run({ ...build, job: { ...build.job, files: [...build.files], texts: given } } as typeof build);
    expect(await build.outcome.promise).toMatchObject({ type: 'success' });
    expect(build.blobRequests).toBe(1);
  });

  it('has the place of a job free by the time that the platform hears of its outcome', async () => {
    const ended = await platform.build(game());
    const gate = Promise.withResolvers<void>();
    ended.outcomeGate = gate.promise;
    await runner.run(ended);
    expect((await runner.health()).running).toBe(1);
    const next = [await platform.build(game()), await platform.build(game())];
    for (const build of next) expect((await runner.post(build.job)).status).toBe(202);
    gate.resolve();
    for (const build of next) expect((await build.outcome.promise).type).toBe('success');
  });

  it.each<[string, number, string, (platform: FakePlatform) => Promise<unknown>]>([
    ['no JSON', 422, 'validation_failed', async () => 'text'],
    ['no job', 422, 'validation_failed', async () => ({ v: 1 })],
    [
      'a token of another build',
      403,
      'forbidden',
      async (p) => ({ ...(await p.build(game())).job, token: (await p.build(game())).job.token }),
    ],
    ['a token of another attempt', 403, 'forbidden', async (p) => ({ ...(await p.build(game())).job, attempt: 2 })],
    [
      'a token of another project',
      403,
      'forbidden',
      async (p) => ({ ...(await p.build(game())).job, projectId: newId() }),
    ],
    ['no token', 401, 'unauthenticated', async (p) => ({ ...(await p.build(game())).job, token: 'x.y.z' })],
    ['a token for another audience', 401, 'unauthenticated', async (p) => signed(p, { aud: 'kiln' })],
    ['a token of another type', 401, 'unauthenticated', async (p) => signed(p, { typ: 'JWT' })],
    [
      'a token that has ended',
      401,
      'unauthenticated',
      async (p) => signed(p, { exp: Math.floor(Date.now() / 1000) - 120 }),
    ],
    [
      'a token of somebody else',
      401,
      'unauthenticated',
      async (p) => {
        const stranger = await FakePlatform.start();
        const { job } = await p.build(game());
        const token = await stranger.sign(job);
        await stranger.stop();
        return { ...job, token };
      },
    ],
  ])('refuses %s', async (_title, status, code, job) => {
    const answer = await runner.post(await job(platform));
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ code });
    expect((await runner.health()).running).toBe(0);
  });

  const signed = async (p: FakePlatform, claims: Parameters<FakePlatform['sign']>[1]): Promise<unknown> => {
    const { job } = await p.build(game());
    return { ...job, token: await p.sign(job, claims) };
  };

  it('refuses what is no JSON, too large, or elsewhere', async () => {
    const post = async (body: string): Promise<number> =>
      (await fetch(`${runner.url}/jobs`, { method: 'POST', body })).status;
    expect(await post('{')).toBe(400);
    expect(await post(' '.repeat(9 * 1024 * 1024))).toBe(413);
    expect((await fetch(`${runner.url}/jobs`)).status).toBe(405);
    expect((await fetch(`${runner.url}/elsewhere`)).status).toBe(404);
  });
});

describe('a job that must stop', () => {
  it('is stopped within 2 s of being cancelled, says nothing more and leaves nothing behind', async () => {
    hold();
    const build = await platform.build(game());
    await runner.post(build.job);
    await eventually(() => build.blobRequests > 0);
    build.cancelled = true;
    const asked = build.batches.length;
    await eventually(async () => (await runner.health()).running === 0);
    // The promise of the API (builds.md): it asks twice in that time, and stops at the first answer. One may have been on its way.
    expect(build.batches.length - asked).toBeLessThanOrEqual(2);
    expect(2 * runnerLimits.cancelPoll).toBeLessThanOrEqual(2000);
    const said = build.events.length;
    await sleep(300);
    expect(build.events).toHaveLength(said);
    expect(build.events.some(({ type }) => type === 'success' || type === 'failure')).toBe(false);
    await eventually(async () => (await projectFolders(runner)).every((files) => files.length === 0));
  });

  it.each([401, 403, 404, 409])('is stopped when the platform answers %i', async (status) => {
    hold();
    const build = await platform.build(game());
    await runner.post(build.job);
    await eventually(() => build.blobRequests > 0);
    build.refuseWith = status;
    await eventually(async () => (await runner.health()).running === 0);
    expect(build.stored.size).toBe(0);
  });

  it('fails as a timeout at its deadline', async () => {
    hold();
    const build = await platform.build(game(), { timeout: 3000 });
    await runner.post(build.job);
    expect(await build.failure()).toMatchObject({ kind: 'limit', code: 'build_timeout' });
  });
});

describe('faults', () => {
  it('[4] a build process that is killed is an infrastructure failure, and the next job is clean', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 400 }, (_, i) => [
        `src/m${i}.ts`,
        `export const v${i} = ${JSON.stringify('x'.repeat(2000))};`,
      ]),
    );
    const imports = Array.from(
      { length: 400 },
      (_, i) => `import { v${i} } from './m${i}.ts'; console.info(v${i});`,
    ).join('\n');
    const build = await platform.build({ ...many, 'src/main.ts': imports });
    hold();
    await runner.post(build.job);
    await eventually(() => build.blobRequests > 0);
    // All of them: which one has the job is nobody's business.
    for (const pid of await runner.children()) process.kill(pid, 'SIGKILL');
    release();
    expect(await build.failure()).toMatchObject({ kind: 'infra', code: 'runner_lost' });
    await eventually(async () => (await runner.health()).running === 0);
    const next = await runner.run(await platform.build(game()));
    expect(await next.outcome.promise).toMatchObject({ type: 'success' });
  });

  it.each([5, -5])('[10] a clock that is %i minutes off changes nothing of a build', async (minutes) => {
    const off = minutes * 60_000;
    const clock = `const Real = Date; globalThis.Date = class extends Real { constructor(...args) { args.length ? super(...args) : super(Real.now() + ${off}); } static now() { return Real.now() + ${off}; } };`;
    const skewed = await RunnerProcess.start({
      platformUrl: platform.url,
      env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(clock)}` },
    });
    try {
      const build = await platform.build(game());
      await skewed.post(build.job);
      expect((await build.outcome.promise).type).toBe('success');
      const told = build.logs.map((event) => event.at);
      expect(Math.abs(Math.min(...told) - off - Date.now())).toBeLessThan(60_000);
    } finally {
      await skewed.stop();
    }
  });

  it('[4] a build process that hangs is cut at the deadline', async () => {
    const build = await platform.build(game(), { timeout: 10_000 });
    hold();
    await runner.post(build.job);
    await eventually(() => build.blobRequests > 0);
    for (const pid of await runner.children()) process.kill(pid, 'SIGSTOP');
    release();
    expect(await build.failure()).toMatchObject({ kind: 'limit', code: 'build_timeout' });
  });

  it('a waiting process that is killed is replaced', async () => {
    for (const pid of await runner.children()) process.kill(pid, 'SIGKILL');
    await sleep(200);
    const build = await runner.run(await platform.build(game()));
    expect((await build.outcome.promise).type).toBe('success');
  });

  it('events reach the platform in order through failures', async () => {
    const build = await platform.build(game());
    build.eventFailures = [500, 503, 429];
    await runner.run(build);
    expect(build.batches).toEqual(build.batches.map((_, index) => index + 1));
    expect(build.events.at(-1)?.type).toBe('success');
  });

  it('an empty batch is sent while there is nothing to say', async () => {
    hold();
    const build = await platform.build(game());
    await runner.post(build.job);
    await eventually(() => build.batches.length >= 3);
    expect(build.events.length).toBeLessThan(3);
  });

  it('a blob with other bytes is not built', async () => {
    const build = await platform.build(game());
    const [file] = build.files;
    build.blobs.get(file?.hash ?? '')?.write('!');
    await runner.run(build);
    expect(await build.failure()).toMatchObject({ kind: 'infra' });
  });

  it('blobs are fetched once for each project', async () => {
    const files = game();
    const first = await platform.build(files);
    const second = await platform.build(files, { projectId: first.job.projectId });
    const another = await platform.build(files);
    for (const build of [first, second, another]) await runner.run(build);
    expect([first, second, another].map(({ blobRequests }) => blobRequests)).toEqual([1, 0, 1]);
  });

  it('SIGTERM tells of running jobs, ends every process and removes the work', async () => {
    hold();
    const build = await platform.build(game());
    await runner.post(build.job);
    await eventually(() => build.blobRequests > 0);
    const children = await runner.children();
    expect(children.length).toBeGreaterThan(0);
    await runner.stop('SIGTERM');
    expect(runner.process.exitCode).toBe(0);
    expect(await build.failure()).toMatchObject({ kind: 'infra', code: 'runner_lost' });
    await eventually(() => children.every((pid) => !isAlive(pid)));
    expect(await readdir(join(runner.dir, 'work'))).toEqual([]);
  });

  it('children of a killed runner end, and the next runner removes what it left', async () => {
    hold();
    const build = await platform.build(game());
    await runner.post(build.job);
    await eventually(() => build.blobRequests > 0);
    const children = await runner.children();
    await runner.stop('SIGKILL');
    await eventually(() => children.every((pid) => !isAlive(pid)));
    const left = String(runner.process.pid);
    expect(await readdir(join(runner.dir, 'work'))).toContain(left);
    runner = await RunnerProcess.start({ platformUrl: platform.url, dir: runner.dir });
    expect(await readdir(join(runner.dir, 'work'))).not.toContain(left);
  });
});

describe('starting', () => {
  it.each<[string, Record<string, string>, string]>([
    ['without a platform', { KILN_URL: '' }, 'KILN_URL'],
    ['with a platform that is no HTTP URL', { KILN_URL: 'ftp://x' }, 'KILN_URL'],
    ['with a wrong port', { PORT: '99999' }, 'PORT'],
    ['with a wrong capacity', { RUNNER_CAPACITY: '0' }, 'RUNNER_CAPACITY'],
    ['with a wrong reserve', { RUNNER_RESERVE: '-1' }, 'RUNNER_RESERVE'],
    ['with a wrong registry', { NPM_REGISTRY: 'file:///etc' }, 'NPM_REGISTRY'],
  ])('is refused %s', async (_title, env, name) => {
    await expect(RunnerProcess.start({ platformUrl: platform.url, dir: runner.dir, env })).rejects.toThrow(name);
  });

  it('has a first child build a page of its own, of which later ones find the program compiled', async () => {
    expect(await readdir(join(runner.dir, 'work', String(runner.process.pid)))).toContain('program.compiled');
    expect(runner.lines.filter((line) => line.includes('child.rehearsal_failed'))).toEqual([]);
  });

  it('has a reserve of children once nothing was done for a moment, and gives each to one build', async () => {
    const other = await RunnerProcess.start({
      platformUrl: platform.url,
      capacity: 1,
      env: { RUNNER_RESERVE: '2' },
    });
    try {
      await eventually(async () => (await other.children()).length === 3);
      const first = await other.children();
      for (let built = 0; built < 2; built += 1)
        expect(await (await other.run(await platform.build(game()))).outcome.promise).toMatchObject({
          type: 'success',
        });
      // One that is done goes a moment after its build.
      await eventually(async () => {
        const now = await other.children();
        return now.length === 3 && now.filter((pid) => first.includes(pid)).length === 1;
      });
      // It has rehearsed meanwhile, which no output tells.
      const files = { ...game(), 'src/style.css': 'body { color: #123 }' };
      const [practised, fresh] = [await platform.build(files), await platform.build(files)];
      await Promise.all([other.run(practised), runner.run(fresh)]);
      const outputsOf = async ({ outcome }: typeof fresh) => {
        const said = await outcome.promise;
        return said.type === 'success' ? said.outputs.filter(({ name }) => name !== 'provenance.json') : said;
      };
      expect(await outputsOf(practised)).toEqual(await outputsOf(fresh));
      const work = join(other.dir, 'work', String(other.process.pid));
      const left = async () =>
        await Promise.all((await other.workFolders()).map((folder) => readdir(join(work, folder)).catch(() => [])));
      await eventually(async () => !(await left()).flat().includes('rehearsal'));
      expect(other.lines.filter((line) => line.includes('child.rehearsal_failed'))).toEqual([]);
    } finally {
      await other.dispose();
    }
  });

  it('a child sees nothing of the runner’s environment', async () => {
    const other = await RunnerProcess.start({ platformUrl: platform.url, env: { PLANTED: 'planted' } });
    try {
      const of = (pid: number, file: string): Promise<string> =>
        readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '');
      // Between fork and exec a process still shows its parent's.
      const loaded = async (): Promise<number[]> => {
        const pids = await other.children();
        const lines = await Promise.all(pids.map((pid) => of(pid, 'cmdline')));
        return pids.filter((_, index) => lines[index]?.includes('child.cjs'));
      };
      await eventually(async () => (await loaded()).length === 2);
      for (const pid of await loaded()) {
        const env = await of(pid, 'environ');
        expect(env).toContain('NODE_ENV=production');
        expect(env).not.toContain('planted');
        expect(env).not.toContain(platform.url);
      }
    } finally {
      await other.dispose();
    }
  });
});

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const projectFolders = async (of: RunnerProcess): Promise<string[][]> =>
  await Promise.all(
    (await of.workFolders()).map((name) =>
      readdir(join(of.dir, 'work', String(of.process.pid), name, 'project')).catch(() => []),
    ),
  );
