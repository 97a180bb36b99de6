import { and, eq, gt, isNull, or } from 'drizzle-orm';
import type { Scope } from '../contract/scopes.ts';
import type { Database } from './database.ts';
import { apiKeys, sessions, users } from './schema/sqlite.ts';
import { inUse } from './users.ts';

/** A credential as its owner's guard asks for it. */
type Credential = { readonly kind: 'session'; readonly id: string } | { readonly kind: 'key'; readonly hash: string };

/** What a credential of a user is good for; null when it is revoked, over, somebody else's, or its account is not in use. */
export async function credentialFacts(db: Database, userId: string, credential: Credential, now: number) {
  if (credential.kind === 'session') {
    const [row] = await db.query('credentials.session', (orm) =>
      orm
        .select({ id: sessions.id, endsAt: sessions.expiresAt })
        .from(sessions)
        .innerJoin(users, eq(users.id, sessions.userId))
        .where(
          and(
            eq(sessions.id, credential.id),
            eq(sessions.userId, userId),
            isNull(sessions.revokedAt),
            gt(sessions.expiresAt, now),
            inUse,
          ),
        ),
    );
    return row ? { kind: 'session' as const, ...row } : null;
  }
  const [row] = await db.query('credentials.key', (orm) =>
    orm
      .select({ key: apiKeys })
      .from(apiKeys)
      .innerJoin(users, eq(users.id, apiKeys.userId))
      .where(
        and(
          eq(apiKeys.hash, credential.hash),
          eq(apiKeys.userId, userId),
          isNull(apiKeys.revokedAt),
          or(isNull(apiKeys.expiresAt), gt(apiKeys.expiresAt, now)),
          inUse,
        ),
      ),
  );
  if (!row) return null;
  const { id, scopes, projectId, expiresAt, lastUsedAt } = row.key;
  return { kind: 'key' as const, id, scopes: scopes as Scope[], projectId, endsAt: expiresAt, lastUsedAt };
}
