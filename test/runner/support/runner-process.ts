import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { FakeBuild } from './fake-platform.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url).href);
const node = join(root, 'node_modules/.bin/node');
const script = join(root, 'containers/build-runner/src/main.ts');

export interface RunnerOptions {
  readonly platformUrl: string;
  readonly capacity?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** State folder to go on with; a new one otherwise. */
  readonly dir?: string;
}

/** The real runner program in a process of its own. */
export class RunnerProcess {
  readonly url: string;
  readonly dir: string;
  readonly process: ChildProcess;
  /** Its log lines so far. */
  readonly lines: string[];

  private constructor(url: string, dir: string, child: ChildProcess, lines: string[]) {
    this.url = url;
    this.dir = dir;
    this.process = child;
    this.lines = lines;
  }

  static async start(options: RunnerOptions): Promise<RunnerProcess> {
    const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'kiln-runner-test-')));
    const child = spawn(node, [script], {
      env: {
        ...process.env,
        KILN_URL: options.platformUrl,
        PORT: '0',
        RUNNER_DIR: dir,
        RUNNER_CAPACITY: String(options.capacity ?? 2),
        // Processes that no test waits for would be most of what a machine does.
        RUNNER_RESERVE: '0',
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    const port = await new Promise<number>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the runner ended with ${code}: ${lines.join('\n')}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        lines.push(line);
        const entry = JSON.parse(line) as { event: string; port?: number };
        if (entry.event === 'runner.listening') resolve(entry.port ?? 0);
      });
    });
    return new RunnerProcess(`http://127.0.0.1:${port}`, dir, child, lines);
  }

  async post(job: unknown): Promise<Response> {
    return await fetch(`${this.url}/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(job),
    });
  }

  /** Hands a build over and waits for its outcome. */
  async run(build: FakeBuild): Promise<FakeBuild> {
    const response = await this.post(build.job);
    if (response.status !== 202) throw new Error(`the runner answered ${response.status}: ${await response.text()}`);
    await build.outcome.promise;
    return build;
  }

  async health(): Promise<{ running: number; capacity: number }> {
    return (await (await fetch(`${this.url}/health`)).json()) as { running: number; capacity: number };
  }

  /** Folders of children, idle ones too. */
  async workFolders(): Promise<string[]> {
    return await readdir(join(this.dir, 'work', String(this.process.pid))).catch(() => []);
  }

  /** Process ids of the runner's direct children. */
  async children(): Promise<number[]> {
    return (await everyProcess()).filter(({ parent }) => parent === this.process.pid).map(({ pid }) => pid);
  }

  /** Process ids of what the runner's children have started and whose program has this name. */
  async programs(name: string): Promise<number[]> {
    const all = await everyProcess();
    const children = new Set(all.filter(({ parent }) => parent === this.process.pid).map(({ pid }) => pid));
    const found: number[] = [];
    for (const { pid, parent } of all) {
      const [program = ''] = (await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')).split('\0');
      if (children.has(parent) && basename(program) === name) found.push(pid);
    }
    return found;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill(signal);
      await once(this.process, 'exit');
    }
  }

  /** Stops it and removes its folder. */
  async dispose(): Promise<void> {
    await this.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}

const everyProcess = async (): Promise<{ pid: number; parent: number }[]> => {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  return await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return { pid: Number(pid), parent: Number(parent) };
    }),
  );
};
