import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { developmentKeyPrefix } from '../../src/core/config.ts';
import { Database } from '../../src/data/database.ts';
import { postgresEngine } from '../../src/data/engines/postgres.ts';
import { withDatabase } from '../../src/data/open.ts';
import { listTemplates } from '../../src/data/templates.ts';
import { newSigningKey } from './keys.ts';
import { fingerprint, keptFolder } from './made.ts';
import { migrateD1, migratePostgres } from './migrate.ts';
import { inRoot, root } from './paths.ts';
import { runCommand } from './processes.ts';
import { seedTemplates } from './seed.ts';
import { withStores } from './stores.ts';

/** Runs `work` unless it ran before on the same input, and what it made is still there. */
async function once(marker: string, input: string, work: () => Promise<void>, product?: string): Promise<void> {
  const done = existsSync(marker) && readFileSync(marker, 'utf8') === input;
  if (done && (product === undefined || existsSync(product))) return;
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
  await once(
    inRoot('node_modules', '.kiln-web'),
    input,
    async () => {
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
    },
    join(dist, 'swagger', 'start.js'),
  );
}

const migratedBy = (): string => fingerprint(['migrations/*.sql']);
const seededBy = (): string => fingerprint(['templates/**', 'src/data/schema/define.ts']);

/** Schema and templates in D1 and R2 of a state directory. */
async function prepareD1(state: string): Promise<void> {
  const persist = join(state, 'wrangler');
  await once(join(state, '.migrated'), migratedBy(), async () => {
    await migrateD1({ persist });
  });
  await once(join(state, '.seeded'), seededBy(), () =>
    withStores({ persist }, true, (env) =>
      withDatabase(env, (db) => seedTemplates(db, env.ASSETS, inRoot('templates'))),
    ),
  );
}

/** A state directory that only has what every new one gets: made once, and copied after that, which takes a tenth of the time. */
const preparedState = (): Promise<string> =>
  keptFolder(
    '.kiln-states',
    fingerprint([
      'migrations/*.sql',
      'templates/**',
      'src/data/**',
      'scripts/lib/*.ts',
      'scripts/wrangler.seed.toml',
      'wrangler.toml',
      'package-lock.json',
    ]),
    prepareD1,
  );

/** Database schema and templates in a state directory, with PostgreSQL at `url` or D1. Safe to run on one that has data. */
export async function ensureData(state: string, url: string | null): Promise<void> {
  mkdirSync(state, { recursive: true });
  const persist = join(state, 'wrangler');
  if (url === null) {
    if (!existsSync(persist) && !existsSync(join(state, '.migrated')))
      cpSync(await preparedState(), state, { recursive: true });
    await prepareD1(state);
    return;
  }
  // Cheap, and a server elsewhere may have been wiped or restored since the last run.
  await migratePostgres(url);
  const db = new Database(postgresEngine(url));
  try {
    const seeded = (await listTemplates(db, { limit: 1 })).rows.length > 0;
    const marker = join(state, '.seeded-postgres');
    if (!seeded) rmSync(marker, { force: true });
    const where = createHash('sha256').update(url).digest('hex');
    await once(marker, `${seededBy()} ${where}`, () =>
      withStores({ persist }, false, (env) => seedTemplates(db, env.ASSETS, inRoot('templates'))),
    );
  } finally {
    await db.close();
  }
}
