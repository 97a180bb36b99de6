import type { Hono } from 'hono';
import { fromArchived } from '../../contract/comments.ts';
import { endpoints } from '../../contract/endpoints.ts';
import { type ErrorCode, KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { ProjectName } from '../../contract/projects.ts';
import { archiveName, attachment, manifestOf, writeManifest } from '../../core/archive.ts';
import { etag, matchesWeakly } from '../../core/etag.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { sha256 } from '../../core/tree.ts';
import { allAssets } from '../../data/assets.ts';
import { blobKey, getBlob, getTree, importKey, putBlob } from '../../data/objects.ts';
import { type OpenBlob, writeArchive } from '../archive/export.ts';
import { type ReadArchive, readArchive, type StoreBlob, storeContents } from '../archive/import.ts';
import { objectSource } from '../archive/source.ts';
import { receive, type Upload } from '../archive/upload.ts';
import { asEntry } from '../assets/as-entry.ts';
import { withAssetPaths } from '../assets/commented.ts';
import { described } from '../assets/metadata.ts';
import type { AppEnv } from '../http/context.ts';
import { earlierAnswer, idempotently } from '../http/idempotency.ts';
import { mount } from '../http/mount.ts';
import { newProject } from '../new-project.ts';

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

/** A project's name, where none was asked for: what the archive says, or is called, or is all inside of. */
function nameOf({ manifest, top }: ReadArchive, upload: Upload): string {
  const candidates = [manifest?.name, upload.name, top.slice(0, -1)];
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

  mount(app, endpoints.importProject, async (c, { user, query }) => {
    const key = importKey(newId());
    try {
      const upload = await receive(c.env.EXPORTS, key, c.req.raw);
      const asked = { archive: upload.hash, name: query.name ?? null };
      const earlier = await earlierAnswer(c, user.userId, asked);
      if (earlier) return { raw: earlier };
      const source = objectSource(c.env.EXPORTS, key, upload.size);
      const archive = await readArchive(source);
      await storeContents(source, archive, storeBlob(c.env.ASSETS));
      const answer = await idempotently(c, user.userId, asked, async () => {
        const { manifest, skipped, bytes } = archive;
        const entries = archive.files.map(([, entry]) => entry);
        const project = await newProject(c, user.userId, {
          name: query.name ?? nameOf(archive, upload),
          description: manifest?.description,
          settings: manifest?.settings,
          entries,
          assets: await described(
            c.env.ASSETS,
            archive.assets.map(([, asset]) => ({ ...asset, objectKey: blobKey(asset.hash) })),
          ),
          comments: manifest?.comments?.map(fromArchived),
          origin: { import: upload.hash },
        });
        const imported = { files: entries.length, assets: archive.assets.length, bytes, skipped };
        logEvent('import', {
          requestId: c.var.requestId,
          user: user.userId,
          project: project.id,
          archiveBytes: upload.size,
          ...imported,
          ms: Date.now() - c.var.started,
        });
        return c.json({ project, imported }, 201, { 'cache-control': 'private, no-store' });
      });
      return { raw: answer };
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
    } finally {
      await c.env.EXPORTS.delete(key).catch((error: unknown) =>
        logEvent('import.not_removed', { requestId: c.var.requestId, ...describeError(error) }, 'warn'),
      );
    }
  });
}
