import { and, asc, count, desc, eq, gt, inArray, isNotNull, isNull, lt, ne, or, type SQL, sql } from 'drizzle-orm';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import type { Access, Project, ProjectQuery, UpdateProject } from '../contract/projects.ts';
import { accessOf } from '../core/permissions.ts';
import { eraseAssetsOf } from './asset-rows.ts';
import { type Actor, auditRow, decide, decided } from './audit.ts';
import { has, insertWhere } from './conditional.ts';
import { decodeCursor, page } from './cursor.ts';
import type { Database, Orm } from './database.ts';
import { foldCase } from './dialects/dialect.ts';
import { areHeld, type HeldKey, keepAnswer, takeKeys } from './idempotency.ts';
import {
  builds,
  collaborators,
  inviteExclusions,
  invites,
  projectFiles,
  projects,
  publications,
  slugs,
} from './schema/sqlite.ts';
import { iso, isoOrNull } from './time.ts';
import { takeUser } from './users.ts';

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

/** What a project holds from its first moment on. */
export interface FirstTree {
  readonly fileCount: number;
  /** Bytes. */
  readonly totalSize: number;
  readonly treeHash: string;
}

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

/** Holds a project until the batch ends: whoever else changes it, its members or its invites waits, and what is counted stays counted. */
export const takeProject = (orm: Orm, id: string) => orm.update(projects).set({ id }).where(eq(projects.id, id));

/** Of a project: ready, and not in the trash. What of it the world may see is seen only then. */
export const isLiveProject = and(eq(projects.state, 'ready'), isNull(projects.deletedAt));

/** The project, as long as whoever acts on it owns it; the platform may always. */
const managed = (id: string, actorId: string | null): SQL | undefined =>
  and(eq(projects.id, id), eq(projects.state, 'ready'), actorId === null ? undefined : eq(projects.ownerId, actorId));

/** That there is such a project, for `decide`. */
export const isManaged = (orm: Orm, id: string, actorId: string | null, more?: SQL): SQL =>
  has(orm, projects, and(managed(id, actorId), more));

/** That a user may own one more project. Those in the trash count, for their bytes are kept. */
export const hasRoom = (orm: Orm, ownerId: string): SQL =>
  lt(
    orm
      .select({ n: count() })
      .from(projects)
      .where(and(eq(projects.ownerId, ownerId), ne(projects.state, 'deleting'))),
    limits.project.perUser,
  );

export const tooManyProjects = (whose: string): KilnError =>
  new KilnError('quota_exceeded', {
    detail: `${whose} ${limits.project.perUser} projects, those in the trash included.`,
  });

/**
 * The row in state `creating`: nobody sees it until `markReady`, and the sweep undoes it when that never comes.
 * Throws `quota_exceeded`, also for requests that race.
 */
export async function createProject(db: Database, project: NewProject): Promise<ProjectRow> {
  const { now, ...fields } = project;
  const row: ProjectRow = {
    ...fields,
    thumbnailUrl: null,
    state: 'creating',
    revision: 1,
    fileCount: 0,
    totalSize: 0,
    treeHash: null,
    assetBytes: 0,
    createdAt: now,
    updatedAt: now,
    deletedAt: null,
  };
  const [, made] = await db.batch('projects.create', (orm) => [
    takeUser(orm, row.ownerId),
    insertWhere(orm, projects, row, hasRoom(orm, row.ownerId)).returning({ id: projects.id }),
  ]);
  if (made.length === 0) throw tooManyProjects('You may have at most');
  return row;
}

/**
 * From here on its owner sees it, and whoever asks again under the keys of the request gets its answer.
 * False when the sweep was faster, or another request that took the keys over.
 */
export async function markReady(
  db: Database,
  id: string,
  tree: FirstTree,
  actor: Actor,
  origin: Record<string, unknown> = {},
  { keys, body }: { readonly keys: readonly HeldKey[]; readonly body: string } = { keys: [], body: '' },
): Promise<boolean> {
  const entry = auditRow({ ...actor, projectId: id, action: 'project.created', data: origin });
  const creating = and(eq(projects.id, id), eq(projects.state, 'creating'));
  const [, , made] = await db.batch('projects.markReady', (orm) => [
    takeProject(orm, id),
    takeKeys(orm, keys),
    decide(orm, entry, and(has(orm, projects, creating), areHeld(orm, keys))),
    orm
      .update(projects)
      .set({ state: 'ready', ...tree })
      .where(and(creating, decided(orm, entry))),
    keepAnswer(orm, keys, { status: 201, body }, decided(orm, entry)),
  ]);
  return made.length > 0;
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

/** How each of some people with open sockets sees a project, in one question. Nobody has one in the trash. */
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
  for (const userId of project?.deletedAt === null ? userIds : []) {
    const access = accessOf(userId, project as ProjectRow, roles.get(userId) ?? null);
    if (access) seen.set(userId, access);
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

const changed = (now: number) => ({ updatedAt: now, revision: sql`${projects.revision} + 1` });

/** Changes a project at the revision given, or at any; undefined when it has another revision, or another owner, by now. */
export async function updateProject(
  db: Database,
  id: string,
  change: UpdateProject,
  revision: number | null,
  actor: Actor,
): Promise<ProjectRow | undefined> {
  const set = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
  const { isPublic } = change;
  const data = { fields: Object.keys(set), ...(isPublic !== undefined && { isPublic }) };
  const entry = auditRow({ ...actor, projectId: id, action: 'project.updated', data });
  const [, , rows] = await db.batch('projects.update', (orm) => [
    takeProject(orm, id),
    decide(
      orm,
      entry,
      isManaged(orm, id, actor.actorId, revision === null ? undefined : eq(projects.revision, revision)),
    ),
    orm
      .update(projects)
      .set({ ...set, ...changed(actor.now) })
      .where(and(eq(projects.id, id), decided(orm, entry)))
      .returning(),
  ]);
  return rows[0];
}

/** Into the trash, and its invites with it for good. Idempotent: a second call keeps the first time. False for who does not own it. */
export async function trashProject(db: Database, id: string, actor: Actor): Promise<boolean> {
  const { now, actorId } = actor;
  const entry = auditRow({ ...actor, projectId: id, action: 'project.trashed' });
  const [, , , , rows] = await db.batch('projects.trash', (orm) => [
    takeProject(orm, id),
    decide(orm, entry, isManaged(orm, id, actorId, isNull(projects.deletedAt))),
    orm
      .update(projects)
      .set({ deletedAt: now, ...changed(now) })
      .where(and(eq(projects.id, id), decided(orm, entry))),
    endInvites(orm, id, now, decided(orm, entry)),
    orm.select({ id: projects.id }).from(projects).where(managed(id, actorId)),
  ]);
  return rows.length > 0;
}

/** Withdraws every invite of a project. */
export const endInvites = (orm: Orm, projectId: string, now: number, where: SQL) =>
  orm
    .update(invites)
    .set({ revokedAt: now })
    .where(and(eq(invites.projectId, projectId), isNull(invites.revokedAt), where));

/** Out of the trash. Idempotent. Undefined for who does not own it. */
export async function restoreProject(db: Database, id: string, actor: Actor): Promise<ProjectRow | undefined> {
  const entry = auditRow({ ...actor, projectId: id, action: 'project.restored' });
  const [, , , rows] = await db.batch('projects.restore', (orm) => [
    takeProject(orm, id),
    decide(orm, entry, isManaged(orm, id, actor.actorId, isNotNull(projects.deletedAt))),
    orm
      .update(projects)
      .set({ deletedAt: null, ...changed(actor.now) })
      .where(and(eq(projects.id, id), decided(orm, entry))),
    orm.select().from(projects).where(managed(id, actor.actorId)),
  ]);
  return rows[0];
}

/** The first step of erasing a project that somebody saw: it is gone for everybody. False for who does not own it. */
export async function startErasing(
  db: Database,
  id: string,
  actor: Actor,
  data: Record<string, unknown> = {},
): Promise<boolean> {
  const entry = auditRow({ ...actor, projectId: id, action: 'project.erased', data });
  const [, , rows] = await db.batch('projects.startErasing', (orm) => [
    takeProject(orm, id),
    decide(orm, entry, isManaged(orm, id, actor.actorId)),
    orm
      .update(projects)
      .set({ state: 'deleting', updatedAt: actor.now })
      .where(and(eq(projects.id, id), decided(orm, entry)))
      .returning({ id: projects.id }),
  ]);
  return rows.length > 0;
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
    takeProject(orm, id),
    orm.delete(collaborators).where(eq(collaborators.projectId, id)),
    orm
      .delete(inviteExclusions)
      .where(
        inArray(
          inviteExclusions.inviteId,
          orm.select({ id: invites.id }).from(invites).where(eq(invites.projectId, id)),
        ),
      ),
    orm.delete(invites).where(eq(invites.projectId, id)),
    ...eraseAssetsOf(orm, id),
    orm.delete(projectFiles).where(eq(projectFiles.projectId, id)),
    orm.delete(publications).where(eq(publications.projectId, id)),
    orm.update(slugs).set({ projectId: null }).where(eq(slugs.projectId, id)),
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
    // It reads every row of the project, which is for nothing where nothing was removed.
    ...(change.removed.length > 0
      ? [
          orm.run(sql`DELETE FROM project_files WHERE project_id = ${projectId} AND EXISTS (
            SELECT 1 FROM ${gone} AS gone WHERE gone.path = project_files.path AND gone.seq >= project_files.seq)`),
        ]
      : []),
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
