import { sql } from 'drizzle-orm';
import type { Dialect } from './dialect.ts';

const types = { text: 'text', integer: 'bigint' } as const;

export const postgresDialect: Dialect = {
  name: 'postgres',
  rows: (json, columns) => {
    const fields = Object.entries(columns).map(([name, type]) => sql.raw(`"${name}" ${types[type]}`));
    return sql`(SELECT * FROM json_to_recordset(CAST(${json} AS json)) AS fields(${sql.join(fields, sql`, `)}))`;
  },
  // The function behind the operator `?`, which would be read as a placeholder.
  hasElement: (column, value) => sql`jsonb_exists(CAST(${column} AS jsonb), ${value})`,
  contains: (text, needle) => sql`strpos(${text}, ${needle}) > 0`,
};
