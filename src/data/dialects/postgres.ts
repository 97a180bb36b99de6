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

/** A literal, a quoted name, a placeholder, or the columns of a conflict target. */
const tokens = /'(?:[^']|'')*'|on conflict \([^()]*\)|"(?:[^"]|"")*"|\?/g;

/** The same text always gives the same text, so it is made once. */
const translated = new Map<string, string>();

/**
 * A statement that Drizzle wrote for SQLite, as PostgreSQL reads it: `?` → `$1` outside of literals and
 * quoted names, and conflict targets without the table's name, which Drizzle puts before each column.
 */
export function postgresText(sql: string): string {
  let text = translated.get(sql);
  if (text === undefined) {
    let count = 0;
    text = sql.replace(tokens, (token) => {
      if (token === '?') return `$${++count}`;
      return token.startsWith('on conflict') ? token.replace(/"(?:[^"]|"")*"\./g, '') : token;
    });
    if (translated.size > 1000) translated.clear();
    translated.set(sql, text);
  }
  return text;
}
