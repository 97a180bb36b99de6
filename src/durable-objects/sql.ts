import { KilnError } from '../contract/errors.ts';

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

/** A storage that can be taken from whoever has it: work that is still on its way must not write into what is another's by then. */
export interface RevocableSql {
  readonly sql: Sql;
  /** From now on everything throws `unavailable`. */
  revoke(): void;
}

export function revocable(sql: Sql): RevocableSql {
  let isRevoked = false;
  const given = (): Sql => {
    if (isRevoked) throw new KilnError('unavailable');
    return sql;
  };
  return {
    sql: {
      all: (query, ...params) => given().all(query, ...params),
      run: (query, ...params) => given().run(query, ...params),
      transaction: (work) => given().transaction(work),
    },
    revoke: () => {
      isRevoked = true;
    },
  };
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
