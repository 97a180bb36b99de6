// `npm test`: sets up what it needs, then lint, dead code, types, a dry-run deployment and every test layer.
// `npm test -- unit workerd` runs only these layers and none of the checks before them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import pMap from 'p-map';
import { inRoot, quietWrangler, root, wranglerEntry } from './lib/paths.ts';
import { ensureSecrets, ensureWeb } from './lib/setup.ts';
import { bundlerConfig, ensureWorker } from './lib/worker.ts';

const layers = ['unit', 'data', 'workerd', 'runner', 'e2e', 'browser', 'faults'] as const;
type Layer = (typeof layers)[number];

/** Layers that share a process. */
interface Lane {
  layers: readonly Layer[];
  /** Which part of its files: another lane has the rest. */
  shard?: `${number}/${number}`;
  /** Said nothing for so long, it has stopped: longer than any of its files takes, for what a test says comes with its file. Milliseconds. */
  silence?: number;
}

/**
 * In the order in which they begin. Those that keep a core busy and those that mostly wait, for a restart, a page or a runner, run side by
 * side, and what ends the last is short. workerd has two processes, for in one Vitest hardly runs two of its files at once.
 */
const lanes: readonly Lane[] = [
  { layers: ['browser'] },
  { layers: ['e2e'] },
  { layers: ['runner', 'faults'], shard: '1/3' },
  { layers: ['runner', 'faults'], shard: '2/3' },
  { layers: ['runner', 'faults'], shard: '3/3' },
  { layers: ['data'] },
  { layers: ['workerd'], shard: '1/2', silence: 300_000 },
  { layers: ['workerd'], shard: '2/2', silence: 300_000 },
  { layers: ['unit'] },
];
/**
 * A lane that is silent for longer than that has stopped, not failed: Vitest with workerd was seen to end its last test and never itself. It
 * is run once more.
 */
const silenceOfSystems = 900_000;
/** More would not use two cores any better, and take longer over what a single test waits for. */
const lanesAtOnce = 4;

const isLayer = (name: string): name is Layer => (layers as readonly string[]).includes(name);
const asked = process.argv.slice(2);
const unknown = asked.find((name) => !isLayer(name));
if (unknown !== undefined) {
  process.stderr.write(`There is no test layer "${unknown}"; there are ${layers.join(', ')}.\n`);
  process.exit(2);
}
const chosen = asked.filter(isLayer);

const bin = (...parts: string[]): string => inRoot('node_modules', ...parts);
const scratch = mkdtempSync(join(tmpdir(), 'kiln-check-'));
/** Where tests keep what they store: each of their commits waits for the disk, and none of them cuts the power. */
const stores = memoryFolder() ?? scratch;

/** A folder in memory; null where there is no such file system, or little room in it. */
function memoryFolder(): string | null {
  /** The tests of a whole run leave less than half of it at once. Bytes. */
  const needed = 8 * 2 ** 30;
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    return bavail * bsize >= needed ? mkdtempSync('/dev/shm/kiln-check-') : null;
  } catch {
    return null;
  }
}

interface Step {
  title: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
}

/** Runs steps, two at once, and shows each when it is done; ends with the first that fails. */
async function run(steps: readonly Step[]): Promise<void> {
  await pMap(
    steps,
    async ({ title, args, env }) => {
      const begin = Date.now();
      const child = spawn(process.execPath, args, {
        cwd: root,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...env },
      });
      const written: Buffer[] = [];
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => written.push(chunk));
      const [code] = (await once(child, 'close')) as [number | null];
      process.stdout.write(`▸ ${title}\n`);
      process.stdout.write(Buffer.concat(written));
      process.stdout.write(`  ${code === 0 ? 'ok' : 'FAILED'}, ${((Date.now() - begin) / 1000).toFixed(1)} s\n`);
      if (code !== 0) finish(1);
    },
    { concurrency: 2 },
  );
}

function finish(code: number): never {
  for (const folder of [scratch, stores]) rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}
// Whoever interrupts a run wants that memory back.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => finish(130));

process.stdout.write('▸ Setting up\n');
await ensureSecrets();
await ensureWeb();
// Once, and not by each lane at the same time.
await ensureWorker();

const dryRun = (title: string, args: readonly string[], folder: string): Step => ({
  title: `Deployment of ${title}, as a dry run`,
  args: [wranglerEntry, 'deploy', '--dry-run', ...args, '--outdir', join(scratch, folder)],
  env: { ...quietWrangler, WRANGLER_LOG: 'error' },
});

if (chosen.length === 0)
  // Longest first.
  await run([
    ...['.', 'web'].map((project) => ({
      title: `Types of ${project}`,
      args: [bin('typescript', 'bin', 'tsc'), '-p', project],
    })),
    { title: 'Lint and format', args: [bin('@biomejs', 'biome', 'bin', 'biome'), 'check', '.'] },
    ...['test/browser', 'containers/build-runner'].map((project) => ({
      title: `Types of ${project}`,
      args: [bin('typescript', 'bin', 'tsc'), '-p', project],
    })),
    ...['staging', 'production', 'postgres'].map((env) =>
      dryRun(env, ['--env', env, '--containers-rollout=none'], env),
    ),
    { title: 'Dead code and dependencies', args: [bin('knip', 'bin', 'knip.js')] },
    ...['staging', 'production'].map((env) =>
      dryRun(`the bundler of ${env}`, ['--config', bundlerConfig, '--env', env], `bundler-${env}`),
    ),
    {
      title: 'Types of the bindings are generated from wrangler.toml',
      args: [wranglerEntry, 'types', '--check'],
      env: quietWrangler,
    },
  ]);

interface Outcome {
  status: number;
  passed: number;
  /** What failed, and how: the last that a run says, where whoever sees only its end finds it. */
  failures: readonly string[];
}

/** What Vitest's report holds of Jest's, as far as it is read here. */
interface Report {
  numPassedTests: number;
  testResults: readonly {
    name: string;
    status: string;
    message: string;
    assertionResults: readonly { fullName: string; status: string; failureMessages: readonly string[] }[];
  }[];
}

/** Lines of each failure: a test's message with the top of its stack; a file that did not load has no tests. */
function failuresOf({ testResults }: Report): string[] {
  const lines = 12;
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = relative(root, name);
    const failed = assertionResults.filter((test) => test.status === 'failed');
    if (failed.length === 0) return status === 'failed' ? [`${file}\n${message}`] : [];
    return failed.map(({ fullName, failureMessages }) =>
      [`${file} > ${fullName}`, ...failureMessages.join('\n').split('\n').slice(0, lines)].join('\n    '),
    );
  });
}

/** Runs a lane; what it writes comes with the outcome, unless it is alone and `live`. `again`: it is run once more where it stops. */
async function runLane(lane: Lane, live: boolean, again = true): Promise<{ outcome: Outcome; written: Buffer }> {
  const report = join(scratch, `${lane.layers.join('-')}-${lane.shard?.replace('/', '-of-') ?? 'all'}.json`);
  const child = spawn(
    process.execPath,
    [
      bin('vitest', 'vitest.mjs'),
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      `--maxWorkers=${live ? 2 : 1}`,
      ...(lane.shard === undefined ? [] : [`--shard=${lane.shard}`]),
      ...lane.layers.flatMap((name) => ['--project', name]),
    ],
    {
      cwd: root,
      stdio: ['ignore', live ? 'inherit' : 'pipe', live ? 'inherit' : 'pipe'],
      env: { ...process.env, TMPDIR: stores },
    },
  );
  const written: Buffer[] = [];
  const stopped = Promise.withResolvers<'stopped'>();
  const silence = lane.silence ?? silenceOfSystems;
  const watch = setTimeout(() => stopped.resolve('stopped'), silence);
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      written.push(chunk);
      watch.refresh();
    });
  // Where they are shown as they go, whoever looks at them sees that they have stopped.
  if (live) clearTimeout(watch);
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const code = await Promise.race([ended, stopped.promise]);
  clearTimeout(watch);
  if (code === 'stopped') {
    child.kill('SIGKILL');
    process.stdout.write(Buffer.concat(written));
    process.stdout.write(`  Nothing was said for ${silence / 1000} s: stopped.${again ? ' Once more.' : ''}\n`);
    if (again) return await runLane(lane, live, false);
    return { outcome: outcomeOf(lane, null, report), written: Buffer.alloc(0) };
  }
  return { outcome: outcomeOf(lane, code, report), written: Buffer.concat(written) };
}

function outcomeOf(lane: Lane, code: number | null, path: string): Outcome {
  try {
    const report = JSON.parse(readFileSync(path, 'utf8')) as Report;
    const failures = failuresOf(report);
    // An error outside of tests, of which the report knows nothing.
    if (code !== 0 && failures.length === 0)
      failures.push(`The tests of ${lane.layers.join(', ')} ended with ${code}.`);
    return { status: code ?? 1, passed: report.numPassedTests, failures };
  } catch {
    return { status: 1, passed: 0, failures: [`The tests of ${lane.layers.join(', ')} wrote no report.`] };
  }
}

const wanted = lanes
  .map((lane) => ({ ...lane, layers: lane.layers.filter((name) => chosen.length === 0 || chosen.includes(name)) }))
  .filter((lane) => lane.layers.length > 0);
// Where nothing else writes in between, tests are shown as they go.
const isAlone = wanted.length === 1;
const outcomes = await pMap(
  wanted,
  async (lane) => {
    const begin = Date.now();
    const name = `${lane.layers.join(', ')}${lane.shard === undefined ? '' : `, part ${lane.shard}`}`;
    process.stdout.write(`▹ Tests begin: ${name}\n`);
    const { outcome, written } = await runLane(lane, isAlone);
    process.stdout.write(`▸ Tests: ${name}\n`);
    process.stdout.write(written);
    process.stdout.write(`  ${outcome.passed} passed, ${((Date.now() - begin) / 1000).toFixed(1)} s\n`);
    return outcome;
  },
  { concurrency: lanesAtOnce },
);
const failures = outcomes.flatMap((outcome) => outcome.failures);
for (const failure of failures) process.stdout.write(`✗ ${failure}\n`);
const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
process.stdout.write(`${passed} passed, ${failures.length} failed\n`);
finish(outcomes.some(({ status }) => status !== 0) ? 1 : 0);
