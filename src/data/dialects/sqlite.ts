import { sql } from 'drizzle-orm';
import type { CaptureDialect, Dialect, Keyed } from './dialect.ts';

const prefix = 'backup_capture_';

function trigger({ name, key }: Keyed, operation: 'INSERT' | 'UPDATE' | 'DELETE') {
  const note = (row: 'OLD' | 'NEW'): string =>
    `('${name}', json_array(${key.map((column) => `${row}."${column}"`).join(', ')}))`;
  const notes = { INSERT: note('NEW'), UPDATE: `${note('OLD')}, ${note('NEW')}`, DELETE: note('OLD') }[operation];
  return sql.raw(
    `CREATE TRIGGER "${prefix}${name}_${operation}" AFTER ${operation} ON "${name}" BEGIN INSERT INTO backup_changes (name, key) VALUES ${notes}; END`,
  );
}

const capture: CaptureDialect = {
  // One writer: numbers are given in the order of the transactions.
  start: (tables) => [
    [
      sql`CREATE TABLE backup_changes (n INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, key TEXT NOT NULL)`,
      ...tables.flatMap((table) => [trigger(table, 'INSERT'), trigger(table, 'UPDATE'), trigger(table, 'DELETE')]),
    ],
  ],
  triggers: 3,
  watchers: sql`SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, ${prefix.length}) = ${prefix}`,
  stop: (watchers) => [
    [
      ...watchers.map(([name]) => sql.raw(`DROP TRIGGER IF EXISTS "${name}"`)),
      sql`DROP TABLE IF EXISTS backup_changes`,
    ],
  ],
  horizon: sql`SELECT NULL`,
  keyItem: (index) => sql.raw(`json_extract(key, '$[${index}]')`),
};

/** The least text that is greater than all that begin with this one. */
const after = (start: string): string =>
  start.slice(0, -1) + String.fromCharCode(start.charCodeAt(start.length - 1) + 1);

export const sqliteDialect: Dialect = {
  name: 'sqlite',
  rows: (json, columns) => {
    const fields = Object.keys(columns).map((name) => sql.raw(`json_extract(value, '$.${name}') AS "${name}"`));
    return sql`(SELECT ${sql.join(fields, sql`, `)} FROM json_each(${json}))`;
  },
  hasElement: (column, value) => sql`EXISTS (SELECT 1 FROM json_each(${column}) WHERE value = ${value})`,
  contains: (text, needle) => sql`instr(${text}, ${needle}) > 0`,
  startsWith: (text, start) => sql`${text} >= ${start} AND ${text} < ${after(start)}`,
  capture,
};
