import { DrizzleQueryError } from 'drizzle-orm/errors';
import { drizzle, type SqliteRemoteDatabase } from 'drizzle-orm/sqlite-proxy';

/**
 * The one way to the relational store. Queries are built and compiled by Drizzle in the dialect that
 * SQLite and PostgreSQL share, and run by an `Engine`; nothing above this file knows which.
 */
export interface Statement {
  readonly sql: string;
  readonly params: readonly unknown[];
}

export interface Engine {
  /** Rows as arrays, in the order of the selected columns. */
  run(statement: Statement): Promise<unknown[][]>;
  /** All or nothing. */
  batch(statements: readonly Statement[]): Promise<unknown[][][]>;
}

/** A unique index refused a row. `columns` are `table.column` names. */
export class UniqueViolation extends Error {
  readonly columns: readonly string[];
  constructor(columns: readonly string[], cause: unknown) {
    super(`unique violation on ${columns.join(', ')}`, { cause });
    this.name = 'UniqueViolation';
    this.columns = columns;
  }
}

export type Orm = SqliteRemoteDatabase;

/** What the queries of one request cost, for its log event. */
export class QueryStats {
  count = 0;
  total = 0;
  slowest = 0;
  slowestName = '';

  add(name: string, ms: number): void {
    this.count += 1;
    this.total += ms;
    if (ms >= this.slowest) {
      this.slowest = ms;
      this.slowestName = name;
    }
  }
}

type Batchable = Parameters<Orm['batch']>[0][number];

export class Database {
  readonly #engine: Engine;
  readonly stats: QueryStats;

  constructor(engine: Engine, stats: QueryStats = new QueryStats()) {
    this.#engine = engine;
    this.stats = stats;
  }

  /** Runs one named query: `db.query('users.byId', (orm) => orm.select()…)`. */
  async query<T>(name: string, build: (orm: Orm) => PromiseLike<T>): Promise<T> {
    return await plain(() => build(this.#orm(name)));
  }

  /** Runs statements as one atomic group. */
  async batch<const T extends readonly [Batchable, ...Batchable[]]>(
    name: string,
    build: (orm: Orm) => T,
  ): Promise<{ [K in keyof T]: T[K] extends PromiseLike<infer R> ? R : never }> {
    const orm = this.#orm(name);
    return (await plain(() => orm.batch(build(orm) as unknown as [Batchable, ...Batchable[]]))) as {
      [K in keyof T]: T[K] extends PromiseLike<infer R> ? R : never;
    };
  }

  #orm(name: string): Orm {
    const timed = async <T>(work: () => Promise<T>): Promise<T> => {
      const start = performance.now();
      try {
        return await work();
      } finally {
        this.stats.add(name, performance.now() - start);
      }
    };
    return drizzle(
      async (sql, params, method) => {
        const rows = await timed(() => this.#engine.run({ sql, params }));
        // Drizzle's proxy wants the row itself for `get`, and no row as a missing value.
        return { rows: method === 'get' ? (rows[0] as unknown[]) : rows };
      },
      async (queries) => {
        const results = await timed(() => this.#engine.batch(queries));
        return results.map((rows, index) => ({
          rows: queries[index]?.method === 'get' ? (rows[0] as unknown[]) : rows,
        }));
      },
    );
  }
}

/** Drizzle wraps what an engine throws, with the statement and its values; callers want the typed error, logs no values. */
async function plain<T>(work: () => PromiseLike<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof DrizzleQueryError && error.cause ? error.cause : error;
  }
}
