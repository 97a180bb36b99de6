// `npm run db:migrate -- --target local|staging|production`: brings a database up to this release. Forward only,
// idempotent, and safe to run twice at once. Run it before the release that needs it is deployed.
import { fail, said } from './lib/command.ts';
import { migrateD1, migratePostgres } from './lib/migrate.ts';
import { readTarget } from './lib/target.ts';

const { stores, postgresUrl } = readTarget('db:migrate');
try {
  if (postgresUrl !== null) await migratePostgres(postgresUrl);
  else process.stdout.write(await migrateD1(stores));
  process.stdout.write('The database has the schema of this release.\n');
} catch (error) {
  fail(`The migration failed: ${said(error)}`);
}
