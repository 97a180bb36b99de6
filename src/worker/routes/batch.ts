import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import type { BatchOperation } from '../../contract/files.ts';
import { limits } from '../../contract/limits.ts';
import { textOf } from '../../core/content.ts';
import { validPath } from '../../core/paths.ts';
import { sha256 } from '../../core/tree.ts';
import { putBlob } from '../../data/objects.ts';
import type { BatchStep } from '../../durable-objects/room/landing.ts';
import type { AppContext, AppEnv } from '../http/context.ts';
import { bytesOfContent, rawContent } from '../http/file-content.ts';
import type { GatedRoom } from '../http/gated-room.ts';
import { mount } from '../http/mount.ts';

/** Says where in the body a check failed. */
function at<T>(index: number, field: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    throw new KilnError(error.code, {
      detail: error.detail,
      issues: [{ path: `body.operations.${index}.${field}`, message: error.issues?.[0]?.message ?? error.message }],
    });
  }
}

/** The room takes text as it is; other bytes become blobs of the project, which it then knows by their hash. */
function stepOf(operation: BatchOperation, index: number, blobs: Map<string, Uint8Array>): BatchStep {
  if (operation.op === 'move' || operation.op === 'copy')
    return {
      op: operation.op,
      from: at(index, 'from', () => validPath(operation.from)),
      to: at(index, 'to', () => validPath(operation.to)),
    };
  const path = at(index, 'path', () => validPath(operation.path));
  const { op, ifMatch } = operation;
  if (op === 'delete') return { op, path, ifMatch };
  if (operation.hash !== undefined) return { op, path, ifMatch, content: { hash: operation.hash } };
  const bytes = at(index, 'content', () =>
    bytesOfContent({ content: operation.content ?? '', encoding: operation.encoding ?? 'utf-8' }),
  );
  const text = textOf(bytes);
  if (text !== null) return { op, path, ifMatch, content: { text } };
  const hash = sha256(bytes);
  blobs.set(hash, bytes);
  return { op, path, ifMatch, content: { hash } };
}

/** The gate comes before the store. */
async function storeBlobs(c: AppContext, room: GatedRoom, blobs: ReadonlyMap<string, Uint8Array>): Promise<void> {
  if (blobs.size === 0) return;
  await room.enter();
  const queue = [...blobs];
  const worker = async (): Promise<void> => {
    for (let next = queue.pop(); next; next = queue.pop()) await putBlob(c.env.ASSETS, ...next);
  };
  await Promise.all(Array.from({ length: Math.min(limits.batch.parallel, queue.length) }, worker));
  const stored = Array.from(blobs, ([hash, { length }]) => ({ hash, size: length, isText: false }));
  await room.call((stub, caller, right) => stub.uploaded(caller, right, ...stored));
}

export function batchRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.batchFiles, async (c, { room, body }) => {
    const blobs = new Map<string, Uint8Array>();
    const steps = body.operations.map((operation, index) => stepOf(operation, index, blobs));
    await storeBlobs(c, room, blobs);
    return {
      status: 200,
      body: await room.call((stub, caller, right) => stub.batch(caller, right, steps, body.message)),
    };
  });

  mount(app, endpoints.missingBlobs, async (_c, { room, body }) => ({
    status: 200,
    body: await room.call((stub, caller, right) => stub.missing(caller, right, body.hashes)),
  }));

  mount(app, endpoints.putBlob, async (c, { room, params: { hash } }) => {
    await room.enter();
    const content = await rawContent(c, room);
    const isWhole = content instanceof Uint8Array;
    if ((isWhole ? sha256(content) : content.hash) !== hash)
      throw new KilnError('validation_failed', { issues: [{ path: 'body', message: 'has another SHA-256' }] });
    if (isWhole) await putBlob(c.env.ASSETS, hash, content);
    const blob = isWhole
      ? { hash, size: content.length, isText: textOf(content) !== null }
      : { hash, size: content.size, isText: false };
    await room.call((stub, caller, right) => stub.uploaded(caller, right, blob));
    return { status: 200, body: { blob } };
  });
}
