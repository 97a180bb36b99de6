import { and, desc, eq, isNull, lt } from 'drizzle-orm';
import type { SecurityEvent, SecurityEventQuery } from '../contract/accounts.ts';
import { decodeCursor, page } from './cursor.ts';
import type { Database } from './database.ts';
import { auditLog } from './schema/sqlite.ts';
import { iso } from './time.ts';

/** What happened to an account itself, newest first. */
export async function listSecurityEvents(
  db: Database,
  userId: string,
  query: SecurityEventQuery,
): Promise<{ events: SecurityEvent[]; nextCursor: string | null }> {
  const rows = await db.query('securityEvents.list', (orm) =>
    orm
      .select()
      .from(auditLog)
      .where(
        and(
          eq(auditLog.actorId, userId),
          isNull(auditLog.projectId),
          query.cursor ? lt(auditLog.id, decodeCursor(query.cursor, 'number').id) : undefined,
        ),
      )
      .orderBy(desc(auditLog.id))
      .limit(query.limit + 1),
  );
  const cut = page(rows, query.limit, ({ id }) => ({ value: 0, id }));
  return {
    events: cut.rows.map(({ id, at, action, subject, data }) => ({
      id,
      at: iso(at),
      action,
      subject,
      data: data as SecurityEvent['data'],
    })),
    nextCursor: cut.nextCursor,
  };
}
