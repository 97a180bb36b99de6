import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { esbuildProgram } from '../containers/build-runner/src/esbuild-program.ts';
import { inRoot, root } from '../scripts/lib/paths.ts';
import { runCommand, sleep, stopGroup } from '../scripts/lib/processes.ts';
import { createClient, type KilnClient, watchBuild } from '../src/client/index.ts';
import type { Build } from '../src/contract/builds.ts';
import { newId } from '../src/contract/ids.ts';
import { onEnd } from './lib/cleanup.ts';
import { game } from './lib/game.ts';
import { describeMachine, read, rested, usage } from './lib/machine.ts';
import { freePort, type ServerProcess, startMiniflare } from './lib/miniflare.ts';
import { figure, print, ratio, summarise, table } from './lib/print.ts';

const groups = ['small', 'large', 'burst', 'fifty', 'phaser'] as const;

export const buildsUsage = `builds — from POST to the finished build, beside esbuild and Vite on the same project in the same round
  --rounds 5            of each
  --only burst,fifty    not all of: ${groups.join(', ')}
  --phases              where the wall time of a build goes, phase by phase
  --peer URL            a conventional server (../shared/peer) beside it, in the same round`;

type Files = Readonly<Record<string, string>>;

/** One line of the result: milliseconds by who took them. */
interface Row {
  readonly what: string;
  readonly goal: string;
  readonly kiln: number[];
  readonly esbuild: number[];
  readonly vite: number[];
  readonly peer: number[];
  readonly traces: Trace[];
  note: string;
}

/** Milliseconds that it takes. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** What the runner's log says of a job that ended, with when that was. */
const JobEnded = z.object({
  event: z.literal('job'),
  at: z.iso.datetime(),
  buildId: z.string(),
  ms: z.number(),
  phases: z.record(z.string(), z.number()),
});

interface Runner {
  readonly dir: string;
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

/** Jobs that runners have ended, by build. */
const ended = new Map<string, z.infer<typeof JobEnded>>();

/** Where Linux keeps files in memory. */
const memory = existsSync('/dev/shm') ? '/dev/shm' : undefined;

/** The runner as it is deployed, with two places. Its caches are those of `dir`. */
export async function startRunner(
  kiln: string,
  port: number,
  dir = mkdtempSync(join(tmpdir(), 'kiln-bench-runner-')),
): Promise<Runner> {
  const child: ChildProcess = spawn(process.execPath, [inRoot('containers', 'build-runner', 'src', 'main.ts')], {
    cwd: root,
    detached: process.platform !== 'win32',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      KILN_URL: kiln,
      PORT: String(port),
      RUNNER_DIR: dir,
      RUNNER_CAPACITY: '2',
      ...(memory && { WORK_DIR: join(memory, basename(dir)) }),
      ...(process.env.npm_config_registry && { NPM_REGISTRY: process.env.npm_config_registry }),
    },
  });
  const stop = async (): Promise<void> => {
    await stopGroup(child);
    for (const one of [dir, ...(memory ? [join(memory, basename(dir))] : [])])
      rmSync(one, { recursive: true, force: true });
  };
  onEnd(stop);
  if (!child.stdout || child.pid === undefined) throw new Error('a runner has a process and an output');
  const listening = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.includes('"runner.listening"')) listening.resolve();
    const job = JobEnded.safeParse(JSON.parse(line));
    if (job.success) ended.set(job.data.buildId, job.data);
  });
  // Its port may have been taken since it was found free.
  child.once('exit', (code) => listening.reject(new Error(`the runner ended with ${code} before it listened`)));
  await listening.promise;
  return { dir, pid: child.pid, port, stop };
}

/** Wall time of one build by phase, in the order in which they come. All clocks are those of this machine. */
type Trace = ReadonlyMap<string, number>;

function traceOf(build: Build, sent: number, answered: number, seen: number): Trace | null {
  const job = ended.get(build.id);
  if (!job || build.startedAt === null || build.completedAt === null) return null;
  const end = Date.parse(job.at);
  const begin = end - job.ms;
  const { outcome = 0, ...phases } = job.phases;
  return new Map([
    ['POST', answered - sent],
    ['queued', build.timings.queued ?? 0],
    ['claim → runner', begin - Date.parse(build.startedAt)],
    ...Object.entries(phases).map(([name, ms]) => [`  ${name}`, ms] as const),
    ['runner', job.ms - outcome],
    ['outcome', outcome],
    ['outcome → seen', seen - end],
    ['all', seen - sent],
  ]);
}

function phaseTable(traces: readonly Trace[]): string {
  const names = [...new Set(traces.flatMap((trace) => [...trace.keys()]))];
  const rank = (name: string): number => Math.max(...traces.map((trace) => [...trace.keys()].indexOf(name)));
  names.sort((a, b) => rank(a) - rank(b));
  return table(
    ['', 'p50 ms', 'max'],
    names.map((name) => {
      const { p50, max } = summarise(traces.map((trace) => trace.get(name) ?? 0));
      return [name, figure(p50), figure(max)];
    }),
  );
}

interface Built {
  readonly build: Build;
  /** Milliseconds. */
  readonly ms: number;
  /** When the POST was answered: from then on it waits for its turn. Milliseconds since the epoch. */
  readonly answered: number;
  /** Null when no runner had a part in it. */
  readonly trace: Trace | null;
}

/** A project with one account, and the same files in a folder for the other tools. */
class Project {
  readonly client: KilnClient;
  readonly id: string;
  readonly folder: string;

  private constructor(client: KilnClient, id: string, folder: string) {
    this.client = client;
    this.id = id;
    this.folder = folder;
  }

  static async make(origin: string, files: Files): Promise<Project> {
    const client = createClient({ baseUrl: origin });
    const name = `bench-${newId().slice(-12)}`;
    await client.register({ email: `${name}@kiln.test`, username: name, password: 'correct horse battery' });
    const { project } = await client.call('createProject', { body: { name: 'Bench' } });
    const folder = mkdtempSync(join(memory ?? tmpdir(), 'kiln-bench-project-'));
    onEnd(() => rmSync(folder, { recursive: true, force: true }));
    const made = new Project(client, project.id, folder);
    await made.write(files);
    return made;
  }

  async write(files: Files): Promise<void> {
    const operations = Object.entries(files).map(([path, content]) => ({ op: 'put' as const, path, content }));
    await this.client.call('batchFiles', { params: { id: this.id }, body: { operations } });
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.folder, path)), { recursive: true });
      writeFileSync(join(this.folder, path), content);
    }
  }

  /** From POST to the end of the log's stream. `define` makes it another build of the same files. */
  async build(define?: string): Promise<Built> {
    const sent = Date.now();
    const body = { projectId: this.id, ...(define !== undefined && { options: { define: { NUMBER: define } } }) };
    const { build } = await this.client.call('createBuild', { body });
    const answered = Date.now();
    if (build.status !== 'success') await watchBuild(this.client, build.id, {}, AbortSignal.timeout(300_000));
    const seen = Date.now();
    const { build: done } = await this.client.call('getBuild', { params: { id: build.id } });
    if (done.status !== 'success') throw new Error(`the build ended as ${done.status}: ${done.errorMessage}`);
    return { build: done, ms: seen - sent, answered, trace: traceOf(done, sent, answered, seen) };
  }

  /** The native program itself, without the Node program by which npm names it where no install scripts run. */
  async esbuild(): Promise<void> {
    const entry = existsSync(join(this.folder, 'src/main.ts')) ? 'src/main.ts' : 'src/index.ts';
    const args = [
      entry,
      '--bundle',
      '--minify',
      '--format=esm',
      '--outdir=out',
      '--log-level=error',
      '--loader:.svg=file',
    ];
    await runCommand(esbuildProgram, args, { cwd: this.folder });
  }

  async vite(): Promise<void> {
    const vite = inRoot('node_modules', 'vite', 'bin', 'vite.js');
    await runCommand(process.execPath, [vite, 'build', '--logLevel', 'error', '--emptyOutDir'], { cwd: this.folder });
  }
}

/** The same project on a conventional server: BullMQ and esbuild in one worker, nothing isolated, hashed, packaged or logged. */
class PeerProject {
  readonly #origin: string;
  readonly #token: string;
  readonly #id: string;

  private constructor(origin: string, token: string, id: string) {
    this.#origin = origin;
    this.#token = token;
    this.#id = id;
  }

  static async make(origin: string, files: Files): Promise<PeerProject> {
    const name = `bench-${newId().slice(-12)}`;
    const account = { email: `${name}@kiln.test`, password: 'correct horse battery', name };
    const { accessToken } = await ask(origin, 'POST', '/api/auth/register', undefined, account);
    const { id } = await ask(origin, 'POST', '/api/projects', accessToken, { name: 'Bench' });
    const made = new PeerProject(origin, accessToken ?? '', id ?? '');
    await made.write(files);
    return made;
  }

  async write(files: Files): Promise<void> {
    for (const [path, content] of Object.entries(files))
      await ask(this.#origin, 'PUT', `/api/projects/${this.#id}/files/${path}`, this.#token, { content });
  }

  async build(): Promise<void> {
    const { id } = await ask(this.#origin, 'POST', '/api/builds', this.#token, { projectId: this.#id });
    for (;;) {
      const { status, error } = await ask(this.#origin, 'GET', `/api/builds/${id}`, this.#token);
      if (status === 'succeeded') return;
      if (status === 'failed') throw new Error(`the peer's build failed: ${error}`);
      // It has no stream to follow.
      await sleep(10);
    }
  }
}

async function ask(
  origin: string,
  method: string,
  path: string,
  token?: string,
  body?: object,
): Promise<Readonly<Record<string, string | undefined>>> {
  const response = await fetch(origin + path, {
    method,
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`the peer answers ${response.status} to ${method} ${path}`);
  return (await response.json()) as Readonly<Record<string, string | undefined>>;
}

const edit = (round: number): Files => ({ 'src/tick.ts': `export const tick = ${round + 1};\n` });

/** One run of all rows that were asked for. */
class BuildsBench {
  readonly rows: Row[] = [];
  good = true;
  readonly #kiln: ServerProcess;
  readonly #rounds: number;
  readonly #peer: string | undefined;
  /** Where a second runner may listen. */
  readonly #secondPort: number;
  #runner: Runner;

  constructor(
    kiln: ServerProcess,
    runner: Runner,
    options: { rounds: number; peer: string | undefined; secondPort: number },
  ) {
    this.#secondPort = options.secondPort;
    this.#kiln = kiln;
    this.#runner = runner;
    this.#rounds = options.rounds;
    this.#peer = options.peer;
  }

  async small(): Promise<void> {
    const small = this.#row('20 modules, warm', '≤ 250 ms');
    const again = this.#row('the same tree again', '≤ 50 ms');
    const files = game(20, 0);
    const one = await Project.make(this.#kiln.origin, files);
    const peer = await this.#peerProject(files);
    await one.build();
    await peer?.build();
    for (let round = 0; round < this.#rounds; round += 1) {
      await one.write(edit(round));
      await peer?.write(edit(round));
      took(small, await one.build());
      took(again, await one.build());
      if (peer) small.peer.push(await timed(() => peer.build()));
      small.esbuild.push(await timed(() => one.esbuild()));
      small.vite.push(await timed(() => one.vite()));
    }
  }

  async large(): Promise<void> {
    const first = this.#row('500 modules, new', '≤ 1.5 × peer (0.8–1.5 s)');
    const changed = this.#row('500 modules, one file changed', '≤ 2 × esbuild');
    for (let round = 0; round < this.#rounds; round += 1) {
      const files = game(500, 1000 * (round + 1));
      // The peer takes seconds to be given 500 files; Kiln would store its own meanwhile, or just then.
      const peer = await this.#peerProject(files);
      const large = await Project.make(this.#kiln.origin, files);
      took(first, await large.build());
      if (peer) first.peer.push(await timed(() => peer.build()));
      first.esbuild.push(await timed(() => large.esbuild()));
      first.vite.push(await timed(() => large.vite()));
      // The 500 texts go into the store two seconds after they came, in the same process.
      await sleep(2500);
      await rested(this.#kiln.pid);
      await large.write(edit(round));
      await peer?.write(edit(round));
      took(changed, await large.build());
      if (peer) changed.peer.push(await timed(() => peer.build()));
      changed.esbuild.push(await timed(() => large.esbuild()));
      changed.vite.push(await timed(() => large.vite()));
    }
    const within = changed.traces.map((trace) => trace.get('  esbuild') ?? Number.NaN);
    const whole = changed.traces.map((trace) => trace.get('all') ?? Number.NaN);
    changed.note = `${ratio(whole, within, (ms) => ms)} of esbuild's own time in it, p50 ${figure(summarise(within).p50)} ms`;
  }

  async burst(): Promise<void> {
    const burst = this.#row('20 builds at once, 20 modules', '≥ 10 a second');
    const files = Array.from({ length: 20 }, (_, n) => game(20, 50_000 + 100 * n));
    const twenty = await Promise.all(files.map((one) => Project.make(this.#kiln.origin, one)));
    // Warm, as the other rows are: the first build of a server compiles what builds need.
    const other = await Project.make(this.#kiln.origin, game(20, 49_000));
    for (const define of ['1', '2', '3']) await other.build(define);
    // They come to a system that has nothing to do, and has done what it puts off until then.
    await sleep(3000);
    const before = [read(this.#kiln.pid), read(this.#runner.pid)] as const;
    burst.kiln.push(
      await timed(async () => {
        for (const { trace } of await Promise.all(twenty.map((project) => project.build())))
          if (trace) burst.traces.push(trace);
      }),
    );
    const [kiln, runner] = [
      usage(before[0], read(this.#kiln.pid)).serverCpu,
      usage(before[1], read(this.#runner.pid)).serverCpu,
    ];
    burst.esbuild.push(await timed(() => inPairs(twenty, (project) => project.esbuild())));
    const rate = (samples: readonly number[]): string => `${figure(20_000 / summarise(samples).p50)}/s`;
    burst.note = `${rate(burst.kiln)}; CPU ms a build: platform ${figure((kiln ?? Number.NaN) * 50)}, runner ${figure((runner ?? Number.NaN) * 50)}`;
    const peers = (await Promise.all(files.map((one) => this.#peerProject(one)))).filter((peer) => peer !== undefined);
    if (peers.length === 0) return;
    burst.peer.push(await timed(() => Promise.all(peers.map((peer) => peer.build()))));
    burst.note += `; peer ${rate(burst.peer)}`;
  }

  async fifty(): Promise<void> {
    const fifty = this.#row('50 builds of 5 people, 2 runners', 'all finish, in turn');
    const second = await startRunner(this.#kiln.origin, this.#secondPort);
    const people = await Promise.all(
      Array.from({ length: 5 }, (_, n) => Project.make(this.#kiln.origin, game(20, 60_000 + 100 * n))),
    );
    fifty.kiln.push(
      await timed(async () => {
        const builds = await Promise.all(
          people.flatMap((person, index) =>
            Array.from({ length: 10 }, async (_, n) => ({ index, ...(await person.build(String(n))) })),
          ),
        );
        const startOf = ({ build }: Built): number => Date.parse(build.startedAt ?? '');
        builds.sort((a, b) => startOf(a) - startOf(b));
        const started = people.map(() => 0);
        let apart = 0;
        for (const [turn, one] of builds.entries()) {
          started[one.index] = (started[one.index] ?? 0) + 1;
          // Whoever has not been answered by then cannot have had a turn.
          for (const { index, answered } of builds.slice(turn + 1))
            if (answered < startOf(one)) apart = Math.max(apart, (started[one.index] ?? 0) - (started[index] ?? 0));
          if (one.trace) fifty.traces.push(one.trace);
        }
        this.good &&= builds.length === 50;
        fifty.note = `${builds.length} ended, at most ${apart} turns apart`;
      }),
    );
    await second.stop();
  }

  async phaser(): Promise<void> {
    const cold = this.#row('Phaser template, no package here', '≤ 15 s');
    const warm = this.#row('Phaser template, packages here', '≤ 2 s');
    const folder = inRoot('templates/phaser-platformer/files');
    const files = Object.fromEntries(
      globSync('**/*', { cwd: folder, withFileTypes: true })
        .filter((file) => file.isFile())
        .map((file) => join(file.parentPath, file.name))
        .map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]),
    );
    const phaser = await Project.make(this.#kiln.origin, files);
    const { port } = this.#runner;
    await this.#runner.stop();
    this.#runner = await startRunner(this.#kiln.origin, port);
    took(cold, await phaser.build());
    const [installed] = globSync('trees/*/node_modules', { cwd: this.#runner.dir });
    if (installed !== undefined) symlinkSync(join(this.#runner.dir, installed), join(phaser.folder, 'node_modules'));
    for (let round = 0; round < this.#rounds; round += 1) {
      await phaser.write({ 'src/tick.ts': `export const tick = ${round};\n` });
      took(warm, await phaser.build());
      if (installed === undefined) continue;
      warm.esbuild.push(await timed(() => phaser.esbuild()));
      warm.vite.push(await timed(() => phaser.vite()));
    }
  }

  #row(what: string, goal: string): Row {
    const row: Row = { what, goal, kiln: [], esbuild: [], vite: [], peer: [], traces: [], note: '' };
    this.rows.push(row);
    return row;
  }

  async #peerProject(files: Files): Promise<PeerProject | undefined> {
    return this.#peer === undefined ? undefined : await PeerProject.make(this.#peer, files);
  }
}

function took(row: Row, { ms, trace }: Built): void {
  row.kiln.push(ms);
  if (trace) row.traces.push(trace);
}

/** Runs the rows and prints each beside its goal. False when a build was lost; one that fails ends the run. */
export async function runBuilds(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '5' },
      only: { type: 'string', default: groups.join(',') },
      phases: { type: 'boolean', default: false },
      peer: { type: 'string' },
    },
  });
  const only = z.array(z.enum(groups)).parse(values.only.split(','));
  print(describeMachine());
  const [port, secondPort] = [await freePort(), await freePort()];
  const vars = { RUNNER_URL: `http://127.0.0.1:${port},http://127.0.0.1:${secondPort}` };
  const kiln = await startMiniflare('kiln', { vars });
  const runner = await startRunner(kiln.origin, port);
  const bench = new BuildsBench(kiln, runner, { rounds: Number(values.rounds), peer: values.peer, secondPort });
  for (const group of only) await bench[group]();
  const { rows, good } = bench;
  print(
    table(
      ['', 'goal', 'Kiln ms: p50', 'best', 'esbuild', 'Vite', 'peer', 'Kiln / esbuild', '/ Vite', '/ peer', ''],
      rows.map(({ what, goal, kiln: ours, esbuild, vite, peer, note }) => [
        what,
        goal,
        figure(summarise(ours).p50),
        figure(Math.min(...ours)),
        ...[esbuild, vite, peer].map((theirs) => figure(summarise(theirs).p50)),
        ...[esbuild, vite, peer].map((theirs) => ratio(ours, theirs, (ms) => ms)),
        note,
      ]),
    ),
  );
  if (values.phases)
    for (const { what, traces } of rows) if (traces.length > 0) print(`\n${what}\n${phaseTable(traces)}`);
  return good;
}

/** Two at a time, as the runner works. */
async function inPairs<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const rest = [...items];
  const worker = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all([worker(), worker()]);
}
