import { and, count, desc, eq, gt, isNull, or, type SQL, sql } from 'drizzle-orm';
import type { ApiKey } from '../contract/accounts.ts';
import { KilnError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import { limits } from '../contract/limits.ts';
import type { Scope } from '../contract/scopes.ts';
import { type Actor, auditRow, decide, decided } from './audit.ts';
import { has, insertWhere } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { apiKeys } from './schema/sqlite.ts';
import { iso } from './time.ts';
import { takeUser } from './users.ts';

type Row = typeof apiKeys.$inferSelect;

const toApiKey = (row: Row): ApiKey => ({
  id: row.id,
  name: row.name,
  prefix: row.prefix,
  scopes: row.scopes as Scope[],
  projectId: row.projectId,
  expiresAt: row.expiresAt === null ? null : iso(row.expiresAt),
  lastUsedAt: row.lastUsedAt === null ? null : iso(row.lastUsedAt),
  createdAt: iso(row.createdAt),
});

/** Keys that still open something. */
const good = (userId: string, now: number): SQL | undefined =>
  and(eq(apiKeys.userId, userId), isNull(apiKeys.revokedAt), or(isNull(apiKeys.expiresAt), gt(apiKeys.expiresAt, now)));

/** Newest first. */
export async function listApiKeys(db: Database, userId: string, now: number): Promise<ApiKey[]> {
  const rows = await db.query('apiKeys.list', (orm) =>
    orm.select().from(apiKeys).where(good(userId, now)).orderBy(desc(apiKeys.id)).limit(limits.apiKey.perUser),
  );
  return rows.map(toApiKey);
}

const hasPlace = (orm: Orm, userId: string, now: number): SQL =>
  sql`(${orm.select({ n: count() }).from(apiKeys).where(good(userId, now))}) < ${limits.apiKey.perUser}`;

export interface NewApiKeyRow {
  readonly userId: string;
  readonly name: string;
  readonly hash: string;
  readonly prefix: string;
  readonly scopes: readonly Scope[];
  readonly projectId: string | null;
  readonly expiresAt: number | null;
}

/** Throws `quota_exceeded`. */
export async function createApiKey(db: Database, key: NewApiKeyRow, actor: Actor): Promise<ApiKey> {
  const row: Row = {
    ...key,
    scopes: [...key.scopes],
    id: newId(),
    lastUsedAt: null,
    revokedAt: null,
    createdAt: actor.now,
  };
  const entry = auditRow({
    ...actor,
    action: 'auth.api_key_created',
    subject: `api-key:${row.id}`,
    data: { name: row.name, prefix: row.prefix, scopes: row.scopes, projectId: row.projectId },
  });
  const [, made] = await db.batch('apiKeys.create', (orm) => [
    takeUser(orm, key.userId),
    decide(orm, entry, hasPlace(orm, key.userId, actor.now)),
    insertWhere(orm, apiKeys, row, decided(orm, entry)),
  ]);
  if (!made.length)
    throw new KilnError('quota_exceeded', { detail: `An account has at most ${limits.apiKey.perUser} API keys.` });
  return toApiKey(row);
}

/** Returns the hash of the key that was revoked now; undefined when there is none to revoke. */
export async function revokeApiKey(
  db: Database,
  userId: string,
  id: string,
  actor: Actor,
): Promise<{ hash: string } | undefined> {
  const where = and(eq(apiKeys.id, id), eq(apiKeys.userId, userId), isNull(apiKeys.revokedAt));
  const entry = auditRow({ ...actor, action: 'auth.api_key_revoked', subject: `api-key:${id}` });
  const [, revoked] = await db.batch('apiKeys.revoke', (orm) => [
    decide(orm, entry, has(orm, apiKeys, where)),
    orm.update(apiKeys).set({ revokedAt: actor.now }).where(where).returning({ hash: apiKeys.hash }),
  ]);
  return revoked[0];
}

/** Notes that a key was used, at most every few minutes; its first use is in the audit log. */
export async function touchApiKey(db: Database, id: string, actor: Actor): Promise<void> {
  const stale = and(
    eq(apiKeys.id, id),
    or(isNull(apiKeys.lastUsedAt), sql`${apiKeys.lastUsedAt} < ${actor.now - limits.apiKey.lastUsedEvery}`),
  );
  const entry = auditRow({ ...actor, action: 'auth.api_key_first_used', subject: `api-key:${id}` });
  await db.batch('apiKeys.touch', (orm) => [
    decide(orm, entry, has(orm, apiKeys, and(eq(apiKeys.id, id), isNull(apiKeys.lastUsedAt)))),
    orm.update(apiKeys).set({ lastUsedAt: actor.now }).where(stale),
  ]);
}
