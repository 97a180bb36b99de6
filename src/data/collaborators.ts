import { and, asc, count, eq, isNull, lt, ne, type SQL, sql } from 'drizzle-orm';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import type { Collaborator } from '../contract/projects.ts';
import { type Actor, auditRow, decide, decided } from './audit.ts';
import { has, insertWhere } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { UniqueViolation } from './engines/engine.ts';
import { endInvites, hasRoom, isManaged, type ProjectRow, takeProject, tooManyProjects } from './projects.ts';
import { collaborators, inviteExclusions, invites, projects, users } from './schema/sqlite.ts';
import { iso } from './time.ts';
import { isLive, person, takeUser } from './users.ts';

type MemberRole = 'editor' | 'viewer';

/** The owner first, then members by id (that is, by age of their account). */
export async function listCollaborators(db: Database, projectId: string): Promise<Collaborator[]> {
  const [owner, members] = await db.batch('collaborators.list', (orm) => [
    orm
      .select({ ...person, at: projects.createdAt })
      .from(projects)
      .innerJoin(users, eq(users.id, projects.ownerId))
      .where(eq(projects.id, projectId)),
    orm
      .select({ ...person, role: collaborators.role, at: collaborators.createdAt })
      .from(collaborators)
      .innerJoin(users, eq(users.id, collaborators.userId))
      .where(eq(collaborators.projectId, projectId))
      .orderBy(asc(collaborators.userId)),
  ]);
  return [
    ...owner.map(({ at, ...who }) => ({ ...who, role: 'owner' as const, addedAt: iso(at) })),
    ...members.map(({ at, ...who }) => ({ ...who, addedAt: iso(at) })),
  ];
}

interface Member {
  readonly projectId: string;
  readonly userId: string;
}

const memberRow = ({ projectId, userId }: Member): SQL | undefined =>
  and(eq(collaborators.projectId, projectId), eq(collaborators.userId, userId));

export const isMember = (orm: Orm, member: Member, more?: SQL): SQL =>
  has(orm, collaborators, and(memberRow(member), more));

/** That the project has a place for one more member. */
export const hasPlace = (orm: Orm, projectId: string): SQL =>
  lt(
    orm.select({ n: count() }).from(collaborators).where(eq(collaborators.projectId, projectId)),
    limits.project.collaboratorsMax,
  );

export const tooManyMembers = (): KilnError =>
  new KilnError('quota_exceeded', { detail: `A project has at most ${limits.project.collaboratorsMax} members.` });

const ownerOf = (orm: Orm, projectId: string) =>
  orm.select({ ownerId: projects.ownerId }).from(projects).where(eq(projects.id, projectId));

/** Open invites that somebody may know of are not a way around what was just decided about them. */
const exclude = (orm: Orm, { projectId, userId }: Member, where: SQL | undefined) =>
  orm
    .insert(inviteExclusions)
    .select(
      orm
        .select({ inviteId: invites.id, userId: sql<string>`CAST(${userId} AS text)`.as('user_id') })
        .from(invites)
        .where(and(eq(invites.projectId, projectId), isNull(invites.revokedAt), where)),
    )
    .onConflictDoNothing();

/** Throws `already_member` and `quota_exceeded`, and `forbidden` for who owns the project no more. */
export async function addCollaborator(
  db: Database,
  member: Member & { role: MemberRole },
  actor: Actor,
): Promise<void> {
  const { projectId, userId, role } = member;
  const entry = auditRow({ ...actor, projectId, action: 'member.added', subject: `user:${userId}`, data: { role } });
  const row = { ...member, addedBy: actor.actorId ?? userId, createdAt: actor.now };
  const [, , added, [project]] = await db
    .batch('collaborators.add', (orm) => [
      takeProject(orm, projectId),
      decide(
        orm,
        entry,
        and(isManaged(orm, projectId, actor.actorId, ne(projects.ownerId, userId)), hasPlace(orm, projectId)),
      ),
      insertWhere(orm, collaborators, row, decided(orm, entry)).returning({ userId: collaborators.userId }),
      ownerOf(orm, projectId),
    ])
    .catch((error: unknown) => {
      throw error instanceof UniqueViolation ? new KilnError('already_member') : error;
    });
  if (added.length > 0) return;
  if (project?.ownerId !== actor.actorId) throw new KilnError('forbidden');
  throw project.ownerId === userId ? new KilnError('already_member') : tooManyMembers();
}

/** False when there is no such member. Throws `forbidden` for who owns the project no more. */
export async function setRole(db: Database, member: Member & { role: MemberRole }, actor: Actor): Promise<boolean> {
  const { projectId, userId, role } = member;
  const entry = auditRow({ ...actor, projectId, action: 'member.changed', subject: `user:${userId}`, data: { role } });
  const [, , , , [project], rows] = await db.batch('collaborators.setRole', (orm) => [
    takeProject(orm, projectId),
    decide(
      orm,
      entry,
      and(isManaged(orm, projectId, actor.actorId), isMember(orm, member, ne(collaborators.role, role))),
    ),
    orm
      .update(collaborators)
      .set({ role })
      .where(and(memberRow(member), decided(orm, entry))),
    // A lower role is not raised again by an invite that gives more.
    exclude(orm, member, role === 'viewer' ? and(eq(invites.role, 'editor'), decided(orm, entry)) : sql`false`),
    ownerOf(orm, projectId),
    orm.select({ userId: collaborators.userId }).from(collaborators).where(memberRow(member)),
  ]);
  if (project?.ownerId !== actor.actorId) throw new KilnError('forbidden');
  return rows.length > 0;
}

/**
 * Takes somebody out of a project: its owner does, or they do themself. False when there is no such member.
 * Throws `owner_required` for the owner, and `forbidden` for who owns the project no more.
 */
export async function removeCollaborator(db: Database, member: Member, actor: Actor): Promise<boolean> {
  const { projectId, userId } = member;
  const leaving = actor.actorId === userId;
  const entry = auditRow({ ...actor, projectId, action: 'member.removed', subject: `user:${userId}` });
  const [, , rows, , [project]] = await db.batch('collaborators.remove', (orm) => [
    takeProject(orm, projectId),
    decide(orm, entry, and(isManaged(orm, projectId, leaving ? null : actor.actorId), isMember(orm, member))),
    orm
      .delete(collaborators)
      .where(and(memberRow(member), decided(orm, entry)))
      .returning({ userId: collaborators.userId }),
    // Who left may come back by a link; who was removed may not.
    exclude(orm, member, leaving ? sql`false` : decided(orm, entry)),
    ownerOf(orm, projectId),
  ]);
  if (rows.length > 0) return true;
  if (project?.ownerId === userId) throw new KilnError('owner_required');
  if (!leaving && project?.ownerId !== actor.actorId) throw new KilnError('forbidden');
  return false;
}

/**
 * Makes a member the owner and the owner an editor, all at once; open invites die, for who made them is
 * owner no more. Throws `forbidden` for who owns the project no more, `not_found` for who is no member,
 * `conflict` in the trash and `quota_exceeded` when the member owns as many projects as they may.
 */
export async function transferProject(
  db: Database,
  { projectId, from, to }: { projectId: string; from: string; to: string },
  actor: Actor,
): Promise<ProjectRow> {
  const successor = { projectId, userId: to };
  const entry = auditRow({ ...actor, projectId, action: 'project.transferred', subject: `user:${to}` });
  const [, , , rows, , , [project], [member]] = await db.batch('collaborators.transfer', (orm) => [
    takeProject(orm, projectId),
    takeUser(orm, to),
    decide(
      orm,
      entry,
      and(
        isManaged(orm, projectId, from, isNull(projects.deletedAt)),
        isMember(orm, successor),
        isLive(orm, to),
        hasRoom(orm, to),
      ),
    ),
    orm
      .update(projects)
      .set({ ownerId: to, updatedAt: actor.now, revision: sql`${projects.revision} + 1` })
      .where(and(eq(projects.id, projectId), decided(orm, entry)))
      .returning(),
    // The place that the new owner leaves is the one that the old owner takes.
    orm
      .update(collaborators)
      .set({ userId: from, role: 'editor', addedBy: to, createdAt: actor.now })
      .where(and(memberRow(successor), decided(orm, entry))),
    endInvites(orm, projectId, actor.now, decided(orm, entry)),
    orm.select().from(projects).where(eq(projects.id, projectId)),
    orm
      .select({ userId: collaborators.userId })
      .from(collaborators)
      .where(and(memberRow(successor), isLive(orm, to))),
  ]);
  const [moved] = rows;
  if (moved) return moved;
  if (project?.ownerId !== from) throw new KilnError('forbidden');
  if (project.deletedAt !== null) throw new KilnError('conflict', { detail: 'The project is in the trash.' });
  if (!member) throw new KilnError('not_found', { detail: 'There is no such member.' });
  throw tooManyProjects('They may have at most');
}
