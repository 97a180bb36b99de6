import { and, asc, count, eq, inArray, lt, lte, type SQL } from 'drizzle-orm';
import type { ErrorCode } from '../contract/errors.ts';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import { assetQuota, fits, leftOf, overQuota, takeOwner } from './asset-quota.ts';
import { insertWhere } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { takeProject } from './projects.ts';
import { uploadParts, uploads, users } from './schema/sqlite.ts';

export type UploadRow = typeof uploads.$inferSelect;
export type UploadPartRow = typeof uploadParts.$inferSelect;

const isFew = (orm: Orm, projectId: string): SQL =>
  lt(
    orm
      .select({ n: count() })
      .from(uploads)
      .where(and(eq(uploads.projectId, projectId), inArray(uploads.status, ['open', 'pending']))),
    limits.upload.openMax,
  );

/** Keeps place for what it will bring. Throws `quota_exceeded`, also for requests that race. */
export async function createUpload(db: Database, row: UploadRow): Promise<void> {
  const { projectId, size } = row;
  const [, , made] = await db.batch('uploads.create', (orm) => [
    takeProject(orm, projectId),
    takeOwner(orm, projectId),
    insertWhere(orm, uploads, row, and(fits(projectId, size), isFew(orm, projectId))).returning({ id: uploads.id }),
  ]);
  if (made.length > 0) return;
  const quota = await assetQuota(db, projectId);
  if (!quota) throw new KilnError('not_found');
  throw leftOf(quota) < size
    ? overQuota(quota)
    : new KilnError('quota_exceeded', { detail: `At most ${limits.upload.openMax} uploads of a project may be open.` });
}

/** In place of a project: an archive, which becomes one. It takes nobody's place until then. */
export const ofNoProject = '';

/** Throws `quota_exceeded` where the user has too many that wait. */
export async function createArchiveUpload(db: Database, row: UploadRow): Promise<void> {
  const [, made] = await db.batch('uploads.createArchive', (orm) => [
    orm.update(users).set({ id: row.userId }).where(eq(users.id, row.userId)),
    insertWhere(
      orm,
      uploads,
      row,
      lt(
        orm
          .select({ n: count() })
          .from(uploads)
          .where(and(eq(uploads.projectId, ofNoProject), eq(uploads.userId, row.userId))),
        limits.archive.openMax,
      ),
    ).returning({ id: uploads.id }),
  ]);
  if (made.length === 0)
    throw new KilnError('quota_exceeded', {
      detail: `At most ${limits.archive.openMax} archives may wait in parts; import one, or give one up.`,
    });
}

/** An upload and the parts that have arrived, in their order. */
export async function uploadById(
  db: Database,
  id: string,
): Promise<{ upload: UploadRow; parts: UploadPartRow[] } | undefined> {
  const [[upload], parts] = await db.batch('uploads.byId', (orm) => [
    orm.select().from(uploads).where(eq(uploads.id, id)),
    orm.select().from(uploadParts).where(eq(uploadParts.uploadId, id)).orderBy(asc(uploadParts.number)),
  ]);
  return upload && { upload, parts };
}

/** What a user has begun in a project and what has not ended, oldest first; with `like`, only what brings the same. */
export async function openUploads(
  db: Database,
  projectId: string,
  userId: string,
  like?: { readonly name: string; readonly size: number; readonly hash: string },
): Promise<UploadRow[]> {
  return await db.query('uploads.open', (orm) =>
    orm
      .select()
      .from(uploads)
      .where(
        and(
          eq(uploads.projectId, projectId),
          eq(uploads.userId, userId),
          inArray(uploads.status, ['open', 'pending']),
          like && and(eq(uploads.name, like.name), eq(uploads.size, like.size), eq(uploads.hash, like.hash)),
        ),
      )
      .orderBy(asc(uploads.createdAt), asc(uploads.id)),
  );
}

/** A part that is stored; the last one to come is the one that counts. */
export async function notePart(db: Database, part: UploadPartRow): Promise<void> {
  await db.query('uploads.notePart', (orm) =>
    orm
      .insert(uploadParts)
      .values(part)
      .onConflictDoUpdate({
        target: [uploadParts.uploadId, uploadParts.number],
        set: { etag: part.etag, size: part.size },
      }),
  );
}

/** Parts that a bucket took, as whoever sent them says. */
export async function noteParts(db: Database, parts: readonly UploadPartRow[]): Promise<void> {
  for (const part of parts) await notePart(db, part);
}

/** From here on it is verified by whoever claims it. Changes nothing of one that has ended. */
export async function setPending(db: Database, id: string, now: number): Promise<void> {
  await db.query('uploads.setPending', (orm) =>
    orm
      .update(uploads)
      .set({ status: 'pending', expiresAt: now })
      .where(and(eq(uploads.id, id), eq(uploads.status, 'open'))),
  );
}

/** Takes a pending upload for `verifyClaim`; false: somebody else has it. */
export async function claimUpload(db: Database, id: string, now: number): Promise<boolean> {
  const rows = await db.query('uploads.claim', (orm) =>
    orm
      .update(uploads)
      .set({ expiresAt: now + limits.upload.verifyClaim })
      .where(and(eq(uploads.id, id), eq(uploads.status, 'pending'), lte(uploads.expiresAt, now)))
      .returning({ id: uploads.id }),
  );
  return rows.length > 0;
}

/** Its bytes are not what was promised: it keeps no place any more, and says why until it is forgotten. */
export async function refuseUpload(db: Database, id: string, errorCode: ErrorCode, now: number): Promise<void> {
  await db.query('uploads.refuse', (orm) =>
    orm
      .update(uploads)
      .set({ status: 'refused', errorCode, expiresAt: now + limits.upload.ttl })
      .where(and(eq(uploads.id, id), inArray(uploads.status, ['open', 'pending']))),
  );
}

/** The end of an upload, whatever became of it. Idempotent. */
export async function forgetUpload(db: Database, id: string): Promise<void> {
  await db.batch('uploads.forget', (orm) => [
    orm.delete(uploadParts).where(eq(uploadParts.uploadId, id)),
    orm.delete(uploads).where(eq(uploads.id, id)),
  ]);
}

/** Uploads whose time has come: to be verified, to be given up, or to be forgotten. */
export async function dueUploads(db: Database, now: number, limit: number): Promise<UploadRow[]> {
  return await db.query('uploads.due', (orm) =>
    orm.select().from(uploads).where(lte(uploads.expiresAt, now)).orderBy(asc(uploads.expiresAt)).limit(limit),
  );
}
