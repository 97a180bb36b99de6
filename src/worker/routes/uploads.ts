import type { Hono } from 'hono';
import type { Upload } from '../../contract/assets.ts';
import { endpoints } from '../../contract/endpoints.ts';
import { type ErrorCode, KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import { assetName, fitsClaim, fitsName, typeOfMime } from '../../core/asset-types.ts';
import { uploadPartUrl } from '../../core/links.ts';
import { signToken, verifyToken } from '../../core/tokens.ts';
import { type AssetAt, addAssetVersion, assetById, versionOf, versionWith } from '../../data/assets.ts';
import type { Database } from '../../data/database.ts';
import { storePart } from '../../data/intake.ts';
import { ensureBlob, uploadKey } from '../../data/objects.ts';
import { iso } from '../../data/time.ts';
import {
  createUpload,
  forgetUpload,
  notePart,
  noteParts,
  ofNoProject,
  openUploads,
  setPending,
  type UploadPartRow,
  type UploadRow,
  uploadById,
} from '../../data/uploads.ts';
import { projectRoom } from '../../durable-objects/stubs.ts';
import { presigner } from '../assets/presign.ts';
import { showAsset } from '../assets/show.ts';
import { assemble, removeUpload, verifyUpload } from '../assets/verify.ts';
import { bodyOf, declaredLength } from '../http/body.ts';
import { type AppContext, type AppEnv, actorOf } from '../http/context.ts';
import { GatedRoom } from '../http/gated-room.ts';
import { mount } from '../http/mount.ts';

export const partsOf = ({ size, partSize }: UploadRow): { number: number; size: number }[] =>
  Array.from({ length: Math.ceil(size / partSize) }, (_, index) => ({
    number: index + 1,
    size: Math.min(partSize, size - index * partSize),
  }));

export async function shown(c: AppContext, upload: UploadRow, arrived: readonly UploadPartRow[]): Promise<Upload> {
  const { config, started } = c.var;
  const { id, projectId, name, size, status, partSize, assetId } = upload;
  const token = await signToken(config, 'upload', { sub: id }, Math.max(1000, upload.expiresAt - started));
  const presign = config.s3 && status === 'open' ? presigner(config.s3, upload, started) : null;
  const etags = new Map(arrived.map(({ number, etag }) => [number, etag]));
  return {
    id,
    projectId: projectId === ofNoProject ? null : projectId,
    name,
    size,
    status,
    partSize,
    direct: config.s3 !== null,
    parts: await Promise.all(
      partsOf(upload).map(async (part) => ({
        ...part,
        url: (await presign?.(part)) ?? uploadPartUrl(config, id, part.number, token),
        etag: etags.get(part.number) ?? null,
      })),
    ),
    assetId,
    errorCode: upload.errorCode as ErrorCode | null,
    expiresAt: iso(upload.expiresAt),
  };
}

/** Opens an upload in the bucket and has it noted; where that is refused, nothing is left. */
export async function beginUpload(
  c: AppContext,
  wanted: Pick<UploadRow, 'projectId' | 'userId' | 'name' | 'size' | 'hash' | 'mimeType'>,
  note: (db: Database, row: UploadRow) => Promise<void>,
): Promise<UploadRow> {
  const id = newId();
  const objectKey = uploadKey(id);
  const row: UploadRow = {
    ...wanted,
    id,
    objectKey,
    multipartId: (await c.env.ASSETS.createMultipartUpload(objectKey)).uploadId,
    partSize: limits.upload.partSize,
    status: 'open',
    errorCode: null,
    assetId: null,
    createdAt: c.var.started,
    expiresAt: c.var.started + limits.upload.ttl,
  };
  try {
    await note(c.var.db, row);
  } catch (error) {
    await removeUpload(c.env.ASSETS, row);
    throw error;
  }
  return row;
}

/** What a user has begun to send of the same file, with the parts that have arrived; undefined where there is nothing. */
export async function takenUp(
  c: AppContext,
  projectId: string,
  userId: string,
  { hash, ...like }: { readonly name: string; readonly size: number; readonly hash: string | undefined },
): Promise<Upload | undefined> {
  if (hash === undefined) return;
  const [open] = await openUploads(c.var.db, projectId, userId, { ...like, hash });
  const found = open && (await uploadById(c.var.db, open.id));
  return found && (await shown(c, found.upload, found.parts));
}

/** An upload of the caller's own, who may still write to its project, if it has one; anybody else's is not there. */
async function ownUpload(c: AppContext, id: string, userId: string) {
  const found = await uploadById(c.var.db, id);
  if (found?.upload.userId !== userId) throw new KilnError('not_found');
  const { projectId } = found.upload;
  if (projectId === ofNoProject) return { ...found, room: null };
  c.var.fields.project = projectId;
  const room = new GatedRoom(projectId, projectRoom(c.env, projectId), { userId }, 'project.write');
  await room.enter();
  return { ...found, room };
}

const tell = (room: GatedRoom, { asset: { id, name, version } }: AssetAt): Promise<void> =>
  room.tell((stub) => stub.record('asset.uploaded', room.caller.userId, { assetId: id, name, version }));

/** Notes what the sender says of parts that went straight into the bucket. Whether it is so the bucket says when they are put together. */
export async function noteSaid(
  c: AppContext,
  upload: UploadRow,
  said: readonly { number: number; etag: string }[],
): Promise<void> {
  const sizes = new Map(partsOf(upload).map(({ number, size }) => [number, size]));
  const parts = said.flatMap(({ number, etag }) => {
    const size = sizes.get(number);
    return size === undefined ? [] : [{ uploadId: upload.id, number, etag: etag.replaceAll('"', ''), size }];
  });
  await noteParts(c.var.db, parts);
}

/** What a completed upload became; undefined where that is gone by now. */
async function outcome(c: AppContext, { projectId, hash, assetId }: UploadRow): Promise<AssetAt | undefined> {
  const asset = assetId === null ? undefined : await assetById(c.var.db, assetId);
  const at = hash === null ? undefined : await versionWith(c.var.db, projectId, hash);
  return at && asset && at.asset.id === asset.id ? at : asset && (await versionOf(c.var.db, asset));
}

export function uploadRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.createUpload, async (c, { room, user, body }) => {
    await room.enter();
    const name = assetName(body.name);
    const { projectId } = room;
    const known = body.hash === undefined ? undefined : await versionWith(c.var.db, projectId, body.hash);
    if (known && known.version.size === body.size) {
      const { objectKey, hash, size, mimeType, metadata } = known.version;
      fitsName(name, mimeType);
      const type = typeOfMime(mimeType, name) ?? known.asset.type;
      if (body.mimeType !== undefined) fitsClaim(body.mimeType, { type, mimeType });
      await ensureBlob(c.env.ASSETS, hash);
      const content = { type, objectKey, hash, size, mimeType, metadata };
      const at = await addAssetVersion(c.var.db, projectId, name, content, actorOf(c, user.userId), {
        step: { keys: c.var.claimed.keys, name: 'known' },
      });
      await tell(room, at);
      return { status: 201, body: { asset: await showAsset(c, at) } };
    }
    const { hash, size } = body;
    const begun = await takenUp(c, projectId, user.userId, { name, size, hash });
    if (begun) return { status: 200, body: { upload: begun } };
    const wanted = { projectId, userId: user.userId, name, size, hash: hash ?? null, mimeType: body.mimeType ?? null };
    const row = await beginUpload(c, wanted, createUpload);
    return { status: 201, body: { upload: await shown(c, row, []) } };
  });

  mount(app, endpoints.listUploads, async (c, { room, user }) => {
    await room.enter();
    const rows = await openUploads(c.var.db, room.projectId, user.userId);
    const found = await Promise.all(rows.map(({ id }) => uploadById(c.var.db, id)));
    const uploads = await Promise.all(found.flatMap((one) => (one ? [shown(c, one.upload, one.parts)] : [])));
    return { status: 200, body: { uploads } };
  });

  mount(app, endpoints.getUpload, async (c, { params, user }) => {
    const { upload, parts } = await ownUpload(c, params.id, user.userId);
    return { status: 200, body: { upload: await shown(c, upload, parts) } };
  });

  mount(app, endpoints.putUploadPart, async (c, { params, query }) => {
    const claims = await verifyToken(c.var.config, 'upload', query.token);
    const found = claims?.sub === params.id ? await uploadById(c.var.db, params.id) : undefined;
    const part = found && partsOf(found.upload).find(({ number }) => String(number) === params.number);
    if (!found || !part) throw new KilnError('not_found');
    const { id, status, objectKey, multipartId } = found.upload;
    if (status !== 'open') throw new KilnError('conflict', { detail: 'The upload takes no more parts.' });
    if ((declaredLength(c.req.raw) ?? 0) > part.size)
      throw new KilnError('payload_too_large', { detail: `At most ${part.size} bytes.` });
    const multipart = c.env.ASSETS.resumeMultipartUpload(objectKey, multipartId ?? '');
    const stored = await storePart(multipart, part.number, bodyOf(c.req.raw), part.size);
    await notePart(c.var.db, { uploadId: id, number: part.number, etag: stored.etag, size: part.size });
    return { status: 200, headers: { etag: `"${stored.etag}"` }, body: { part: { ...part, etag: stored.etag } } };
  });

  mount(app, endpoints.noteUploadParts, async (c, { params, user, body }) => {
    const { upload } = await ownUpload(c, params.id, user.userId);
    if (upload.status !== 'open' || c.var.config.s3 === null)
      throw new KilnError('conflict', { detail: 'The upload takes its parts elsewhere, or no more.' });
    await noteSaid(c, upload, body.parts);
    const now = await uploadById(c.var.db, upload.id);
    return { status: 200, body: { upload: await shown(c, upload, now?.parts ?? []) } };
  });

  mount(app, endpoints.completeUpload, async (c, { params, user, body }) => {
    const { upload, parts: noted, room } = await ownUpload(c, params.id, user.userId);
    if (!room) throw new KilnError('conflict', { detail: 'An archive is imported, and not completed.' });
    const isDirect = c.var.config.s3 !== null && upload.status === 'open';
    if (isDirect) {
      const missing = body.parts.filter(
        ({ number, etag }) => !noted.some((part) => part.number === number && part.etag === etag),
      );
      await noteSaid(c, upload, missing);
    }
    const parts = isDirect ? ((await uploadById(c.var.db, upload.id))?.parts ?? []) : noted;
    if (upload.status === 'refused')
      throw new KilnError('conflict', { detail: `The upload was refused: ${upload.errorCode}.` });
    if (upload.status === 'open') {
      const named = new Map(body.parts.map(({ number, etag }) => [number, etag.replaceAll('"', '')]));
      const wanted = partsOf(upload);
      const wrong = wanted.filter(
        ({ number }) => parts.find((part) => part.number === number)?.etag !== named.get(number),
      );
      if (wrong.length > 0 || named.size !== wanted.length || body.parts.length !== wanted.length)
        throw new KilnError('validation_failed', {
          issues: [
            { path: 'body.parts', message: 'are not all the parts that have arrived, each once and by its tag' },
            ...wrong
              .slice(0, limits.upload.issuesMax)
              .map(({ number }) => ({ path: `body.parts.${number}`, message: 'is missing or another' })),
          ],
        });
      await assemble(
        c.env.ASSETS,
        upload,
        parts.map(({ number, etag }) => ({ partNumber: number, etag })),
      );
      if (upload.size > limits.upload.verifyNow) {
        await setPending(c.var.db, upload.id, c.var.started);
        return { status: 202, body: { upload: await shown(c, { ...upload, status: 'pending' }, parts) } };
      }
      const at = await verifyUpload(c.env, c.var.db, upload, actorOf(c, user.userId)).catch(async (error: unknown) => {
        // Of two that complete at once, the second answers as the first.
        const now = await uploadById(c.var.db, upload.id);
        const done = now?.upload.status === 'done' ? await outcome(c, now.upload) : undefined;
        if (!done) throw error;
        return done;
      });
      return { status: 201, body: { asset: await showAsset(c, at) } };
    }
    if (upload.status === 'pending') return { status: 202, body: { upload: await shown(c, upload, parts) } };
    const at = await outcome(c, upload);
    if (!at) throw new KilnError('not_found');
    return { status: 201, body: { asset: await showAsset(c, at) } };
  });

  mount(app, endpoints.abortUpload, async (c, { params, user }) => {
    const { upload } = await ownUpload(c, params.id, user.userId);
    if (upload.status === 'pending') throw new KilnError('conflict', { detail: 'Its bytes are being verified.' });
    await removeUpload(c.env.ASSETS, upload);
    await forgetUpload(c.var.db, upload.id);
    return { status: 204 };
  });
}
