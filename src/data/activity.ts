import { and, desc, eq, gte, lt, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/sqlite-core';
import type { Activity, ActivityQuery } from '../contract/sharing.ts';
import { type AuditEntry, type AuditRow, auditRow } from './audit.ts';
import { decodeCursor, page } from './cursor.ts';
import type { Database } from './database.ts';
import { auditLog, users } from './schema/sqlite.ts';
import { iso } from './time.ts';
import { person } from './users.ts';

const subjects = alias(users, 'subjects');

/** The audit log of a project, newest first. */
export async function listActivity(
  db: Database,
  projectId: string,
  query: ActivityQuery,
): Promise<{ activity: Activity[]; nextCursor: string | null }> {
  const { action, actor } = query;
  const rows = await db.query('activity.list', (orm) =>
    orm
      .select({
        entry: auditLog,
        actor: person,
        subject: {
          userId: subjects.id,
          username: subjects.username,
          displayName: subjects.displayName,
          avatarUrl: subjects.avatarUrl,
        },
      })
      .from(auditLog)
      .leftJoin(users, eq(users.id, auditLog.actorId))
      // `user:<id>`; what follows other words is the id of no user.
      .leftJoin(subjects, eq(subjects.id, sql`substr(${auditLog.subject}, 6)`))
      .where(
        and(
          eq(auditLog.projectId, projectId),
          actor === undefined ? undefined : eq(auditLog.actorId, actor),
          action === undefined
            ? undefined
            : action.includes('.')
              ? eq(auditLog.action, action)
              : // '/' is the character after '.'.
                and(gte(auditLog.action, `${action}.`), lt(auditLog.action, `${action}/`)),
          query.cursor ? lt(auditLog.id, decodeCursor(query.cursor, 'number').id) : undefined,
        ),
      )
      .orderBy(desc(auditLog.id))
      .limit(query.limit + 1),
  );
  const cut = page(rows, query.limit, ({ entry }) => ({ value: 0, id: entry.id }));
  return {
    activity: cut.rows.map(({ entry, actor: who, subject }) => ({
      id: entry.id,
      at: iso(entry.at),
      action: entry.action,
      actor: who,
      subject: entry.subject,
      person: subject,
      data: entry.data as Activity['data'],
    })),
    nextCursor: cut.nextCursor,
  };
}

/** Entries that a room made with its changes. Those that are there already stay as they are. */
export async function addActivity(
  db: Database,
  projectId: string,
  entries: readonly (Omit<AuditEntry, 'now' | 'projectId'> & { readonly id: string; readonly at: number })[],
): Promise<void> {
  const rows = entries.map(({ id, at, ...entry }) => ({ ...auditRow({ ...entry, projectId, now: at }), id }));
  const [first, ...others] = rows;
  if (!first) return;
  await db.batch('activity.add', (orm) => {
    const add = (row: AuditRow) => orm.insert(auditLog).values(row).onConflictDoNothing();
    return [add(first), ...others.map(add)];
  });
}
