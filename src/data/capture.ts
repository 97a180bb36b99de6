import { type SQL, sql } from 'drizzle-orm';
import type { Database } from './database.ts';
import { columnsOf, type Key, keyOf, quoted, type Row, tables, toRow } from './dump.ts';

async function run(db: Database, name: string, transactions: readonly (readonly SQL[])[]): Promise<void> {
  for (const statements of transactions)
    await db.batch(
      name,
      (orm) => statements.map((statement) => orm.run(statement)) as unknown as [ReturnType<typeof orm.run>],
    );
}

/**
 * No transaction outlives a request to the database, so a large dump is read in pieces while others
 * write. From here on triggers note the key of every row that changes. The pieces may show different
 * moments; but a piece that is out of date at the end names a row that was changed after it was read,
 * and that row is noted. `readChanges` reads all noted rows at one moment: with these in place of what
 * the pieces said of them, the dump is the database at that moment.
 * docs/decisions/0008-backup-consistency.md has the proof.
 *
 * Safe to repeat: a capture that a crash left behind, also a half-made one, is replaced.
 */
export async function startCapture(db: Database): Promise<void> {
  await stopCapture(db);
  await run(db, 'capture.start', db.dialect.capture.start(tables));
}

/** Ends the capture, also one of another version of this code. Idempotent. */
export async function stopCapture(db: Database): Promise<void> {
  const { watchers, stop } = db.dialect.capture;
  const found = await db.query('capture.watchers', (orm) => orm.values<[string, string]>(watchers));
  await run(db, 'capture.stop', stop(found));
}

/**
 * Up to which number to catch up next, so that about `round` changes are covered. Null: it is time to
 * close, because at most `closing` are left, or because a transaction that goes on and on holds all later numbers back.
 */
export async function nextChanges(
  db: Database,
  after: number,
  { closing, round }: { closing: number; round: number },
): Promise<number | null> {
  const [left] = await db.query('capture.next', (orm) =>
    orm.values<[number, number | null]>(
      sql`SELECT count(*), max(n) FROM (SELECT n FROM backup_changes WHERE n > ${after} ORDER BY n LIMIT ${round}) AS oldest`,
    ),
  );
  const [count = 0, newest] = left ?? [];
  if (Number(count) <= closing) return null;
  const [horizon] = await db.query('capture.horizon', (orm) => orm.values<[number | null]>(db.dialect.capture.horizon));
  const upTo = Math.min(Number(newest), Number(horizon?.[0] ?? Number.POSITIVE_INFINITY));
  return upTo > after ? upTo : null;
}

export interface Changes {
  /** Every changed key of each table, with the row as it is at this moment; null when it is gone. */
  readonly rows: ReadonlyMap<string, readonly { key: Key; row: Row | null }[]>;
  /** Rows of each table at this moment. */
  readonly counts: ReadonlyMap<string, number>;
  /** False when some table was not watched all the time, as after a migration: the dump is worth nothing. */
  readonly whole: boolean;
}

/** Changes after number `after`, all or those up to number `to`, and the rows they speak of, at one moment. */
export async function readChanges(db: Database, after: number, to: number | null): Promise<Changes> {
  const { capture } = db.dialect;
  const range = to === null ? sql`n > ${after}` : sql`n > ${after} AND n <= ${to}`;
  const results = (await db.moment('capture.changes', (orm) => [
    orm.values(capture.watchers),
    ...tables.flatMap((table) => [
      orm.values(sql`SELECT count(*) FROM ${quoted([table.name])}`),
      orm.values(sql`SELECT DISTINCT key FROM backup_changes WHERE name = ${table.name} AND ${range}`),
      orm.values(
        sql`SELECT ${quoted(columnsOf(table))} FROM ${quoted([table.name])} WHERE (${quoted(table.key)}) IN (SELECT ${sql.join(
          table.key.map((column, index) => capture.keyItem(index, table.columns[column] ?? 'text')),
          sql`, `,
        )} FROM backup_changes WHERE name = ${table.name} AND ${range})`,
      ),
    ]),
  ])) as unknown as unknown[][][];
  const watchers = results[0] ?? [];
  const rows = new Map<string, { key: Key; row: Row | null }[]>();
  const counts = new Map<string, number>();
  for (const [index, table] of tables.entries()) {
    const [counted = [], keys = [], found = []] = results.slice(1 + index * 3, 4 + index * 3);
    counts.set(table.name, Number(counted[0]?.[0]));
    const byKey = new Map(
      found.map((values) => {
        const row = toRow(table, values);
        return [JSON.stringify(keyOf(table, row)), row];
      }),
    );
    rows.set(
      table.name,
      keys.map(([text]) => {
        const key = JSON.parse(String(text)) as Key;
        return { key, row: byKey.get(JSON.stringify(key)) ?? null };
      }),
    );
  }
  return { rows, counts, whole: watchers.length === tables.length * capture.triggers };
}
