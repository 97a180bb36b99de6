import type { SQL, SQLWrapper } from 'drizzle-orm';

/** A column of rows that come as JSON. */
export type JsonColumn = 'text' | 'integer';

/**
 * The few things that the two engines say differently. Each lives here and nowhere else; everything
 * that is the same in both is written by Drizzle in the data modules.
 */
export interface Dialect {
  readonly name: 'sqlite' | 'postgres';
  /** A derived table of the objects in a JSON array, one column per field: many rows in one bound parameter. */
  rows(json: string, columns: Readonly<Record<string, JsonColumn>>): SQL;
  /** Whether a JSON array of strings, kept as text, has an element. */
  hasElement(column: SQLWrapper, value: string): SQL;
  /** Whether a text holds another, byte by byte. */
  contains(text: SQL, needle: string): SQL;
  /** Whether a text begins with another, which ends with an ASCII character, byte by byte; by an index where there is one. */
  startsWith(text: SQLWrapper, start: string): SQL;
  /** How rows that change are noted in the table `backup_changes (n, name, key)`; see `capture.ts`. */
  readonly capture: CaptureDialect;
}

/** A table with the columns of its primary key. */
export interface Keyed {
  readonly name: string;
  readonly key: readonly string[];
}

export interface CaptureDialect {
  /** Transactions that make the table of notes, in which `n` is the transaction's number, and put triggers on the tables. */
  start(tables: readonly Keyed[]): readonly (readonly SQL[])[];
  /** How many triggers there are on each table then. */
  readonly triggers: number;
  /** Reads `[trigger, table]` of all that there are, also of another version of this code. */
  readonly watchers: SQL;
  /** Transactions that take away those triggers, and then all the rest. */
  stop(watchers: readonly (readonly [trigger: string, table: string])[]): readonly (readonly SQL[])[];
  /** The newest number that no transaction which is still under way can note below; null: any. */
  readonly horizon: SQL;
  /** One value of a noted key, by its place. */
  keyItem(index: number, type: JsonColumn): SQL;
}

/** What `lower()` does to text in both engines: it knows the letters A–Z and no others. */
export const foldCase = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
