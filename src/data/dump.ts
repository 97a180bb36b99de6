import { type SQL, sql } from 'drizzle-orm';
import { getTableConfig, type SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Database } from './database.ts';
import type { JsonColumn } from './dialects/dialect.ts';
import * as schema from './schema/sqlite.ts';

/**
 * Reading and writing whole tables, the same on both engines, for backups. What makes the dump of a
 * D1 one consistent state is at `startCapture`; docs/decisions/0008-backup-consistency.md has the proof.
 */

export type Value = string | number | null;
/** A row by the names of its columns, as the engines keep it: JSON is text, booleans are 0/1. */
export type Row = Readonly<Record<string, Value>>;
/** Values of the primary key, in its order. */
export type Key = readonly Value[];

export interface TableShape {
  readonly name: string;
  readonly columns: Readonly<Record<string, JsonColumn>>;
  readonly key: readonly string[];
}

/** Every table there is: a new one is in the next backup without a word. */
export const tables: readonly TableShape[] = Object.values(schema).map((table) => {
  const { name, columns, primaryKeys } = getTableConfig(table as SQLiteTable);
  const composite = primaryKeys[0]?.columns.map((column) => column.name);
  return {
    name,
    columns: Object.fromEntries(
      columns.map((column) => [column.name, column.getSQLType() === 'integer' ? 'integer' : 'text']),
    ),
    key: composite ?? columns.filter((column) => column.primary).map((column) => column.name),
  };
});

const quoted = (names: readonly string[]): SQL => sql.raw(names.map((name) => `"${name}"`).join(', '));
const columnsOf = (table: TableShape): string[] => Object.keys(table.columns);

const toRow = (table: TableShape, values: readonly unknown[]): Row =>
  Object.fromEntries(columnsOf(table).map((name, index) => [name, (values[index] ?? null) as Value]));

export const keyOf = (table: TableShape, row: Row): Key => table.key.map((name) => row[name] ?? null);

/** Rows after a key, in the order of the primary key, which is bytewise on both engines. */
export async function readRows(db: Database, table: TableShape, after: Key | null, limit: number): Promise<Row[]> {
  const beyond = after
    ? sql` WHERE (${quoted(table.key)}) > (${sql.join(
        after.map((value) => sql`${value}`),
        sql`, `,
      )})`
    : sql``;
  const rows = await db.query('dump.read', (orm) =>
    orm.values<unknown[]>(
      sql`SELECT ${quoted(columnsOf(table))} FROM ${quoted([table.name])}${beyond} ORDER BY ${quoted(table.key)} LIMIT ${limit}`,
    ),
  );
  return rows.map((values) => toRow(table, values));
}

export async function countRows(db: Database, table: TableShape): Promise<number> {
  const [row] = await db.query('dump.count', (orm) =>
    orm.values<[number]>(sql`SELECT count(*) FROM ${quoted([table.name])}`),
  );
  return Number(row?.[0]);
}

/** Rows that were created after a moment, where the table knows; ids of the first few. */
export async function youngerRows(
  db: Database,
  table: TableShape,
  moment: number,
  limit: number,
): Promise<{ count: number; keys: Key[] }> {
  const column = ['created_at', 'at', 'installed_at'].find((name) => name in table.columns);
  if (column === undefined) return { count: 0, keys: [] };
  const where = sql` FROM ${quoted([table.name])} WHERE ${quoted([column])} > ${moment}`;
  const [counted, keys] = await db.batch('dump.younger', (orm) => [
    orm.values<[number]>(sql`SELECT count(*)${where}`),
    orm.values<Value[]>(
      sql`SELECT ${quoted(table.key)}${where} ORDER BY ${quoted([column])}, ${quoted(table.key)} LIMIT ${limit}`,
    ),
  ]);
  return { count: Number(counted[0]?.[0]), keys };
}

/** Writes rows: new ones, and over those with the same key. `columns` are those that the rows have. */
export async function writeRows(
  db: Database,
  table: TableShape,
  columns: readonly string[],
  rows: readonly Row[],
): Promise<void> {
  if (rows.length === 0) return;
  const types = Object.fromEntries(columns.map((name) => [name, table.columns[name] ?? 'text']));
  const rest = columns.filter((name) => !table.key.includes(name));
  const update = sql.raw(rest.map((name) => `"${name}" = excluded."${name}"`).join(', '));
  const resolution = rest.length ? sql`DO UPDATE SET ${update}` : sql`DO NOTHING`;
  await db.query('dump.write', (orm) =>
    orm.run(
      sql`INSERT INTO ${quoted([table.name])} (${quoted(columns)}) SELECT ${quoted(columns)} FROM ${db.dialect.rows(JSON.stringify(rows), types)} AS loaded WHERE true ON CONFLICT (${quoted(table.key)}) ${resolution}`,
    ),
  );
}

/** Whether nobody has used the system yet: seeded templates do not count. */
export async function isUnused(db: Database): Promise<boolean> {
  const [row] = await db.query('dump.unused', (orm) =>
    orm.values<[number]>(
      sql`SELECT CASE WHEN EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM projects) THEN 0 ELSE 1 END`,
    ),
  );
  return Number(row?.[0]) === 1;
}

// ── Consistency on D1 ───────────────────────────────────────────────────────────────────────────────

const capturePrefix = 'backup_capture_';

const captureTriggers = tables.flatMap(({ name, key }) => {
  const noted = (row: 'OLD' | 'NEW'): string =>
    `('${name}', json_array(${key.map((k) => `${row}."${k}"`).join(', ')}))`;
  const trigger = (operation: string, values: string): string =>
    `CREATE TRIGGER "${capturePrefix}${name}_${operation}" AFTER ${operation} ON "${name}" BEGIN INSERT INTO backup_changes (name, key) VALUES ${values}; END`;
  return [
    trigger('INSERT', noted('NEW')),
    trigger('UPDATE', `${noted('OLD')}, ${noted('NEW')}`),
    trigger('DELETE', noted('OLD')),
  ];
});

/**
 * D1 has no transaction that outlives a request to it, so a large dump is read in pieces while others
 * write. From here on triggers note the key of every row that changes. The pieces may show different
 * moments; but a piece that is out of date at the end names a row that was changed after it was read,
 * and that row is noted. `readChanges` reads all noted rows in one batch, which is one transaction:
 * with these in place of what the pieces said of them, the dump is the database at that batch.
 *
 * All or nothing, and safe to repeat: a capture that a crash left behind is replaced.
 */
export async function startCapture(db: Database): Promise<void> {
  await stopCapture(db);
  await db.batch('dump.startCapture', (orm) => [
    orm.run(
      sql`CREATE TABLE backup_changes (n INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, key TEXT NOT NULL)`,
    ),
    ...captureTriggers.map((trigger) => orm.run(sql.raw(trigger))),
  ]);
}

/** Ends the capture, also one of another version of this code. Idempotent. */
export async function stopCapture(db: Database): Promise<void> {
  const triggers = await db.query('dump.captureTriggers', (orm) =>
    orm.values<[string]>(
      sql`SELECT name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, ${capturePrefix.length}) = ${capturePrefix}`,
    ),
  );
  await db.batch(
    'dump.stopCapture',
    (orm) =>
      [
        ...triggers.map(([name]) => orm.run(sql.raw(`DROP TRIGGER IF EXISTS "${name}"`))),
        orm.run(sql`DROP TABLE IF EXISTS backup_changes`),
      ] as unknown as [ReturnType<typeof orm.run>],
  );
}

export async function countChanges(db: Database, after: number): Promise<number> {
  const [row] = await db.query('dump.countChanges', (orm) =>
    orm.values<[number]>(sql`SELECT count(*) FROM backup_changes WHERE n > ${after}`),
  );
  return Number(row?.[0]);
}

export interface Changes {
  /** Number of the newest change that is covered. */
  readonly upTo: number;
  /** Every changed key of each table, with the row as it is at this batch; null when it is gone. */
  readonly rows: ReadonlyMap<string, readonly { key: Key; row: Row | null }[]>;
  /** Rows of each table at this batch. */
  readonly counts: ReadonlyMap<string, number>;
  /** False when some table was not watched all the time, as after a migration: the dump is worth nothing. */
  readonly whole: boolean;
}

/** Changes after number `after`, all or those up to number `to`, and the rows they speak of: one batch, one moment. */
export async function readChanges(db: Database, after: number, to: number | null): Promise<Changes> {
  const range = to === null ? sql`n > ${after}` : sql`n > ${after} AND n <= ${to}`;
  const results = (await db.batch('dump.readChanges', (orm) => [
    orm.values(
      sql`SELECT (SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, ${capturePrefix.length}) = ${capturePrefix}) AS watched, coalesce(max(n), ${after}) AS newest FROM backup_changes WHERE ${range}`,
    ),
    ...tables.flatMap((table) => [
      orm.values(sql`SELECT count(*) FROM ${quoted([table.name])}`),
      orm.values(sql`SELECT DISTINCT key FROM backup_changes WHERE name = ${table.name} AND ${range}`),
      orm.values(
        sql`SELECT ${quoted(columnsOf(table))} FROM ${quoted([table.name])} WHERE (${quoted(table.key)}) IN (SELECT ${sql.raw(
          table.key.map((_, index) => `json_extract(key, '$[${index}]')`).join(', '),
        )} FROM backup_changes WHERE name = ${table.name} AND ${range})`,
      ),
    ]),
  ])) as unknown as unknown[][][];
  const [watched, newest] = results[0]?.[0] ?? [];
  const rows = new Map<string, { key: Key; row: Row | null }[]>();
  const counts = new Map<string, number>();
  for (const [index, table] of tables.entries()) {
    const [counted = [], keys = [], found = []] = results.slice(1 + index * 3, 4 + index * 3);
    counts.set(table.name, Number(counted[0]?.[0]));
    const byKey = new Map(
      found.map((values) => {
        const row = toRow(table, values);
        return [JSON.stringify(keyOf(table, row)), row];
      }),
    );
    rows.set(
      table.name,
      keys.map(([text]) => {
        const key = JSON.parse(String(text)) as Key;
        return { key, row: byKey.get(JSON.stringify(key)) ?? null };
      }),
    );
  }
  return { upTo: Number(newest), rows, counts, whole: Number(watched) === captureTriggers.length };
}
