import { exists, getTableColumns, type SQL, sql } from 'drizzle-orm';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Orm } from './database.ts';

/** That a table has such a row. */
export const has = (orm: Orm, table: SQLiteTable, where: SQL | undefined): SQL =>
  exists(orm.select({ one: sql`1` }).from(table).where(where));

/** A row that is written only where `holds` is true at that moment: `INSERT … SELECT … WHERE`. */
export function insertWhere<T extends SQLiteTable>(orm: Orm, table: T, row: T['$inferSelect'], holds: SQL | undefined) {
  // PostgreSQL knows the types of what is selected by the casts alone.
  const fields = Object.entries(getTableColumns(table)).map(
    ([field, column]) =>
      sql`CAST(${sql.param(row[field], column)} AS ${sql.raw(column.getSQLType() === 'integer' ? 'bigint' : 'text')})`,
  );
  return orm.insert(table).select(sql`SELECT ${sql.join(fields, sql`, `)} WHERE ${holds ?? sql`true`}`);
}
