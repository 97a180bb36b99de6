import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LRUCache } from 'lru-cache';
import pMap from 'p-map';
import * as z from 'zod';
import { newId } from '../../../src/contract/ids.ts';
import type { DiskCaches } from './disk.ts';
import { DiskLru } from './disk-lru.ts';
import { BuildFailure, DiskFull } from './failure.ts';
import { removeOfDead } from './folders-of-processes.ts';
import { type InstallAnswer, type InstallRequest, treeFiles } from './install-protocol.ts';
import { describeError, log } from './log.ts';
import { NpmCache } from './npm-cache.ts';
import { type Lock, type ProjectManifest, placedIn, readLock, readManifest } from './package-policy.ts';
import type { ProcessCaps } from './process-caps.ts';
import { runnerLimits } from './runner-limits.ts';
import { followProcess, killGroup, startSandboxed } from './sandbox.ts';
import { whyEnded } from './why-ended.ts';

export interface InstallOptions {
  readonly projectDir: string;
  readonly files: readonly string[];
  /** Lock of the project's last build, used when it brings none. */
  readonly lock: string | undefined;
  /** The type checker needs the `@types` packages, which are development dependencies. */
  readonly needsDev: boolean;
  readonly signal: AbortSignal;
  readonly log: (level: 'info' | 'warn', message: string) => void;
}

export interface Installed {
  /** Real path of a shared, finished `node_modules`. Read only. */
  readonly modulesDir: string;
  /** `package-lock.json` text of exactly this tree. */
  readonly lock: string;
  /** Lets the tree be evicted again. */
  release(): void;
}

const script = fileURLToPath(new URL('./installer.ts', import.meta.url));

/** Settings of the network of this machine, without which the registry may be out of reach. */
const networkEnv = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
];

const Answer: z.ZodType<InstallAnswer> = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('installed'),
    key: z.string().regex(/^[0-9a-f]{64}$/),
    bytes: z.number(),
    packages: z.number(),
  }),
  z.object({ type: z.literal('error'), kind: z.enum(['user', 'limit', 'infra', 'disk']), message: z.string() }),
]);

const TreeInfo = z.object({ bytes: z.number() });

/**
 * Packages of projects. A tree of packages is installed once per lock and then shared by all builds that
 * have the same lock, whosever they are: it holds nothing but what the registry gave for public names at
 * pinned hashes. Trees appear by one rename, so a tree that is there is whole.
 */
export class Dependencies {
  readonly #dir: string;
  readonly #registry: URL;
  readonly #caps: ProcessCaps;
  readonly #trees = new DiskLru();
  readonly #npm: NpmCache;
  /** What was asked for → key of the tree that it led to, only where a lock makes the answer lasting. */
  readonly #known = new LRUCache<string, string>({ max: runnerLimits.modulesKnown });

  private constructor(dir: string, registry: URL, caps: ProcessCaps, npm: NpmCache) {
    this.#dir = dir;
    this.#registry = registry;
    this.#caps = caps;
    this.#npm = npm;
  }

  /** Real path below which every installed tree lies. */
  get modulesRoot(): string {
    return join(this.#dir, 'trees');
  }

  static async open(options: { dir: string; registry: URL; caps: ProcessCaps }): Promise<Dependencies> {
    const dir = await realpath(options.dir);
    const npm = await NpmCache.open(join(dir, 'npm-cache'), options.caps);
    const dependencies = new Dependencies(dir, options.registry, options.caps, npm);
    await removeOfDead(join(dir, 'staging'));
    for (const path of [dependencies.modulesRoot, dependencies.#staging]) await mkdir(path, { recursive: true });
    for (const key of await readdir(dependencies.modulesRoot)) {
      const path = join(dependencies.modulesRoot, key);
      const info = await readFile(join(path, treeFiles.info), 'utf8').catch(() => null);
      if (info === null) await rm(path, { recursive: true, force: true });
      else dependencies.#trees.add(key, path, TreeInfo.parse(JSON.parse(info)).bytes);
    }
    return dependencies;
  }

  /** What it keeps on the disk: installed trees, and what npm keeps for itself. */
  get caches(): Pick<DiskCaches, 'modules' | 'npm'> {
    return { modules: this.#trees, npm: this.#npm };
  }

  /** Makes the packages of a project available; null when it has none. */
  async install(options: InstallOptions): Promise<Installed | null> {
    const { projectDir, files } = options;
    if (!files.includes('package.json')) return null;
    const text = await readFile(join(projectDir, 'package.json'), 'utf8');
    try {
      return await this.#installOf(text, options);
    } catch (error) {
      throw error instanceof BuildFailure ? placedIn(text, error) : error;
    }
  }

  async #installOf(text: string, options: InstallOptions): Promise<Installed | null> {
    const declared = readManifest(text);
    if (declared === null) return null;
    const manifest = await this.#withoutTools(declared, options);
    if (manifest === null) return null;
    const lock = await this.#findLock(options);

    const asked = createHash('sha256').update(JSON.stringify({ manifest, lock })).digest('hex');
    const known = lock === null ? undefined : this.#known.get(asked);
    if (known !== undefined) {
      const installed = await this.#use(known);
      if (installed !== null) {
        options.log('info', 'The packages of this lock are installed already.');
        return installed;
      }
      this.#known.delete(asked);
    }

    const { key, bytes, packages } = await this.#npm.use(options.signal, () =>
      this.#runInstaller(manifest, lock, options.signal),
    );
    // In use from the first moment: a tree that is larger than all that may be kept goes when nobody needs it any more.
    const keep = this.#trees.touch(key)
      ? this.#trees.pin(key)
      : this.#trees.addPinned(key, join(this.modulesRoot, key), bytes);
    const installed = await this.#use(key).finally(keep);
    if (installed === null) throw new BuildFailure('infra', 'runner_lost', 'The installed packages are gone.');
    this.#known.set(asked, key);
    // The lock that we hand out leads to the same tree, at once, when it comes back.
    const own = readLock(installed.lock, this.#registry);
    this.#known.set(
      createHash('sha256')
        .update(JSON.stringify({ manifest, lock: own }))
        .digest('hex'),
      key,
    );
    options.log(
      'info',
      `${packages} packages from the registry, ${lock === null ? 'newest versions that fit' : 'versions of the lock'}.`,
    );
    return installed;
  }

  get #staging(): string {
    return join(this.#dir, 'staging', String(process.pid));
  }

  async #use(key: string): Promise<Installed | null> {
    if (!this.#trees.touch(key)) return null;
    const release = this.#trees.pin(key);
    const path = join(this.modulesRoot, key);
    try {
      return {
        modulesDir: join(path, treeFiles.modules),
        lock: await readFile(join(path, treeFiles.lock), 'utf8'),
        release,
      };
    } catch {
      release();
      this.#trees.forget(key);
      return null;
    }
  }

  async #findLock(options: InstallOptions): Promise<Lock | null> {
    const own = ['package-lock.json', 'npm-shrinkwrap.json'].find((path) => options.files.includes(path));
    if (own !== undefined) {
      const lock = readLock(await readFile(join(options.projectDir, own), 'utf8'), this.#registry);
      if (lock !== null) return lock;
      options.log('warn', `${own} has a format that names no exact sources; it is not used.`);
    }
    const foreign = ['yarn.lock', 'pnpm-lock.yaml', 'bun.lock'].find((path) => options.files.includes(path));
    if (foreign !== undefined)
      options.log('warn', `${foreign} is not read. Only package-lock.json pins versions here.`);
    return options.lock === undefined ? null : readLock(options.lock, this.#registry);
  }

  /**
   * Leaves out development dependencies that no source names: they are the tools of the author's own
   * machine (bundlers, linters), which would be fetched here only to lie idle.
   */
  async #withoutTools(manifest: ProjectManifest, options: InstallOptions): Promise<ProjectManifest | null> {
    const { devDependencies = {}, ...rest } = manifest;
    const wanted = options.needsDev ? devDependencies : await onlyNamed(devDependencies, options);
    const isEmpty = [rest.dependencies, rest.optionalDependencies, rest.peerDependencies, wanted].every(
      (specs) => Object.keys(specs ?? {}).length === 0,
    );
    return isEmpty ? null : { ...rest, devDependencies: wanted };
  }

  async #runInstaller(
    manifest: ProjectManifest,
    lock: Lock | null,
    signal: AbortSignal,
  ): Promise<InstallAnswer & { type: 'installed' }> {
    const staging = join(this.#staging, newId());
    await mkdir(staging, { recursive: true });
    const env = Object.fromEntries(
      networkEnv.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
    );
    const child = startSandboxed({
      script,
      cwd: staging,
      network: true,
      caps: this.#caps,
      nodeFlags: [],
      env: { HOME: staging, TMPDIR: staging, ...env },
    });
    const end = followProcess(child);
    const kill = (): void => killGroup(child);
    signal.addEventListener('abort', kill, { once: true });
    if (signal.aborted) kill();
    try {
      const request: InstallRequest = {
        manifest,
        lock,
        registry: this.#registry.href,
        npmCache: join(this.#dir, 'npm-cache'),
        trees: this.modulesRoot,
        staging: join(staging, 'tree'),
      };
      const message = Promise.withResolvers<unknown>();
      child.once('message', message.resolve);
      end.then(() => message.resolve(null));
      child.send(request, () => undefined);
      const answer = Answer.safeParse(await message.promise);
      signal.throwIfAborted();
      if (!answer.success) {
        const ended = await end;
        log('warn', 'installer.died', { ...ended });
        throw whyEnded(
          { ...ended, cpuSeconds: null, ranOut: false },
          { title: 'Installing the packages', caps: this.#caps },
        );
      }
      if (answer.data.type === 'installed') return answer.data;
      const { kind, message: text } = answer.data;
      if (kind === 'disk') throw new DiskFull();
      throw new BuildFailure(
        kind,
        kind === 'user' ? 'dependency_failed' : kind === 'limit' ? 'build_too_large' : 'unavailable',
        text,
      );
    } finally {
      signal.removeEventListener('abort', kill);
      kill();
      await end;
      // A job that was cancelled does not wait until thousands of files are gone.
      const removal = rm(staging, { recursive: true, force: true });
      if (signal.aborted)
        removal.catch((error: unknown) => log('warn', 'cache.remove_failed', { error: describeError(error) }));
      else await removal;
    }
  }
}

const onlyNamed = async (
  specs: Readonly<Record<string, string>>,
  options: InstallOptions,
): Promise<Record<string, string>> => {
  const names = Object.keys(specs);
  if (names.length === 0) return {};
  const named = new Set<string>();
  const sources = options.files.filter(
    (path) => /\.(?:[cm]?[jt]sx?|css|html?)$/i.test(path) && !/(?:^|[/.])config\.[cm]?[jt]s$/.test(path),
  );
  await pMap(
    sources,
    async (path) => {
      const text = await readFile(join(options.projectDir, path), 'utf8');
      for (const name of names)
        if (!named.has(name) && [`'${name}`, `"${name}`, `\`${name}`].some((quoted) => text.includes(quoted)))
          named.add(name);
    },
    { concurrency: runnerLimits.transfers, signal: options.signal },
  );
  return Object.fromEntries(Object.entries(specs).filter(([name]) => named.has(name)));
};
