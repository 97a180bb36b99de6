import { readdir, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { AppInfo } from './app-info.ts';
import { byText } from './order.ts';
import { outFolders } from './protocol.ts';
import type { Log } from './report.ts';
import { writeZip, type ZipEntry } from './zip.ts';

/** The Electron that a packaged app runs on: what its main process was written for, and the release whose zips a cache may hold. */
export const electronVersion = '45.5.0';

/** Platforms that a program can be made for here. macOS is not one: changed fuses void the signature, and only a Mac makes a new one. */
const platforms = ['linux', 'win32'] as const;
const architectures = ['x64', 'arm64', 'armv7l', 'ia32'] as const;

interface Release {
  readonly platform: (typeof platforms)[number];
  readonly arch: (typeof architectures)[number];
}

const nameOf = (platform: string, arch: string): string => `electron-v${electronVersion}-${platform}-${arch}.zip`;

/** Everything of Electron that would run other code than the game's archive is switched off in the program itself. */
const switchOff = async (program: string, platform: Release['platform']): Promise<void> => {
  const { flipFuses, FuseV1Options, FuseVersion } = await import('@electron/fuses');
  await flipFuses(program, {
    version: FuseVersion.V1,
    [FuseV1Options.RunAsNode]: false,
    [FuseV1Options.EnableNodeOptionsEnvironmentVariable]: false,
    [FuseV1Options.EnableNodeCliInspectArguments]: false,
    [FuseV1Options.EnableCookieEncryption]: true,
    [FuseV1Options.OnlyLoadAppFromAsar]: true,
    [FuseV1Options.GrantFileProtocolExtraPrivileges]: false,
    // Electron checks the archive against the hash in its own resources; Linux programs have no place for one.
    [FuseV1Options.EnableEmbeddedAsarIntegrityValidation]: platform === 'win32',
  });
};

export interface Programs {
  /** Folder of Electron's release zips; null where there is none. */
  readonly cache: string | null;
  /** Absolute path of the folder that the archive was made of, and of the archive. */
  readonly app: string;
  readonly archive: string;
  readonly info: AppInfo;
  readonly workDir: string;
  readonly outDir: string;
  readonly log: Log;
}

/**
 * Writes `game-<platform>-<arch>.zip` for each release of Electron in the cache: the game as a program that needs nothing
 * else. Nothing is fetched and nothing of the project runs. A release that is broken costs its own program, with a warning.
 */
export const packagePrograms = async (programs: Programs): Promise<void> => {
  const { cache, log } = programs;
  const found = new Set(cache === null ? [] : await readdir(cache).catch(() => []));
  const releases = platforms.flatMap((platform) =>
    architectures.flatMap((arch) => (found.has(nameOf(platform, arch)) ? [{ platform, arch }] : [])),
  );
  if (releases.length === 0 || cache === null) {
    log({
      level: 'info',
      step: 'package',
      message: `This runner has no Electron ${electronVersion} at hand, so no program was made. The download starts with "npx electron .".`,
    });
    return;
  }
  if (['arm64', 'x64', 'universal'].some((arch) => found.has(nameOf('darwin', arch))))
    log({
      level: 'info',
      step: 'package',
      message:
        'No program for macOS was made: it has to be signed on a Mac. The download starts there with "npx electron .".',
    });
  for (const release of releases) {
    const name = `${release.platform}-${release.arch}`;
    try {
      await packageProgram(programs, cache, release);
      log({ level: 'info', step: 'package', message: `Made a program for ${name} with Electron ${electronVersion}.` });
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      log({
        level: 'warn',
        step: 'package',
        message: `No program for ${name} was made: the Electron of this runner could not be used.`,
      });
    }
  }
};

const packageProgram = async (programs: Programs, cache: string, { platform, arch }: Release): Promise<void> => {
  const { app, archive, info, workDir, outDir } = programs;
  const { packager } = await import('@electron/packager');
  const [folder] = await packager({
    dir: app,
    prebuiltAsar: archive,
    electronVersion,
    electronZipDir: cache,
    platform,
    arch,
    name: info.slug,
    executableName: info.slug,
    // Windows knows four numbers and no words.
    appVersion: info.version.replace(/-.*$/, ''),
    win32metadata: { CompanyName: info.title, ProductName: info.title, FileDescription: info.title },
    out: join(workDir, 'programs'),
    tmpdir: join(workDir, 'programs-tmp'),
    quiet: true,
  });
  if (folder === undefined) throw new Error('the packager left nothing');
  await switchOff(join(folder, platform === 'win32' ? `${info.slug}.exe` : info.slug), platform);
  const target = join(outDir, outFolders.download, `game-${platform}-${arch}.zip`);
  try {
    await writeZip(target, await entriesOf(folder, `${info.slug}-${platform}-${arch}`, platform));
  } catch (error) {
    await rm(target, { force: true });
    throw error;
  }
  // The next one needs the place: a program unpacked is 300 MB.
  await rm(folder, { recursive: true });
};

/** The files of a program. Of their modes only one thing matters after a download: what can be started. */
const entriesOf = async (folder: string, prefix: string, platform: string): Promise<Map<string, ZipEntry>> => {
  const entries = new Map<string, ZipEntry>();
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of found.sort((a, b) => byText(join(a.parentPath, a.name), join(b.parentPath, b.name)))) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) continue;
    if (!entry.isFile()) throw new Error(`${entry.name} of Electron is no plain file`);
    const executable = platform !== 'win32' && ((await stat(path)).mode & 0o111) !== 0;
    entries.set(`${prefix}/${relative(folder, path)}`, { path, executable });
  }
  return entries;
};
