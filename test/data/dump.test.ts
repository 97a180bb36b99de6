import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { migratePostgres } from '../../scripts/lib/migrate.ts';
import { type Changes, nextChanges, readChanges, startCapture, stopCapture } from '../../src/data/capture.ts';
import { Database } from '../../src/data/database.ts';
import { type Key, keyOf, readRows, type TableShape, tables, writeRows } from '../../src/data/dump.ts';
import { postgresEngine } from '../../src/data/engines/postgres.ts';
import { onBothEngines, type Store } from './support/stores.ts';

const tableOf = (name: string): TableShape => {
  const found = tables.find((table) => table.name === name);
  if (!found) throw new Error(`there is no table ${name}`);
  return found;
};
const [sessions, tokens, files] = [tableOf('sessions'), tableOf('refresh_tokens'), tableOf('project_files')];

const session = (id: string): string =>
  `INSERT INTO sessions (id, user_id, user_agent, created_at, last_used_at, expires_at) VALUES ('${id}', 'u', 'a', 1, 1, 1)`;
const token = (id: string): string =>
  `INSERT INTO refresh_tokens (hash, session_id, created_at, expires_at) VALUES ('t-${id}', '${id}', 1, 1)`;

/** A session moves to a new id, and its token with it: at once, so no reader ever sees one without the other. */
async function move(db: Database, from: string, to: string): Promise<void> {
  await db.batch('test.move', (orm) => [
    orm.run(session(to)),
    orm.run(token(to)),
    orm.run(`DELETE FROM refresh_tokens WHERE session_id = '${from}'`),
    orm.run(`DELETE FROM sessions WHERE id = '${from}'`),
  ]);
}

/** Smaller rounds than those of a backup, so that there are several. */
const few = { closing: 4, round: 25 };

/** The rows that a backup has by now, by table and key. */
type Copy = Map<string, Map<string, unknown>>;

/** Every row in pieces of seven, with something that happens between any two. */
async function scan(db: Database, between: () => Promise<void>): Promise<Copy> {
  const copy: Copy = new Map();
  for (const table of [sessions, tokens, files]) {
    const rows = new Map<string, unknown>();
    copy.set(table.name, rows);
    for (let after: Key | null = null; ; ) {
      const page = await readRows(db, table, after, 7);
      for (const row of page) rows.set(JSON.stringify(keyOf(table, row)), row);
      const last = page.at(-1);
      if (!last) break;
      after = keyOf(table, last);
      await between();
    }
  }
  return copy;
}

function apply(copy: Copy, changes: Changes['rows']): void {
  for (const [table, changed] of changes)
    for (const { key, row } of changed)
      if (row) copy.get(table)?.set(JSON.stringify(key), row);
      else copy.get(table)?.delete(JSON.stringify(key));
}

/** Catches up in rounds, as a backup does, and closes. Returns the number of rows at the closing moment. */
async function catchUp(db: Database, copy: Copy, between: () => Promise<void>): Promise<Map<string, number>> {
  for (let at = 0; ; ) {
    const to = await nextChanges(db, at, few);
    const { rows, counts, whole } = await readChanges(db, at, to);
    expect(whole).toBe(true);
    apply(copy, rows);
    if (to === null) return new Map(counts);
    at = to;
    await between();
  }
}

const orphans = (copy: Copy): string[] =>
  [...(copy.get('refresh_tokens')?.values() ?? [])]
    .map((row) => String((row as { session_id: string }).session_id))
    .filter((id) => !copy.get('sessions')?.has(JSON.stringify([id])));

const empty = async (store: Store): Promise<void> => {
  for (const { name } of [sessions, tokens, files]) await store.execute(`DELETE FROM ${name}`);
};

onBothEngines('The dump', (store) => {
  it('is one moment, though it is read in pieces while others write; a plain scan is not', async () => {
    await empty(store());
    const db = store().open();
    const count = 30;
    const ids = Array.from({ length: count }, (_, n) => `s-${String(n).padStart(3, '0')}-0`);
    for (const id of ids) await move(db, 'none', id);

    await startCapture(db);
    let generation = 0;
    /** Rows appear, vanish and move past the reader on both sides of where it is. */
    const disturb = async (): Promise<void> => {
      generation += 1;
      await Promise.all(
        [0, 7, 14, 21, 29].map(async (n) => {
          const from = ids[n] ?? '';
          ids[n] = `s-${String((n * 7 + generation * 11) % 100).padStart(3, '0')}-${n}-${generation}`;
          await move(store().open(), from, ids[n] ?? '');
        }),
      );
    };
    const copy = await scan(db, disturb);
    expect(orphans(copy).length).toBeGreaterThan(0);
    let rounds = 0;
    const counts = await catchUp(db, copy, async () => {
      rounds += 1;
      if (rounds < 4) await disturb();
    });
    await stopCapture(db);
    expect(rounds).toBeGreaterThan(3);
    expect(orphans(copy)).toEqual([]);
    for (const { name } of [sessions, tokens]) {
      expect(copy.get(name)?.size, name).toBe(count);
      expect(counts.get(name), name).toBe(count);
    }
  });

  it('is one moment also when it closes in the middle of others’ writing', async () => {
    await empty(store());
    const db = store().open();
    const ids = Array.from({ length: 20 }, (_, n) => `c-${n}-0`);
    for (const id of ids) await move(db, 'none', id);
    await startCapture(db);
    const copy = await scan(db, async () => undefined);
    let writing = true;
    const writers = [0, 1, 2, 3].map(async (writer) => {
      const own = store().open();
      for (let n = 1; writing; n += 1) {
        const at = writer * 5 + (n % 5);
        const from = ids[at] ?? '';
        ids[at] = `c-${at}-${n}`;
        await move(own, from, ids[at] ?? '');
      }
    });
    for (let closed = 0; closed < 5; closed += 1) {
      const again: Copy = new Map([...copy].map(([name, rows]) => [name, new Map(rows)]));
      const { rows, counts } = await readChanges(db, 0, null);
      apply(again, rows);
      expect(orphans(again)).toEqual([]);
      for (const { name } of [sessions, tokens]) {
        expect(again.get(name)?.size, name).toBe(ids.length);
        expect(counts.get(name), name).toBe(ids.length);
      }
    }
    writing = false;
    await Promise.all(writers);
    await stopCapture(db);
  });

  it('notes every kind of change, by keys of several columns and of any characters', async () => {
    await empty(store());
    const db = store().open();
    const columns = Object.keys(files.columns);
    const file = (path: string, size: number) => ({
      ...Object.fromEntries(columns.map((name) => [name, files.columns[name] === 'integer' ? 1 : name])),
      project_id: 'p "1"',
      path,
      size,
    });
    const [kept, changed, gone] = [`a/'ä" 🎮.txt`, 'b\\n{}[]', 'c,d'];
    await writeRows(db, files, columns, [file(kept, 1), file(changed, 1), file(gone, 1)]);
    await startCapture(db);
    await writeRows(db, files, columns, [file(changed, 2), file('new', 3)]);
    await store().execute("DELETE FROM project_files WHERE path = 'c,d'");
    await store().execute("UPDATE project_files SET path = 'moved' WHERE path = 'new'");
    const { rows, counts } = await readChanges(db, 0, null);
    await stopCapture(db);
    const found = rows.get('project_files') ?? [];
    expect(found.map(({ key, row }) => [key[1], row?.size]).sort()).toEqual(
      [
        [changed, 2],
        [gone, undefined],
        ['moved', 3],
        ['new', undefined],
      ].sort(),
    );
    expect(found.every(({ key }) => key[0] === 'p "1"')).toBe(true);
    expect(counts.get('project_files')).toBe(3);
  });

  it('leaves no trigger and no table behind, and says when it was not watching all the time', async () => {
    const db = store().open();
    await startCapture(db);
    await store().execute(
      store().engine === 'D1' ? 'DROP TRIGGER backup_capture_users_UPDATE' : 'DROP TRIGGER backup_capture ON users',
    );
    expect((await readChanges(db, 0, null)).whole).toBe(false);
    // What a crash left behind is replaced.
    await startCapture(db);
    expect((await readChanges(db, 0, null)).whole).toBe(true);
    await stopCapture(db);
    await stopCapture(db);
    const left = await db.query('test', (orm) =>
      orm.values<[string]>(
        store().engine === 'D1'
          ? "SELECT name FROM sqlite_master WHERE name LIKE 'backup%'"
          : `SELECT tgname FROM pg_trigger WHERE NOT tgisinternal UNION SELECT relname FROM pg_class WHERE relname LIKE 'backup%'
             UNION SELECT proname FROM pg_proc WHERE proname LIKE 'backup_note%'`,
      ),
    );
    expect(left).toEqual([]);
    await move(db, 'none', 'unwatched');
  });

  it('knows the key and the columns of every table that the migrations make', async () => {
    const db = store().open();
    for (const table of tables) {
      const found =
        store().engine === 'D1'
          ? (
              await db.query('test', (orm) =>
                orm.values<[number, string, string, number, null, number]>(`PRAGMA table_info("${table.name}")`),
              )
            ).map(([, name, , , , place]) => ({ name, place }))
          : (
              await db.query('test', (orm) =>
                orm.values<[string, number]>(
                  `SELECT attname, coalesce(array_position(indkey::int2[], attnum) + 1, 0) FROM pg_attribute
                   JOIN pg_class ON pg_class.oid = attrelid JOIN pg_index ON indrelid = attrelid AND indisprimary
                   WHERE relname = '${table.name}' AND attnum > 0 AND NOT attisdropped`,
                ),
              )
            ).map(([name, place]) => ({ name, place }));
      expect(found.map(({ name }) => name).sort(), table.name).toEqual(Object.keys(table.columns).sort());
      const key = found.filter(({ place }) => place > 0).sort((a, b) => a.place - b.place);
      expect(
        key.map(({ name }) => name),
        table.name,
      ).toEqual(table.key);
    }
  });
});

describe('The dump of PostgreSQL, whose transactions end in another order than they began', () => {
  const admin = new Client({ connectionString: inject('postgres') });
  const url = new URL(inject('postgres'));
  url.pathname = '/dumped';
  /** Somebody whose transaction goes on and on. */
  const slow = new Client({ connectionString: url.href });
  const db = new Database(postgresEngine(url.href));

  beforeAll(async () => {
    await admin.connect();
    await admin.query('DROP DATABASE IF EXISTS dumped WITH (FORCE)');
    await admin.query('CREATE DATABASE dumped');
    await migratePostgres(url.href);
    await slow.connect();
  });
  afterAll(async () => {
    await db.close();
    await slow.end();
    await admin.query('DROP DATABASE dumped WITH (FORCE)');
    await admin.end();
  });

  const keysOf = (changes: Changes): unknown[] =>
    (changes.rows.get('sessions') ?? []).filter(({ row }) => row).map(({ key }) => key[0]);

  it('has what was written early and committed late, past a round that could not see it', async () => {
    await startCapture(db);
    await slow.query('BEGIN');
    await slow.query(session('late'));
    for (let n = 0; n < 20; n += 1) await move(db, n ? `early-${n - 1}` : 'none', `early-${n}`);
    const first = await nextChanges(db, 0, few);
    if (first === null) throw new Error('there was nothing to catch up with');
    expect(keysOf(await readChanges(db, 0, first))).not.toContain('late');
    await slow.query('COMMIT');
    const seen = new Set<unknown>();
    for (let at: number | null = first; at !== null; ) {
      const to: number | null = await nextChanges(db, at, few);
      for (const key of keysOf(await readChanges(db, at, to))) seen.add(key);
      at = to;
    }
    expect([...seen].sort()).toEqual(['early-19', 'late']);
    await stopCapture(db);
  });

  it('closes although a transaction does not end, without what that one has written', async () => {
    await startCapture(db);
    await slow.query('BEGIN');
    await slow.query(session('never'));
    for (let n = 0; n < 20; n += 1) await move(db, n ? `held-${n - 1}` : 'none', `held-${n}`);
    let rounds = 0;
    for (let at: number | null = 0; at !== null; rounds += 1) {
      const to: number | null = await nextChanges(db, at, few);
      const changes = await readChanges(db, at, to);
      if (to === null) {
        expect(keysOf(changes)).toEqual(['held-19']);
        expect(changes.counts.get('sessions')).toBe(3);
      }
      at = to;
    }
    expect(rounds).toBeLessThan(4);
    await slow.query('ROLLBACK');
    await stopCapture(db);
  });

  it('does not make everybody wait behind a writer: it gives up and can be begun again', async () => {
    await slow.query('BEGIN');
    await slow.query(session('writing'));
    await expect(startCapture(db)).rejects.toThrow(/lock timeout/);
    await slow.query('COMMIT');
    await startCapture(db);
    expect((await readChanges(db, 0, null)).whole).toBe(true);
    await stopCapture(db);
  });
});
