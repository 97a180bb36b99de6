import { Buffer } from 'node:buffer';
import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { textOf } from '../../core/content.ts';
import { etag, matchesWeakly } from '../../core/etag.ts';
import { decodePath } from '../../core/paths.ts';
import { sha256 } from '../../core/tree.ts';
import { takeBlob } from '../../data/intake.ts';
import { getBlob, putBlob } from '../../data/objects.ts';
import type { NewContent, WriteOptions } from '../../durable-objects/room/room.ts';
import { bodyOf, declaredLength, smallOrStream } from '../http/body.ts';
import type { AppContext, AppEnv } from '../http/context.ts';
import type { GatedRoom } from '../http/gated-room.ts';
import { mount } from '../http/mount.ts';
import { serveBytes } from '../http/range.ts';

const encoder = new TextEncoder();

function decodeBase64(content: string): Uint8Array {
  // `Buffer` skips what is not base64; the contract does not.
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(content) || content.length % 4 !== 0)
    throw new KilnError('validation_failed', { issues: [{ path: 'body.content', message: 'is not base64' }] });
  return Buffer.from(content, 'base64');
}

type JsonBody = { content: string; encoding: 'utf-8' | 'base64' };

const tooLarge = (): KilnError =>
  new KilnError('payload_too_large', { detail: `A file has at most ${limits.file.sizeMax} bytes.` });

/**
 * The bytes of a write, as the room takes them. What is not collaborative text is stored first and
 * named second; the gate comes before the store.
 */
async function newContent(c: AppContext, room: GatedRoom, body: JsonBody | undefined): Promise<NewContent> {
  const bytes = body ? bytesOf(body) : await rawContent(c, room);
  if (!(bytes instanceof Uint8Array)) return bytes;
  if (bytes.length > limits.file.sizeMax) throw tooLarge();
  const text = textOf(bytes);
  if (text !== null) return { text };
  await room.enter();
  const hash = sha256(bytes);
  await putBlob(c.env.ASSETS, hash, bytes);
  return { hash, size: bytes.length };
}

function bytesOf({ content, encoding }: JsonBody): Uint8Array {
  if (encoding === 'base64') return decodeBase64(content);
  if (!content.isWellFormed())
    throw new KilnError('validation_failed', { issues: [{ path: 'body.content', message: 'is not valid Unicode' }] });
  return encoder.encode(content);
}

/** What may be text comes whole; what is too long for that goes to the store as it comes. */
async function rawContent(c: AppContext, room: GatedRoom): Promise<Uint8Array | NewContent> {
  const contentLength = declaredLength(c.req.raw);
  if (contentLength !== undefined && contentLength > limits.file.sizeMax) throw tooLarge();
  if (contentLength === undefined || contentLength > limits.file.textMax) await room.enter();
  const body = await smallOrStream(bodyOf(c.req.raw), limits.file.textMax);
  if (body instanceof Uint8Array) {
    if (contentLength !== undefined && contentLength !== body.length)
      throw new KilnError('malformed_request', { detail: 'The body is not as long as it says.' });
    return body;
  }
  const { sha256: hash, size } = await takeBlob(c.env.ASSETS, body, { cap: limits.file.sizeMax, contentLength });
  return { hash, size };
}

async function write(c: AppContext, room: GatedRoom, rawPath: string, body: JsonBody | undefined, createOnly: boolean) {
  const path = decodePath(rawPath);
  const content = await newContent(c, room, body);
  const options: WriteOptions = {
    ifMatch: c.req.header('if-match'),
    createOnly: createOnly || c.req.header('if-none-match')?.trim() === '*',
  };
  const { file, created } = await room.call((stub, caller, right) => stub.write(caller, right, path, content, options));
  return { status: created ? (201 as const) : (200 as const), headers: { etag: etag(file.hash) }, body: { file } };
}

/** A file as a download: the name in RFC 8187 form, and never a type that a browser would run. */
function fileHeaders(path: string, mimeType: string): Headers {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return new Headers({
    'content-type': mimeType,
    'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name)}`,
    'content-security-policy': "sandbox; default-src 'none'",
    'cache-control': 'private, no-store',
  });
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
      const bytes = text === null ? null : encoder.encode(text);
      return {
        raw: await serveBytes(
          c.req.raw,
          {
            size: file.size,
            etag: tag,
            open: async (range) => {
              if (bytes) return range ? bytes.subarray(range.offset, range.offset + range.length) : bytes;
              const object = await getBlob(c.env.ASSETS, file.hash, range);
              if (!object) throw new KilnError('unavailable');
              return object.body;
            },
          },
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
