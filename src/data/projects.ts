import { and, asc, desc, eq, gt, inArray, isNotNull, isNull, lt, ne, or, type SQL, sql } from 'drizzle-orm';
import type { Access, Project, ProjectQuery, UpdateProject } from '../contract/projects.ts';
import { accessOf } from '../core/permissions.ts';
import { decodeCursor, page } from './cursor.ts';
import type { Database } from './database.ts';
import { foldCase } from './dialects/dialect.ts';
import { builds, collaborators, invites, projectFiles, projects, publications } from './schema/sqlite.ts';
import { iso, isoOrNull } from './time.ts';

export type ProjectRow = typeof projects.$inferSelect;

/** The project as the API shows it to a caller. */
export const toProject = (row: ProjectRow, role: Access): Project => ({
  id: row.id,
  name: row.name,
  description: row.description,
  ownerId: row.ownerId,
  isPublic: row.isPublic,
  thumbnailUrl: row.thumbnailUrl,
  settings: row.settings as Project['settings'],
  role,
  fileCount: row.fileCount,
  totalSize: row.totalSize,
  forkedFrom: row.forkedFrom,
  forkedCheckpointId: row.forkedCheckpoint,
  createdAt: iso(row.createdAt),
  updatedAt: iso(row.updatedAt),
  deletedAt: isoOrNull(row.deletedAt),
});

export interface NewProject {
  readonly id: string;
  readonly ownerId: string;
  readonly name: string;
  readonly description: string;
  readonly isPublic: boolean;
  readonly settings: Record<string, unknown>;
  readonly templateId: string | null;
  readonly forkedFrom: string | null;
  readonly forkedCheckpoint: string | null;
  readonly now: number;
}

/** The row in state `creating`: nobody sees it until `markReady`, and the sweep undoes it when that never comes. */
export async function createProject(db: Database, project: NewProject): Promise<void> {
  const { now, ...fields } = project;
  await db.query('projects.create', (orm) =>
    orm.insert(projects).values({
      ...fields,
      thumbnailUrl: null,
      state: 'creating',
      revision: 1,
      fileCount: 0,
      totalSize: 0,
      treeHash: null,
      createdAt: now,
      updatedAt: now,
      deletedAt: null,
    }),
  );
}

export async function markReady(
  db: Database,
  id: string,
  tree: { fileCount: number; totalSize: number; treeHash: string },
): Promise<ProjectRow | undefined> {
  const rows = await db.query('projects.markReady', (orm) =>
    orm
      .update(projects)
      .set({ state: 'ready', ...tree })
      .where(and(eq(projects.id, id), eq(projects.state, 'creating')))
      .returning(),
  );
  return rows[0];
}

/** A project that is ready, and how somebody sees it. Trashed projects are there for their owner only. */
export async function projectAccess(
  db: Database,
  id: string,
  userId: string,
): Promise<{ row: ProjectRow; access: Access } | null> {
  const found = (
    await db.query('projects.access', (orm) =>
      orm
        .select({ row: projects, role: collaborators.role })
        .from(projects)
        .leftJoin(collaborators, and(eq(collaborators.projectId, projects.id), eq(collaborators.userId, userId)))
        .where(and(eq(projects.id, id), eq(projects.state, 'ready'))),
    )
  )[0];
  if (!found) return null;
  const access = accessOf(userId, found.row, found.role);
  if (!access || (found.row.deletedAt !== null && access !== 'owner')) return null;
  return { row: found.row, access };
}

/** Whatever state it is in. */
export async function projectById(db: Database, id: string): Promise<ProjectRow | undefined> {
  return (await db.query('projects.byId', (orm) => orm.select().from(projects).where(eq(projects.id, id))))[0];
}

/** How each of some people sees a project, in one question. */
export async function projectAccessOfAll(
  db: Database,
  id: string,
  userIds: readonly string[],
): Promise<Map<string, Access>> {
  const [[project], members] = await db.batch('projects.accessOfAll', (orm) => [
    orm
      .select()
      .from(projects)
      .where(and(eq(projects.id, id), eq(projects.state, 'ready'))),
    orm
      .select({ userId: collaborators.userId, role: collaborators.role })
      .from(collaborators)
      .where(eq(collaborators.projectId, id)),
  ]);
  const roles = new Map(members.map(({ userId, role }) => [userId, role]));
  const seen = new Map<string, Access>();
  for (const userId of project ? userIds : []) {
    const access = accessOf(userId, project as ProjectRow, roles.get(userId) ?? null);
    if (access && (project?.deletedAt === null || access === 'owner')) seen.set(userId, access);
  }
  return seen;
}

/** Own and shared projects of a user, one page. */
export async function listProjects(
  db: Database,
  userId: string,
  query: ProjectQuery,
): Promise<{ projects: Project[]; nextCursor: string | null }> {
  const column = { updatedAt: projects.updatedAt, createdAt: projects.createdAt, name: projects.name }[query.sort];
  const descending = query.sort !== 'name';
  const filters: (SQL | undefined)[] = [
    eq(projects.state, 'ready'),
    query.trashed ? and(isNotNull(projects.deletedAt), eq(projects.ownerId, userId)) : isNull(projects.deletedAt),
    query.role === 'owner'
      ? eq(projects.ownerId, userId)
      : query.role
        ? and(ne(projects.ownerId, userId), eq(collaborators.role, query.role))
        : or(eq(projects.ownerId, userId), isNotNull(collaborators.userId)),
    query.q ? db.dialect.contains(sql`lower(${projects.name})`, foldCase(query.q)) : undefined,
  ];
  if (query.cursor) {
    const { value, id } = decodeCursor(query.cursor, query.sort === 'name' ? 'string' : 'number');
    const beyond = descending ? lt : gt;
    filters.push(or(beyond(column, value), and(eq(column, value), beyond(projects.id, id))));
  }
  const order = descending ? desc : asc;
  const rows = await db.query('projects.list', (orm) =>
    orm
      .select({ row: projects, role: collaborators.role })
      .from(projects)
      .leftJoin(collaborators, and(eq(collaborators.projectId, projects.id), eq(collaborators.userId, userId)))
      .where(and(...filters))
      .orderBy(order(column), order(projects.id))
      .limit(query.limit + 1),
  );
  const cut = page(rows, query.limit, ({ row }) => ({ value: row[query.sort], id: row.id }));
  return {
    projects: cut.rows.map(({ row, role }) => toProject(row, accessOf(userId, row, role) ?? 'public')),
    nextCursor: cut.nextCursor,
  };
}

/** Changes a project at the revision given, or at any; undefined when it has another revision by now. */
export async function updateProject(
  db: Database,
  id: string,
  change: UpdateProject,
  revision: number | null,
  now: number,
): Promise<ProjectRow | undefined> {
  const set = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
  const rows = await db.query('projects.update', (orm) =>
    orm
      .update(projects)
      .set({ ...set, updatedAt: now, revision: sql`${projects.revision} + 1` })
      .where(
        and(
          eq(projects.id, id),
          eq(projects.state, 'ready'),
          revision === null ? undefined : eq(projects.revision, revision),
        ),
      )
      .returning(),
  );
  return rows[0];
}

/** Idempotent: a second call keeps the first time. */
export async function trashProject(db: Database, id: string, now: number): Promise<void> {
  await db.query('projects.trash', (orm) =>
    orm
      .update(projects)
      .set({ deletedAt: now, updatedAt: now, revision: sql`${projects.revision} + 1` })
      .where(and(eq(projects.id, id), isNull(projects.deletedAt))),
  );
}

/** Out of the trash. Idempotent. */
export async function restoreProject(db: Database, id: string, now: number): Promise<ProjectRow | undefined> {
  const rows = await db.query('projects.restore', (orm) =>
    orm
      .update(projects)
      .set({ deletedAt: null, updatedAt: now, revision: sql`${projects.revision} + 1` })
      .where(and(eq(projects.id, id), eq(projects.state, 'ready')))
      .returning(),
  );
  return rows[0];
}

/** From here on the project is gone for everybody; what it left in other stores is removed next, by the request or the sweep. */
export async function markDeleting(db: Database, id: string, now: number): Promise<void> {
  await db.query('projects.markDeleting', (orm) =>
    orm.update(projects).set({ state: 'deleting', updatedAt: now }).where(eq(projects.id, id)),
  );
}

/** The last step of erasing: every row that names the project. */
export async function eraseProjectRows(db: Database, id: string): Promise<void> {
  await db.batch('projects.erase', (orm) => [
    orm.delete(collaborators).where(eq(collaborators.projectId, id)),
    orm.delete(invites).where(eq(invites.projectId, id)),
    orm.delete(projectFiles).where(eq(projectFiles.projectId, id)),
    orm.delete(publications).where(eq(publications.projectId, id)),
    orm.delete(builds).where(eq(builds.projectId, id)),
    orm.delete(projects).where(eq(projects.id, id)),
  ]);
}

/** Projects whose creation or deletion stopped half-way, oldest first. */
export async function stalledProjects(
  db: Database,
  before: number,
  limit: number,
): Promise<{ id: string; state: string }[]> {
  return await db.query('projects.stalled', (orm) =>
    orm
      .select({ id: projects.id, state: projects.state })
      .from(projects)
      .where(and(inArray(projects.state, ['creating', 'deleting']), lt(projects.updatedAt, before)))
      .orderBy(asc(projects.updatedAt))
      .limit(limit),
  );
}

/** Projects that have been in the trash since before `before`. */
export async function expiredTrash(db: Database, before: number, limit: number): Promise<{ id: string }[]> {
  return await db.query('projects.expiredTrash', (orm) =>
    orm
      .select({ id: projects.id })
      .from(projects)
      .where(and(eq(projects.state, 'ready'), lt(projects.deletedAt, before)))
      .limit(limit),
  );
}

export interface IndexedFile {
  readonly path: string;
  readonly hash: string;
  readonly size: number;
  readonly mimeType: string;
  readonly seq: number;
  readonly updatedAt: number;
}

/**
 * Brings the index of one tree up to date: dirty rows in, removed rows out, totals on the project.
 * Idempotent; a row only ever moves to a higher `seq`, so a repeated or late call changes nothing.
 */
export async function indexFiles(
  db: Database,
  projectId: string,
  change: {
    readonly changed: readonly IndexedFile[];
    readonly removed: readonly { path: string; seq: number }[];
    readonly fileCount: number;
    readonly totalSize: number;
    readonly treeHash: string;
    readonly now: number;
  },
): Promise<void> {
  const rows = db.dialect.rows(JSON.stringify(change.changed), {
    path: 'text',
    hash: 'text',
    size: 'integer',
    mimeType: 'text',
    seq: 'integer',
    updatedAt: 'integer',
  });
  const gone = db.dialect.rows(JSON.stringify(change.removed), { path: 'text', seq: 'integer' });
  await db.batch('projects.indexFiles', (orm) => [
    orm.run(sql`DELETE FROM project_files WHERE project_id = ${projectId} AND EXISTS (
      SELECT 1 FROM ${gone} AS gone WHERE gone.path = project_files.path AND gone.seq >= project_files.seq)`),
    orm.run(sql`INSERT INTO project_files (project_id, path, hash, size, mime_type, seq, updated_at)
      SELECT CAST(${projectId} AS text), path, hash, size, "mimeType", seq, "updatedAt" FROM ${rows} AS changed WHERE true
      ON CONFLICT (project_id, path) DO UPDATE SET hash = excluded.hash, size = excluded.size,
        mime_type = excluded.mime_type, seq = excluded.seq, updated_at = excluded.updated_at
      WHERE excluded.seq > project_files.seq`),
    orm
      .update(projects)
      .set({
        fileCount: change.fileCount,
        totalSize: change.totalSize,
        treeHash: change.treeHash,
        updatedAt: change.now,
      })
      .where(eq(projects.id, projectId)),
  ]);
}

/** Ids of projects in any state, in their order, after `after`. */
export async function projectIds(db: Database, after: string, limit: number): Promise<string[]> {
  const rows = await db.query('projects.ids', (orm) =>
    orm.select({ id: projects.id }).from(projects).where(gt(projects.id, after)).orderBy(asc(projects.id)).limit(limit),
  );
  return rows.map(({ id }) => id);
}

/** Forgets the index of one tree; the room writes it anew. */
export async function eraseIndex(db: Database, projectId: string): Promise<void> {
  await db.query('projects.eraseIndex', (orm) => orm.delete(projectFiles).where(eq(projectFiles.projectId, projectId)));
}
