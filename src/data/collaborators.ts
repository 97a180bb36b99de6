import { and, asc, count, eq, gt } from 'drizzle-orm';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import type { Collaborator } from '../contract/projects.ts';
import type { Database } from './database.ts';
import { UniqueViolation } from './engines/engine.ts';
import { collaborators, projects, users } from './schema/sqlite.ts';
import { iso } from './time.ts';

type MemberRole = 'editor' | 'viewer';

const person = {
  userId: users.id,
  username: users.username,
  displayName: users.displayName,
  avatarUrl: users.avatarUrl,
};

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

/** Throws `already_member` and `quota_exceeded`. */
export async function addCollaborator(
  db: Database,
  member: { projectId: string; userId: string; role: MemberRole; addedBy: string; now: number },
): Promise<void> {
  const { now, ...row } = member;
  const { projectId, userId } = member;
  const [, , refused] = await db
    .batch('collaborators.add', (orm) => [
      // Takes the project's row: whoever else adds a member waits here until this one is counted.
      orm.update(projects).set({ id: projectId }).where(eq(projects.id, projectId)),
      orm.insert(collaborators).values({ ...row, createdAt: now }),
      orm
        .delete(collaborators)
        .where(
          and(
            eq(collaborators.projectId, projectId),
            eq(collaborators.userId, userId),
            gt(
              orm.select({ n: count() }).from(collaborators).where(eq(collaborators.projectId, projectId)),
              limits.project.collaboratorsMax,
            ),
          ),
        )
        .returning({ userId: collaborators.userId }),
    ])
    .catch((error: unknown) => {
      throw error instanceof UniqueViolation ? new KilnError('already_member') : error;
    });
  if (refused.length > 0)
    throw new KilnError('quota_exceeded', {
      detail: `A project has at most ${limits.project.collaboratorsMax} members.`,
    });
}

/** False when there is no such member. */
export async function setRole(db: Database, projectId: string, userId: string, role: MemberRole): Promise<boolean> {
  const rows = await db.query('collaborators.setRole', (orm) =>
    orm
      .update(collaborators)
      .set({ role })
      .where(and(eq(collaborators.projectId, projectId), eq(collaborators.userId, userId)))
      .returning({ userId: collaborators.userId }),
  );
  return rows.length > 0;
}

/** False when there is no such member. */
export async function removeCollaborator(db: Database, projectId: string, userId: string): Promise<boolean> {
  const rows = await db.query('collaborators.remove', (orm) =>
    orm
      .delete(collaborators)
      .where(and(eq(collaborators.projectId, projectId), eq(collaborators.userId, userId)))
      .returning({ userId: collaborators.userId }),
  );
  return rows.length > 0;
}
