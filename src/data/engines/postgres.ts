import { Client, types } from 'pg';
import postgresJournal from '../../../migrations/postgres/meta/_journal.json' with { type: 'json' };
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { noAnswer, within } from '../../core/within.ts';
import { postgresDialect, postgresText } from '../dialects/postgres.ts';
import { bounded, databaseAway, type Engine, type Statement, UniqueViolation } from './engine.ts';

/** OIDs of int8 and numeric: counts, sums and times. They stay below 2^53. */
const wholeNumbers = new Set([20, 1700]);

interface PostgresError extends Error {
  readonly code?: string;
  readonly table?: string;
  readonly detail?: string;
}

/** Classes of SQLSTATE that pass: connection, resources, operator intervention, serialisation, system (PostgreSQL, appendix A). */
const passing = /^(?:08|53|57|58|40)/;

function translate(thrown: unknown): never {
  if (thrown instanceof KilnError) throw thrown;
  const error = thrown as PostgresError;
  if (error.code === '23505') {
    // `Key (project_id, user_id)=(…) already exists.`
    const columns = /^Key \(([^)]*)\)=/.exec(error.detail ?? '')?.[1]?.split(', ') ?? [];
    throw new UniqueViolation(
      columns.map((column) => `${error.table}.${column}`),
      error,
    );
  }
  if (error.code === undefined || !/^[0-9A-Z]{5}$/.test(error.code) || passing.test(error.code))
    throw databaseAway(error);
  throw error;
}

/**
 * PostgreSQL, through Hyperdrive in the cloud. One connection, opened by the first statement and
 * closed with the engine: Hyperdrive keeps the real ones. Statements are unnamed, since a named one
 * would not outlive the request. A batch is a transaction that is never held over anything but its
 * own statements; a lock keeps others of the same engine out of it.
 */
export function postgresEngine(connectionString: string): Engine {
  let connecting: Promise<Client> | null = null;
  let lock: Promise<unknown> = Promise.resolve();
  let wrote = 0;
  const asked = bounded();

  const connect = (): Promise<Client> => {
    connecting ??= (async () => {
      const client = new Client({
        connectionString,
        types: {
          getTypeParser: (oid: number, format?: 'text' | 'binary') =>
            wholeNumbers.has(oid) ? Number : types.getTypeParser(oid, format as 'text'),
        },
      });
      // A connection that breaks while idle says so here; the next statement fails and is translated.
      client.on('error', () => undefined);
      // The driver's own time-out ends with its socket, which cannot be closed while nobody answers on it.
      await within(limits.database.connectTimeout, client.connect(), () => {
        void client.end().catch(() => undefined);
        return noAnswer('The database');
      });
      return client;
    })();
    return connecting;
  };
  const exclusively = <T>(work: (client: Client) => Promise<T>): Promise<T> => {
    const result = lock.then(async () => {
      try {
        return await work(await connect());
      } catch (error) {
        return translate(error);
      }
    });
    lock = result.catch(() => undefined);
    return result;
  };
  const send = async (client: Client, { sql, params }: Statement): Promise<unknown[][]> => {
    if (!/^\s*(?:select|explain)\b/i.test(sql)) wrote = Date.now();
    const query = { text: postgresText(sql), values: [...params], rowMode: 'array' } as const;
    return (await asked(() => client.query<unknown[]>(query))).rows;
  };
  const transaction = (begin: string, statements: readonly Statement[]): Promise<unknown[][][]> =>
    exclusively(async (client) => {
      await asked(() => client.query(begin));
      try {
        const results: unknown[][][] = [];
        for (const statement of statements) results.push(await send(client, statement));
        await asked(() => client.query('COMMIT'));
        return results;
      } catch (error) {
        await asked(() => client.query('ROLLBACK')).catch(() => undefined);
        throw error;
      }
    });
  return {
    dialect: postgresDialect,
    run: (statement) => exclusively((client) => send(client, statement)),
    batch: (statements) => transaction('BEGIN', statements),
    moment: (statements) => transaction('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', statements),
    explain: (statement) =>
      exclusively(async (client) => {
        const text = `EXPLAIN (GENERIC_PLAN, COSTS OFF) ${postgresText(statement.sql)}`;
        // Without values a plan shows placeholders, so nothing of anybody gets into a log.
        const { rows } = await asked(() => client.query<[string]>({ text, rowMode: 'array' }));
        return rows.map(([line]) => line.trim());
      }),
    migrations: () =>
      exclusively(async (client) => {
        const { rows } = await asked(() =>
          client.query<[number]>({
            text: 'SELECT created_at FROM drizzle.__drizzle_migrations ORDER BY created_at',
            rowMode: 'array',
          }),
        );
        return rows.map(
          ([when]) => postgresJournal.entries.find((entry) => entry.when === when)?.tag ?? `unknown (${when})`,
        );
      }),
    // A replica is behind by seconds at most; a reader that wrote a moment ago goes to the primary.
    bookmark: () => (wrote ? `at-${wrote}` : null),
    async close() {
      if (!connecting) return;
      const client = await connecting.catch(() => null);
      if (client)
        await within(limits.database.connectTimeout, client.end(), () => noAnswer('The database')).catch(
          () => undefined,
        );
    },
  };
}
