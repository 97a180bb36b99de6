import sqliteJournal from '../../migrations/meta/_journal.json' with { type: 'json' };
import postgresJournal from '../../migrations/postgres/meta/_journal.json' with { type: 'json' };
import { compareMigrations, type SchemaState } from '../core/migrations.ts';
import type { Database } from './database.ts';

const released = {
  sqlite: sqliteJournal.entries.map((entry) => entry.tag),
  postgres: postgresJournal.entries.map((entry) => entry.tag),
};

/** How the database's schema stands to this release. */
export const schemaState = async (db: Database): Promise<SchemaState> =>
  compareMigrations(await db.migrations(), released[db.dialect.name]);
