import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { extractAll, getRawHeader } from '@electron/asar';
import { FuseState, FuseV1Options, getCurrentFuseWire } from '@electron/fuses';
import { NtExecutable, NtExecutableResource, Resource } from 'resedit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { electronVersion } from '../../containers/build-runner/src/child/package-programs.ts';
import { runElectronMain } from './support/electron-main.ts';
import { writeElectronZip } from './support/electron-zip.ts';
import { type FakeBuild, FakePlatform, type Files } from './support/fake-platform.ts';
import { readZip } from './support/read-zip.ts';
import { RunnerProcess } from './support/runner-process.ts';

// The zips of Electron here are made by `writeElectronZip`: of the layout of real ones, with stand-ins for their programs.

const game: Files = {
  'index.html': '<!doctype html><title>Game</title><script type="module" src="/src/main.ts"></script>',
  'src/main.ts': "document.body.textContent = 'plays';",
  'package.json': '{"version":"2.3.4-beta.1"}',
};

let platform: FakePlatform;
let scratch: string;
const runners: RunnerProcess[] = [];

/** A runner whose cache holds these releases of Electron. */
const runnerWith = async (
  cache: string,
  ...releases: readonly { platform: string; arch: string; version?: string }[]
): Promise<RunnerProcess> => {
  for (const release of releases) await writeElectronZip(cache, { version: electronVersion, ...release });
  const runner = await RunnerProcess.start({ platformUrl: platform.url, env: { ELECTRON_CACHE: cache } });
  runners.push(runner);
  return runner;
};

const run = async (runner: RunnerProcess): Promise<FakeBuild> =>
  await runner.run(await platform.build(game, { target: 'electron', projectName: 'Space <Café> & "Co"' }));

const downloads = async (build: FakeBuild): Promise<string[]> =>
  (await build.outputs()).filter(({ role }) => role === 'download').map(({ name }) => name);

/** Unpacks one download as a person's archiver does, with its modes. */
const unpack = async (build: FakeBuild, download: string): Promise<string> => {
  const zip = (await build.outputs()).find(({ name }) => name === download);
  const folder = await mkdtemp(join(scratch, 'program-'));
  for (const { name, bytes, mode } of readZip(zip?.bytes ?? Buffer.alloc(0))) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
    await chmod(join(folder, name), mode & 0o7777);
  }
  return folder;
};

const messages = (build: FakeBuild): string[] => build.logs.map(({ message }) => message);

beforeAll(async () => {
  platform = await FakePlatform.start();
  scratch = await mkdtemp(join(tmpdir(), 'kiln-programs-'));
});

afterAll(async () => {
  for (const runner of runners) await runner.dispose();
  await platform?.stop();
  await rm(scratch, { recursive: true, force: true });
});

describe('programs of an Electron build', () => {
  let runner: RunnerProcess;
  let build: FakeBuild;
  let linux: string;
  let windows: string;

  beforeAll(async () => {
    runner = await runnerWith(
      await mkdtemp(join(scratch, 'electron-')),
      { platform: 'linux', arch: 'x64' },
      { platform: 'win32', arch: 'x64' },
      { platform: 'darwin', arch: 'arm64' },
      { platform: 'linux', arch: 'arm64', version: '1.2.3' },
    );
    build = await run(runner);
    linux = join(await unpack(build, 'game-linux-x64.zip'), 'space-cafe-co-linux-x64');
    windows = join(await unpack(build, 'game-win32-x64.zip'), 'space-cafe-co-win32-x64');
  });

  it('are made for each release in the cache, of the right version, and beside the archive alone', async () => {
    expect(await downloads(build)).toEqual(['game-electron.zip', 'game-linux-x64.zip', 'game-win32-x64.zip']);
    expect(messages(build)).toEqual(
      expect.arrayContaining([
        `Made a program for linux-x64 with Electron ${electronVersion}.`,
        expect.stringContaining('No program for macOS was made: it has to be signed on a Mac'),
      ]),
    );
  });

  it('start, with the archive in the place of the default app', async () => {
    const { stdout, status } = spawnSync(join(linux, 'space-cafe-co'), { encoding: 'utf8' });
    expect({ stdout, status }).toEqual({ stdout: `${electronVersion}\napp.asar\n`, status: 0 });
    expect(await readFile(join(linux, 'LICENSES.chromium.html'), 'utf8')).toContain('doctype');
  });

  it('hold the app of the archive, which shuts the game in', async () => {
    for (const [at, folder] of Object.entries({ linux, windows })) {
      const app = join(scratch, `app-${at}`);
      extractAll(join(folder, 'resources/app.asar'), app);
      expect(JSON.parse(await readFile(join(app, 'package.json'), 'utf8'))).toMatchObject({
        main: 'main.cjs',
        version: '2.3.4-beta.1',
        policy: expect.stringMatching(/default-src 'self'.*script-src 'self'/),
      });
      const { windows: opened } = await runElectronMain(app);
      expect(opened).toMatchObject([
        { webPreferences: { contextIsolation: true, sandbox: true, nodeIntegration: false, webSecurity: true } },
      ]);
    }
  });

  it.each(['linux', 'windows'] as const)('run nothing but that archive on %s', async (on) => {
    const program = on === 'linux' ? join(linux, 'space-cafe-co') : join(windows, 'space-cafe-co.exe');
    expect(await getCurrentFuseWire(program)).toMatchObject({
      [FuseV1Options.RunAsNode]: FuseState.DISABLE,
      [FuseV1Options.EnableNodeOptionsEnvironmentVariable]: FuseState.DISABLE,
      [FuseV1Options.EnableNodeCliInspectArguments]: FuseState.DISABLE,
      [FuseV1Options.OnlyLoadAppFromAsar]: FuseState.ENABLE,
      [FuseV1Options.GrantFileProtocolExtraPrivileges]: FuseState.DISABLE,
      [FuseV1Options.EnableEmbeddedAsarIntegrityValidation]: on === 'windows' ? FuseState.ENABLE : FuseState.DISABLE,
    });
  });

  it('name themselves on Windows and carry the hash of their archive', async () => {
    const exe = NtExecutable.from(await readFile(join(windows, 'space-cafe-co.exe')));
    const { entries } = NtExecutableResource.from(exe);
    const [version] = Resource.VersionInfo.fromEntries(entries);
    expect(version?.getStringValues({ lang: 1033, codepage: 1200 })).toMatchObject({
      ProductName: 'Space <Café> & "Co"',
      FileVersion: '2.3.4',
    });
    const integrity = entries.find(({ id }) => id === 'ELECTRONASAR');
    const { headerString } = getRawHeader(join(windows, 'resources/app.asar'));
    expect(JSON.parse(Buffer.from(integrity?.bin ?? new ArrayBuffer()).toString())).toEqual([
      { file: 'resources\\app.asar', alg: 'SHA256', value: createHash('sha256').update(headerString).digest('hex') },
    ]);
  });

  it('are the same bytes every time', async () => {
    const hashes = async (of: FakeBuild): Promise<string[]> =>
      (await of.outputs()).filter(({ role }) => role === 'download').map(({ sha256 }) => sha256);
    expect(await hashes(await run(runner))).toEqual(await hashes(build));
  });
});

describe('without the Electron', () => {
  it('the archive alone is made, and the log says so', async () => {
    const build = await run(await runnerWith(join(scratch, 'nowhere')));
    expect(await downloads(build)).toEqual(['game-electron.zip']);
    expect(messages(build)).toContainEqual(expect.stringContaining(`has no Electron ${electronVersion} at hand`));
  });

  it('that a broken zip or one with a link should hold, only its program is missing', async () => {
    const cache = await mkdtemp(join(scratch, 'electron-'));
    await writeElectronZip(cache, { version: electronVersion, platform: 'win32', arch: 'x64', link: '/etc/passwd' });
    const runner = await runnerWith(cache, { platform: 'linux', arch: 'x64' });
    await writeFile(join(cache, `electron-v${electronVersion}-linux-arm64.zip`), 'PK no zip');
    const build = await run(runner);
    expect(await downloads(build)).toEqual(['game-electron.zip', 'game-linux-x64.zip']);
    expect(build.logs.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      expect.stringContaining('No program for linux-arm64 was made'),
      expect.stringContaining('No program for win32-x64 was made'),
    ]);
  });
});
