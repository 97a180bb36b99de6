import { DrizzleQueryError } from 'drizzle-orm/errors';
import { drizzle, type SqliteRemoteDatabase } from 'drizzle-orm/sqlite-proxy';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import { logEvent } from '../core/log.ts';
import type { Dialect } from './dialects/dialect.ts';
import type { Engine, Statement } from './engines/engine.ts';

/** Drizzle in the dialect that SQLite and PostgreSQL share; compiled statements go to an `Engine`. */
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
type Results<T extends readonly Batchable[]> = { [K in keyof T]: T[K] extends PromiseLike<infer R> ? R : never };

/** Statements whose plan was logged already: one word about each is enough for an isolate's life. */
const explained = new Set<string>();

/** The one way to the relational store; nothing above it knows which engine there is. */
export class Database {
  readonly #engine: Engine;
  readonly stats = new QueryStats();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** How the engine says what the two say differently. */
  get dialect(): Dialect {
    return this.#engine.dialect;
  }

  /** Runs one named query: `db.query('users.byId', (orm) => orm.select()…)`. */
  async query<T>(name: string, build: (orm: Orm) => PromiseLike<T>): Promise<T> {
    return await plain(() => build(this.#orm(name)));
  }

  /** Runs statements as one atomic group. What each answers has columns of distinct names, as no join of whole tables has: D1 answers groups with objects. */
  async batch<const T extends readonly [Batchable, ...Batchable[]]>(
    name: string,
    build: (orm: Orm) => T,
  ): Promise<Results<T>> {
    return await this.#group(this.#orm(name), build);
  }

  /** Runs reads that all see one moment; a batch that writes may see each statement's own. */
  async moment<const T extends readonly [Batchable, ...Batchable[]]>(
    name: string,
    build: (orm: Orm) => T,
  ): Promise<Results<T>> {
    return await this.#group(this.#orm(name, 'moment'), build);
  }

  #group<const T extends readonly [Batchable, ...Batchable[]]>(orm: Orm, build: (orm: Orm) => T): Promise<Results<T>> {
    return plain(() => orm.batch(build(orm) as unknown as [Batchable, ...Batchable[]])) as Promise<Results<T>>;
  }

  /** Names of the migrations that the database has. */
  migrations(): Promise<string[]> {
    return this.#engine.migrations();
  }

  /** What a later request sends to read its own writes; null when it need not. */
  bookmark(): string | null {
    return this.#engine.bookmark();
  }

  close(): Promise<void> {
    return this.#engine.close();
  }

  #orm(name: string, group: 'batch' | 'moment' = 'batch'): Orm {
    const timed = async <T>(statements: readonly Statement[], work: () => Promise<T>): Promise<T> => {
      for (const { params } of statements) refuseNul(params);
      const start = performance.now();
      try {
        return await work();
      } finally {
        const ms = performance.now() - start;
        this.stats.add(name, ms);
        if (ms >= limits.database.slowStatement) await this.#logSlow(name, ms, statements);
      }
    };
    return drizzle(
      async (sql, params, method) => {
        const rows = await timed([{ sql, params }], () => this.#engine.run({ sql, params }));
        // Drizzle's proxy wants the row itself for `get`, and no row as a missing value.
        return { rows: method === 'get' ? (rows[0] as unknown[]) : rows };
      },
      async (queries) => {
        const results = await timed(queries, () => this.#engine[group](queries));
        return results.map((rows, index) => ({
          rows: queries[index]?.method === 'get' ? (rows[0] as unknown[]) : rows,
        }));
      },
    );
  }

  /** The name of a slow statement and how the engine looks its rows up. Never its values. */
  async #logSlow(name: string, ms: number, statements: readonly Statement[]): Promise<void> {
    const first = !explained.has(name);
    explained.add(name);
    const plans = first
      ? await Promise.all(statements.map((statement) => this.#engine.explain(statement).catch(() => ['no plan'])))
      : [];
    logEvent('database.slow', { name, ms: Math.round(ms), plan: first ? plans.flat().join('; ') : undefined }, 'warn');
  }
}

/** PostgreSQL has no text with a zero byte, and SQLite's functions end there: neither engine is asked. */
function refuseNul(params: readonly unknown[]): void {
  if (params.some((value) => typeof value === 'string' && value.includes('\0')))
    throw new KilnError('validation_failed', { detail: 'Text must not contain the character U+0000.' });
}

/** Drizzle wraps what an engine throws, with the statement and its values; callers want the typed error, logs no values. */
async function plain<T>(work: () => PromiseLike<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof DrizzleQueryError && error.cause ? error.cause : error;
  }
}
