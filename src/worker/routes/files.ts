import { Buffer } from 'node:buffer';
import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { textOf } from '../../core/content.ts';
import { etag, matchesWeakly } from '../../core/etag.ts';
import { decodePath } from '../../core/paths.ts';
import { sha256 } from '../../core/tree.ts';
import { getBlob, putBlob } from '../../data/objects.ts';
import type { WriteOptions } from '../../durable-objects/room/changes.ts';
import type { NewContent } from '../../durable-objects/room/landing.ts';
import type { AppContext, AppEnv } from '../http/context.ts';
import { bytesOfContent, type JsonContent, rawContent } from '../http/file-content.ts';
import { fileHeaders } from '../http/file-headers.ts';
import type { GatedRoom } from '../http/gated-room.ts';
import { mount } from '../http/mount.ts';
import { inBucket, inMemory, serveBytes } from '../http/range.ts';

const encoder = new TextEncoder();

/**
 * The bytes of a write, as the room takes them. What is not collaborative text is stored first and
 * named second; the gate comes before the store.
 */
async function newContent(c: AppContext, room: GatedRoom, body: JsonContent | undefined): Promise<NewContent> {
  const bytes = body ? bytesOfContent(body) : await rawContent(c, room);
  if (!(bytes instanceof Uint8Array)) return bytes;
  const text = textOf(bytes);
  if (text !== null) return { text };
  await room.enter();
  const hash = sha256(bytes);
  await putBlob(c.env.ASSETS, hash, bytes);
  return { hash, size: bytes.length };
}

async function write(
  c: AppContext,
  room: GatedRoom,
  rawPath: string,
  body: JsonContent | undefined,
  createOnly: boolean,
) {
  const path = decodePath(rawPath);
  const content = await newContent(c, room, body);
  const options: WriteOptions = {
    ifMatch: c.req.header('if-match'),
    createOnly: createOnly || c.req.header('if-none-match')?.trim() === '*',
  };
  const { file, created } = await room.call((stub, caller, right) => stub.write(caller, right, path, content, options));
  return { status: created ? (201 as const) : (200 as const), headers: { etag: etag(file.hash) }, body: { file } };
}

export function fileRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.listFiles, async (_c, { room, query }) => ({
    status: 200,
    body: await room.call((stub, caller, right) => stub.list(caller, right, query.prefix)),
  }));

  mount(app, endpoints.getTree, async (c, { room }) => {
    const tree = await room.call((stub, caller, right) => stub.tree(caller, right));
    const tag = etag(tree.hash);
    const ifNoneMatch = c.req.header('if-none-match');
    if (ifNoneMatch !== undefined && matchesWeakly(ifNoneMatch, tag)) return { status: 304, headers: { etag: tag } };
    return { status: 200, headers: { etag: tag }, body: tree };
  });

  mount(app, endpoints.getFile, async (c, { room, params, query }) => {
    const path = decodePath(params.path);
    const { file, text } = await room.call((stub, caller, right) => stub.read(caller, right, path));
    const tag = etag(file.hash);
    const raw = query.raw || (c.req.header('accept') ?? '').includes('application/octet-stream');
    if (raw) {
      return {
        raw: await serveBytes(
          c.req.raw,
          text === null
            ? inBucket(file, (range) => getBlob(c.env.ASSETS, file.hash, range))
            : inMemory(encoder.encode(text), file.hash),
          fileHeaders(path, file.mimeType),
        ),
      };
    }
    const ifNoneMatch = c.req.header('if-none-match');
    if (ifNoneMatch !== undefined && matchesWeakly(ifNoneMatch, tag)) return { status: 304, headers: { etag: tag } };
    if (text !== null)
      return { status: 200, headers: { etag: tag }, body: { file: { ...file, content: text, encoding: 'utf-8' } } };
    const object = await getBlob(c.env.ASSETS, file.hash);
    if (!object) throw new KilnError('unavailable');
    const content = Buffer.from(await object.arrayBuffer()).toString('base64');
    return { status: 200, headers: { etag: tag }, body: { file: { ...file, content, encoding: 'base64' } } };
  });

  mount(app, endpoints.putFile, (c, { room, params, body }) => write(c, room, params.path, body, false));

  mount(app, endpoints.createFile, async (c, { room, params, body }) => {
    const { headers, body: reply } = await write(c, room, params.path, body, true);
    return { status: 201, headers, body: reply };
  });

  mount(app, endpoints.deleteFile, async (c, { room, params }) => {
    const path = decodePath(params.path);
    await room.call((stub, caller, right) => stub.delete(caller, right, path, { ifMatch: c.req.header('if-match') }));
    return { status: 204 };
  });
}
