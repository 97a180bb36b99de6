import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import { Client } from 'pg';
import { inRoot, quietWrangler, root, wranglerEntry } from './paths.ts';
import { runCommand } from './processes.ts';

/** Any number, the same in every release: whoever holds it migrates. */
const migrationLock = 5_154_601;

/**
 * Brings a PostgreSQL database up to this release. Idempotent; of two that run at once the second waits
 * and finds nothing left. All that is missing is applied in one transaction: all of it or nothing.
 */
export async function migratePostgres(
  connectionString: string,
  migrationsFolder = inRoot('migrations', 'postgres'),
): Promise<void> {
  const client = new Client({ connectionString, application_name: 'kiln-migrate' });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [migrationLock]);
    // A statement that waits for a lock makes everybody behind it wait too: give up, and let the operator try again.
    await client.query("SET lock_timeout = '5s'");
    await migrate(drizzle(client), { migrationsFolder });
  } finally {
    // The lock ends with its connection.
    await client.end();
  }
}

/** Where a D1 database is: in a directory of this machine, or in the account, by the name of an environment of wrangler.toml. */
export type D1Target = { readonly persist: string } | { readonly env: string };

/** Brings a D1 database up to this release. Idempotent: each migration is applied and noted in one batch. Returns wrangler's words. */
export async function migrateD1(target: D1Target): Promise<string> {
  const where = 'persist' in target ? ['--local', '--persist-to', target.persist] : ['--remote', '--env', target.env];
  return await runCommand(process.execPath, [wranglerEntry, 'd1', 'migrations', 'apply', 'DB', ...where], {
    cwd: root,
    env: { ...process.env, ...quietWrangler },
  });
}
