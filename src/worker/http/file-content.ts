import { Buffer } from 'node:buffer';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { takeBlob } from '../../data/intake.ts';
import { bodyOf, declaredLength, smallOrStream } from './body.ts';
import type { AppContext } from './context.ts';
import type { GatedRoom } from './gated-room.ts';

const encoder = new TextEncoder();

export interface JsonContent {
  readonly content: string;
  readonly encoding: 'utf-8' | 'base64';
}

const tooLarge = (): KilnError =>
  new KilnError('payload_too_large', { detail: `A file has at most ${limits.file.sizeMax} bytes.` });

/** The bytes of a `{content, encoding}`. Throws `validation_failed` on `body.content`, and `payload_too_large`. */
export function bytesOfContent({ content, encoding }: JsonContent): Uint8Array {
  const refuse = (message: string): never => {
    throw new KilnError('validation_failed', { issues: [{ path: 'body.content', message }] });
  };
  if (encoding === 'utf-8' && !content.isWellFormed()) refuse('is not valid Unicode');
  // `Buffer` skips what is not base64; the contract does not.
  if (encoding === 'base64' && (!/^[A-Za-z0-9+/]*={0,2}$/.test(content) || content.length % 4 !== 0))
    refuse('is not base64');
  const bytes = encoding === 'utf-8' ? encoder.encode(content) : Buffer.from(content, 'base64');
  if (bytes.length > limits.file.sizeMax) throw tooLarge();
  return bytes;
}

/** A raw body. What may be text comes whole; what is too long for that goes to the store as it comes, after the gate. */
export async function rawContent(
  c: AppContext,
  room: GatedRoom,
): Promise<Uint8Array | { readonly hash: string; readonly size: number }> {
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
