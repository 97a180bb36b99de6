import { Buffer } from 'node:buffer';
import type { Hono } from 'hono';
import type { CheckpointAsset, CheckpointFile, Diff } from '../../contract/checkpoints.ts';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { canonicalJson } from '../../core/canonical-json.ts';
import { decodeText, mimeTypeOf } from '../../core/content.ts';
import { etag, matchesWeakly } from '../../core/etag.ts';
import { diffTrees } from '../../core/patch.ts';
import { decodePath } from '../../core/paths.ts';
import { sha256 } from '../../core/tree.ts';
import { type MarkedAsset, markedAssets } from '../../data/asset-marks.ts';
import { allAssets } from '../../data/assets.ts';
import { getBlob, getTree, type ManifestEntry } from '../../data/objects.ts';
import { projectRoom } from '../../durable-objects/stubs.ts';
import { refuseBeyond } from '../auth/authenticate.ts';
import type { AppContext, AppEnv } from '../http/context.ts';
import { fileHeaders } from '../http/file-headers.ts';
import { GatedRoom } from '../http/gated-room.ts';
import { mount } from '../http/mount.ts';
import { inBucket, serveBytes } from '../http/range.ts';

const toFile = ({ path, size, hash, isText }: Omit<ManifestEntry, 'mode'>): CheckpointFile => ({
  path,
  size,
  hash,
  isText,
  mimeType: mimeTypeOf(path, isText),
});

const toAsset = ({ assetId, name, version, content }: MarkedAsset): CheckpointAsset => ({
  assetId,
  name,
  version,
  size: content?.size ?? null,
  hash: content?.hash ?? null,
  mimeType: content?.mimeType ?? null,
});

/** The assets as a checkpoint names them, or with `head` as they are; null where that is not known. */
async function assetsOf(c: AppContext, projectId: string, id: string): Promise<CheckpointAsset[] | null> {
  if (id !== 'head') return (await markedAssets(c.var.db, projectId, id))?.map(toAsset) ?? null;
  const list = await allAssets(c.var.db, projectId);
  return list.map(({ asset: { id, name, version }, version: content }) =>
    toAsset({ assetId: id, name, version, content }),
  );
}

function diffAssets(before: CheckpointAsset[] | null, after: CheckpointAsset[] | null): Diff['assets'] {
  if (before === null || after === null) return null;
  const [old, young] = [before, after].map((list) => new Map(list.map((asset) => [asset.assetId, asset])));
  return {
    added: after.filter(({ assetId }) => !old?.has(assetId)),
    removed: before.filter(({ assetId }) => !young?.has(assetId)),
    modified: before.flatMap((one) => {
      const other = young?.get(one.assetId);
      const isSame = other === undefined || (other.name === one.name && other.hash === one.hash);
      return isSame ? [] : [{ before: one, after: other }];
    }),
  };
}

async function filesOf(c: AppContext, treeHash: string): Promise<ManifestEntry[]> {
  const entries = await getTree(c.env.ASSETS, treeHash);
  if (!entries) throw new KilnError('unavailable', { detail: 'A stored state of the project could not be read.' });
  return entries;
}

async function bytesOf(c: AppContext, hash: string): Promise<Uint8Array> {
  const object = await getBlob(c.env.ASSETS, hash);
  if (!object) throw new KilnError('unavailable', { detail: 'A stored content could not be read.' });
  return new Uint8Array(await object.arrayBuffer());
}

const checkpointOf = async (room: GatedRoom, id: string) =>
  (await room.call((stub, caller, right) => stub.getCheckpoint(caller, right, id))).checkpoint;

export function historyRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.createCheckpoint, async (c, { room, body }) => {
    const [held] = c.var.claimed.keys;
    // The room keeps the answer with the checkpoint: whoever takes over the key of a request that died gets it from there.
    const request = held && sha256(canonicalJson([held.userId, held.key, body]));
    const { checkpoint } = await room.call((stub, caller, right) =>
      stub.checkpoint(caller, right, { kind: 'manual', ...body, request }),
    );
    return { status: 201, body: { checkpoint } };
  });

  mount(app, endpoints.listCheckpoints, async (_c, { room, query }) => ({
    status: 200,
    body: await room.call((stub, caller, right) => stub.checkpoints(caller, right, query)),
  }));

  mount(app, endpoints.getCheckpoint, async (c, { room, params }) => {
    const checkpoint = await checkpointOf(room, params.checkpointId);
    const files = (await filesOf(c, checkpoint.treeHash)).map(toFile);
    const assets = await assetsOf(c, room.projectId, checkpoint.id);
    return { status: 200, body: { checkpoint: { ...checkpoint, files, assets } } };
  });

  mount(app, endpoints.updateCheckpoint, async (_c, { room, params, body }) => {
    const checkpoint = await room.call((stub, caller, right) =>
      stub.updateCheckpoint(caller, right, params.checkpointId, body),
    );
    return { status: 200, body: { checkpoint } };
  });

  mount(app, endpoints.deleteCheckpoint, async (_c, { room, params }) => {
    await room.call((stub, caller, right) => stub.deleteCheckpoint(caller, right, params.checkpointId));
    return { status: 204 };
  });

  mount(app, endpoints.getCheckpointFile, async (c, { room, params, query }) => {
    const path = decodePath(params.path);
    const { treeHash } = await checkpointOf(room, params.checkpointId);
    const entry = (await filesOf(c, treeHash)).find((one) => one.path === path);
    if (!entry) throw new KilnError('not_found', { detail: 'There was no such file.' });
    const file = toFile(entry);
    const tag = etag(file.hash);
    if (query.raw || (c.req.header('accept') ?? '').includes('application/octet-stream'))
      return {
        raw: await serveBytes(
          c.req.raw,
          inBucket(file, (range) => getBlob(c.env.ASSETS, file.hash, range)),
          fileHeaders(path, file.mimeType),
        ),
      };
    const ifNoneMatch = c.req.header('if-none-match');
    if (ifNoneMatch !== undefined && matchesWeakly(ifNoneMatch, tag)) return { status: 304, headers: { etag: tag } };
    const bytes = await bytesOf(c, file.hash);
    const text = file.isText ? decodeText(bytes) : null;
    return {
      status: 200,
      headers: { etag: tag },
      body: {
        file:
          text === null
            ? { ...file, content: Buffer.from(bytes).toString('base64'), encoding: 'base64' }
            : { ...file, content: text, encoding: 'utf-8' },
      },
    };
  });

  mount(app, endpoints.diffCheckpoint, async (c, { room, params, query }) => {
    const before = await checkpointOf(room, params.checkpointId);
    const after =
      query.against === 'head'
        ? await room.call((stub, caller, right) => stub.snapshot(caller, right))
        : await checkpointOf(room, query.against);
    const diff = await diffTrees(
      await filesOf(c, before.treeHash),
      await filesOf(c, after.treeHash),
      async (hash) => decodeText(await bytesOf(c, hash)) ?? '',
    );
    return {
      status: 200,
      body: {
        added: diff.added.map(toFile),
        removed: diff.removed.map(toFile),
        modified: diff.modified.map((one) => ({ ...one, before: toFile(one.before), after: toFile(one.after) })),
        truncated: diff.truncated,
        assets: diffAssets(
          await assetsOf(c, room.projectId, params.checkpointId),
          await assetsOf(c, room.projectId, query.against),
        ),
      },
    };
  });

  mount(app, endpoints.restoreCheckpoint, async (_c, { room, params }) => {
    const restored = await room.call((stub, caller, right) =>
      stub.restoreCheckpoint(caller, right, params.checkpointId),
    );
    return { status: 200, body: restored };
  });

  mount(app, endpoints.mergeProject, async (c, { room, user, body }) => {
    await room.enter();
    const { from, ...order } = body;
    if (from === room.projectId)
      throw new KilnError('validation_failed', {
        issues: [{ path: 'body.from', message: 'is the project itself' }],
      });
    refuseBeyond(user, from);
    const other = new GatedRoom(from, projectRoom(c.env, from), room.caller, 'project.read');
    const theirs = await other.call((stub, caller, right) => stub.snapshot(caller, right, room.projectId));
    const merged = await room.call((stub, caller, right) =>
      stub.merge(caller, right, {
        from,
        fromName: theirs.project.name,
        treeHash: theirs.treeHash,
        base: theirs.mergeBase,
        preview: order.preview,
        resolutions: order.resolutions,
        takeAll: order.takeAll,
        message: order.message,
      }),
    );
    return { status: 200, body: merged };
  });
}
