// `npm run seed -- --target local|staging|production`: puts the templates of this release into a system. Run it after
// `npm run db:migrate`; it may run again at any time, beside a system that is in use.
import { Database } from '../src/data/database.ts';
import { postgresEngine } from '../src/data/engines/postgres.ts';
import { withDatabase } from '../src/data/open.ts';
import { fail, said } from './lib/command.ts';
import { inRoot } from './lib/paths.ts';
import { seedTemplates } from './lib/seed.ts';
import { withStores } from './lib/stores.ts';
import { readTarget } from './lib/target.ts';

const { stores, postgresUrl } = readTarget('seed');
const templates = inRoot('templates');

async function seed(): Promise<string[]> {
  let slugs: string[] = [];
  if (postgresUrl === null) {
    await withStores(stores, true, (env) =>
      withDatabase(env, async (db) => {
        slugs = await seedTemplates(db, env.ASSETS, templates);
      }),
    );
    return slugs;
  }
  const db = new Database(postgresEngine(postgresUrl));
  try {
    await withStores(stores, false, async (env) => {
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
  fail(`Seeding failed: ${said(error)}`);
}
