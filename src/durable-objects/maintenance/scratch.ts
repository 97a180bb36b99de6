import type { Sql } from '../sql.ts';

/** Named sets of keys on disk: what a job must remember between its steps may be more than memory holds. */
export class Scratch {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
    sql.run(
      'CREATE TABLE IF NOT EXISTS items (list TEXT NOT NULL, key TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (list, key)) WITHOUT ROWID',
    );
  }

  /** Adds or replaces. */
  put(list: string, key: string, data = ''): void {
    this.#sql.run(
      'INSERT INTO items (list, key, data) VALUES (?, ?, ?) ON CONFLICT (list, key) DO UPDATE SET data = excluded.data',
      list,
      key,
      data,
    );
  }

  /** Adds keys; those that are there stay as they are. */
  add(list: string, keys: readonly string[]): void {
    if (keys.length === 0) return;
    this.#sql.run(
      "INSERT INTO items (list, key, data) SELECT ?, value, '' FROM json_each(?) WHERE true ON CONFLICT (list, key) DO NOTHING",
      list,
      JSON.stringify(keys),
    );
  }

  has(list: string, key: string): boolean {
    return this.#sql.all('SELECT 1 FROM items WHERE list = ? AND key = ?', list, key).length > 0;
  }

  /** In order of the keys, those after `after`. */
  page(list: string, after: string, limit: number): { key: string; data: string }[] {
    return this.#sql.all(
      'SELECT key, data FROM items WHERE list = ? AND key > ? ORDER BY key LIMIT ?',
      list,
      after,
      limit,
    );
  }

  remove(list: string, keys: readonly string[]): void {
    this.#sql.run(
      'DELETE FROM items WHERE list = ? AND key IN (SELECT value FROM json_each(?))',
      list,
      JSON.stringify(keys),
    );
  }

  count(list: string): number {
    return this.#sql.all<{ n: number }>('SELECT count(*) AS n FROM items WHERE list = ?', list)[0]?.n ?? 0;
  }

  /** Adds all of one list to another. */
  copy(from: string, to: string): void {
    this.#sql.run(
      'INSERT INTO items (list, key, data) SELECT ?, key, data FROM items WHERE list = ? ON CONFLICT (list, key) DO NOTHING',
      to,
      from,
    );
  }

  /** Forgets every list but those named. */
  clear(...keep: string[]): void {
    this.#sql.run('DELETE FROM items WHERE list NOT IN (SELECT value FROM json_each(?))', JSON.stringify(keep));
  }
}
