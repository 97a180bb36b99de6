import { createHash } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getPlatformProxy } from 'wrangler';
import { developmentKeyPrefix } from '../../src/core/config.ts';
import { withDatabase } from '../../src/data/open.ts';
import { newSigningKey } from './keys.ts';
import { inRoot, quietWrangler, root, wranglerEntry } from './paths.ts';
import { runCommand } from './processes.ts';
import { seedTemplates } from './seed.ts';

/** Hash of files by name and content: a step is done again when it changes. */
function fingerprint(patterns: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of globSync([...patterns], { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort())
    hash.update(file.slice(root.length)).update(readFileSync(file));
  return hash.digest('hex');
}

/** Runs `work` unless it ran before on the same input. */
async function once(marker: string, input: string, work: () => Promise<void>): Promise<void> {
  if (existsSync(marker) && readFileSync(marker, 'utf8') === input) return;
  await work();
  writeFileSync(marker, input);
}

/** Secrets of this machine, made once, never committed. */
export async function ensureSecrets(): Promise<void> {
  const file = inRoot('.dev.vars');
  if (existsSync(file) && /^AUTH_KEYS=/m.test(readFileSync(file, 'utf8'))) return;
  writeFileSync(
    file,
    `# Made by "npm run dev" for this machine alone. Not for production.\nAUTH_KEYS='${JSON.stringify([await newSigningKey(developmentKeyPrefix)])}'\n`,
    { mode: 0o600 },
  );
}

/** The workspace and Swagger UI, as static assets of the Worker. */
export async function ensureWeb(): Promise<void> {
  const dist = inRoot('web', 'dist');
  const input = fingerprint([
    'web/src/**',
    'web/public/**',
    'web/index.html',
    'web/vite.config.ts',
    'src/client/**',
    'src/contract/**',
    'scripts/swagger-start.js',
    'package-lock.json',
  ]);
  await once(join(dist, '.built'), input, async () => {
    await runCommand(
      process.execPath,
      [inRoot('node_modules', 'vite', 'bin', 'vite.js'), 'build', 'web', '--logLevel', 'warn'],
      {
        cwd: root,
      },
    );
    const swagger = join(dist, 'swagger');
    mkdirSync(swagger, { recursive: true });
    for (const name of ['swagger-ui.css', 'swagger-ui-bundle.js'])
      cpSync(inRoot('node_modules', 'swagger-ui-dist', name), join(swagger, name));
    cpSync(inRoot('scripts', 'swagger-start.js'), join(swagger, 'start.js'));
  });
}

/** Database schema and templates in a state directory. Safe to run on one that has data. */
export async function ensureData(state: string): Promise<void> {
  mkdirSync(state, { recursive: true });
  const persist = join(state, 'wrangler');
  await once(join(state, '.migrated'), fingerprint(['migrations/*.sql']), async () => {
    await runCommand(
      process.execPath,
      [wranglerEntry, 'd1', 'migrations', 'apply', 'kiln', '--local', '--persist-to', persist],
      {
        cwd: root,
        env: { ...process.env, ...quietWrangler },
      },
    );
  });
  await once(join(state, '.seeded'), fingerprint(['templates/**', 'src/data/schema/sqlite.ts']), async () => {
    Object.assign(process.env, quietWrangler);
    const proxy = await getPlatformProxy<Env>({
      configPath: inRoot('scripts', 'wrangler.seed.toml'),
      persist: { path: join(persist, 'v3') },
    });
    try {
      await withDatabase(proxy.env, (db) => seedTemplates(db, proxy.env.ASSETS, inRoot('templates')));
    } finally {
      await proxy.dispose();
    }
  });
}
