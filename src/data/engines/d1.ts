import { sqliteDialect } from '../dialects/sqlite.ts';
import { bounded, databaseAway, type Engine, type Statement, UniqueViolation } from './engine.ts';

/** What SQLite says of statements that are wrong whenever they are sent; everything else may pass. */
const wrongStatement = /SQLITE_(?:ERROR|CONSTRAINT|MISMATCH|RANGE|TOOBIG|MISUSE)\b/;

function translate(error: unknown): never {
  const text = error instanceof Error ? error.message : String(error);
  // `UNIQUE constraint failed: users.email, users.x`
  const unique = /UNIQUE constraint failed: ([\w., ]+)/.exec(text);
  if (unique?.[1]) {
    const columns = unique[1].split(',').map((column) => column.trim());
    throw new UniqueViolation(columns, error);
  }
  if (wrongStatement.test(text)) throw error;
  throw databaseAway(error);
}

/**
 * D1. With a `bookmark`, or any word that `withSession` knows, statements may be answered by a replica
 * that is at least there; without, by the primary.
 */
export function d1Engine(d1: D1Database, bookmark?: string): Engine {
  const session = bookmark === undefined ? null : d1.withSession(bookmark);
  const target = session ?? d1;
  const prepare = ({ sql, params }: Statement): D1PreparedStatement => target.prepare(sql).bind(...params);
  const asked = bounded();
  const raw = (statement: Statement): Promise<unknown[][]> =>
    asked(() => prepare(statement).raw<unknown[]>().catch(translate));
  const batch: Engine['batch'] = async (statements) => {
    // `batch` returns rows as objects; column order is kept, and every RETURNING names distinct columns.
    const results = await asked(() => target.batch<Record<string, unknown>>(statements.map(prepare)).catch(translate));
    return results.map((result) => result.results.map((row) => Object.values(row)));
  };
  return {
    dialect: sqliteDialect,
    run: raw,
    batch,
    // Nothing of others comes in between.
    moment: batch,
    async explain(statement) {
      const rows = await raw({ ...statement, sql: `EXPLAIN QUERY PLAN ${statement.sql}` });
      return rows.map((row) => String(row.at(-1)));
    },
    async migrations() {
      const rows = await raw({ sql: 'SELECT name FROM d1_migrations ORDER BY id', params: [] });
      return rows.map(([name]) => String(name).replace(/\.sql$/, ''));
    },
    bookmark: () => session?.getBookmark() ?? null,
    async close() {},
  };
}
