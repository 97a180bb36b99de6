import type { Hono } from 'hono';
import type { z } from 'zod';
import type { ImportUpload } from '../../contract/archives.ts';
import { fromArchived } from '../../contract/comments.ts';
import { endpoints } from '../../contract/endpoints.ts';
import { type ErrorCode, KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import { ProjectName } from '../../contract/projects.ts';
import { archiveName, attachment, manifestOf, writeManifest } from '../../core/archive.ts';
import { etag, matchesWeakly } from '../../core/etag.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { sha256 } from '../../core/tree.ts';
import { allAssets } from '../../data/assets.ts';
import { blobKey, getBlob, getTree, importKey, putBlob } from '../../data/objects.ts';
import { createArchiveUpload, ofNoProject } from '../../data/uploads.ts';
import { type OpenBlob, writeArchive } from '../archive/export.ts';
import { type ReadArchive, readArchive, type StoreBlob, storeContents } from '../archive/import.ts';
import { discardArchive, wholeArchive } from '../archive/parts.ts';
import { type ByteSource, objectSource } from '../archive/source.ts';
import { receive, type Upload } from '../archive/upload.ts';
import { asEntry } from '../assets/as-entry.ts';
import { withAssetPaths } from '../assets/commented.ts';
import { described } from '../assets/metadata.ts';
import type { AppContext, AppEnv } from '../http/context.ts';
import { earlierAnswer, idempotently } from '../http/idempotency.ts';
import { mount } from '../http/mount.ts';
import { newProject } from '../new-project.ts';
import { beginUpload, shown, takenUp } from './uploads.ts';

const { archive: bounds } = limits;

const openBlob =
  (bucket: R2Bucket): OpenBlob =>
  async (hash) => {
    const object = await getBlob(bucket, hash);
    if (!object) throw new Error(`blob ${hash} is not stored`);
    return object;
  };

const storeBlob =
  (bucket: R2Bucket): StoreBlob =>
  async (hash, size, content) => {
    if (content instanceof Uint8Array) return await putBlob(bucket, hash, content);
    const { readable, writable } = new FixedLengthStream(size);
    const fill = async (): Promise<void> => {
      const writer = writable.getWriter();
      try {
        for await (const chunk of content) await writer.write(chunk);
        await writer.close();
      } catch (error) {
        await writer.abort(error).catch(() => undefined);
        throw error;
      }
    };
    await Promise.all([putBlob(bucket, hash, readable), fill()]);
  };

/** What an archive is refused for, which is worth a look when one user meets it often. */
const refusals: ReadonlySet<ErrorCode> = new Set([
  'invalid_archive',
  'invalid_entry',
  'payload_too_large',
  'quota_exceeded',
  'request_timeout',
]);

/** What says that no project can ever be made of an archive. */
const isFinal: ReadonlySet<ErrorCode> = new Set(['invalid_archive', 'invalid_entry', 'payload_too_large']);

/** A project's name, where none was asked for: what the archive says, or is called, or is all inside of. */
function nameOf({ manifest, top }: ReadArchive, fileName: string | null): string {
  const candidates = [manifest?.name, fileName, top.slice(0, -1)];
  for (const candidate of candidates) {
    const name = ProjectName.safeParse(candidate);
    if (name.success) return name.data;
  }
  return 'Imported project';
}

export function archiveRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.exportProject, async (c, { room }) => {
    const { project } = await room.call((stub, caller, right) => stub.project(caller, right));
    const { treeHash, comments } = await room.call((stub, caller, right) => stub.exported(caller, right));
    const entries = await getTree(c.env.ASSETS, treeHash);
    if (!entries) throw new KilnError('unavailable', { detail: 'The snapshot could not be read.' });
    const assets = (await allAssets(c.var.db, room.projectId)).map(asEntry);
    const manifest = manifestOf(
      project,
      treeHash,
      entries.map(({ path }) => path),
      assets,
      await withAssetPaths(c.var.db, room.projectId, comments),
    );
    // The manifest is in the archive too, and names the tree.
    const tag = etag(`${treeHash}-${sha256(writeManifest(manifest)).slice(0, 16)}`);
    const ifNoneMatch = c.req.header('if-none-match');
    if (ifNoneMatch !== undefined && matchesWeakly(ifNoneMatch, tag)) return { status: 304, headers: { etag: tag } };
    const headers = {
      'content-type': 'application/zip',
      'content-disposition': attachment(archiveName(project.name)),
      'content-security-policy': "sandbox; default-src 'none'",
      'cache-control': 'private, no-store',
      etag: tag,
    };
    if (c.req.raw.method === 'HEAD') return { raw: new Response(null, { headers }) };
    const { readable, writable } = new IdentityTransformStream();
    const { requestId, started } = c.var;
    const fields = { requestId, project: room.projectId, files: entries.length, assets: assets.length };
    c.executionCtx.waitUntil(
      writeArchive(writable, manifest, entries, openBlob(c.env.ASSETS), assets).then(
        ({ bytes }) => logEvent('export', { ...fields, bytes, ms: Date.now() - started }),
        // Also when the client goes away.
        (error: unknown) => logEvent('export.failed', { ...fields, ...describeError(error) }, 'warn'),
      ),
    );
    return { raw: new Response(readable, { headers }) };
  });

  /** Reads an archive and stores what it holds; then, once for one request, makes a project of it. */
  const importFrom = async (
    c: AppContext,
    userId: string,
    source: ByteSource,
    upload: Pick<Upload, 'name' | 'size'>,
    asked: { readonly name: string | null; readonly origin: Record<string, string> },
    once: (make: () => Promise<Response>) => Promise<Response>,
  ): Promise<Response> => {
    const archive = await readArchive(source);
    await storeContents(source, archive, storeBlob(c.env.ASSETS));
    return await once(async () => {
      const { manifest, skipped, bytes } = archive;
      const entries = archive.files.map(([, entry]) => entry);
      const imported = { files: entries.length, assets: archive.assets.length, bytes, skipped };
      const input = {
        name: asked.name ?? nameOf(archive, upload.name),
        description: manifest?.description,
        settings: manifest?.settings,
        entries,
        assets: await described(
          c.env.ASSETS,
          archive.assets.map(([, asset]) => ({ ...asset, objectKey: blobKey(asset.hash) })),
        ),
        comments: manifest?.comments?.map(fromArchived),
        origin: asked.origin,
      };
      const answer = await newProject(c, userId, input, { imported });
      logEvent('import', {
        requestId: c.var.requestId,
        user: userId,
        project: answer.project.id,
        archiveBytes: upload.size,
        ...imported,
        ms: Date.now() - c.var.started,
      });
      return c.json(answer, 201, { 'cache-control': 'private, no-store' });
    });
  };

  const importBody = async (c: AppContext, userId: string, name: string | null): Promise<Response> => {
    const key = importKey(newId());
    try {
      const upload = await receive(c.env.EXPORTS, key, c.req.raw);
      const asked = { archive: upload.hash, name };
      return (
        (await earlierAnswer(c, userId, asked)) ??
        (await importFrom(
          c,
          userId,
          objectSource(c.env.EXPORTS, key, upload.size),
          upload,
          { name, origin: { import: upload.hash } },
          (make) => idempotently(c, userId, asked, make),
        ))
      );
    } finally {
      await c.env.EXPORTS.delete(key).catch((error: unknown) =>
        logEvent('import.not_removed', { requestId: c.var.requestId, ...describeError(error) }, 'warn'),
      );
    }
  };

  const importUpload = async (
    c: AppContext,
    userId: string,
    name: string | null,
    { uploadId, parts }: z.infer<typeof ImportUpload>,
  ): Promise<Response> => {
    const asked = { upload: uploadId, name };
    // Whoever asks again, with a key or without one, gets the project that there is.
    const ownKey = `import:${uploadId}`;
    const earlier = (await earlierAnswer(c, userId, asked)) ?? (await earlierAnswer(c, userId, asked, ownKey));
    if (earlier) return earlier;
    const archive = await wholeArchive(c, userId, uploadId, parts);
    const { objectKey } = archive.row;
    try {
      const answer = await importFrom(
        c,
        userId,
        objectSource(c.env.ASSETS, objectKey, archive.size, bounds.partsReadAhead),
        archive,
        { name, origin: { upload: uploadId } },
        (make) => idempotently(c, userId, asked, () => idempotently(c, userId, asked, make, ownKey)),
      );
      await discardArchive(c, archive);
      return answer;
    } catch (error) {
      // These bytes will never be taken; after any other failure the same upload may be tried again.
      if (error instanceof KilnError && isFinal.has(error.code)) await discardArchive(c, archive);
      throw error;
    }
  };

  mount(app, endpoints.importProject, async (c, { user, query, body }) => {
    const name = query.name ?? null;
    try {
      return { raw: await (body ? importUpload(c, user.userId, name, body) : importBody(c, user.userId, name)) };
    } catch (error) {
      if (error instanceof KilnError && refusals.has(error.code))
        logEvent(
          'import.refused',
          {
            requestId: c.var.requestId,
            user: user.userId,
            code: error.code,
            reason: error.issues?.[0]?.message ?? error.detail,
          },
          'warn',
        );
      throw error;
    }
  });

  mount(app, endpoints.createArchiveUpload, async (c, { user, body }) => {
    const { name, size, hash } = body;
    const begun = await takenUp(c, ofNoProject, user.userId, { name, size, hash });
    if (begun) return { status: 200, body: { upload: begun } };
    const file = { name, size, hash: hash ?? null, mimeType: 'application/zip' };
    const wanted = { projectId: ofNoProject, userId: user.userId, ...file };
    const row = await beginUpload(c, wanted, createArchiveUpload);
    return { status: 201, body: { upload: await shown(c, row, []) } };
  });
}
