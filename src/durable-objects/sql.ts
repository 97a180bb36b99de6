/**
 * The storage port of the objects' cores: synchronous SQLite. A Durable Object's storage fits it in
 * production, `node:sqlite` in unit tests, so the same statements run in both.
 */
export type SqlValue = string | number | null | Uint8Array;

export interface Sql {
  all<Row>(query: string, ...params: SqlValue[]): Row[];
  run(query: string, ...params: SqlValue[]): void;
  /** All or nothing; does not nest. */
  transaction<T>(work: () => T): T;
}

/** A blob column, whichever shape the engine gives it. */
export const bytesOf = (value: ArrayBuffer | Uint8Array): Uint8Array =>
  value instanceof Uint8Array ? value : new Uint8Array(value);

export function storageSql(storage: DurableObjectStorage): Sql {
  return {
    all: <Row>(query: string, ...params: SqlValue[]) => storage.sql.exec(query, ...params).toArray() as Row[],
    run: (query, ...params) => {
      storage.sql.exec(query, ...params);
    },
    transaction: (work) => storage.transactionSync(work),
  };
}
