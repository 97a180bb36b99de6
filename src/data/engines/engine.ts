import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { noAnswer, within } from '../../core/within.ts';
import type { Dialect } from '../dialects/dialect.ts';

/** A compiled statement: SQL in the dialect that both engines share, values by position. */
export interface Statement {
  readonly sql: string;
  readonly params: readonly unknown[];
}

/** What runs statements. Made per request or per call, and closed after it. */
export interface Engine {
  readonly dialect: Dialect;
  /** Rows as arrays, in the order of the selected columns. */
  run(statement: Statement): Promise<unknown[][]>;
  /** All or nothing, in order; nothing of others in between. */
  batch(statements: readonly Statement[]): Promise<unknown[][][]>;
  /** Reads that all see one moment. */
  moment(statements: readonly Statement[]): Promise<unknown[][][]>;
  /** How the engine would find the rows: names of tables and indexes, never values. */
  explain(statement: Statement): Promise<string[]>;
  /** Names of the migrations that the database has, oldest first. */
  migrations(): Promise<string[]>;
  /** Where a later reader must at least be to see what was written here; null where that is nowhere but the primary. */
  bookmark(): string | null;
  close(): Promise<void>;
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

/** The database did not do it, for reasons that pass: nothing was changed. */
export const databaseAway = (cause: unknown): KilnError =>
  new KilnError('unavailable', { detail: 'The database is away.', cause });

/**
 * Bounds each statement of one engine. After a silence the engine is not asked again: what belongs to
 * one request must not wait time after time.
 */
export function bounded(): <T>(ask: () => PromiseLike<T>) => Promise<T> {
  let silent: KilnError | null = null;
  return async (ask) => {
    if (silent) throw silent;
    return await within(limits.database.statementTimeout, ask(), () => {
      silent = noAnswer('The database');
      return silent;
    });
  };
}
