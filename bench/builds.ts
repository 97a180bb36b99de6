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
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { inRoot, root } from '../scripts/lib/paths.ts';
import { runCommand, stopGroup } from '../scripts/lib/processes.ts';
import { createClient, type KilnClient, watchBuild } from '../src/client/index.ts';
import type { Build } from '../src/contract/builds.ts';
import { newId } from '../src/contract/ids.ts';
import { onEnd } from './lib/cleanup.ts';
import { game } from './lib/game.ts';
import { describeMachine } from './lib/machine.ts';
import { freePort, startMiniflare } from './lib/miniflare.ts';
import { figure, print, summarise, table } from './lib/print.ts';

export const buildsUsage = `builds — from POST to the finished build, beside esbuild and Vite on the same project in the same round
  --rounds 5          of each
  --without-phaser    no game that needs the registry`;

type Files = Readonly<Record<string, string>>;

/** One line of the result: milliseconds by who took them. */
interface Row {
  readonly what: string;
  readonly goal: string;
  readonly kiln: number[];
  readonly esbuild: number[];
  readonly vite: number[];
  note: string;
}

const row = (what: string, goal: string): Row => ({ what, goal, kiln: [], esbuild: [], vite: [], note: '' });

/** Milliseconds that it takes. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

interface Runner {
  readonly dir: string;
  stop(): Promise<void>;
}

/** The runner as it is deployed, with two places. Its caches are those of `dir`. */
async function startRunner(
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
      ...(process.env.npm_config_registry && { NPM_REGISTRY: process.env.npm_config_registry }),
    },
  });
  const stop = async (): Promise<void> => {
    await stopGroup(child);
    rmSync(dir, { recursive: true, force: true });
  };
  onEnd(stop);
  if (!child.stdout) throw new Error('a runner has an output');
  for await (const line of createInterface({ input: child.stdout })) if (line.includes('runner.listening')) break;
  child.stdout.resume();
  return { dir, stop };
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
    const folder = mkdtempSync(join(tmpdir(), 'kiln-bench-project-'));
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

  async build(): Promise<Build> {
    const { build } = await this.client.call('createBuild', { body: { projectId: this.id } });
    if (build.status !== 'success') await watchBuild(this.client, build.id, {}, AbortSignal.timeout(180_000));
    const { build: done } = await this.client.call('getBuild', { params: { id: build.id } });
    if (done.status !== 'success') throw new Error(`the build ended as ${done.status}: ${done.errorMessage}`);
    return done;
  }

  /** The native program, as a shell would start it. */
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
    await runCommand(inRoot('node_modules', '.bin', 'esbuild'), args, { cwd: this.folder });
  }

  async vite(): Promise<void> {
    const vite = inRoot('node_modules', 'vite', 'bin', 'vite.js');
    await runCommand(process.execPath, [vite, 'build', '--logLevel', 'error', '--emptyOutDir'], { cwd: this.folder });
  }
}

const edit = (round: number): Files => ({ 'src/tick.ts': `export const tick = ${round + 1};\n` });

/** Runs every row and prints it beside its goal. False when a build did not succeed or was lost. */
export async function runBuilds(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: { rounds: { type: 'string', default: '5' }, 'without-phaser': { type: 'boolean', default: false } },
  });
  const rounds = Number(values.rounds);
  print(describeMachine());
  const runnerPort = await freePort();
  const kiln = await startMiniflare('kiln', { assets: false, vars: { RUNNER_URL: `http://127.0.0.1:${runnerPort}` } });
  let runner = await startRunner(kiln.origin, runnerPort);
  const rows: Row[] = [];
  const steps = new Map<string, string>();

  const small = row('20 modules, warm', '≤ 250 ms');
  const again = row('the same tree again', '≤ 50 ms');
  const first = row('500 modules, new', '≤ 1.5 × peer (0.8–1.5 s)');
  const changed = row('500 modules, one file changed', '≤ 2 × esbuild');
  const one = await Project.make(kiln.origin, game(20, 0));
  await one.build();
  for (let round = 0; round < rounds; round += 1) {
    await one.write(edit(round));
    small.kiln.push(await timed(async () => steps.set(small.what, stepsOf(await one.build()))));
    again.kiln.push(await timed(() => one.build()));
    small.esbuild.push(await timed(() => one.esbuild()));
    small.vite.push(await timed(() => one.vite()));
  }
  for (let round = 0; round < rounds; round += 1) {
    const large = await Project.make(kiln.origin, game(500, 1000 * (round + 1)));
    first.kiln.push(await timed(async () => steps.set(first.what, stepsOf(await large.build()))));
    first.esbuild.push(await timed(() => large.esbuild()));
    first.vite.push(await timed(() => large.vite()));
    await large.write(edit(round));
    changed.kiln.push(await timed(async () => steps.set(changed.what, stepsOf(await large.build()))));
    changed.esbuild.push(await timed(() => large.esbuild()));
    changed.vite.push(await timed(() => large.vite()));
  }
  rows.push(small, again, first, changed);

  const twenty = await Promise.all(
    Array.from({ length: 20 }, (_, n) => Project.make(kiln.origin, game(20, 50_000 + 100 * n))),
  );
  const burst = row('20 builds at once, 20 modules', '≥ 10 a second');
  const burstTime = await timed(() => Promise.all(twenty.map((project) => project.build())));
  burst.kiln.push(burstTime);
  burst.esbuild.push(await timed(() => inPairs(twenty, (project) => project.esbuild())));
  burst.note = `${figure(20_000 / burstTime)} a second`;
  rows.push(burst);

  const fifty = row('50 builds of 5 people, 2 places', 'all finish, in turn');
  const people = await Promise.all(
    Array.from({ length: 5 }, (_, n) => Project.make(kiln.origin, game(20, 60_000 + 100 * n))),
  );
  let good = true;
  fifty.kiln.push(
    await timed(async () => {
      const builds = await Promise.all(
        people.flatMap((person, index) =>
          Array.from({ length: 10 }, async (_, n) => ({ index, build: await defined(person, n) })),
        ),
      );
      builds.sort((a, b) => Date.parse(a.build.startedAt ?? '') - Date.parse(b.build.startedAt ?? ''));
      const started = people.map(() => 0);
      let apart = 0;
      for (const { index } of builds) {
        started[index] = (started[index] ?? 0) + 1;
        apart = Math.max(apart, Math.max(...started) - Math.min(...started));
      }
      const ended = builds.filter(({ build }) => build.status === 'success').length;
      good = ended === 50;
      fifty.note = `${ended} ended, at most ${apart} turns apart`;
    }),
  );
  rows.push(fifty);

  if (!values['without-phaser']) {
    const files = Object.fromEntries(
      globSync('**/*', { cwd: inRoot('templates/phaser-platformer/files'), withFileTypes: true })
        .filter((file) => file.isFile())
        .map((file) => join(file.parentPath, file.name))
        .map((path) => [
          path.slice(inRoot('templates/phaser-platformer/files').length + 1),
          readFileSync(path, 'utf8'),
        ]),
    );
    const cold = row('Phaser template, no package here', '≤ 15 s');
    const warm = row('Phaser template, packages here', '≤ 2 s');
    const phaser = await Project.make(kiln.origin, files);
    await runner.stop();
    runner = await startRunner(kiln.origin, runnerPort);
    cold.kiln.push(await timed(async () => steps.set(cold.what, stepsOf(await phaser.build()))));
    const [installed] = globSync('trees/*/node_modules', { cwd: runner.dir });
    if (installed !== undefined) symlinkSync(join(runner.dir, installed), join(phaser.folder, 'node_modules'));
    for (let round = 0; round < rounds; round += 1) {
      await phaser.write({ 'src/tick.ts': `export const tick = ${round};\n` });
      warm.kiln.push(await timed(async () => steps.set(warm.what, stepsOf(await phaser.build()))));
      if (installed === undefined) continue;
      warm.esbuild.push(await timed(() => phaser.esbuild()));
      warm.vite.push(await timed(() => phaser.vite()));
    }
    rows.push(cold, warm);
  }

  print(
    table(
      ['', 'goal', 'Kiln ms: p50', 'best', 'esbuild', 'Vite', 'Kiln / esbuild', 'Kiln / Vite', ''],
      rows.map(({ what, goal, kiln: ours, esbuild, vite, note }) => {
        const [mine, theirs, others] = [summarise(ours).p50, summarise(esbuild).p50, summarise(vite).p50];
        const best = figure(Math.min(...ours));
        return [
          what,
          goal,
          figure(mine),
          best,
          figure(theirs),
          figure(others),
          times(mine, theirs),
          times(mine, others),
          note,
        ];
      }),
    ),
  );
  print('\nSteps of the last build, ms:');
  for (const [what, text] of steps) print(`  ${what}: ${text}`);
  await runner.stop();
  return good;
}

const times = (ours: number, theirs: number): string => (Number.isFinite(theirs) ? `${figure(ours / theirs)}×` : '–');

const stepsOf = ({ timings }: Build): string =>
  Object.entries(timings)
    .map(([step, ms]) => `${step} ${figure(ms)}`)
    .join(', ');

/** A build that differs from the others of its project by a constant. */
async function defined({ client, id }: Project, n: number): Promise<Build> {
  const body = { projectId: id, options: { define: { NUMBER: String(n) } } };
  const { build } = await client.call('createBuild', { body });
  await watchBuild(client, build.id, {}, AbortSignal.timeout(300_000));
  return (await client.call('getBuild', { params: { id: build.id } })).build;
}

/** Two at a time, as the runner works. */
async function inPairs<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const rest = [...items];
  const worker = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all([worker(), worker()]);
}
