import { KilnError } from '../../contract/errors.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { forgetUpload, ofNoProject, type UploadPartRow, type UploadRow, uploadById } from '../../data/uploads.ts';
import { assemble, removeUpload } from '../assets/verify.ts';
import type { AppContext } from '../http/context.ts';
import { noteSaid, partsOf } from '../routes/uploads.ts';
import type { Upload } from './upload.ts';

/** An archive that came in parts, whole in the bucket. */
export interface ArchiveUpload extends Omit<Upload, 'hash'> {
  readonly row: UploadRow;
}

const notAll = (message: string): KilnError =>
  new KilnError('validation_failed', { issues: [{ path: 'body.uploadId', message }] });

/**
 * Puts the parts of an archive together; again, where a request died after it had. Throws `not_found` for what is no archive of the
 * user's own, `validation_failed` where parts are missing.
 */
export async function wholeArchive(
  c: AppContext,
  userId: string,
  uploadId: string,
  said: readonly { number: number; etag: string }[] = [],
): Promise<ArchiveUpload> {
  const find = async (): Promise<{ upload: UploadRow; parts: UploadPartRow[] }> => {
    const found = await uploadById(c.var.db, uploadId);
    if (found?.upload.userId !== userId || found.upload.projectId !== ofNoProject) throw new KilnError('not_found');
    return found;
  };
  const first = await find();
  const isDirect = c.var.config.s3 !== null && said.length > 0;
  if (isDirect) await noteSaid(c, first.upload, said);
  const { upload, parts } = isDirect ? await find() : first;
  const missing = partsOf(upload).length - parts.length;
  if (missing > 0) throw notAll(`lacks ${missing} of its parts`);
  await assemble(
    c.env.ASSETS,
    upload,
    parts.map(({ number, etag }) => ({ partNumber: number, etag })),
  );
  const object = await c.env.ASSETS.head(upload.objectKey);
  if (!object) throw notAll('has lost its parts; begin again');
  // Parts that went straight into the bucket are as large as their sender made them.
  if (object.size !== upload.size) throw notAll(`has ${object.size} bytes and not ${upload.size}`);
  return { row: upload, size: upload.size, name: upload.name.replace(/\.zip$/i, '') || null };
}

/** Leaves nothing of it. What stays, because this fails, is removed when the upload expires. */
export async function discardArchive(c: AppContext, { row }: ArchiveUpload): Promise<void> {
  try {
    await removeUpload(c.env.ASSETS, row);
    await forgetUpload(c.var.db, row.id);
  } catch (error) {
    logEvent('import.not_removed', { requestId: c.var.requestId, ...describeError(error) }, 'warn');
  }
}
