import { readFileSync } from 'node:fs';
import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { Client } from 'pg';
import { expect, inject, it } from 'vitest';
import { migratePostgres } from '../../scripts/lib/migrate.ts';
import { inRoot } from '../../scripts/lib/paths.ts';
import { Database } from '../../src/data/database.ts';
import { postgresEngine } from '../../src/data/engines/postgres.ts';
import { schemaState } from '../../src/data/migrations.ts';
import { sessions } from '../../src/data/schema/sqlite.ts';
import { createSession, expireSessions, revokeSession, rotateRefreshToken } from '../../src/data/sessions.ts';
import { now } from './support/rows.ts';
import { onBothEngines } from './support/stores.ts';

const tagsOf = (folder: string): string[] =>
  (
    JSON.parse(readFileSync(inRoot(folder, 'meta', '_journal.json'), 'utf8')) as { entries: { tag: string }[] }
  ).entries.map(({ tag }) => tag);

it('both engines have the same migrations, numbered without a gap', () => {
  const tags = tagsOf('migrations');
  expect(tagsOf('migrations/postgres')).toEqual(tags);
  expect(tags.map((tag) => Number(tag.slice(0, 4)))).toEqual(tags.map((_, index) => index));
});

/** Statements of the release before migration 0001, as it sent them. */
const before0001 = {
  session: (id: string) =>
    `INSERT INTO sessions (id, user_id, user_agent, created_at, last_used_at, expires_at, revoked_at)
     VALUES ('${id}', 'u', 'an old release', ${now}, ${now}, ${now + 1_000_000}, NULL)`,
  token: (hash: string, session: string) =>
    `INSERT INTO refresh_tokens (hash, session_id, created_at, expires_at, used_at, settled_at, successor)
     VALUES ('${hash}', '${session}', ${now}, ${now + 1_000_000}, NULL, NULL, NULL)`,
  revoke: (id: string) => `UPDATE sessions SET revoked_at = ${now + 7} WHERE id = '${id}' AND revoked_at IS NULL`,
};

onBothEngines(
  'A database of the previous release',
  (store) => {
    const sessionOf = async (db: Database, id: string) =>
      (await db.query('test', (orm) => orm.select().from(sessions).where(eq(sessions.id, id))))[0];

    it('is said to be behind; migrated, it has all that it had, and both releases write to it', async () => {
      const db = store().open();
      expect((await schemaState(db)).state).toBe('behind');
      await store().migrate(0);
      const [, ...later] = tagsOf('migrations');
      expect(await schemaState(db)).toEqual({ state: 'behind', missing: later });
      await store().execute(before0001.session('kept'));
      await store().execute(before0001.session('revoked'));
      await store().execute(before0001.token('t1', 'kept'));
      await store().execute(before0001.revoke('revoked'));

      await store().migrate();
      expect(await schemaState(db)).toEqual({ state: 'same' });
      expect(await sessionOf(db, 'kept')).toEqual({
        id: 'kept',
        userId: 'u',
        userAgent: 'an old release',
        createdAt: now,
        lastUsedAt: now,
        expiresAt: now + 1_000_000,
        revokedAt: null,
        endReason: null,
      });
      expect(await sessionOf(db, 'revoked')).toMatchObject({ revokedAt: now + 7, endReason: null });

      // This release goes on with what the old one began …
      expect(
        await rotateRefreshToken(db, { hash: 't1', successor: 't2', requestStarted: now, now: now + 1 }),
      ).toMatchObject({ outcome: 'rotated', sessionId: 'kept' });
      // … and the old one, still running during the roll-out, with what this one began.
      const fresh = await createSession(db, { userId: 'u', userAgent: 'this release', tokenHash: 't3', now });
      await store().execute(before0001.revoke(fresh));
      expect(await sessionOf(db, fresh)).toMatchObject({ revokedAt: now + 7, endReason: null });
      await store().execute(before0001.session('late'));
      await store().execute(before0001.token('t4', 'late'));
      await revokeSession(db, 'late', now + 9, 'signed-out');
      expect(await sessionOf(db, 'late')).toMatchObject({ revokedAt: now + 9, endReason: 'signed-out' });
    });

    it('that a newer release has expanded is said to be ahead, and serves this one', async () => {
      const db = store().open();
      await store().execute('ALTER TABLE sessions ADD COLUMN of_the_future text');
      await store().execute(
        store().engine === 'D1'
          ? "INSERT INTO d1_migrations (name) VALUES ('9999_future.sql')"
          : "INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('future', 9999999999999)",
      );
      const schema = await schemaState(db);
      expect(schema.state).toBe('ahead');
      const id = await createSession(db, { userId: 'u', userAgent: 'behind', tokenHash: 'ahead', now });
      expect(await sessionOf(db, id)).toMatchObject({ userAgent: 'behind' });
      expect(
        await rotateRefreshToken(db, { hash: 'ahead', successor: 'ahead-2', requestStarted: now, now: now + 1 }),
      ).toMatchObject({ outcome: 'rotated' });
      expect(await expireSessions(db, now, 10)).toBe(0);
    });
  },
  false,
);

it('two migrations of one PostgreSQL database at once apply each step once', async () => {
  const admin = new Client({ connectionString: inject('postgres') });
  await admin.connect();
  await admin.query('DROP DATABASE IF EXISTS twice WITH (FORCE)');
  await admin.query('CREATE DATABASE twice');
  const url = new URL(inject('postgres'));
  url.pathname = '/twice';
  await Promise.all([1, 2, 3].map(() => migratePostgres(url.href)));
  const db = new Database(postgresEngine(url.href));
  expect(await db.migrations()).toEqual(tagsOf('migrations/postgres'));
  await migratePostgres(url.href);
  expect(await schemaState(db)).toEqual({ state: 'same' });
  await db.close();

  const client = new Client({ connectionString: url.href });
  await client.connect();
  expect((await drizzle(client).execute(sql`SELECT count(*) AS n FROM drizzle.__drizzle_migrations`)).rows).toEqual([
    { n: String(tagsOf('migrations').length) },
  ]);
  await client.end();
  await admin.query('DROP DATABASE twice WITH (FORCE)');
  await admin.end();
});
