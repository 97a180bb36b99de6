import { createHash } from 'node:crypto';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { assetKind } from '../../core/asset-types.ts';
import { concat } from '../../core/bytes.ts';
import { logEvent } from '../../core/log.ts';
import { type AssetAt, addAssetVersion } from '../../data/assets.ts';
import type { Actor } from '../../data/audit.ts';
import type { Database } from '../../data/database.ts';
import { blobKey, nameBlob } from '../../data/objects.ts';
import { claimUpload, forgetUpload, refuseUpload, type UploadRow } from '../../data/uploads.ts';
import { metadataOf } from './metadata.ts';

/** Codes of R2: parts that are too small, unknown, or of another upload. */
const notThose = /\((?:10011|10022|10024|10025|10048)\)/;

/** Makes one object of the parts. Again, where a request died after it had: the object is there then. */
export async function assemble(bucket: R2Bucket, upload: UploadRow, parts: readonly R2UploadedPart[]): Promise<void> {
  try {
    await bucket.resumeMultipartUpload(upload.objectKey, upload.multipartId ?? '').complete([...parts]);
  } catch (error) {
    if (await bucket.head(upload.objectKey)) return;
    if (notThose.test(String(error)))
      throw new KilnError('validation_failed', {
        issues: [{ path: 'body.parts', message: 'are not those that have arrived' }],
      });
    throw error;
  }
}

/** Removes what an upload has in the bucket, in parts or whole. */
export async function removeUpload(bucket: R2Bucket, { objectKey, multipartId }: UploadRow): Promise<void> {
  // One that was completed or aborted is not there any more.
  if (multipartId !== null)
    await bucket
      .resumeMultipartUpload(objectKey, multipartId)
      .abort()
      .catch(() => undefined);
  await bucket.delete(objectKey);
}

/** What the bytes are: their hash, and their beginning. */
async function read(bucket: R2Bucket, { objectKey, size }: UploadRow): Promise<{ hash: string; head: Uint8Array }> {
  const object = await bucket.get(objectKey);
  if (!object)
    throw new KilnError('validation_failed', { issues: [{ path: 'body.parts', message: 'are gone; begin again' }] });
  // Parts that went straight into the bucket are as large as their sender made them.
  if (object.size !== size) {
    await object.body.cancel();
    throw new KilnError('validation_failed', {
      issues: [{ path: 'body.size', message: `there are ${object.size} bytes` }],
    });
  }
  const hash = createHash('sha256');
  const first: Uint8Array[] = [];
  let seen = 0;
  for await (const chunk of object.body as ReadableStream<Uint8Array>) {
    hash.update(chunk);
    if (seen < limits.asset.headBytes) first.push(chunk.slice(0, limits.asset.headBytes - seen));
    seen += chunk.length;
  }
  if (seen !== size)
    throw new KilnError('validation_failed', { issues: [{ path: 'body.size', message: `there are ${seen} bytes` }] });
  return { hash: hash.digest('hex'), head: concat(first) };
}

/**
 * Reads an assembled upload and makes an asset of it. What its bytes are is decided here and by nothing that was
 * said of them. A refusal is final and removes them; any other failure leaves all as it was.
 */
export async function verifyUpload(
  env: Env,
  db: Database,
  upload: UploadRow,
  actor: Actor & { actorId: string },
): Promise<AssetAt> {
  try {
    const { hash, head } = await read(env.ASSETS, upload);
    if (upload.hash !== null && upload.hash !== hash)
      throw new KilnError('validation_failed', {
        issues: [{ path: 'body.hash', message: 'is not the hash of the bytes that came' }],
      });
    const kind = await assetKind(upload.name, head, { mimeType: upload.mimeType ?? undefined });
    await nameBlob(env.ASSETS, upload.objectKey, hash);
    const { projectId, name, size, id } = upload;
    const objectKey = blobKey(hash);
    const metadata = await metadataOf(env.ASSETS, { objectKey, size, head }, kind);
    const content = { ...kind, objectKey, hash, size, metadata };
    const at = await addAssetVersion(db, projectId, name, content, actor, { upload: id });
    await removeUpload(env.ASSETS, upload);
    logEvent('asset.stored', {
      requestId: actor.requestId,
      project: projectId,
      asset: at.asset.id,
      version: at.version.version,
      type: kind.mimeType,
      bytes: size,
      upload: id,
    });
    return at;
  } catch (error) {
    if (error instanceof KilnError && (error.code === 'validation_failed' || error.code === 'type_mismatch')) {
      await refuseUpload(db, upload.id, error.code, actor.now);
      await removeUpload(env.ASSETS, upload);
    }
    throw error;
  }
}

/** An upload whose time has come. Any step may be done twice. */
export async function settleUpload(env: Env, db: Database, upload: UploadRow, now: number): Promise<void> {
  if (upload.status !== 'pending') {
    await removeUpload(env.ASSETS, upload);
    await forgetUpload(db, upload.id);
  } else if (await claimUpload(db, upload.id, now))
    await verifyUpload(env, db, upload, { actorId: upload.userId, now });
}
