import { and, asc, count, desc, eq, gt, inArray, isNull, lt, ne, not, or, type SQL, sql } from 'drizzle-orm';
import { KilnError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import { limits } from '../contract/limits.ts';
import type { Invite } from '../contract/sharing.ts';
import type { Person } from '../contract/users.ts';
import type { InviteFacts } from '../core/invites.ts';
import { type Actor, auditRow, decide, decided } from './audit.ts';
import { hasPlace, isMember } from './collaborators.ts';
import { has, insertWhere } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { isManaged, takeProject } from './projects.ts';
import { collaborators, inviteExclusions, invites, projects, users } from './schema/sqlite.ts';
import { iso } from './time.ts';
import { person } from './users.ts';

export type InviteRow = typeof invites.$inferSelect;

/** The invite as the owner sees it. The token is nowhere any more. */
export const toInvite = (row: InviteRow): Invite => ({
  id: row.id,
  kind: row.email === null ? 'link' : 'addressed',
  role: row.role,
  email: row.email,
  uses: row.uses,
  maxUses: row.maxUses,
  createdAt: iso(row.createdAt),
  expiresAt: iso(row.expiresAt),
});

/** What can still be used of a project's invites. */
const open = (projectId: string, now: number): SQL | undefined =>
  and(
    eq(invites.projectId, projectId),
    isNull(invites.revokedAt),
    gt(invites.expiresAt, now),
    lt(invites.uses, invites.maxUses),
  );

/** Newest first. */
export async function listInvites(db: Database, projectId: string, now: number): Promise<InviteRow[]> {
  return await db.query('invites.list', (orm) =>
    orm.select().from(invites).where(open(projectId, now)).orderBy(desc(invites.id)),
  );
}

export interface NewInvite {
  readonly projectId: string;
  /** SHA-256 of the token. */
  readonly hash: string;
  readonly role: 'editor' | 'viewer';
  readonly email: string | null;
  readonly maxUses: number;
  readonly expiresAt: number;
}

/** Throws `quota_exceeded` when as many are open as may be, and `forbidden` for who owns the project no more. */
export async function createInvite(
  db: Database,
  invite: NewInvite,
  actor: Actor & { actorId: string },
): Promise<InviteRow> {
  const { projectId, role, email, maxUses } = invite;
  const row = { ...invite, id: newId(), uses: 0, invitedBy: actor.actorId, createdAt: actor.now, revokedAt: null };
  const entry = auditRow({
    ...actor,
    projectId,
    action: 'invite.created',
    subject: `invite:${row.id}`,
    data: { kind: email === null ? 'link' : 'addressed', role, maxUses },
  });
  const [, , made, [owned]] = await db.batch('invites.create', (orm) => [
    takeProject(orm, projectId),
    decide(
      orm,
      entry,
      and(
        isManaged(orm, projectId, actor.actorId, isNull(projects.deletedAt)),
        lt(orm.select({ n: count() }).from(invites).where(open(projectId, actor.now)), limits.invite.openMax),
      ),
    ),
    insertWhere(orm, invites, row, decided(orm, entry)).returning({ id: invites.id }),
    orm
      .select({ id: projects.id })
      .from(projects)
      .where(and(eq(projects.id, projectId), eq(projects.ownerId, actor.actorId))),
  ]);
  if (made.length > 0) return row;
  if (!owned) throw new KilnError('forbidden');
  throw new KilnError('quota_exceeded', { detail: `At most ${limits.invite.openMax} invites may be open at a time.` });
}

/** False when the project has no such invite. */
export async function withdrawInvite(db: Database, projectId: string, id: string, actor: Actor): Promise<boolean> {
  const entry = auditRow({ ...actor, projectId, action: 'invite.withdrawn', subject: `invite:${id}` });
  const standing = and(eq(invites.id, id), eq(invites.projectId, projectId), isNull(invites.revokedAt));
  const [, , rows] = await db.batch('invites.withdraw', (orm) => [
    takeProject(orm, projectId),
    decide(orm, entry, and(isManaged(orm, projectId, actor.actorId), has(orm, invites, standing))),
    orm
      .update(invites)
      .set({ revokedAt: actor.now })
      .where(and(standing, decided(orm, entry)))
      .returning({ id: invites.id }),
  ]);
  return rows.length > 0;
}

/** An invite by its token's hash, with all that decides what it is worth to a reader. */
export async function inviteFacts(
  db: Database,
  hash: string,
  readerId: string,
): Promise<(InviteFacts & { invite: InviteRow; project: { id: string; name: string }; inviter: Person }) | undefined> {
  const [found] = await db.query('invites.facts', (orm) =>
    orm
      .select({
        invite: invites,
        project: projects,
        inviter: person,
        membership: collaborators.role,
        excluded: inviteExclusions.userId,
      })
      .from(invites)
      .innerJoin(projects, eq(projects.id, invites.projectId))
      .innerJoin(users, eq(users.id, invites.invitedBy))
      .leftJoin(collaborators, and(eq(collaborators.projectId, invites.projectId), eq(collaborators.userId, readerId)))
      .leftJoin(inviteExclusions, and(eq(inviteExclusions.inviteId, invites.id), eq(inviteExclusions.userId, readerId)))
      .where(eq(invites.hash, hash)),
  );
  return found && { ...found, excluded: found.excluded !== null };
}

/** Whether the invite is `open` to the reader, as `worthOf` says it, at the moment of the batch. */
const isOpenTo = (orm: Orm, invite: InviteRow, reader: { id: string; email: string }, now: number): SQL | undefined => {
  const { id, projectId, role, invitedBy } = invite;
  const me = { projectId, userId: reader.id };
  return and(
    has(
      orm,
      invites,
      and(eq(invites.id, id), open(projectId, now), or(isNull(invites.email), eq(invites.email, reader.email))),
    ),
    isManaged(orm, projectId, invitedBy, and(isNull(projects.deletedAt), ne(projects.ownerId, reader.id))),
    not(has(orm, inviteExclusions, and(eq(inviteExclusions.inviteId, id), eq(inviteExclusions.userId, reader.id)))),
    or(
      and(not(isMember(orm, me)), hasPlace(orm, projectId)),
      role === 'editor' ? isMember(orm, me, eq(collaborators.role, 'viewer')) : undefined,
    ),
  );
};

/** Spends one use and makes the reader a member, or a viewer an editor; false, and nothing spent, where the invite is not open to them. */
export async function acceptInvite(
  db: Database,
  invite: InviteRow,
  reader: { readonly id: string; readonly email: string },
  actor: Actor,
): Promise<boolean> {
  const { id, projectId, role } = invite;
  const entry = auditRow({ ...actor, projectId, action: 'invite.accepted', subject: `invite:${id}`, data: { role } });
  const member = { projectId, userId: reader.id, role, addedBy: invite.invitedBy, createdAt: actor.now };
  const [, accepted] = await db.batch('invites.accept', (orm) => [
    takeProject(orm, projectId),
    decide(orm, entry, isOpenTo(orm, invite, reader, actor.now)),
    orm
      .update(invites)
      .set({ uses: sql`${invites.uses} + 1` })
      .where(and(eq(invites.id, id), decided(orm, entry))),
    insertWhere(orm, collaborators, member, decided(orm, entry)).onConflictDoUpdate({
      target: [collaborators.projectId, collaborators.userId],
      set: { role },
    }),
  ]);
  return accepted.length > 0;
}

/** Removes invites that ended before `before`, oldest first. Returns how many. */
export async function expireInvites(db: Database, before: number, limit: number): Promise<number> {
  const ended = (orm: Orm) =>
    orm
      .select({ id: invites.id })
      .from(invites)
      .where(lt(invites.expiresAt, before))
      .orderBy(asc(invites.expiresAt), asc(invites.id))
      .limit(limit);
  const [, rows] = await db.batch('invites.expire', (orm) => [
    orm.delete(inviteExclusions).where(inArray(inviteExclusions.inviteId, ended(orm))),
    orm
      .delete(invites)
      .where(inArray(invites.id, ended(orm)))
      .returning({ id: invites.id }),
  ]);
  return rows.length;
}
