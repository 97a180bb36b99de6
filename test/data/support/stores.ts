import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, inject } from 'vitest';
import { getPlatformProxy } from 'wrangler';
import { inRoot, quietWrangler } from '../../../scripts/lib/paths.ts';
import { Database } from '../../../src/data/database.ts';
import { d1Engine } from '../../../src/data/engines/d1.ts';
import { postgresEngine } from '../../../src/data/engines/postgres.ts';

/** A relational store of one engine, empty at first. */
export interface Store {
  readonly engine: 'D1' | 'PostgreSQL';
  /** A database as one request has it: on PostgreSQL with a connection of its own. Closed by the store. */
  open(): Database;
  /** Runs SQL that both engines read, past everything that is tested. */
  execute(sql: string): Promise<void>;
  /** Applies the release's migrations that come after those there are, up to the one of that number. */
  migrate(upTo?: number): Promise<void>;
  close(): Promise<void>;
}

interface Migration {
  readonly tag: string;
  readonly when: number;
  readonly statements: readonly string[];
}

function migrationsOf(folder: string): Migration[] {
  const journal = JSON.parse(readFileSync(inRoot(folder, 'meta', '_journal.json'), 'utf8')) as {
    entries: { tag: string; when: number }[];
  };
  return journal.entries.map(({ tag, when }) => ({
    tag,
    when,
    statements: readFileSync(inRoot(folder, `${tag}.sql`), 'utf8').split('--> statement-breakpoint'),
  }));
}

/** Databases that a store gave out, to be closed with it. */
function opened(make: () => Database): { open: () => Database; closeAll: () => Promise<void> } {
  const all: Database[] = [];
  return {
    open: () => {
      const database = make();
      all.push(database);
      return database;
    },
    closeAll: async () => {
      await Promise.all(all.map((database) => database.close()));
    },
  };
}

/**
 * Miniflare forgets a statement that this process no longer refers to, even while a call with it is on its way, which then fails.
 * This database refers to all of its statements, for as long as it is open.
 */
function holding(database: D1Database): D1Database {
  const held: D1PreparedStatement[] = [];
  const hold = (statement: D1PreparedStatement): D1PreparedStatement => {
    held.push(statement);
    return statement;
  };
  const prepare = (sql: string): Pick<D1PreparedStatement, 'bind'> => {
    const statement = hold(database.prepare(sql));
    return { bind: (...values) => hold(statement.bind(...values)) };
  };
  return new Proxy(database, {
    get: (target, name) => (name === 'prepare' ? prepare : Reflect.get(target, name, target)),
  });
}

/** Real D1: the one that `wrangler dev` runs. */
async function openD1(): Promise<Store> {
  Object.assign(process.env, quietWrangler);
  const folder = mkdtempSync(join(tmpdir(), 'kiln-d1-'));
  const proxy = await getPlatformProxy<{ DB: D1Database }>({
    configPath: inRoot('scripts', 'wrangler.seed.toml'),
    persist: { path: folder },
  });
  const { DB } = proxy.env;
  const engine = d1Engine(holding(DB));
  const { open, closeAll } = opened(() => new Database(engine));
  // As `wrangler d1 migrations apply` makes it.
  await DB.prepare(
    'CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)',
  ).run();
  let applied = 0;
  return {
    engine: 'D1',
    open,
    execute: async (sql) => {
      await DB.prepare(sql).run();
    },
    migrate: async (upTo = Number.POSITIVE_INFINITY) => {
      const all = migrationsOf('migrations');
      for (const { tag, statements } of all.slice(applied, upTo + 1)) {
        const note = DB.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(`${tag}.sql`);
        await DB.batch([...statements.map((statement) => DB.prepare(statement)), note]);
        applied += 1;
      }
    },
    close: async () => {
      await closeAll();
      await proxy.dispose();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A fresh database in the run's PostgreSQL. */
async function openPostgres(): Promise<Store> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  const admin = new Client({ connectionString: inject('postgres') });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  const url = new URL(inject('postgres'));
  url.pathname = `/${name}`;
  const client = new Client({ connectionString: url.href });
  await client.connect();
  // As Drizzle's migrator makes it.
  await client.query('CREATE SCHEMA drizzle');
  await client.query(
    'CREATE TABLE drizzle.__drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at bigint)',
  );
  const { open, closeAll } = opened(() => new Database(postgresEngine(url.href)));
  let applied = 0;
  return {
    engine: 'PostgreSQL',
    open,
    execute: async (sql) => {
      await client.query(sql);
    },
    migrate: async (upTo = Number.POSITIVE_INFINITY) => {
      const all = migrationsOf('migrations/postgres');
      for (const { tag, when, statements } of all.slice(applied, upTo + 1)) {
        await client.query('BEGIN');
        for (const statement of statements) await client.query(statement);
        await client.query('INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ($1, $2)', [tag, when]);
        await client.query('COMMIT');
        applied += 1;
      }
    },
    close: async () => {
      await closeAll();
      await client.end();
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.end();
    },
  };
}

/** The one contract: the same tests on a store of each engine. */
export function onBothEngines(title: string, tests: (store: () => Store) => void, migrated = true): void {
  describe.each([
    ['D1', openD1],
    ['PostgreSQL', openPostgres],
  ] as const)(`${title} on %s`, (_, make) => {
    let store: Store | undefined;
    beforeAll(async () => {
      store = await make();
      if (migrated) await store.migrate();
    });
    afterAll(async () => {
      await store?.close();
    });
    tests(() => {
      if (!store) throw new Error('the store is not open');
      return store;
    });
  });
}
