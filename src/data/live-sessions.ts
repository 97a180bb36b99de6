import { and, desc, eq, gt, inArray, isNull, ne, type SQL } from 'drizzle-orm';
import type { SessionInfo } from '../contract/accounts.ts';
import { limits } from '../contract/limits.ts';
import { type Actor, auditRow, decide } from './audit.ts';
import { has } from './conditional.ts';
import type { Database } from './database.ts';
import type { SessionEnd } from './schema/define.ts';
import { sessions } from './schema/sqlite.ts';
import { iso } from './time.ts';

/**
 * Sessions of a user that are neither revoked nor over. One that was not used for its idle limit is in
 * none of them: nothing can rotate it any more.
 */
const live = (userId: string, now: number): SQL | undefined =>
  and(
    eq(sessions.userId, userId),
    isNull(sessions.revokedAt),
    gt(sessions.expiresAt, now),
    gt(sessions.lastUsedAt, now - limits.auth.refreshTokenTtl),
  );

/** Where somebody is signed in, last used first. */
export async function listSessions(
  db: Database,
  userId: string,
  current: string | null,
  now: number,
): Promise<SessionInfo[]> {
  const rows = await db.query('sessions.list', (orm) =>
    orm
      .select()
      .from(sessions)
      .where(live(userId, now))
      .orderBy(desc(sessions.lastUsedAt), desc(sessions.id))
      .limit(limits.auth.sessionsShown),
  );
  return rows.map((row) => ({
    id: row.id,
    userAgent: row.userAgent,
    createdAt: iso(row.createdAt),
    lastUsedAt: iso(row.lastUsedAt),
    expiresAt: iso(row.expiresAt),
    current: row.id === current,
  }));
}

/** Which sessions of a user end: one, all, or all but one. */
export type SessionChoice = { readonly only: string } | { readonly except: string } | 'all';

const chosen = (choice: SessionChoice): SQL | undefined => {
  if (choice === 'all') return undefined;
  return 'only' in choice ? eq(sessions.id, choice.only) : ne(sessions.id, choice.except);
};

/**
 * Ends sessions of a user, with an entry in the audit log where there was one to end. Returns the ids
 * of those that ended now.
 */
export async function endSessions(
  db: Database,
  userId: string,
  choice: SessionChoice,
  reason: SessionEnd,
  actor: Actor,
): Promise<string[]> {
  const row = auditRow({
    ...actor,
    action: 'auth.session_revoked',
    subject: typeof choice === 'object' && 'only' in choice ? `session:${choice.only}` : `user:${userId}`,
    data: { reason },
  });
  // The user is the account's own log, whoever acted on it.
  const entry = { ...row, actorId: userId, data: { reason, byOperator: actor.actorId === null } };
  const where = and(eq(sessions.userId, userId), isNull(sessions.revokedAt), chosen(choice));
  const [, ended] = await db.batch('sessions.end', (orm) => [
    decide(orm, entry, has(orm, sessions, where)),
    orm.update(sessions).set({ revokedAt: actor.now, endReason: reason }).where(where).returning({ id: sessions.id }),
  ]);
  return ended.map(({ id }) => id);
}

/** Which of these sessions are over; one that nobody knows is over. At most as many as D1 binds parameters. */
async function endedOf(db: Database, ids: readonly string[], now: number): Promise<string[]> {
  const good = await db.query('sessions.good', (orm) =>
    orm
      .select({ id: sessions.id })
      .from(sessions)
      .where(and(inArray(sessions.id, [...ids]), isNull(sessions.revokedAt), gt(sessions.expiresAt, now))),
  );
  const known = new Set(good.map(({ id }) => id));
  return ids.filter((id) => !known.has(id));
}

export async function endedSessions(db: Database, ids: readonly string[], now: number): Promise<Set<string>> {
  const ended = new Set<string>();
  for (let start = 0; start < ids.length; start += limits.database.listValues)
    for (const id of await endedOf(db, ids.slice(start, start + limits.database.listValues), now)) ended.add(id);
  return ended;
}
