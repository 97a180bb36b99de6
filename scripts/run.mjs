// Entry of every npm script: works on whatever Node ≥ 18 the host has, installs what is missing, and
// goes on in the Node that the project brings. usage: node scripts/run.mjs FILE.ts [arguments]
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** First Node that runs TypeScript files as they are, which wrangler and vitest are content with too. */
const minimumMajor = 24;

function ensureInstalled() {
  const marker = join(root, 'node_modules', '.kiln-lock');
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === lock) return;
  process.stderr.write('Installing dependencies (npm ci) …\n');
  const npm = spawnSync('npm', ['ci', '--ignore-scripts', '--loglevel=error', '--no-fund', '--no-audit'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (npm.status !== 0) {
    process.stderr.write('npm ci failed; see above.\n');
    process.exit(1);
  }
  writeFileSync(marker, lock);
}

function findNode() {
  const require = createRequire(join(root, 'package.json'));
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  for (const name of [`node-${platform}-${process.arch}`, `node-bin-${platform}-${process.arch}`]) {
    try {
      const folder = dirname(require.resolve(`${name}/package.json`));
      const binary = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
      if (existsSync(binary) && spawnSync(binary, ['--version']).status === 0) return binary;
    } catch {
      // Not a package of this platform.
    }
  }
  if (Number(process.versions.node.split('.')[0]) >= minimumMajor) return process.execPath;
  process.stderr.write(
    `No Node ≥ ${minimumMajor} for ${process.platform}-${process.arch} came with the packages; install one and try again.\n`,
  );
  process.exit(1);
}

ensureInstalled();
const [script, ...rest] = process.argv.slice(2);
if (!script) {
  process.stderr.write('usage: node scripts/run.mjs FILE.ts [arguments]\n');
  process.exit(2);
}
const node = findNode();
const child = spawn(node, ['--disable-warning=ExperimentalWarning', join(root, script), ...rest], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, PATH: [dirname(node), join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter) },
});
// The terminal sends Ctrl-C to the whole group; a signal to this process alone is passed on.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
