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
}

/** What `lower()` does to text in both engines: it knows the letters A–Z and no others. */
export const foldCase = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
