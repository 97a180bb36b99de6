import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ls, put } from 'cacache';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../../containers/build-runner/src/config.ts';
import { Disk, type DiskCaches, shareDisk } from '../../containers/build-runner/src/disk.ts';
import { NpmCache } from '../../containers/build-runner/src/npm-cache.ts';
import { folderBytes } from '../../containers/build-runner/src/npm-cache-files.ts';
import { runnerLimits } from '../../containers/build-runner/src/runner-limits.ts';
import { Id, newId } from '../../src/contract/ids.ts';
import { MiB } from '../../src/contract/units.ts';
import { FakePlatform, type Files } from './support/fake-platform.ts';
import { RunnerProcess } from './support/runner-process.ts';

const GiB = 1024 * MiB;
const { caps } = readConfig({ KILN_URL: 'http://kiln.test' });

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-disk-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('the disk of a runner', () => {
  const together = (budget: Readonly<Record<string, number>>): number =>
    Object.values(budget).reduce((sum, bytes) => sum + bytes, 0);

  it('is shared so that all caches together leave a part of it free, and none gets more than is of use', () => {
    // `standard-1`: 8 GB, less what the image takes.
    const small = shareDisk(7 * GiB, 0);
    expect(together(small)).toBeLessThanOrEqual(7 * GiB * runnerLimits.disk.cacheShare);
    for (const bytes of Object.values(small)) expect(bytes).toBeGreaterThan(GiB / 2);
    const large = shareDisk(1000 * GiB, 0);
    for (const [name, { bytes }] of Object.entries(runnerLimits.disk.caches))
      expect(large).toMatchObject({ [name]: bytes });
    // What they hold is theirs: a runner that starts again on a disk that it has filled gives nothing up.
    expect(shareDisk(2 * GiB, 5 * GiB)).toEqual(small);
  });

  it('is shared as the operator says', () => {
    expect(together(shareDisk(7 * GiB, 0, 100 * MiB))).toBeLessThanOrEqual(100 * MiB);
    expect(together(shareDisk(7 * GiB, 0, 100 * GiB))).toBeGreaterThan(99 * GiB);
    expect(readConfig({ KILN_URL: 'http://kiln.test', CACHE_MIB: '100' }).cacheBytes).toBe(100 * MiB);
    expect(readConfig({ KILN_URL: 'http://kiln.test' }).cacheBytes).toBeUndefined();
  });

  it('is cleared once for all jobs that find it full at the same moment', async () => {
    const asked: string[] = [];
    const cache = (name: string) => ({
      bytes: 10,
      limit: (bytes: number) => void asked.push(`${name} ${bytes}`),
      evict: async (part: number) => void asked.push(`${name} gives ${part}`),
    });
    const caches: DiskCaches = {
      blobs: cache('blobs'),
      modules: cache('modules'),
      assets: cache('assets'),
      npm: cache('npm'),
    };
    const disk = await Disk.share(dir, caches, undefined, async () => 7 * GiB);
    expect(asked).toEqual(Object.entries(disk.budget).map(([name, bytes]) => `${name} ${bytes}`));
    asked.length = 0;
    await Promise.all([disk.makeRoom(), disk.makeRoom(), disk.makeRoom()]);
    expect(asked).toHaveLength(4);
    await disk.makeRoom();
    expect(asked).toHaveLength(8);
  });
});

describe('npm’s cache', () => {
  const { signal } = new AbortController();

  it('is made smaller by what was used longest ago, between two installs, and stays one that npm can read', async () => {
    const folder = join(dir, 'npm-cache');
    const cache = await NpmCache.open(folder, caps);
    for (const name of ['a', 'b', 'c', 'd']) await put(folder, name, randomBytes(MiB));
    const old = (await ls(folder)).b;
    // As an install that was killed leaves it.
    await mkdir(join(folder, 'tmp'), { recursive: true });
    await writeFile(join(folder, 'tmp', 'half'), 'half of a package');
    const { utimes } = await import('node:fs/promises');
    for (const [age, entry] of Object.values(await ls(folder)).entries())
      await utimes(entry.path, new Date(2026, 1, 10 - age), new Date(2026, 1, 1));
    await utimes(old?.path ?? '', new Date(2025, 1, 1), new Date(2025, 1, 1));
    expect(await cache.use(signal, async () => 'installed')).toBe('installed');
    await cache.settle();
    expect(cache.bytes).toBeGreaterThan(4 * MiB);

    const install = Promise.withResolvers<void>();
    const running = cache.use(signal, () => install.promise);
    cache.limit(3.5 * MiB);
    const waiting = cache.use(signal, async () => Object.keys(await ls(folder)));
    const stopped = new AbortController();
    const impatient = cache.use(stopped.signal, async () => 'never');
    stopped.abort(new Error('stopped'));
    await expect(impatient).rejects.toThrow('stopped');
    // Not under the hands of the one that runs.
    expect(Object.keys(await ls(folder)).sort()).toEqual(['a', 'b', 'c', 'd']);
    install.resolve();
    await running;
    expect((await waiting).sort()).toEqual(['a', 'c', 'd']);
    await cache.settle();
    expect(cache.bytes).toBeLessThanOrEqual(3.5 * MiB);
    expect(await folderBytes(folder)).toBe(cache.bytes);
    expect(await readdir(folder)).not.toContain('tmp');
    await cache.evict(1);
    expect(await ls(folder)).toEqual({});
    expect(await readdir(dir)).toEqual(['npm-cache']);
  });

  it('loses what nothing names any more, and names of what is gone', async () => {
    const folder = join(dir, 'npm-cache');
    await put(folder, 'packument', randomBytes(MiB));
    const first = (await ls(folder)).packument;
    await put(folder, 'packument', randomBytes(MiB));
    await put(folder, 'tarball', randomBytes(MiB));
    await rm((await ls(folder)).tarball?.path ?? '');
    const cache = await NpmCache.open(folder, caps);
    cache.limit(1.5 * MiB);
    await cache.settle();
    expect(Object.keys(await ls(folder))).toEqual(['packument']);
    await expect(folderBytes(join(folder, 'content-v2'))).resolves.toBe(MiB);
    await expect(readdir(first?.path ?? '')).rejects.toThrow('ENOENT');
  });
});

const volume = join(tmpdir(), `kiln-small-${newId()}`);
/** A file system of its own that is soon full. Only root may mount one, and not in every container. */
const mount = (): boolean => {
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=192m', 'tmpfs', volume], {
    encoding: 'utf8',
  });
  if (status !== 0)
    process.stderr.write(`Runners on a full disk are not tested, for no small one can be mounted: ${stderr}\n`);
  return status === 0;
};
await mkdir(volume);
const mounted = mount();

describe.skipIf(!mounted)('a runner on a small disk', () => {
  let platform: FakePlatform;
  let runner: RunnerProcess;
  const ballast = join(volume, 'ballast');

  beforeAll(async () => {
    platform = await FakePlatform.start();
  });
  afterEach(async () => {
    rmSync(ballast, { force: true });
    await runner.dispose();
  });
  afterAll(async () => {
    await platform?.stop();
    spawnSync('umount', ['-l', volume]);
    rmSync(volume, { recursive: true, force: true });
  });

  const start = async (env: Record<string, string> = {}): Promise<void> => {
    await mkdir(join(volume, 'runner'), { recursive: true });
    runner = await RunnerProcess.start({
      platformUrl: platform.url,
      capacity: 1,
      dir: join(volume, 'runner'),
      env,
    });
  };

  /** Takes all but so many bytes of what is free. */
  const fill = async (left: number): Promise<void> => {
    // What the builds before have left goes a moment after them: only the folder of the child that waits stays.
    const folders = async (): Promise<number> =>
      (await runner.workFolders()).filter((name) => Id.safeParse(name).success).length;
    await expect.poll(folders).toBe(1);
    const { bavail, bsize } = statfsSync(volume);
    const file = openSync(ballast, 'w');
    try {
      for (let taken = 0; taken < bavail * bsize - left; taken += MiB) writeSync(file, Buffer.alloc(MiB, 1));
    } finally {
      closeSync(file);
    }
  };

  const game = (bytes: number): Files => ({
    'src/main.ts': 'console.info(1);',
    'public/large.bin': randomBytes(bytes),
  });

  it('holds its caches to their shares: what is built after another never finds it full', async () => {
    await start();
    const listening = runner.lines.map((line) => JSON.parse(line)).find(({ event }) => event === 'runner.listening');
    for (let built = 0; built < 8; built += 1) {
      const build = await runner.run(await platform.build(game(20 * MiB)));
      expect(await build.outcome.promise).toMatchObject({ type: 'success' });
    }
    expect(await folderBytes(join(runner.dir, 'blobs'))).toBeLessThanOrEqual(listening.caches.blobs + MiB);
    expect(runner.lines.filter((line) => line.includes('job.disk_full'))).toEqual([]);
  });

  it('makes room when somebody else has filled it, and builds at the second try', async () => {
    await start({ CACHE_MIB: '500' });
    for (let built = 0; built < 3; built += 1) await runner.run(await platform.build(game(20 * MiB)));
    // The caches have 60 MiB, of which the half helps.
    await fill(10 * MiB);
    const build = await runner.run(await platform.build(game(8 * MiB)));
    expect(await build.outcome.promise).toMatchObject({ type: 'success' });
    expect(build.logs.filter(({ message }) => message.includes('disk'))).toHaveLength(1);
    expect(runner.lines.filter((line) => line.includes('job.disk_full'))).toHaveLength(1);
  });

  it('says so when there is no room to make, for another runner to try, and goes on once there is', async () => {
    await start();
    await fill(4 * MiB);
    const build = await runner.run(await platform.build(game(20 * MiB)));
    expect(await build.failure()).toMatchObject({
      kind: 'infra',
      code: 'runner_lost',
      message: 'The disk of the build runner is full.',
    });
    rmSync(ballast);
    const next = await runner.run(await platform.build(game(20 * MiB)));
    expect(await next.outcome.promise).toMatchObject({ type: 'success' });
  });
});
