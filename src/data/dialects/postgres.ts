import { sql } from 'drizzle-orm';
import { limits } from '../../contract/limits.ts';
import type { CaptureDialect, Dialect } from './dialect.ts';

const types = { text: 'text', integer: 'bigint' } as const;

const trigger = 'backup_capture';
/** Whoever waits for a table makes everybody behind it wait too. For this transaction alone. */
const impatiently = sql.raw(`SET LOCAL lock_timeout = ${limits.database.lockTimeout}`);

const note = (row: 'OLD' | 'NEW'): string =>
  `INSERT INTO backup_changes (name, key)
   SELECT TG_TABLE_NAME, jsonb_agg(to_jsonb(${row}) -> item ORDER BY place)
   FROM unnest(TG_ARGV) WITH ORDINALITY AS argument(item, place);`;

const capture: CaptureDialect = {
  start: (tables) => [
    [
      // Many writers: numbers are those of the transactions, which may end in another order.
      sql`CREATE TABLE backup_changes (n bigint NOT NULL DEFAULT CAST(CAST(pg_current_xact_id() AS text) AS bigint), name text NOT NULL, key text NOT NULL)`,
      sql`CREATE INDEX backup_changes_n ON backup_changes (n)`,
      sql.raw(`CREATE FUNCTION backup_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP <> 'INSERT' THEN ${note('OLD')} END IF;
        IF TG_OP <> 'DELETE' THEN ${note('NEW')} END IF;
        RETURN NULL; END $$`),
    ],
    // The lock waits for transactions that are writing; every one that writes later notes what it writes.
    // Each table by itself: who holds one lock and wants no other is in nobody's way for long.
    ...tables.map(({ name, key }) => [
      impatiently,
      sql.raw(
        `CREATE TRIGGER ${trigger} AFTER INSERT OR UPDATE OR DELETE ON "${name}" FOR EACH ROW EXECUTE FUNCTION backup_note(${key.map((column) => `'${column}'`).join(', ')})`,
      ),
    ]),
  ],
  triggers: 1,
  watchers: sql`SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE tgname = ${trigger} AND relnamespace = CAST(current_schema() AS regnamespace)`,
  stop: (watchers) => [
    ...watchers.map(([, table]) => [impatiently, sql.raw(`DROP TRIGGER IF EXISTS ${trigger} ON "${table}"`)]),
    [sql`DROP FUNCTION IF EXISTS backup_note()`, sql`DROP TABLE IF EXISTS backup_changes`],
  ],
  // Every transaction before the oldest one that is under way has ended.
  horizon: sql`SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) - 1`,
  keyItem: (index, type) => sql.raw(`CAST(CAST(key AS jsonb) ->> ${index} AS ${types[type]})`),
};

export const postgresDialect: Dialect = {
  name: 'postgres',
  rows: (json, columns) => {
    const fields = Object.entries(columns).map(([name, type]) => sql.raw(`"${name}" ${types[type]}`));
    return sql`(SELECT * FROM json_to_recordset(CAST(${json} AS json)) AS fields(${sql.join(fields, sql`, `)}))`;
  },
  // The function behind the operator `?`, which would be read as a placeholder.
  hasElement: (column, value) => sql`jsonb_exists(CAST(${column} AS jsonb), ${value})`,
  contains: (text, needle) => sql`strpos(${text}, ${needle}) > 0`,
  // How it sorts depends on the language: no range is right for all.
  startsWith: (text, start) => sql`starts_with(${text}, ${start})`,
  capture,
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
    if (translated.size > limits.database.statementsRemembered) translated.clear();
    translated.set(sql, text);
  }
  return text;
}
