import { type Engine, type Statement, UniqueViolation } from './database.ts';

/** D1's way to say which unique index was hit: `UNIQUE constraint failed: users.email, users.x`. */
function translate(error: unknown): never {
  const text = error instanceof Error ? error.message : String(error);
  const match = /UNIQUE constraint failed: ([\w., ]+)/.exec(text);
  if (match?.[1])
    throw new UniqueViolation(
      match[1].split(',').map((column) => column.trim()),
      error,
    );
  throw error;
}

export function d1Engine(d1: D1Database): Engine {
  const prepare = ({ sql, params }: Statement): D1PreparedStatement => d1.prepare(sql).bind(...params);
  return {
    async run(statement) {
      return await prepare(statement).raw<unknown[]>().catch(translate);
    },
    async batch(statements) {
      // `batch` returns rows as objects; column order is kept, and every RETURNING names distinct columns.
      const results = await d1.batch<Record<string, unknown>>(statements.map(prepare)).catch(translate);
      return results.map((result) => result.results.map((row) => Object.values(row)));
    },
  };
}
