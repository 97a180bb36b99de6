import { and, asc, desc, eq, gt, inArray, isNotNull, isNull, lte, or, type SQL } from 'drizzle-orm';
import type { AccountExport } from '../contract/accounts.ts';
import { limits } from '../contract/limits.ts';
import { type Actor, auditRow, decide, decided } from './audit.ts';
import { has } from './conditional.ts';
import type { Database } from './database.ts';
import {
  apiKeys,
  auditLog,
  builds,
  collaborators,
  emailTokens,
  idempotencyKeys,
  inviteExclusions,
  invites,
  oauthAccounts,
  oauthFlows,
  projects,
  refreshTokens,
  sessions,
  templates,
  users,
} from './schema/sqlite.ts';
import { iso } from './time.ts';

export type AccountRow = typeof users.$inferSelect;

export type AccountState = 'active' | 'disabled' | 'deleted';

export const stateOf = (row: Pick<AccountRow, 'disabledAt' | 'deletedAt'>): AccountState => {
  if (row.disabledAt !== null) return 'disabled';
  return row.deletedAt === null ? 'active' : 'deleted';
};

/** An account in whatever state it is: who signs in may be disabled, or come back from a deletion. */
export async function accountBy(
  db: Database,
  by: { readonly id: string } | { readonly email: string } | { readonly username: string },
): Promise<AccountRow | undefined> {
  const where =
    'id' in by
      ? eq(users.id, by.id)
      : 'email' in by
        ? eq(users.email, by.email.trim().toLowerCase())
        : eq(users.usernameFold, by.username.toLowerCase());
  return (await db.query('accounts.by', (orm) => orm.select().from(users).where(where)))[0];
}

/** A change of an account's row with its entry in the account's own log, where `holds`. Returns whether it was made. */
async function change(
  db: Database,
  name: string,
  account: { id: string; holds: SQL | undefined; set: Partial<AccountRow> },
  entry: Actor & { action: string; data?: Record<string, unknown> },
): Promise<boolean> {
  const byOperator = entry.actorId === null;
  const row = { ...auditRow({ ...entry, subject: `user:${account.id}` }), actorId: account.id };
  const audited = byOperator ? { ...row, data: { ...row.data, byOperator } } : row;
  const [made] = await db.batch(name, (orm) => [
    decide(orm, audited, has(orm, users, and(eq(users.id, account.id), account.holds))),
    orm
      .update(users)
      .set({ ...account.set, updatedAt: entry.now })
      .where(and(eq(users.id, account.id), decided(orm, audited))),
  ]);
  return made.length > 0;
}

/** Sets a password, where the one that was checked is still there. */
export const setPassword = (
  db: Database,
  account: { id: string; before: string | null; passwordHash: string },
  actor: Actor,
): Promise<boolean> =>
  change(
    db,
    'accounts.setPassword',
    {
      id: account.id,
      holds: account.before === null ? isNull(users.passwordHash) : eq(users.passwordHash, account.before),
      set: { passwordHash: account.passwordHash },
    },
    { ...actor, action: 'auth.password_changed' },
  );

/** The same password under today's parameters; nothing to tell anybody. */
export async function rehashPassword(
  db: Database,
  account: { id: string; before: string; passwordHash: string },
): Promise<void> {
  await db.query('accounts.rehash', (orm) =>
    orm
      .update(users)
      .set({ passwordHash: account.passwordHash })
      .where(and(eq(users.id, account.id), eq(users.passwordHash, account.before))),
  );
}

export const disableAccount = (db: Database, id: string, actor: Actor, reason?: string): Promise<boolean> =>
  change(
    db,
    'accounts.disable',
    { id, holds: isNull(users.disabledAt), set: { disabledAt: actor.now } },
    { ...actor, action: 'auth.account_disabled', data: reason === undefined ? {} : { reason } },
  );

export const enableAccount = (db: Database, id: string, actor: Actor, reason?: string): Promise<boolean> =>
  change(
    db,
    'accounts.enable',
    { id, holds: isNotNull(users.disabledAt), set: { disabledAt: null } },
    { ...actor, action: 'auth.account_enabled', data: reason === undefined ? {} : { reason } },
  );

export const requestDeletion = (db: Database, id: string, actor: Actor): Promise<boolean> =>
  change(
    db,
    'accounts.requestDeletion',
    { id, holds: isNull(users.deletedAt), set: { deletedAt: actor.now } },
    { ...actor, action: 'auth.deletion_requested' },
  );

/** False when its grace is over: then the sweep is erasing it. */
export const undoDeletion = (db: Database, id: string, actor: Actor): Promise<boolean> =>
  change(
    db,
    'accounts.undoDeletion',
    {
      id,
      holds: gt(users.deletedAt, actor.now - limits.account.deletionGrace),
      set: { deletedAt: null },
    },
    { ...actor, action: 'auth.deletion_undone' },
  );

/** Everything that is kept of one person, but for sessions and keys. */
export async function exportAccount(
  db: Database,
  id: string,
): Promise<Pick<AccountExport, 'providers' | 'projects' | 'builds' | 'activity' | 'truncated'>> {
  const most = limits.account.exportRows;
  const [providers, own, shared, built, acted] = await db.batch('accounts.export', (orm) => [
    orm.select().from(oauthAccounts).where(eq(oauthAccounts.userId, id)),
    orm
      .select()
      .from(projects)
      .where(and(eq(projects.ownerId, id), eq(projects.state, 'ready')))
      .orderBy(desc(projects.id))
      .limit(most + 1),
    orm
      .select({ project: projects, role: collaborators.role })
      .from(collaborators)
      .innerJoin(projects, eq(projects.id, collaborators.projectId))
      .where(and(eq(collaborators.userId, id), eq(projects.state, 'ready'), isNull(projects.deletedAt)))
      .orderBy(desc(projects.id))
      .limit(most + 1),
    orm
      .select()
      .from(builds)
      .where(eq(builds.userId, id))
      .orderBy(desc(builds.id))
      .limit(most + 1),
    orm
      .select()
      .from(auditLog)
      .where(eq(auditLog.actorId, id))
      .orderBy(desc(auditLog.id))
      .limit(most + 1),
  ]);
  const all = [
    ...own.map((project) => ({ project, role: 'owner' as const })),
    ...shared.map(({ project, role }) => ({ project, role })),
  ];
  return {
    providers: providers.map(({ provider, email, createdAt }) => ({ provider, email, linkedAt: iso(createdAt) })),
    projects: all.slice(0, most).map(({ project, role }) => ({
      id: project.id,
      name: project.name,
      description: project.description,
      role,
      createdAt: iso(project.createdAt),
      exportUrl: `/api/projects/${project.id}/export`,
    })),
    builds: built.slice(0, most).map(({ id: build, projectId, target, status, createdAt }) => ({
      id: build,
      projectId,
      target,
      status,
      createdAt: iso(createdAt),
    })),
    activity: acted.slice(0, most).map(({ at, action, projectId, subject, data }) => ({
      at: iso(at),
      action,
      projectId,
      subject,
      data: data as AccountExport['activity'][number]['data'],
    })),
    truncated: [all, built, acted].some((rows) => rows.length > most),
  };
}

/** Accounts whose grace is over, oldest first. */
export async function expiredAccounts(
  db: Database,
  now: number,
  limit: number,
): Promise<{ id: string; email: string }[]> {
  return await db.query('accounts.expired', (orm) =>
    orm
      .select({ id: users.id, email: users.email })
      .from(users)
      .where(lte(users.deletedAt, now - limits.account.deletionGrace))
      .orderBy(asc(users.deletedAt))
      .limit(limit),
  );
}

/** Projects that somebody owns, the half-made and half-erased ones included, and who could own each next: editors, the oldest first. */
export async function ownedProjects(db: Database, id: string): Promise<{ id: string; editors: string[] }[]> {
  const [owned, editors] = await db.batch('accounts.ownedProjects', (orm) => [
    orm.select({ id: projects.id }).from(projects).where(eq(projects.ownerId, id)),
    orm
      .select({ projectId: collaborators.projectId, userId: collaborators.userId })
      .from(collaborators)
      .innerJoin(projects, eq(projects.id, collaborators.projectId))
      .where(and(eq(projects.ownerId, id), eq(collaborators.role, 'editor')))
      .orderBy(asc(collaborators.createdAt), asc(collaborators.userId)),
  ]);
  const byProject = Map.groupBy(editors, ({ projectId }) => projectId);
  return owned.map((project) => ({
    id: project.id,
    editors: (byProject.get(project.id) ?? []).map(({ userId }) => userId),
  }));
}

/**
 * The last step of erasing an account: every row that is its own. What it did in projects of others stays in
 * their logs under an id that names nobody any more.
 */
export async function eraseAccountRows(db: Database, { id, email }: { id: string; email: string }): Promise<void> {
  await db.batch('accounts.erase', (orm) => [
    orm
      .delete(refreshTokens)
      .where(
        inArray(refreshTokens.sessionId, orm.select({ id: sessions.id }).from(sessions).where(eq(sessions.userId, id))),
      ),
    orm.delete(sessions).where(eq(sessions.userId, id)),
    orm.delete(apiKeys).where(eq(apiKeys.userId, id)),
    orm.delete(oauthAccounts).where(eq(oauthAccounts.userId, id)),
    orm.delete(oauthFlows).where(eq(oauthFlows.userId, id)),
    orm.delete(emailTokens).where(eq(emailTokens.userId, id)),
    orm.delete(idempotencyKeys).where(eq(idempotencyKeys.userId, id)),
    orm.delete(inviteExclusions).where(eq(inviteExclusions.userId, id)),
    orm.delete(invites).where(or(eq(invites.invitedBy, id), eq(invites.email, email))),
    orm.delete(collaborators).where(eq(collaborators.userId, id)),
    orm.update(templates).set({ authorId: null, author: 'a former user' }).where(eq(templates.authorId, id)),
    orm.delete(auditLog).where(and(eq(auditLog.actorId, id), isNull(auditLog.projectId))),
    orm.delete(users).where(eq(users.id, id)),
  ]);
}
