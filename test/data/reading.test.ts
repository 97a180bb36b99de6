import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { getPlatformProxy } from 'wrangler';
import { inRoot, quietWrangler } from '../../scripts/lib/paths.ts';
import { limits } from '../../src/contract/limits.ts';
import type { Database } from '../../src/data/database.ts';
import { type Freshness, openDatabase } from '../../src/data/open.ts';

/** Runs `read` on a database that is opened as a request with this freshness would have it. */
async function reading<T>(
  env: Partial<Env>,
  freshness: Freshness | undefined,
  read: (db: Database) => Promise<T>,
): Promise<T> {
  const db = openDatabase(env as Env, freshness);
  try {
    return await read(db);
  } finally {
    await db.close();
  }
}

describe('A reader on PostgreSQL with a replica', () => {
  const names = ['primary', 'replica'].map((role) => `${role}_${randomBytes(6).toString('hex')}`);
  let admin: Client;
  let env: Partial<Env>;
  /** Two databases stand for primary and replica: what counts is which of them is asked. */
  beforeAll(async () => {
    admin = new Client({ connectionString: inject('postgres') });
    await admin.connect();
    const urls: string[] = [];
    for (const name of names) {
      await admin.query(`CREATE DATABASE ${name}`);
      const url = new URL(inject('postgres'));
      url.pathname = `/${name}`;
      urls.push(url.href);
    }
    const [primary = '', replica = ''] = urls;
    env = {
      HYPERDRIVE: { connectionString: primary } as Hyperdrive,
      HYPERDRIVE_REPLICA: { connectionString: replica } as Hyperdrive,
    };
  });
  afterAll(async () => {
    for (const name of names) await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await admin.end();
  });

  const asked = async (freshness?: Freshness): Promise<string> =>
    await reading(env, freshness, async (db) => {
      const [row] = await db.query('test.where', (orm) => orm.all<[string]>(sql`SELECT current_database()`));
      return String(row).split('_')[0] ?? '';
    });

  it('is sent to the replica when it wrote nothing of late, and to the primary when it did', async () => {
    expect(await asked({ replica: true })).toBe('replica');
    expect(await asked({ replica: true, bookmark: `at-${Date.now()}` })).toBe('primary');
    expect(await asked({ replica: true, bookmark: `at-${Date.now() - limits.database.replicaLag - 1000}` })).toBe(
      'replica',
    );
    expect(await asked({ replica: true, bookmark: 'of another engine' })).toBe('replica');
  });

  it('that writes, or that the platform is itself, is sent to the primary', async () => {
    expect(await asked()).toBe('primary');
    expect(await asked({ replica: false })).toBe('primary');
  });

  it('gets a bookmark for what it wrote, and none for what it read', async () => {
    await reading(env, { replica: false }, async (db) => {
      await db.query('test.read', (orm) => orm.all(sql`SELECT 1`));
      expect(db.bookmark()).toBeNull();
      await db.query('test.write', (orm) => orm.run(sql`CREATE TABLE written (n bigint)`));
      expect(db.bookmark()).toMatch(/^at-\d+$/);
    });
  });
});

describe('A reader on D1', () => {
  let proxy: Awaited<ReturnType<typeof getPlatformProxy<{ DB: D1Database }>>>;
  beforeAll(async () => {
    Object.assign(process.env, quietWrangler);
    proxy = await getPlatformProxy<{ DB: D1Database }>({
      configPath: inRoot('scripts', 'wrangler.seed.toml'),
      persist: false,
    });
  });
  afterAll(() => proxy.dispose());

  it('that sends back its bookmark reads what it wrote, and anything else that it sends costs it nothing', async () => {
    const env: Partial<Env> = { DB: proxy.env.DB };
    const bookmark = await reading(env, { replica: false }, async (db) => {
      await db.query('test.create', (orm) => orm.run(sql`CREATE TABLE notes (text TEXT)`));
      await db.query('test.write', (orm) => orm.run(sql`INSERT INTO notes VALUES ('written')`));
      return db.bookmark();
    });
    expect(bookmark).not.toBeNull();
    for (const sent of [bookmark ?? '', 'at-1', 'first-nonsense'])
      expect(
        await reading(env, { replica: true, bookmark: sent }, (db) =>
          db.query('test.read', (orm) => orm.all(sql`SELECT text FROM notes`)),
        ),
      ).toEqual([['written']]);
  });
});
