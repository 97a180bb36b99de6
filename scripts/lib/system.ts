import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inRoot, quietWrangler, root, wranglerEntry } from './paths.ts';
import { Postgres } from './postgres.ts';
import { killGroup, sleep, startGroup, stopGroup } from './processes.ts';
import { ensureData, ensureSecrets, ensureWeb } from './setup.ts';
import { bundlerConfig, hostOrder } from './worker.ts';

export type DatabaseChoice = 'd1' | 'postgres' | `postgres://${string}` | `postgresql://${string}`;

export interface SystemOptions {
  readonly port: number;
  readonly runnerPort: number;
  /** Directory of everything that a run keeps: databases, objects, caches, logs. */
  readonly state: string;
  /** Where the relational data lives: D1, a PostgreSQL of this system's own, or the URL of one that is there. D1 by default. */
  readonly db?: DatabaseChoice;
  /** More variables of the Worker, in place of what wrangler.toml and .dev.vars say. */
  readonly vars?: Readonly<Record<string, string>>;
  /** Configuration of the Worker in place of wrangler.toml. */
  readonly config?: string;
  /** False: without the Worker that bundles previews, which is a third of what starting costs; `ready` does not ask for it then. */
  readonly previews?: boolean;
  /**
   * What runs the Worker: `wrangler dev`, by default, or bare Miniflare under it, which bundles once for each state of the sources
   * and has nothing in front of the Worker. Starting takes half, and so does every request.
   */
  readonly host?: 'wrangler' | 'miniflare';
  /** Where the inspector of V8 listens, under bare Miniflare; there is none unless said. It costs speed. */
  readonly inspectorPort?: number;
  /** More Workers beside Kiln's, under `wrangler dev`, by the paths of their configurations: they may consume its queues. */
  readonly workers?: readonly string[];
  /** More variables of the runner. */
  readonly runner?: Readonly<Record<string, string>>;
  /** Told what is being done, for a person who waits. */
  readonly say?: (step: string) => void;
}

/** A part that has not come up by then never will. Milliseconds. */
const startTimeout = 180_000;
/** Pause before a crashed runner is started again. Milliseconds. */
const runnerPause = 500;
/** Crons do not fire by themselves in local development. Milliseconds. */
const cronInterval = 60_000;

/** The whole of Kiln as processes of this machine: `wrangler dev` with the Worker, and a build runner. */
export class System {
  readonly options: SystemOptions;
  /** The PostgreSQL that this system brings, where it brings one. */
  readonly postgres: Postgres | null;
  #worker: ChildProcess | null = null;
  #runner: ChildProcess | null = null;
  #cron: NodeJS.Timeout | null = null;
  #stopping = false;

  constructor(options: SystemOptions) {
    this.options = options;
    this.postgres =
      options.db === 'postgres' ? new Postgres(join(options.state, 'postgres'), this.#log('postgres')) : null;
  }

  /** Connection string of PostgreSQL; null on D1. */
  get databaseUrl(): string | null {
    const { db = 'd1' } = this.options;
    if (db === 'd1') return null;
    return db === 'postgres' ? (this.postgres?.url() ?? null) : db;
  }

  get origin(): string {
    return `http://localhost:${this.options.port}`;
  }

  /** For clients that do not know `localhost` as IPv4. */
  get address(): string {
    return `http://127.0.0.1:${this.options.port}`;
  }

  get runnerPid(): number | undefined {
    return this.#runner?.pid;
  }

  /** Sets up what is missing and starts everything; resolves when /health/ready is green. */
  async start(): Promise<void> {
    const { state, say = () => undefined } = this.options;
    this.#stopping = false;
    mkdirSync(join(state, 'logs'), { recursive: true });
    await ensureSecrets();
    say('Building the web workspace …');
    await ensureWeb();
    if (this.postgres) {
      say('Starting PostgreSQL …');
      await this.postgres.start();
    }
    say('Preparing database and templates …');
    await ensureData(state, this.databaseUrl);
    say('Starting …');
    this.startRunner();
    await this.#startWorker();
    await this.ready();
    this.#cron = setInterval(() => void this.runCron().catch(() => undefined), cronInterval);
    this.#cron.unref();
  }

  /** Resolves when every part answers; throws with the parts that do not. */
  async ready(): Promise<void> {
    const deadline = Date.now() + startTimeout;
    let last = 'nothing answers';
    while (Date.now() < deadline) {
      if (this.#worker?.exitCode != null) throw new Error(`The Worker ended; see ${this.#log('worker')}`);
      try {
        const response = await fetch(`${this.address}/health/ready`, { signal: AbortSignal.timeout(30_000) });
        last = await response.text();
        if (response.ok || this.#isReady(last)) return;
      } catch {
        // Not listening yet.
      }
      await sleep(200);
    }
    throw new Error(`Kiln did not become ready: ${last}. Logs are in ${join(this.options.state, 'logs')}`);
  }

  /** Whether nothing is missing but what this system was to do without. */
  #isReady(answer: string): boolean {
    if (this.options.previews !== false) return false;
    const { checks = {} } = JSON.parse(answer) as { checks?: Record<string, { ok: boolean }> };
    return 'bundler' in checks && Object.entries(checks).every(([name, { ok }]) => ok || name === 'bundler');
  }

  /** What the platform does every minute. */
  async runCron(): Promise<void> {
    const response = await fetch(`${this.address}/cdn-cgi/local/scheduled?cron=*+*+*+*+*`);
    if (!response.ok) throw new Error(`cron answered ${response.status}`);
  }

  /** Starts the runner, and again whenever it ends by itself. */
  startRunner(): void {
    const { state, runnerPort } = this.options;
    const log = openSync(this.#log('runner'), 'a');
    const runnerEnvironment = {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      KILN_URL: this.address,
      PORT: String(runnerPort),
      HOST: '127.0.0.1',
      RUNNER_DIR: join(state, 'runner'),
      ...networkOf(process.env),
      ...this.options.runner,
    };
    const runner = startGroup(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', inRoot('containers', 'build-runner', 'src', 'main.ts')],
      {
        cwd: root,
        stdio: ['ignore', log, log],
        // An allow-list: the runner needs nothing else of this environment.
        env: runnerEnvironment as unknown as NodeJS.ProcessEnv,
      },
    );
    closeSync(log);
    this.#runner = runner;
    runner.once('exit', () => {
      if (this.#runner !== runner || this.#stopping) return;
      setTimeout(() => {
        if (!this.#stopping && this.#runner === runner) this.startRunner();
      }, runnerPause);
    });
  }

  async stop(): Promise<void> {
    this.#end();
    await Promise.all([this.#worker && stopGroup(this.#worker), this.#runner && stopGroup(this.#runner)]);
    this.#worker = null;
    this.#runner = null;
    // Last: the others may still be writing what they were doing.
    await this.postgres?.stop();
  }

  /** kill -9 for every process, as a power cut would. */
  async kill(): Promise<void> {
    this.#end();
    await Promise.all([
      this.#worker && killGroup(this.#worker),
      this.#runner && killGroup(this.#runner),
      this.postgres?.kill(),
    ]);
    this.#worker = null;
    this.#runner = null;
  }

  /** kill -9 for the runner alone; it is started again. */
  async killRunner(): Promise<void> {
    if (this.#runner) await killGroup(this.#runner);
  }

  /** kill -9 for the runner, and nobody starts it again until `startRunner`. */
  async removeRunner(): Promise<void> {
    const runner = this.#runner;
    this.#runner = null;
    if (runner) await killGroup(runner);
  }

  /** The runner hangs, its sockets open, until `resumeRunner`. */
  pauseRunner(): void {
    if (this.#runner?.pid) process.kill(-this.#runner.pid, 'SIGSTOP');
  }

  resumeRunner(): void {
    if (this.#runner?.pid) process.kill(-this.#runner.pid, 'SIGCONT');
  }

  #end(): void {
    this.#stopping = true;
    if (this.#cron) clearInterval(this.#cron);
    this.#cron = null;
  }

  async #startWorker(): Promise<void> {
    const { port, runnerPort, state, host = 'wrangler', config = 'wrangler.toml', previews = true } = this.options;
    const { inspectorPort = null } = this.options;
    const persist = join(state, 'wrangler');
    const variables = {
      APP_ORIGIN: this.origin,
      CONTENT_HOST: `localhost:${port}`,
      RUNNER_URL: `http://127.0.0.1:${runnerPort}`,
      ...this.options.vars,
    };
    const { databaseUrl } = this;
    const order =
      host === 'miniflare'
        ? await hostOrder({
            port,
            state: persist,
            inspectorPort,
            config: resolve(root, config),
            previews,
            vars: variables,
            databaseUrl,
          })
        : null;
    const log = openSync(this.#log('worker'), 'a');
    const worker = startGroup(
      process.execPath,
      order === null
        ? this.#wranglerDev(persist, variables)
        : ['--disable-warning=ExperimentalWarning', inRoot('scripts', 'lib', 'worker-host.ts')],
      {
        cwd: root,
        stdio: ['pipe', log, log],
        env: {
          ...process.env,
          ...quietWrangler,
          ...(databaseUrl !== null && { CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_HYPERDRIVE: databaseUrl }),
        },
      },
    );
    closeSync(log);
    worker.stdin?.on('error', () => undefined).end(order === null ? '' : JSON.stringify(order));
    this.#worker = worker;
  }

  /** Arguments of Node for `wrangler dev`. */
  #wranglerDev(persist: string, variables: Readonly<Record<string, string>>): string[] {
    const { port, config = 'wrangler.toml', previews = true, workers = [] } = this.options;
    return [
      wranglerEntry,
      'dev',
      '--local',
      '--ip',
      '127.0.0.1',
      '--port',
      String(port),
      '--inspector-port',
      '0',
      '--persist-to',
      persist,
      '--show-interactive-dev-session=false',
      ...(this.databaseUrl === null ? [] : ['--env', 'postgres']),
      ...[config, ...(previews ? [bundlerConfig] : []), ...workers].flatMap((path) => ['--config', path]),
      ...Object.entries(variables).flatMap(([name, value]) => ['--var', `${name}:${value}`]),
    ];
  }

  #log(name: string): string {
    return join(this.options.state, 'logs', `${name}.log`);
  }
}

/** How this machine reaches the npm registry: registry, proxy and certificate authorities, where they are not the defaults. */
function networkOf(env: NodeJS.ProcessEnv): Record<string, string> {
  const names = [
    'NODE_EXTRA_CA_CERTS',
    'SSL_CERT_FILE',
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'NO_PROXY',
    'http_proxy',
    'https_proxy',
    'no_proxy',
    'NPM_REGISTRY',
  ];
  const known = Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
  return {
    ...(env.npm_config_registry && { NPM_REGISTRY: env.npm_config_registry }),
    ...(env.npm_config_cafile && { NODE_EXTRA_CA_CERTS: env.npm_config_cafile }),
    ...known,
  };
}
