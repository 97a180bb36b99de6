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
import { readBytes } from '../http/body.ts';
import type { AppContext, AppEnv } from '../http/context.ts';
import { bytesOfContent } from '../http/file-content.ts';
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

/** Bytes that are no text become a blob of the project, which the room then knows by its hash. */
async function stepOf(c: AppContext, room: GatedRoom, operation: BatchOperation, index: number): Promise<BatchStep> {
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
  await room.enter();
  const hash = sha256(bytes);
  await putBlob(c.env.ASSETS, hash, bytes);
  await room.call((stub, caller, right) => stub.uploaded(caller, right, { hash, size: bytes.length, isText: false }));
  return { op, path, ifMatch, content: { hash } };
}

export function batchRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.batchFiles, async (c, { room, body }) => {
    const steps: BatchStep[] = [];
    for (const [index, operation] of body.operations.entries()) steps.push(await stepOf(c, room, operation, index));
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
    const bytes = await readBytes(c.req.raw, limits.file.sizeMax);
    if (sha256(bytes) !== hash)
      throw new KilnError('validation_failed', { issues: [{ path: 'body', message: 'has another SHA-256' }] });
    await putBlob(c.env.ASSETS, hash, bytes);
    const blob = { hash, size: bytes.length, isText: textOf(bytes) !== null };
    await room.call((stub, caller, right) => stub.uploaded(caller, right, blob));
    return { status: 200, body: { blob } };
  });
}
