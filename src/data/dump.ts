import { type SQL, sql } from 'drizzle-orm';
import { getTableConfig, type SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Database } from './database.ts';
import type { JsonColumn } from './dialects/dialect.ts';
import * as schema from './schema/sqlite.ts';

/**
 * Reading and writing whole tables, the same on both engines, for backups. What makes a dump one
 * consistent state is in `capture.ts`.
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

export const quoted = (names: readonly string[]): SQL => sql.raw(names.map((name) => `"${name}"`).join(', '));
export const columnsOf = (table: TableShape): string[] => Object.keys(table.columns);

export const toRow = (table: TableShape, values: readonly unknown[]): Row =>
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
