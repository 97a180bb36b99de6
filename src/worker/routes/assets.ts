import type { Hono } from 'hono';
import { type Asset, AssetName, type AssetType, AssetUploadForm } from '../../contract/assets.ts';
import { endpoints } from '../../contract/endpoints.ts';
import { errors, KilnError } from '../../contract/errors.ts';
import { optimizedTypeOf } from '../../contract/jobs.ts';
import { day } from '../../contract/units.ts';
import { assetKind, assetName, fitsName, typeOfMime } from '../../core/asset-types.ts';
import { logEvent } from '../../core/log.ts';
import {
  type AssetAt,
  type AssetRow,
  addAssetVersion,
  assetById,
  eraseAsset,
  listAssets,
  removeStale,
  renameAsset,
  setTrashed,
  staleVersions,
  versionOf,
  versionsOf,
} from '../../data/assets.ts';
import { blobKey, ensureBlob, getObject } from '../../data/objects.ts';
import { latestOptimization, toOptimization } from '../../data/optimizations.ts';
import { iso } from '../../data/time.ts';
import { metadataOf } from '../assets/metadata.ts';
import { optimize, planOf } from '../assets/optimize.ts';
import { askForSmallerPicture, askToOptimize } from '../assets/optimize-later.ts';
import { pack } from '../assets/pack.ts';
import { imagesOf } from '../assets/pictures.ts';
import { type ReceivedFile, receiveForm } from '../assets/receive.ts';
import { showAsset, showAssets, showVersions } from '../assets/show.ts';
import { type AppContext, type AppEnv, actorOf } from '../http/context.ts';
import { fileHeaders } from '../http/file-headers.ts';
import type { GatedRoom } from '../http/gated-room.ts';
import { earlierAnswer, idempotently } from '../http/idempotency.ts';
import { mount } from '../http/mount.ts';
import { inBucket, serveBytes } from '../http/range.ts';

/** What a form may say beside its files. */
const Fields = AssetUploadForm.pick({ name: true, type: true });

/** Gives a file that was received its place in the project, once under the key of the request and the name of the step. */
async function keep(
  c: AppContext,
  room: GatedRoom,
  file: ReceivedFile,
  name: string,
  type: AssetType | undefined,
  step: string,
): Promise<AssetAt> {
  const kind = await assetKind(name, file.head, { type, mimeType: file.mimeType });
  await file.keep();
  const { hash, size, head } = file;
  const objectKey = blobKey(hash);
  const metadata = await metadataOf(c.env.ASSETS, { objectKey, size, head }, kind);
  const content = { ...kind, objectKey, hash, size, metadata };
  const at = await addAssetVersion(c.var.db, room.projectId, name, content, actorOf(c, room.caller.userId), {
    step: { keys: c.var.claimed.keys, name: step },
  });
  await tell(room, 'asset.uploaded', at.asset);
  logEvent('asset.stored', {
    requestId: c.var.requestId,
    project: room.projectId,
    asset: at.asset.id,
    version: at.version.version,
    type: kind.mimeType,
    bytes: file.size,
  });
  return at;
}

const tell = (room: GatedRoom, event: string, { id, name, version }: AssetRow): Promise<void> =>
  room.tell((stub) => stub.record(event, room.caller.userId, { assetId: id, name, version }));

const nameOf = (given: string | undefined): string => {
  const parsed = AssetName.safeParse(given);
  if (parsed.success) return assetName(parsed.data);
  throw new KilnError('validation_failed', { issues: [{ path: 'body.name', message: 'a file name is missing' }] });
};

/** The asset as it is now. */
async function shown(c: AppContext, id: string): Promise<Asset> {
  const asset = await assetById(c.var.db, id);
  const at = asset && (await versionOf(c.var.db, asset));
  if (!at) throw new KilnError('not_found');
  return await showAsset(c, at);
}

export function assetRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.uploadAsset, async (c, { user, enter }) => {
    const { room, fields, files } = await receiveForm(c, enter, 'file');
    const [file] = files;
    if (!file) throw new Error('a form has a file');
    try {
      const parsed = Fields.safeParse(Object.fromEntries(fields));
      if (!parsed.success)
        throw new KilnError('validation_failed', {
          issues: parsed.error.issues.map(({ path, message }) => ({ path: `body.${path.join('.')}`, message })),
        });
      const name = nameOf(parsed.data.name ?? file.fileName);
      const { type } = parsed.data;
      const asked = { projectId: room.projectId, name, type: type ?? null, hash: file.hash };
      const earlier = await earlierAnswer(c, user.userId, asked);
      if (earlier) return { raw: earlier };
      const answer = await idempotently(c, user.userId, asked, async () => {
        const at = await keep(c, room, file, name, type, 'file');
        return c.json({ asset: await showAsset(c, at) }, 201, { 'cache-control': 'private, no-store' });
      });
      return { raw: answer };
    } finally {
      await file.discard();
    }
  });

  mount(app, endpoints.uploadAssets, async (c, { user, enter }) => {
    const { room, files } = await receiveForm(c, enter, 'files');
    try {
      const asked = { projectId: room.projectId, files: files.map(({ fileName, hash }) => [fileName ?? '', hash]) };
      const earlier = await earlierAnswer(c, user.userId, asked);
      if (earlier) return { raw: earlier };
      const answer = await idempotently(c, user.userId, asked, async () => {
        const assets: Asset[] = [];
        const refused: { name: string; code: KilnError['code']; detail: string }[] = [];
        for (const [index, file] of files.entries()) {
          try {
            const at = await keep(c, room, file, nameOf(file.fileName), undefined, `file ${index}`);
            assets.push(await showAsset(c, at));
          } catch (error) {
            // Of no file, and not for ever: the same key goes on from here.
            if (!(error instanceof KilnError) || errors[error.code].status >= 500) throw error;
            refused.push({ name: file.fileName ?? '', code: error.code, detail: error.message });
          }
        }
        return c.json({ assets, errors: refused }, refused.length > 0 ? 207 : 201, {
          'cache-control': 'private, no-store',
        });
      });
      return { raw: answer };
    } finally {
      for (const file of files) await file.discard();
    }
  });

  mount(app, endpoints.listAssets, async (c, { room, query }) => {
    await room.enter();
    const { rows, nextCursor } = await listAssets(c.var.db, room.projectId, query);
    return { status: 200, body: { assets: await showAssets(c, room.projectId, rows), nextCursor } };
  });

  mount(app, endpoints.packAssets, async (c, { room, user, body }) => {
    await room.enter();
    const { image, atlas } = await pack(c, room.projectId, user.userId, body);
    for (const { asset } of [image, atlas]) await tell(room, 'asset.uploaded', asset);
    return { status: 201, body: { image: await showAsset(c, image), atlas: await showAsset(c, atlas) } };
  });

  mount(app, endpoints.cleanAssets, async (c, { room, user, body }) => {
    await room.enter();
    const { dryRun, keep, olderThanDays } = body;
    const before = c.var.started - olderThanDays * day;
    const found = await staleVersions(c.var.db, room.projectId, keep, before);
    if (!dryRun && found.count > 0) {
      await removeStale(c.var.db, room.projectId, keep, before, actorOf(c, user.userId));
      const { count, bytes } = found;
      logEvent('asset.cleaned', { requestId: c.var.requestId, project: room.projectId, versions: count, bytes });
    }
    const versions = found.versions.map(({ name, version: { assetId, version, size, createdAt } }) => ({
      assetId,
      name,
      version,
      size,
      uploadedAt: iso(createdAt),
    }));
    return { status: 200, body: { dryRun, versions, count: found.count, bytes: found.bytes, kept: found.kept } };
  });

  mount(app, endpoints.getAsset, async (c, { asset }) => ({
    status: 200,
    body: { asset: await shown(c, asset.id) },
  }));

  mount(app, endpoints.updateAsset, async (c, { asset, room, user, body }) => {
    const name = assetName(body.name);
    const at = await versionOf(c.var.db, asset);
    if (!at) throw new KilnError('not_found');
    fitsName(name, at.version.mimeType);
    if (!(await renameAsset(c.var.db, asset, name, actorOf(c, user.userId)))) throw new KilnError('not_found');
    await tell(room, 'asset.renamed', { ...asset, name });
    return { status: 200, body: { asset: await shown(c, asset.id) } };
  });

  mount(app, endpoints.deleteAsset, async (c, { asset, room, user, query }) => {
    const actor = actorOf(c, user.userId);
    if (query.permanent) await eraseAsset(c.var.db, asset, actor);
    else await setTrashed(c.var.db, asset, true, actor);
    await tell(room, query.permanent ? 'asset.erased' : 'asset.trashed', asset);
    return { status: 204 };
  });

  mount(app, endpoints.restoreAsset, async (c, { asset, room, user }) => {
    await setTrashed(c.var.db, asset, false, actorOf(c, user.userId));
    await tell(room, 'asset.restored', asset);
    return { status: 200, body: { asset: await shown(c, asset.id) } };
  });

  mount(app, endpoints.listAssetVersions, async (c, { asset }) => ({
    status: 200,
    body: { versions: await showVersions(c, asset, await versionsOf(c.var.db, asset.id)) },
  }));

  mount(app, endpoints.restoreAssetVersion, async (c, { asset, room, user, params }) => {
    const wanted = Number(params.version);
    const old = Number.isSafeInteger(wanted) ? await versionOf(c.var.db, asset, wanted) : undefined;
    if (!old) throw new KilnError('not_found');
    const { objectKey, hash, size, mimeType, metadata } = old.version;
    // Once it is named twice it may not be where the collector looks for it.
    await ensureBlob(c.env.ASSETS, hash);
    const at = await addAssetVersion(
      c.var.db,
      asset.projectId,
      asset.name,
      { type: typeOfMime(mimeType, asset.name) ?? asset.type, objectKey, hash, size, mimeType, metadata },
      actorOf(c, user.userId),
    );
    await tell(room, 'asset.uploaded', at.asset);
    return { status: 201, body: { asset: await showAsset(c, at) } };
  });

  mount(app, endpoints.optimizeAsset, async (c, { asset, room, user, body }) => {
    const before = await versionOf(c.var.db, asset);
    if (!before) throw new KilnError('not_found');
    const optimizedType = optimizedTypeOf({ name: asset.name, mimeType: before.version.mimeType });
    const order = optimizedType ? null : planOf(before, body);
    if (order && imagesOf(c.env)) {
      const { at, savedBytes, changed } = await optimize(c, before, user.userId, order);
      if (changed) await tell(room, 'asset.uploaded', at.asset);
      return { status: 200, body: { asset: await showAsset(c, at), savedBytes } };
    }
    const row = optimizedType
      ? await askToOptimize(c, before, optimizedType, user.userId, body)
      : order && (await askForSmallerPicture(c, before, user.userId, order));
    const shown = await showAsset(c, before);
    return row
      ? { status: 202, body: { asset: shown, savedBytes: 0, optimization: toOptimization(row) } }
      : { status: 200, body: { asset: shown, savedBytes: 0 } };
  });

  mount(app, endpoints.getOptimization, async (c, { asset }) => {
    const row = await latestOptimization(c.var.db, asset.id);
    return { status: 200, body: { asset: await shown(c, asset.id), optimization: row ? toOptimization(row) : null } };
  });

  mount(app, endpoints.downloadAsset, async (c, { asset, query }) => {
    const at = await versionOf(c.var.db, asset, query.version);
    if (!at) throw new KilnError('not_found');
    const { objectKey, hash, size, mimeType } = at.version;
    return {
      raw: await serveBytes(
        c.req.raw,
        inBucket({ hash, size }, (range) => getObject(c.env.ASSETS, objectKey, range)),
        fileHeaders(asset.name, mimeType),
      ),
    };
  });
}
