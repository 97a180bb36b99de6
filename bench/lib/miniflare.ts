import { type ChildProcess, spawn } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inRoot, quietWrangler, root, wranglerEntry } from '../../scripts/lib/paths.ts';
import { killGroup, runCommand, sleep, stopGroup } from '../../scripts/lib/processes.ts';
import { ensureSecrets, ensureWeb } from '../../scripts/lib/setup.ts';
import { onEnd } from './cleanup.ts';

export interface HostOrder {
  /** The Worker's one module. */
  readonly script: string;
  /** Folder with the bundle of the Worker that bundles previews; null: there is none, and previews are refused. */
  readonly bundler: string | null;
  readonly port: number;
  readonly state: string;
  readonly migrations: readonly string[];
  readonly inspect: boolean;
  readonly verbose: boolean;
  /** More variables of the Worker. */
  readonly vars: Readonly<Record<string, string>>;
  readonly silent: boolean;
}

export type HostAnswer =
  | { readonly ready: true; readonly platform: string; readonly inspector: string | null }
  | { readonly ready: false; readonly reason: string };

/** What a host is told while it runs. */
export interface HostCommand {
  /** Name of a project's room that is to leave memory, as an idle one does. */
  readonly evict: string;
}

export interface ServerProcess {
  /** Straight at the Worker. */
  readonly origin: string;
  /** Miniflare's own entry, which has what it emulates under `/cdn-cgi`. */
  readonly platform: string;
  /** Head of the server's process tree. */
  readonly pid: number;
  /** Base URL of the inspector, when it was asked for. */
  readonly inspector: string | null;
  stop(): Promise<void>;
  /** kill -9 of everything; what it stored stays where `state` was given. */
  kill(): Promise<void>;
  evict(room: string): void;
}

/** Milliseconds. */
const stopPatience = 5000;

/** A port that is free now. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port was given')),
      );
    });
  });

function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'kiln-bench-'));
  const remove = (): void => rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  onEnd(remove);
  return { path, remove };
}

/** The Worker as it is deployed: wrangler's own bundle, in a temporary folder. */
export async function bundleKiln(folder: string): Promise<string> {
  // wrangler refuses a configuration whose folder of assets is not there.
  await ensureWeb();
  await runCommand(
    process.execPath,
    [wranglerEntry, 'deploy', '--dry-run', '--containers-rollout=none', '--outdir', folder],
    { cwd: root, env: { ...process.env, ...quietWrangler } },
  );
  return join(folder, 'index.js');
}

/** The Worker that bundles previews, as it is deployed. */
async function bundleBundler(folder: string): Promise<string> {
  const config = inRoot('src', 'bundler', 'wrangler.toml');
  const args = ['deploy', '--dry-run', '--config', config, '--env', 'production', '--outdir', folder];
  await runCommand(process.execPath, [wranglerEntry, ...args], {
    cwd: root,
    env: { ...process.env, ...quietWrangler },
  });
  return folder;
}

async function ready(child: ChildProcess): Promise<Extract<HostAnswer, { ready: true }>> {
  const answer = await new Promise<HostAnswer>((resolve) => {
    child.once('message', (message) => resolve(message as HostAnswer));
    child.once('exit', (code) => resolve({ ready: false, reason: `it ended with ${code}` }));
  });
  if (!answer.ready) throw new Error(`Miniflare did not start: ${answer.reason}`);
  return answer;
}

/**
 * Kiln, or the floor under it, on bare Miniflare with the options that wrangler makes of wrangler.toml:
 * no `wrangler dev` in front, whose proxy costs ten times what Miniflare does. `bundle` is a Worker that
 * was bundled before, of another revision perhaps; it runs on the options of this one.
 */
export async function startMiniflare(
  worker: 'kiln' | 'floor' | 'bundler',
  options: {
    /** Whether previews are bundled, by a Worker beside this one. */
    readonly previews?: boolean;
    readonly inspect?: boolean;
    readonly verbose?: boolean;
    /** The Worker writes no log: needed where rooms are evicted under load. */
    readonly silent?: boolean;
    readonly bundle?: string | undefined;
    /** More variables of the Worker. */
    readonly vars?: Readonly<Record<string, string>>;
    /** Where it stores; a folder that goes with it by default. */
    readonly state?: string;
    readonly port?: number;
  } = {},
): Promise<ServerProcess> {
  await ensureSecrets();
  await ensureWeb();
  const folder = temporaryFolder();
  const bundler = options.previews || worker === 'bundler' ? await bundleBundler(join(folder.path, 'bundler')) : null;
  const script =
    worker === 'bundler'
      ? join(folder.path, 'bundler', 'index.js')
      : worker === 'floor'
        ? inRoot('bench', 'lib', 'floor.ts')
        : (options.bundle ?? (await bundleKiln(join(folder.path, 'bundle'))));
  const port = options.port ?? (await freePort());
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', inRoot('bench', 'lib', 'miniflare-host.ts')],
    {
      cwd: root,
      env: { ...process.env, ...quietWrangler },
      detached: process.platform !== 'win32',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    },
  );
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    // The host lets go of workerd and ends by itself when its channel closes; whatever is left then is ended.
    if (child.connected) child.disconnect();
    await Promise.race([gone, sleep(stopPatience)]);
    await stopGroup(child);
    folder.remove();
  };
  onEnd(stop);
  const order: HostOrder = {
    script,
    bundler,
    port,
    state: options.state ?? join(folder.path, 'state'),
    migrations:
      worker === 'kiln'
        ? globSync('migrations/*.sql', { cwd: root })
            .sort()
            .map((file) => inRoot(file))
        : [],
    inspect: options.inspect ?? false,
    verbose: options.verbose ?? false,
    vars: options.vars ?? {},
    silent: options.silent ?? false,
  };
  child.send(order);
  const { inspector, platform } = await ready(child);
  if (child.pid === undefined) throw new Error('a running process has an id');
  const kill = async (): Promise<void> => {
    await killGroup(child);
    folder.remove();
  };
  const evict = (room: string): void => {
    if (child.connected) child.send({ evict: room } satisfies HostCommand);
  };
  return { origin: `http://127.0.0.1:${port}`, platform, pid: child.pid, inspector, stop, kill, evict };
}
