import { and, asc, eq, exists, gt, inArray, isNull, lt, sql } from 'drizzle-orm';
import { newId } from '../contract/ids.ts';
import { limits } from '../contract/limits.ts';
import type { Database } from './database.ts';
import type { SessionEnd } from './schema/define.ts';
import { refreshTokens, sessions } from './schema/sqlite.ts';

export interface NewSession {
  readonly userId: string;
  readonly userAgent: string;
  readonly tokenHash: string;
  readonly now: number;
}

/** Starts a family with its first refresh token. Returns the session's id. */
export async function createSession(db: Database, session: NewSession): Promise<string> {
  const id = newId();
  const { now } = session;
  await db.batch('sessions.create', (orm) => [
    orm.insert(sessions).values({
      id,
      userId: session.userId,
      userAgent: session.userAgent.slice(0, limits.auth.userAgentMax),
      createdAt: now,
      lastUsedAt: now,
      expiresAt: now + limits.auth.sessionTtl,
      revokedAt: null,
      endReason: null,
    }),
    orm.insert(refreshTokens).values({
      hash: session.tokenHash,
      sessionId: id,
      createdAt: now,
      expiresAt: now + Math.min(limits.auth.refreshTokenTtl, limits.auth.sessionTtl),
      usedAt: null,
      settledAt: null,
      successor: null,
    }),
  ]);
  return id;
}

export type Rotation =
  | { readonly outcome: 'rotated'; readonly sessionId: string; readonly userId: string }
  /** Unknown, expired, revoked, or lost a race against a use that was in flight at the same time. */
  | { readonly outcome: 'invalid' }
  /** Used before this request began: the family is revoked now. */
  | { readonly outcome: 'reused'; readonly sessionId: string; readonly userId: string };

/**
 * Trades one refresh token for the next. The first statement decides: only one use can set
 * `used_at`, and the second inserts a successor only for the use that did.
 */
export async function rotateRefreshToken(
  db: Database,
  use: { hash: string; successor: string; requestStarted: number; now: number },
): Promise<Rotation> {
  const { hash, successor, now } = use;
  const [won] = await db.batch('sessions.rotate', (orm) => [
    orm
      .update(refreshTokens)
      .set({ usedAt: now, successor })
      .where(
        and(
          eq(refreshTokens.hash, hash),
          isNull(refreshTokens.usedAt),
          gt(refreshTokens.expiresAt, now),
          exists(
            orm
              .select({ one: sql`1` })
              .from(sessions)
              .where(
                and(eq(sessions.id, refreshTokens.sessionId), isNull(sessions.revokedAt), gt(sessions.expiresAt, now)),
              ),
          ),
        ),
      )
      .returning({ sessionId: refreshTokens.sessionId }),
    orm.insert(refreshTokens).select(
      orm
        .select({
          hash: sql`CAST(${successor} AS text)`.as('hash'),
          sessionId: refreshTokens.sessionId,
          createdAt: sql`CAST(${now} AS bigint)`.as('created_at'),
          expiresAt: sql`CAST(${now + limits.auth.refreshTokenTtl} AS bigint)`.as('expires_at'),
          usedAt: sql`CAST(NULL AS bigint)`.as('used_at'),
          settledAt: sql`CAST(NULL AS bigint)`.as('settled_at'),
          successor: sql`CAST(NULL AS text)`.as('successor'),
        })
        .from(refreshTokens)
        .where(and(eq(refreshTokens.hash, hash), eq(refreshTokens.successor, successor))),
    ),
    orm
      .update(sessions)
      .set({ lastUsedAt: now })
      .where(
        exists(
          orm
            .select({ one: sql`1` })
            .from(refreshTokens)
            .where(and(eq(refreshTokens.hash, successor), eq(refreshTokens.sessionId, sessions.id))),
        ),
      ),
  ]);
  const rotated = won[0];
  if (rotated) {
    const owner = await settle(db, hash, rotated.sessionId);
    return owner ? { outcome: 'rotated', sessionId: rotated.sessionId, userId: owner.userId } : { outcome: 'invalid' };
  }
  const [seen] = await db.query('sessions.usedToken', (orm) =>
    orm
      .select({
        usedAt: refreshTokens.usedAt,
        settledAt: refreshTokens.settledAt,
        sessionId: refreshTokens.sessionId,
        userId: sessions.userId,
      })
      .from(refreshTokens)
      .innerJoin(sessions, eq(sessions.id, refreshTokens.sessionId))
      .where(eq(refreshTokens.hash, hash)),
  );
  if (!seen || seen.usedAt === null) return { outcome: 'invalid' };
  // A loser of a race began before the winner was committed; a thief or a confused client comes later.
  const settled = seen.settledAt ?? seen.usedAt + limits.auth.settleTimeout;
  if (use.requestStarted <= settled) return { outcome: 'invalid' };
  await revokeSession(db, seen.sessionId, now, 'token-reused');
  return { outcome: 'reused', sessionId: seen.sessionId, userId: seen.userId };
}

/** Notes when the winner was committed, before its client hears of it; whoever comes later reuses. */
async function settle(db: Database, hash: string, sessionId: string): Promise<{ userId: string } | undefined> {
  const [, owner] = await db.batch('sessions.settle', (orm) => [
    orm.update(refreshTokens).set({ settledAt: Date.now() }).where(eq(refreshTokens.hash, hash)),
    orm.select({ userId: sessions.userId }).from(sessions).where(eq(sessions.id, sessionId)),
  ]);
  return owner[0];
}

/** Idempotent: the first reason stays. */
export async function revokeSession(db: Database, id: string, now: number, reason: SessionEnd): Promise<void> {
  await db.query('sessions.revoke', (orm) =>
    orm
      .update(sessions)
      .set({ revokedAt: now, endReason: reason })
      .where(and(eq(sessions.id, id), isNull(sessions.revokedAt))),
  );
}

export async function sessionById(
  db: Database,
  id: string,
): Promise<{ id: string; userId: string; createdAt: number } | undefined> {
  return (
    await db.query('sessions.byId', (orm) =>
      orm
        .select({ id: sessions.id, userId: sessions.userId, createdAt: sessions.createdAt })
        .from(sessions)
        .where(eq(sessions.id, id)),
    )
  )[0];
}

export async function sessionOfToken(db: Database, hash: string): Promise<{ id: string; userId: string } | undefined> {
  return (
    await db.query('sessions.byToken', (orm) =>
      orm
        .select({ id: sessions.id, userId: sessions.userId })
        .from(refreshTokens)
        .innerJoin(sessions, eq(sessions.id, refreshTokens.sessionId))
        .where(eq(refreshTokens.hash, hash)),
    )
  )[0];
}

/**
 * Removes tokens and sessions that ended before `before`, oldest first, at most `limit` of each: an
 * expired token opens nothing, and whether it was used before has stopped to matter. Returns how many.
 */
export async function expireSessions(db: Database, before: number, limit: number): Promise<number> {
  const [tokens, ended] = await db.batch('sessions.expire', (orm) => [
    orm
      .delete(refreshTokens)
      .where(
        inArray(
          refreshTokens.hash,
          orm
            .select({ hash: refreshTokens.hash })
            .from(refreshTokens)
            .where(lt(refreshTokens.expiresAt, before))
            .orderBy(asc(refreshTokens.expiresAt))
            .limit(limit),
        ),
      )
      .returning({ hash: refreshTokens.hash }),
    orm
      .delete(sessions)
      .where(
        inArray(
          sessions.id,
          orm
            .select({ id: sessions.id })
            .from(sessions)
            .where(lt(sessions.expiresAt, before))
            .orderBy(asc(sessions.expiresAt))
            .limit(limit),
        ),
      )
      .returning({ id: sessions.id }),
  ]);
  return tokens.length + ended.length;
}
