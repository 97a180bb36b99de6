import { cpSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { V4WorkerOptions } from 'miniflare';
import { unstable_readConfig as readConfig, unstable_getMiniflareWorkerOptions as workerOptionsOf } from 'wrangler';
import { fingerprint, keptFolder } from './made.ts';
import { inRoot, quietWrangler, root, wranglerEntry } from './paths.ts';
import { runCommand } from './processes.ts';

/** Configuration of the Worker that bundles previews, beside the main one. */
export const bundlerConfig = 'src/bundler/wrangler.toml';

/** What a host of Workers is to run. */
export interface HostOrder {
  readonly port: number;
  /** Folder of what is kept, as `--persist-to` of wrangler. */
  readonly state: string;
  /** The first one is served. */
  readonly workers: readonly HostedWorker[];
  /** Where the inspector of V8 listens; null: there is none. */
  readonly inspectorPort: number | null;
  /** Service bindings of Workers that are not there: whatever they are asked is 503. */
  readonly missing: readonly string[];
}

/** Options that come as JSON, and the folder of the bundle. */
type HostedWorker = Omit<V4WorkerOptions, 'modules' | 'script' | 'rootPath' | 'bindings' | 'serviceBindings'> & {
  readonly name: string;
  readonly bundle: string;
  readonly rootPath?: string;
  readonly bindings?: Readonly<Record<string, string>>;
  readonly serviceBindings?: Readonly<Record<string, string>>;
};

/** The modules that wrangler would deploy. */
async function bundle(args: readonly string[], folder: string): Promise<void> {
  const made = mkdtempSync(join(tmpdir(), 'kiln-bundle-'));
  await runCommand(
    process.execPath,
    [wranglerEntry, 'deploy', '--dry-run', '--containers-rollout=none', ...args, '--outdir', made],
    { cwd: root, env: { ...process.env, ...quietWrangler } },
  );
  for (const file of globSync('*.{js,wasm}', { cwd: made }))
    cpSync(join(made, file), join(folder, basename(file)), { recursive: true });
  rmSync(made, { recursive: true, force: true });
}

/** Folder with the bundles of the Worker and of the one that bundles previews: made once for each state of the sources. */
export const ensureWorker = (): Promise<string> =>
  keptFolder(
    '.kiln-workers',
    fingerprint([
      'src/**',
      'migrations/**/*.json',
      'scripts/lib/worker.ts',
      'wrangler.toml',
      'tsconfig.json',
      'package-lock.json',
    ]),
    async (folder) => {
      await Promise.all([
        bundle([], join(folder, 'kiln')),
        bundle(['--config', bundlerConfig], join(folder, 'kiln-bundler')),
      ]);
    },
  );

interface HostOptions extends Pick<HostOrder, 'port' | 'state' | 'inspectorPort'> {
  /** Path of the configuration of the main Worker. */
  readonly config: string;
  readonly previews: boolean;
  readonly vars: Readonly<Record<string, string>>;
  /** Connection string of PostgreSQL, which takes the place of D1. */
  readonly databaseUrl: string | null;
}

/** The order that comes to what `wrangler dev` does with these options. */
export async function hostOrder(options: HostOptions): Promise<HostOrder> {
  const { port, state, inspectorPort, config, previews, vars, databaseUrl } = options;
  const bundles = await ensureWorker();
  const env = databaseUrl === null ? undefined : 'postgres';
  const hosted = (path: string, folder: string, more: HostOptions['vars']): HostedWorker => {
    const read = readConfig({ config: path, env }, { hideWarnings: true });
    const hyperdrive = read.hyperdrive.map((one: object) => ({ ...one, localConnectionString: databaseUrl ?? '' }));
    const { bindings, ...worker } = workerOptionsOf({ ...read, hyperdrive }, env).workerOptions as HostedWorker;
    return { ...worker, bindings: { ...bindings, ...more }, name: read.name ?? folder, bundle: join(bundles, folder) };
  };
  return {
    port,
    state,
    inspectorPort,
    workers: [hosted(config, 'kiln', vars), ...(previews ? [hosted(inRoot(bundlerConfig), 'kiln-bundler', {})] : [])],
    missing: previews ? [] : ['BUNDLER'],
  };
}
