// `npm test`: sets up what it needs, then lint, dead code, types, a dry-run deployment and every test layer.
// `npm test -- unit workerd` runs only these layers and none of the checks before them.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inRoot, quietWrangler, root, wranglerEntry } from './lib/paths.ts';
import { ensureSecrets, ensureWeb } from './lib/setup.ts';

const layers = ['unit', 'data', 'workerd', 'runner', 'e2e', 'browser', 'faults'] as const;
const chosen = process.argv.slice(2);
for (const name of chosen)
  if (!layers.includes(name as (typeof layers)[number])) {
    process.stderr.write(`There is no test layer "${name}"; there are ${layers.join(', ')}.\n`);
    process.exit(2);
  }

const bin = (...parts: string[]): string => inRoot('node_modules', ...parts);
const scratch = mkdtempSync(join(tmpdir(), 'kiln-check-'));

function step(title: string, args: readonly string[], env: Record<string, string> = {}): void {
  const begin = Date.now();
  process.stdout.write(`▸ ${title}\n`);
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  process.stdout.write(`  ${status === 0 ? 'ok' : 'FAILED'}, ${((Date.now() - begin) / 1000).toFixed(1)} s\n`);
  if (status !== 0) finish(1);
}

function finish(code: number): never {
  rmSync(scratch, { recursive: true, force: true });
  process.exit(code);
}

process.stdout.write('▸ Setting up\n');
await ensureSecrets();
await ensureWeb();

if (chosen.length === 0) {
  step('Lint and format', [bin('@biomejs', 'biome', 'bin', 'biome'), 'check', '.']);
  step('Dead code and dependencies', [bin('knip', 'bin', 'knip.js')]);
  for (const project of ['.', 'web', 'containers/build-runner', 'test/browser'])
    step(`Types of ${project}`, [bin('typescript', 'bin', 'tsc'), '-p', project]);
  step('Types of the bindings are generated from wrangler.toml', [wranglerEntry, 'types', '--check'], quietWrangler);
  for (const env of ['staging', 'production', 'postgres'])
    step(
      `Deployment of ${env}, as a dry run`,
      [wranglerEntry, 'deploy', '--dry-run', '--env', env, '--containers-rollout=none', '--outdir', scratch],
      { ...quietWrangler, WRANGLER_LOG: 'error' },
    );
}

const report = join(scratch, 'report.json');
process.stdout.write('▸ Tests\n');
const { status } = spawnSync(
  process.execPath,
  [
    bin('vitest', 'vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...chosen.flatMap((name) => ['--project', name]),
  ],
  { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
);
try {
  const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8')) as {
    numPassedTests: number;
    numFailedTests: number;
  };
  process.stdout.write(`${numPassedTests} passed, ${numFailedTests} failed\n`);
} catch {
  process.stdout.write('The tests wrote no report.\n');
}
finish(status ?? 1);
