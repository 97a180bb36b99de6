import { and, asc, eq, gt, isNotNull, isNull, ne, not, or, type SQL, sql } from 'drizzle-orm';
import { KilnError } from '../contract/errors.ts';
import { type Identity, Provider } from '../contract/oauth.ts';
import type { MailOrder } from '../core/mail.ts';
import { type Actor, auditRow, decide, decided } from './audit.ts';
import { has, insertWhere } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { UniqueViolation } from './engines/engine.ts';
import { outboxRow, promiseWhere } from './outbox.ts';
import { endAllSessions, voidUnproven } from './recovery.ts';
import { auditLog, oauthAccounts, sessions, users } from './schema/sqlite.ts';
import { iso } from './time.ts';
import { isLive, isUnverified, type NewUser, newUserRow, refuseTaken, takeUser, type UserRow } from './users.ts';

/** Whom a provider says that it has let in. The subject alone says who that is; the address may change hands. */
export interface ProvenIdentity {
  readonly provider: Provider;
  readonly subject: string;
  readonly email: string | null;
  readonly emailVerified: boolean;
}

/** What becomes of an attempt to link: another one may have been there first. */
export type LinkOutcome = 'linked' | 'overtaken';

const rowOf = ({ provider, subject, email, emailVerified }: ProvenIdentity, userId: string, now: number) => ({
  provider,
  subject,
  userId,
  email,
  emailVerified,
  createdAt: now,
});

const linkOf = (userId: string, provider: Provider): SQL | undefined =>
  and(eq(oauthAccounts.userId, userId), eq(oauthAccounts.provider, provider));

/** The account that an identity opens, whatever state it is in. */
export async function identityOwner(
  db: Database,
  { provider, subject }: Pick<ProvenIdentity, 'provider' | 'subject'>,
): Promise<UserRow | undefined> {
  const [found] = await db.query('identities.owner', (orm) =>
    orm
      .select({ user: users })
      .from(oauthAccounts)
      .innerJoin(users, eq(users.id, oauthAccounts.userId))
      .where(and(eq(oauthAccounts.provider, provider), eq(oauthAccounts.subject, subject))),
  );
  return found?.user;
}

/** Ways into an account. */
export async function waysIn(db: Database, userId: string): Promise<{ identities: Identity[]; hasPassword: boolean }> {
  const [links, [user]] = await db.batch('identities.list', (orm) => [
    orm.select().from(oauthAccounts).where(eq(oauthAccounts.userId, userId)).orderBy(asc(oauthAccounts.provider)),
    orm.select({ passwordHash: users.passwordHash }).from(users).where(eq(users.id, userId)),
  ]);
  return {
    identities: links.map(({ provider, email, createdAt }) => ({
      provider: Provider.parse(provider),
      email,
      linkedAt: iso(createdAt),
    })),
    hasPassword: typeof user?.passwordHash === 'string',
  };
}

/** What an identity with a verified address makes, where nobody has it. Throws `email_taken`, `username_taken`, or `conflict` where the identity has an account by now. */
export async function createUserOf(
  db: Database,
  identity: ProvenIdentity,
  user: Omit<NewUser, 'passwordHash'>,
  requestId: string,
): Promise<UserRow> {
  const row: UserRow = { ...newUserRow({ ...user, passwordHash: null }), emailVerifiedAt: user.now };
  const { provider } = identity;
  const entry = auditRow({
    actorId: row.id,
    action: 'auth.registered',
    data: { provider },
    requestId,
    now: user.now,
  });
  await db
    .batch('identities.createUser', (orm) => [
      orm.insert(users).values(row),
      orm.insert(oauthAccounts).values(rowOf(identity, row.id, user.now)),
      orm.insert(auditLog).values(entry),
    ])
    .catch((error: unknown) => {
      if (error instanceof UniqueViolation && error.columns.some((column) => column.endsWith('.subject')))
        throw new KilnError('conflict', { detail: 'The same sign-in has just made this account.', cause: error });
      refuseTaken(error);
    });
  return row;
}

/** Links in one batch what may be linked at that moment, with its entry and its notice. */
async function link(
  db: Database,
  identity: ProvenIdentity,
  userId: string,
  actor: Actor,
  mail: string,
  holds: (orm: Orm) => SQL | undefined,
): Promise<LinkOutcome> {
  const { provider } = identity;
  const entry = auditRow({ ...actor, actorId: userId, action: 'auth.provider_linked', data: { provider } });
  const notice: MailOrder = { kind: 'notice', notice: 'provider_linked', provider, userId };
  const [, decision] = await db.batch('identities.link', (orm) => [
    takeUser(orm, userId),
    decide(orm, entry, holds(orm)),
    insertWhere(orm, oauthAccounts, rowOf(identity, userId, actor.now), decided(orm, entry)),
    promiseWhere(orm, outboxRow('mail', notice, actor.now, mail), decided(orm, entry)),
  ]);
  return decision.length > 0 ? 'linked' : 'overtaken';
}

/** Joins an identity to the account whose address both sides have verified. */
export const joinAccount = (db: Database, identity: ProvenIdentity, user: UserRow, actor: Actor, mail: string) =>
  link(db, identity, user.id, actor, mail, (orm) =>
    has(orm, users, and(eq(users.id, user.id), eq(users.email, user.email), isNotNull(users.emailVerifiedAt))),
  ).catch((error: unknown): LinkOutcome => {
    // The account has another sign-in of this provider, or somebody was faster: looked at again, it is one or the other.
    if (error instanceof UniqueViolation) return 'overtaken';
    throw error;
  });

/** Links an identity to who is signed in. Throws `identity_taken` or `already_linked`. */
export const linkIdentity = (
  db: Database,
  identity: ProvenIdentity,
  flow: { userId: string; sessionId: string },
  actor: Actor,
  mail: string,
) =>
  link(db, identity, flow.userId, actor, mail, (orm) =>
    and(
      isLive(orm, flow.userId),
      has(
        orm,
        sessions,
        and(
          eq(sessions.id, flow.sessionId),
          eq(sessions.userId, flow.userId),
          isNull(sessions.revokedAt),
          gt(sessions.expiresAt, actor.now),
        ),
      ),
    ),
  ).catch((error: unknown): never => {
    if (!(error instanceof UniqueViolation)) throw error;
    throw new KilnError(
      error.columns.some((column) => column.endsWith('user_id')) ? 'already_linked' : 'identity_taken',
    );
  });

/**
 * Gives an account whose address was never verified to who has proved to have it. Whatever its maker may have left
 * there opens nothing any more (hostile case 17). False when somebody verified or took it meanwhile.
 */
export async function claimAccount(
  db: Database,
  identity: ProvenIdentity,
  user: UserRow,
  actor: Actor,
  mail: string,
): Promise<boolean> {
  const { provider } = identity;
  const entry = auditRow({ ...actor, actorId: user.id, action: 'auth.account_claimed', data: { provider } });
  const notice: MailOrder = { kind: 'notice', notice: 'account_claimed', provider, userId: user.id };
  const [, decision] = await db.batch('identities.claim', (orm) => [
    takeUser(orm, user.id),
    decide(
      orm,
      entry,
      and(
        isUnverified(orm, user.id),
        has(orm, users, and(eq(users.id, user.id), eq(users.email, user.email))),
        not(
          has(
            orm,
            oauthAccounts,
            and(eq(oauthAccounts.provider, provider), eq(oauthAccounts.subject, identity.subject)),
          ),
        ),
      ),
    ),
    endAllSessions(orm, user.id, actor.now, 'account-claimed', decided(orm, entry)),
    orm
      .update(users)
      .set({ passwordHash: null, emailVerifiedAt: actor.now, updatedAt: actor.now })
      .where(and(eq(users.id, user.id), decided(orm, entry))),
    ...voidUnproven(orm, user.id, actor.now, decided(orm, entry)),
    insertWhere(orm, oauthAccounts, rowOf(identity, user.id, actor.now), decided(orm, entry)),
    promiseWhere(orm, outboxRow('mail', notice, actor.now, mail), decided(orm, entry)),
  ]);
  return decision.length > 0;
}

/** Throws `not_found`, or `last_way_in` where nothing else opens the account. */
export async function unlinkIdentity(
  db: Database,
  userId: string,
  provider: Provider,
  actor: Actor,
  mail: string,
): Promise<void> {
  const entry = auditRow({ ...actor, actorId: userId, action: 'auth.provider_unlinked', data: { provider } });
  const notice: MailOrder = { kind: 'notice', notice: 'provider_unlinked', provider, userId };
  const [, , gone, left] = await db.batch('identities.unlink', (orm) => [
    takeUser(orm, userId),
    decide(
      orm,
      entry,
      and(
        has(orm, oauthAccounts, linkOf(userId, provider)),
        or(
          has(orm, users, and(eq(users.id, userId), isNotNull(users.passwordHash))),
          has(orm, oauthAccounts, and(eq(oauthAccounts.userId, userId), ne(oauthAccounts.provider, provider))),
        ),
      ),
    ),
    orm
      .delete(oauthAccounts)
      .where(and(linkOf(userId, provider), decided(orm, entry)))
      .returning({ provider: oauthAccounts.provider }),
    orm.select({ one: sql<number>`1` }).from(oauthAccounts).where(linkOf(userId, provider)),
    promiseWhere(orm, outboxRow('mail', notice, actor.now, mail), decided(orm, entry)),
  ]);
  if (gone.length === 0) throw new KilnError(left.length > 0 ? 'last_way_in' : 'not_found');
}
