import { and, eq, gt, isNull, lt, type SQL } from 'drizzle-orm';
import { type Actor, auditRow, decide, decided } from './audit.ts';
import { has } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { emailTokens, users } from './schema/sqlite.ts';
import { isLive, takeUser } from './users.ts';

export type EmailPurpose = 'verify' | 'reset';

export interface NewEmailToken {
  readonly hash: string;
  readonly userId: string;
  readonly purpose: EmailPurpose;
  readonly email: string;
  readonly now: number;
  readonly ttl: number;
}

/** A token in place of every older one of its purpose. */
export async function issueEmailToken(db: Database, token: NewEmailToken): Promise<void> {
  const { hash, userId, purpose, email, now, ttl } = token;
  await db.batch('emailTokens.issue', (orm) => [
    takeUser(orm, userId),
    orm.delete(emailTokens).where(and(eq(emailTokens.userId, userId), eq(emailTokens.purpose, purpose))),
    orm.insert(emailTokens).values({ hash, userId, purpose, email, createdAt: now, expiresAt: now + ttl }),
  ]);
}

/** Whose account a token is good for; undefined for one that is not good for anything. */
export async function emailTokenOwner(
  db: Database,
  purpose: EmailPurpose,
  hash: string,
  now: number,
): Promise<{ userId: string; username: string; email: string; verified: boolean } | undefined> {
  const [found] = await db.query('emailTokens.owner', (orm) =>
    orm
      .select({
        userId: users.id,
        username: users.username,
        email: users.email,
        verifiedAt: users.emailVerifiedAt,
      })
      .from(emailTokens)
      .innerJoin(users, and(eq(users.id, emailTokens.userId), eq(users.email, emailTokens.email)))
      .where(and(eq(emailTokens.hash, hash), eq(emailTokens.purpose, purpose), gt(emailTokens.expiresAt, now))),
  );
  return found && { ...found, verified: found.verifiedAt !== null };
}

/** That the token still opens the account. */
export const emailTokenHolds = (
  orm: Orm,
  use: { purpose: EmailPurpose; hash: string; userId: string; email: string; now: number },
): SQL | undefined =>
  and(
    has(
      orm,
      emailTokens,
      and(
        eq(emailTokens.hash, use.hash),
        eq(emailTokens.purpose, use.purpose),
        eq(emailTokens.userId, use.userId),
        eq(emailTokens.email, use.email),
        gt(emailTokens.expiresAt, use.now),
      ),
    ),
    has(orm, users, and(eq(users.id, use.userId), eq(users.email, use.email))),
    isLive(orm, use.userId),
  );

/** Spends a token of verification. False when somebody else did, or it is good for nothing. */
export async function verifyEmail(
  db: Database,
  use: { hash: string; userId: string; email: string },
  actor: Actor,
): Promise<boolean> {
  const entry = auditRow({ ...actor, actorId: use.userId, action: 'auth.email_verified' });
  const [, decision] = await db.batch('emailTokens.verify', (orm) => [
    takeUser(orm, use.userId),
    decide(orm, entry, emailTokenHolds(orm, { ...use, purpose: 'verify', now: actor.now })),
    orm
      .update(users)
      .set({ emailVerifiedAt: actor.now, updatedAt: actor.now })
      .where(and(eq(users.id, use.userId), isNull(users.emailVerifiedAt), decided(orm, entry))),
    orm
      .delete(emailTokens)
      .where(and(eq(emailTokens.userId, use.userId), eq(emailTokens.purpose, 'verify'), decided(orm, entry))),
  ]);
  return decision.length > 0;
}

/** Removes tokens that have expired. Returns how many. */
export async function expireEmailTokens(db: Database, now: number): Promise<number> {
  const gone = await db.query('emailTokens.expire', (orm) =>
    orm.delete(emailTokens).where(lt(emailTokens.expiresAt, now)).returning({ hash: emailTokens.hash }),
  );
  return gone.length;
}
