import { sql } from 'drizzle-orm';
import type { Dialect } from './dialect.ts';

export const sqliteDialect: Dialect = {
  name: 'sqlite',
  rows: (json, columns) => {
    const fields = Object.keys(columns).map((name) => sql.raw(`json_extract(value, '$.${name}') AS "${name}"`));
    return sql`(SELECT ${sql.join(fields, sql`, `)} FROM json_each(${json}))`;
  },
  hasElement: (column, value) => sql`EXISTS (SELECT 1 FROM json_each(${column}) WHERE value = ${value})`,
  contains: (text, needle) => sql`instr(${text}, ${needle}) > 0`,
};
