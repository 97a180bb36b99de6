// `npm run seed -- --target local|staging|production`: puts the templates of this release into a system. Run it after
// `npm run db:migrate`; it may run again at any time, beside a system that is in use.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Database } from '../src/data/database.ts';
import { postgresEngine } from '../src/data/engines/postgres.ts';
import { withDatabase } from '../src/data/open.ts';
import { inRoot, root } from './lib/paths.ts';
import { seedTemplates } from './lib/seed.ts';
import { withStores } from './lib/stores.ts';

const usage = `usage: npm run seed -- [options]
  --target WHERE   local (the default), staging or production: buckets and D1 are those of wrangler.toml
  --db WHAT        d1 (the default) or postgres
  --state DIR      with --target local: where the data lives (.kiln)
  --url URL        with --db postgres: the database itself, not Hyperdrive. Or set DATABASE_URL, which no
                   process list shows.
`;

function fail(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

function options() {
  try {
    return parseArgs({
      options: {
        target: { type: 'string', default: 'local' },
        db: { type: 'string', default: 'd1' },
        state: { type: 'string', default: '.kiln' },
        url: { type: 'string' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : error}\n${usage}`);
  }
}

const values = options();
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
if (!['local', 'staging', 'production'].includes(values.target))
  fail(`There is no target "${values.target}".\n${usage}`);
if (values.db !== 'd1' && values.db !== 'postgres') fail(`--db is d1 or postgres.\n${usage}`);

async function seed(): Promise<string[]> {
  const target =
    values.target === 'local' ? { persist: resolve(root, values.state, 'wrangler') } : { env: values.target };
  const templates = inRoot('templates');
  let slugs: string[] = [];
  if (values.db === 'd1') {
    await withStores(target, true, (env) =>
      withDatabase(env, async (db) => {
        slugs = await seedTemplates(db, env.ASSETS, templates);
      }),
    );
    return slugs;
  }
  const url = values.url ?? process.env.DATABASE_URL;
  if (!url) fail(`--db postgres needs --url or DATABASE_URL.\n${usage}`);
  const db = new Database(postgresEngine(url));
  try {
    await withStores(target, false, async (env) => {
      slugs = await seedTemplates(db, env.ASSETS, templates);
    });
  } finally {
    await db.close();
  }
  return slugs;
}

try {
  const slugs = await seed();
  process.stdout.write(`${slugs.length} templates are there: ${slugs.join(', ')}.\n`);
} catch (error) {
  fail(`Seeding failed: ${error instanceof Error ? error.message : error}`);
}
