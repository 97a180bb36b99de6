import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Sql, SqlValue } from '../../../src/durable-objects/sql.ts';

/** Cloudflare's limit on a string, blob or row in the SQLite of an object; local workerd does not enforce it. */
const valueMax = 2_000_000;
/** Cloudflare's limit on bound parameters of one statement. */
const paramsMax = 100;

/** The `Sql` port over `node:sqlite`, as strict as production: limits of values, types and nesting are enforced. */
export class NodeSql implements Sql {
  readonly #database = new DatabaseSync(':memory:');
  readonly #statements = new Map<string, StatementSync>();
  #inTransaction = false;
  /** Consulted before each statement; what it returns is thrown. */
  failure: ((query: string) => Error | undefined) | null = null;

  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  all<Row>(query: string, ...params: SqlValue[]): Row[] {
    const failure = this.failure?.(query);
    if (failure) throw failure;
    if (params.length > paramsMax) throw new Error('too many SQL variables');
    for (const value of params) {
      const isBytes = value instanceof Uint8Array;
      if (value !== null && typeof value !== 'string' && typeof value !== 'number' && !isBytes)
        throw new TypeError(`cannot bind a ${typeof value}`);
      const size = isBytes ? value.byteLength : typeof value === 'string' ? Buffer.byteLength(value) : 8;
      if (size > valueMax) throw new Error('string or blob too big: SQLITE_TOOBIG');
    }
    let statement = this.#statements.get(query);
    if (!statement) {
      statement = this.#database.prepare(query);
      this.#statements.set(query, statement);
    }
    return statement.all(...params) as Row[];
  }

  run(query: string, ...params: SqlValue[]): void {
    this.all(query, ...params);
  }

  transaction<T>(work: () => T): T {
    if (this.#inTransaction) throw new Error('transactions do not nest');
    this.#database.exec('BEGIN');
    this.#inTransaction = true;
    try {
      const result = work();
      // A commit can fail too; it counts as one more statement.
      const failure = this.failure?.('COMMIT');
      if (failure) throw failure;
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    } finally {
      this.#inTransaction = false;
    }
  }

  /** Fails the first statement that matches, once. */
  failOnce(pattern: RegExp): void {
    this.failure = (query) => {
      if (!pattern.test(query)) return undefined;
      this.failure = null;
      return new Error('disk I/O error');
    };
  }
}
