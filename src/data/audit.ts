import { eq, type SQL } from 'drizzle-orm';
import { newId } from '../contract/ids.ts';
import { has, insertWhere } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { auditLog } from './schema/sqlite.ts';

/** On whose behalf something is done: a user, or the platform itself. */
export interface Actor {
  readonly actorId: string | null;
  readonly requestId?: string | undefined;
  readonly now: number;
}

export interface AuditEntry extends Actor {
  readonly projectId?: string | undefined;
  /** `member.added`, `auth.signed_in`, … */
  readonly action: string;
  /** What it was done to, as `user:<id>`. */
  readonly subject?: string | undefined;
  /** Members of the project see it: never tokens, passwords, contents or addresses. */
  readonly data?: Record<string, unknown> | undefined;
}

export type AuditRow = typeof auditLog.$inferSelect;

export const auditRow = (entry: AuditEntry): AuditRow => ({
  id: newId(),
  at: entry.now,
  actorId: entry.actorId,
  projectId: entry.projectId ?? null,
  action: entry.action,
  subject: entry.subject ?? null,
  data: entry.data ?? {},
  requestId: entry.requestId ?? null,
});

/** Who did what, where the change itself is in no table. */
export async function audit(db: Database, entry: AuditEntry): Promise<void> {
  await db.query('audit.add', (orm) => orm.insert(auditLog).values(auditRow(entry)));
}

/**
 * The statement of a batch that decides: the entry is written where the change may be made, and every
 * statement after it that asks `decided` is part of that change. So a change and its entry are both
 * there or neither. On PostgreSQL the rows that `holds` reads must be locked before it.
 */
export const decide = (orm: Orm, row: AuditRow, holds: SQL | undefined) =>
  insertWhere(orm, auditLog, row, holds).returning({ id: auditLog.id });

export const decided = (orm: Orm, row: AuditRow): SQL => has(orm, auditLog, eq(auditLog.id, row.id));
