import { createHash } from 'node:crypto';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { assetKind } from '../../core/asset-types.ts';
import { logEvent } from '../../core/log.ts';
import { type AssetAt, addAssetVersion } from '../../data/assets.ts';
import type { Actor } from '../../data/audit.ts';
import type { Database } from '../../data/database.ts';
import { blobKey, ensureBlob, isWrongHash, nameBlob, putBlob } from '../../data/objects.ts';
import { claimUpload, forgetUpload, refuseUpload, type UploadRow } from '../../data/uploads.ts';
import { announce } from '../../durable-objects/announce.ts';
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

const notAll = (): KilnError =>
  new KilnError('validation_failed', { issues: [{ path: 'body.parts', message: 'are gone; begin again' }] });

const otherHash = (): KilnError =>
  new KilnError('validation_failed', {
    issues: [{ path: 'body.hash', message: 'is not the hash of the bytes that came' }],
  });

/** The beginning of the bytes, which says what they are. */
async function beginning(bucket: R2Bucket, { objectKey, size }: UploadRow): Promise<Uint8Array> {
  const object = await bucket.get(objectKey, { range: { offset: 0, length: Math.min(size, limits.asset.headBytes) } });
  if (!object) throw notAll();
  // Parts that went straight into the bucket are as large as their sender made them.
  if (object.size !== size) {
    await object.body.cancel();
    throw new KilnError('validation_failed', {
      issues: [{ path: 'body.size', message: `there are ${object.size} bytes` }],
    });
  }
  return new Uint8Array(await object.arrayBuffer());
}

/** The hash of the bytes, which are read through for it. */
async function hashOf(bucket: R2Bucket, { objectKey }: UploadRow): Promise<string> {
  const object = await bucket.get(objectKey);
  if (!object) throw notAll();
  const hash = createHash('sha256');
  for await (const chunk of object.body as ReadableStream<Uint8Array>) hash.update(chunk);
  return hash.digest('hex');
}

/**
 * Gives the bytes the name that their hash is. Where that was promised the bucket checks it while it takes them, and
 * names nothing that has another: so they are read once. Bytes that are there by that name already prove nothing of these,
 * which may be anything: whoever names a hash must have its bytes.
 */
async function nameBytes(bucket: R2Bucket, upload: UploadRow): Promise<string> {
  const { hash: promised, objectKey } = upload;
  if (promised === null || (await ensureBlob(bucket, promised))) {
    const hash = await hashOf(bucket, upload);
    if (promised !== null && promised !== hash) throw otherHash();
    await nameBlob(bucket, objectKey, hash);
    return hash;
  }
  const object = await bucket.get(objectKey);
  if (!object) throw notAll();
  try {
    // Put even if somebody else has named the same bytes by now: what is not put is not checked.
    await putBlob(bucket, promised, object.body);
  } catch (error) {
    throw isWrongHash(error) ? otherHash() : error;
  }
  return promised;
}

const tellUploaded = (env: Env, { asset: { id, projectId, name, version } }: AssetAt, by: string): Promise<void> =>
  announce(env, projectId, { type: 'asset.uploaded', by, data: { assetId: id, name, version } });

/**
 * Reads an assembled upload, makes an asset of it and tells its room. What its bytes are is decided here and by nothing that
 * was said of them. A refusal is final and removes them; any other failure leaves all as it was. An upload brings one
 * version, so of two that verify it one tells.
 */
export async function verifyUpload(
  env: Env,
  db: Database,
  upload: UploadRow,
  actor: Actor & { actorId: string },
): Promise<AssetAt> {
  try {
    const head = await beginning(env.ASSETS, upload);
    const kind = await assetKind(upload.name, head, { mimeType: upload.mimeType ?? undefined });
    const hash = await nameBytes(env.ASSETS, upload);
    const { projectId, name, size, id } = upload;
    const objectKey = blobKey(hash);
    const metadata = await metadataOf(env.ASSETS, { objectKey, size, head }, kind);
    const content = { ...kind, objectKey, hash, size, metadata };
    const at = await addAssetVersion(db, projectId, name, content, actor, { upload: id });
    await tellUploaded(env, at, actor.actorId);
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
