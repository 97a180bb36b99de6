import { and, eq, isNull, type SQL, sql } from 'drizzle-orm';
import type { MailOrder } from '../core/mail.ts';
import { type Actor, auditRow, decide, decided } from './audit.ts';
import type { Database, Orm } from './database.ts';
import { emailTokenHolds } from './email-tokens.ts';
import { outboxRow, promiseWhere } from './outbox.ts';
import { apiKeys, emailTokens, oauthAccounts, sessions, users } from './schema/sqlite.ts';
import { isLive, isUnverified, takeUser } from './users.ts';

/**
 * Promises a mail with a link. It is one statement and asks for the account itself, so that it costs the same for
 * an id that is nobody's.
 */
export async function promiseLink(
  db: Database,
  kind: 'verify' | 'reset',
  userId: string,
  mail: string,
  now: number,
): Promise<void> {
  const order: MailOrder = { kind, userId };
  await db.query('mail.promise', (orm) => promiseWhere(orm, outboxRow('mail', order, now, mail), isLive(orm, userId)));
}

/** What somebody may have left in an account whose address they never proved to have: every way back in. */
export const voidUnproven = (orm: Orm, userId: string, now: number, holds: SQL) =>
  [
    orm.delete(oauthAccounts).where(and(eq(oauthAccounts.userId, userId), holds)),
    orm
      .update(apiKeys)
      .set({ revokedAt: now })
      .where(and(eq(apiKeys.userId, userId), isNull(apiKeys.revokedAt), holds)),
    orm.delete(emailTokens).where(and(eq(emailTokens.userId, userId), holds)),
  ] as const;

export const endAllSessions = (
  orm: Orm,
  userId: string,
  now: number,
  reason: 'password-reset' | 'account-claimed',
  holds: SQL,
) =>
  orm
    .update(sessions)
    .set({ revokedAt: now, endReason: reason })
    .where(and(eq(sessions.userId, userId), isNull(sessions.revokedAt), holds));

/**
 * Spends a reset: a new password, no session, and an address that is proven now. Where it was not before, whoever
 * made the account may not be who got the mail, so nothing of theirs opens it any more (hostile case 17).
 * False when the token is good for nothing.
 */
export async function resetPassword(
  db: Database,
  use: { hash: string; userId: string; email: string; verified: boolean; passwordHash: string; mail: string },
  actor: Actor,
): Promise<boolean> {
  const { userId, hash, email } = use;
  const entry = auditRow({ ...actor, actorId: userId, action: 'auth.password_reset' });
  const notice: MailOrder = { kind: 'notice', notice: 'password_reset', userId };
  const [, decision] = await db.batch('recovery.reset', (orm) => [
    takeUser(orm, userId),
    decide(
      orm,
      entry,
      and(
        emailTokenHolds(orm, { purpose: 'reset', hash, userId, email, now: actor.now }),
        use.verified ? undefined : isUnverified(orm, userId),
      ),
    ),
    endAllSessions(orm, userId, actor.now, 'password-reset', decided(orm, entry)),
    orm
      .update(users)
      .set({
        passwordHash: use.passwordHash,
        emailVerifiedAt: sql`COALESCE(${users.emailVerifiedAt}, CAST(${actor.now} AS bigint))`,
        updatedAt: actor.now,
      })
      .where(and(eq(users.id, userId), decided(orm, entry))),
    promiseWhere(orm, outboxRow('mail', notice, actor.now, use.mail), decided(orm, entry)),
    ...(use.verified
      ? [orm.delete(emailTokens).where(and(eq(emailTokens.userId, userId), decided(orm, entry)))]
      : voidUnproven(orm, userId, actor.now, decided(orm, entry))),
  ]);
  return decision.length > 0;
}
