import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectOutputs } from '../../containers/build-runner/src/artifacts.ts';
import { AssetCache } from '../../containers/build-runner/src/asset-cache.ts';
import { ChildMessageSchema } from '../../containers/build-runner/src/child-messages.ts';
import { readConfig } from '../../containers/build-runner/src/config.ts';
import { runnerLimits } from '../../containers/build-runner/src/runner-limits.ts';
import { templates } from '../../containers/build-runner/src/templates.ts';
import { Id, newId } from '../../src/contract/ids.ts';
import { sha256 } from './support/fake-platform.ts';
import { RunnerWorld } from './support/world.ts';

/** [70] [72] A child that somebody has taken over: what it may leave, say and take. */
const { signal } = new AbortController();
const secret = 'planted-secret-77ab31';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-taken-'));
  await mkdir(join(dir, 'secrets'));
  await writeFile(join(dir, 'secrets', 'key.txt'), secret);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('what it leaves', () => {
  it('is only believed where it is a plain file, wherever links of it lead', async () => {
    const site = join(dir, 'out', 'site');
    await mkdir(site, { recursive: true });
    await writeFile(join(site, 'index.html'), 'a page');
    await symlink(join(dir, 'secrets', 'key.txt'), join(site, 'link.txt'));
    await symlink(join(dir, 'secrets'), join(site, 'folder'));
    await symlink('/proc/self/environ', join(site, 'environ'));
    // Whoever opened it to read would wait for a writer for ever.
    expect(spawnSync('mkfifo', [join(site, 'pipe')]).status).toBe(0);
    const found = await collectOutputs(join(dir, 'out'), signal);
    expect(found.map(({ name, sha256: hash }) => [name, hash])).toEqual([['index.html', sha256('a page')]]);
  });

  it('is followed to no other place by a folder that is a link itself', async () => {
    await mkdir(join(dir, 'out'));
    await symlink(join(dir, 'secrets'), join(dir, 'out', 'downloads'));
    const found = await collectOutputs(join(dir, 'out'), signal);
    for (const { path } of found) expect(await readFile(path, 'utf8')).not.toContain(secret);
    expect(found).toEqual([]);
  });

  it('is kept of assets for files of its own project alone, and no link of it', async () => {
    const cache = await AssetCache.open(join(dir, 'assets'));
    const [own, foreign, linked] = [sha256('own'), sha256('foreign'), sha256('linked')];
    const left = join(dir, 'found');
    await mkdir(left);
    await writeFile(join(left, `${own}-${cache.version}`), 'smaller');
    await writeFile(join(left, `${foreign}-${cache.version}`), 'of a file that the project does not have');
    await symlink(join(dir, 'secrets', 'key.txt'), join(left, `${linked}-${cache.version}`));
    const projectId = newId();
    await cache.keep(projectId, new Set([own, linked]), left);
    const lent = join(dir, 'lent');
    await cache.lend(projectId, new Set([own, foreign, linked]), lent);
    expect(await readFile(join(lent, `${own}-${cache.version}`), 'utf8')).toBe('smaller');
    for (const hash of [foreign, linked])
      await expect(readFile(join(lent, `${hash}-${cache.version}`))).rejects.toThrow('ENOENT');
    const another = join(dir, 'another');
    await cache.lend(newId(), new Set([own]), another);
    await expect(readFile(join(another, `${own}-${cache.version}`))).rejects.toThrow('ENOENT');
  });
});

describe('what it says', () => {
  it.each<[string, unknown]>([
    ['no message', 'success'],
    ['a kind that there is not', { type: 'failure', kind: 'nobody', code: 'runner_lost', message: '' }],
    ['a code that there is not', { type: 'failure', kind: 'user', code: 'root', message: '' }],
    ['a step that there is not', { type: 'log', level: 'info', step: 'deploy', message: '' }],
    ['progress beyond the end', { type: 'progress', step: 'bundle', done: 2 }],
    ['a phase of the runner itself', { type: 'timing', phase: 'upload', ms: 1 }],
    ['a program that was lost in no way', { type: 'lost', code: 'x', signal: 9 }],
    ['something else that it is short of', { type: 'short', of: 'money' }],
  ])('is refused as %s', (_, message) => {
    expect(ChildMessageSchema.safeParse(message).success).toBe(false);
  });

  it('names no outputs: of a success nothing but the word is heard', () => {
    const forged = { type: 'success', outputs: [{ name: '../x', sha256: sha256(''), size: 0 }], lock: '{}' };
    expect(ChildMessageSchema.parse(forged)).toEqual({ type: 'success' });
  });
});

describe('what it may take', () => {
  const world = new RunnerWorld();

  it('is of files what it works on and is made of, as far as its JavaScript asks', async () => {
    const work = join(world.runner.dir, 'work', String(world.runner.process.pid));
    const ids = async (): Promise<string[]> =>
      (await world.runner.workFolders()).filter((name) => Id.safeParse(name).success);
    await expect.poll(async () => (await world.runner.programs('esbuild')).length).toBe(2);
    const folders = (await ids()).map((id) => join(work, id));
    const mayWrite: string[] = [];
    for (const pid of await world.runner.children()) {
      const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
      expect(args).toContain('--permission');
      const of = (name: string): string[] =>
        args.flatMap((arg) => (arg.startsWith(`${name}=`) ? arg.slice(name.length + 1) : []));
      mayWrite.push(...of('--allow-fs-write'));
      const own = of('--allow-fs-write')[0] ?? '';
      const shared = of('--allow-fs-read').filter((path) => path !== own);
      const programs = ['child.cjs', 'program.cjs', 'program.compiled'].map((name) => join(work, name));
      const packages = [fileURLToPath(new URL('../../node_modules/', import.meta.url)), templates];
      expect(shared.sort()).toEqual([...programs, ...packages, join(world.runner.dir, 'trees')].sort());
    }
    // Each its own, and nothing else.
    expect(mayWrite.sort()).toEqual(folders.sort());
  });

  it('is bounded for the child and for the programs that it starts, which have no network either', async () => {
    await expect.poll(async () => (await world.runner.programs('esbuild')).length).toBe(2);
    const { caps } = readConfig({ KILN_URL: 'http://kiln.test' });
    const own = await readlink(`/proc/${world.runner.process.pid}/ns/net`);
    for (const pid of [...(await world.runner.children()), ...(await world.runner.programs('esbuild'))]) {
      const limits = await readFile(`/proc/${pid}/limits`, 'utf8');
      const of = (name: string): number[] =>
        (new RegExp(`^${name} +(\\d+) +(\\d+)`, 'm').exec(limits) ?? []).slice(1).map(Number);
      expect(of('Max data size')).toEqual([caps.dataBytes, caps.dataBytes]);
      expect(of('Max cpu time')).toEqual([caps.cpuSeconds, caps.cpuSeconds + 1]);
      expect(of('Max file size')).toEqual([runnerLimits.child.fileBytes, runnerLimits.child.fileBytes]);
      expect(of('Max open files')).toEqual([runnerLimits.child.openFiles, runnerLimits.child.openFiles]);
      expect(of('Max core file size')).toEqual([0, 0]);
      expect(Number(await readFile(`/proc/${pid}/oom_score_adj`, 'utf8'))).toBe(runnerLimits.child.oomScore);
      expect(await readlink(`/proc/${pid}/ns/net`)).not.toBe(own);
      expect(await readFile(`/proc/${pid}/environ`, 'utf8')).not.toContain('KILN_URL');
    }
  });
});
