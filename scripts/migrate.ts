// `npm run db:migrate -- --target local|staging|production`: brings a database up to this release. Forward only,
// idempotent, and safe to run twice at once. Run it before the release that needs it is deployed.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { migrateD1, migratePostgres } from './lib/migrate.ts';
import { root } from './lib/paths.ts';

const usage = `usage: npm run db:migrate -- [options]
  --target WHERE   local (the default), staging or production
  --db WHAT        d1 (the default) or postgres
  --state DIR      with --target local on D1: where the data lives (.kiln)
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

try {
  if (values.db === 'postgres') {
    const url = values.url ?? process.env.DATABASE_URL;
    if (!url) fail(`--db postgres needs --url or DATABASE_URL.\n${usage}`);
    await migratePostgres(url);
  } else if (values.db === 'd1') {
    const target =
      values.target === 'local' ? { persist: resolve(root, values.state, 'wrangler') } : { env: values.target };
    process.stdout.write(await migrateD1(target));
  } else fail(`--db is d1 or postgres.\n${usage}`);
  process.stdout.write('The database has the schema of this release.\n');
} catch (error) {
  fail(`The migration failed: ${error instanceof Error ? error.message : error}`);
}
