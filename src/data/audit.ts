import { newId } from '../contract/ids.ts';
import type { Database } from './database.ts';
import { auditLog } from './schema/sqlite.ts';

export interface AuditEntry {
  readonly actorId: string | null;
  readonly projectId?: string | undefined;
  /** `member.added`, `auth.login`, … */
  readonly action: string;
  readonly subject?: string | undefined;
  readonly data?: Record<string, unknown> | undefined;
  readonly requestId?: string | undefined;
  readonly now: number;
}

/** Who did what. Never holds tokens, passwords or contents. */
export async function audit(db: Database, entry: AuditEntry): Promise<void> {
  await db.query('audit.add', (orm) =>
    orm.insert(auditLog).values({
      id: newId(),
      at: entry.now,
      actorId: entry.actorId,
      projectId: entry.projectId ?? null,
      action: entry.action,
      subject: entry.subject ?? null,
      data: entry.data ?? {},
      requestId: entry.requestId ?? null,
    }),
  );
}
