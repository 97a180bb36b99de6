import type { Sql } from '../sql.ts';

/** Rooms that sessions of this account have had tickets for. `ending`: their sockets are to be closed. */
export function guardSchema(sql: Sql): void {
  sql.run(
    'CREATE TABLE IF NOT EXISTS places (session TEXT NOT NULL, project TEXT NOT NULL, at INTEGER NOT NULL, ending INTEGER NOT NULL, PRIMARY KEY (session, project)) WITHOUT ROWID',
  );
}
