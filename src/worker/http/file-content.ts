import { Buffer } from 'node:buffer';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';

const encoder = new TextEncoder();

/** The bytes of a `{content, encoding}`. Throws `validation_failed` on `body.content`, and `payload_too_large`. */
export function bytesOfContent({ content, encoding }: { content: string; encoding: 'utf-8' | 'base64' }): Uint8Array {
  const refuse = (message: string): never => {
    throw new KilnError('validation_failed', { issues: [{ path: 'body.content', message }] });
  };
  if (encoding === 'utf-8' && !content.isWellFormed()) refuse('is not valid Unicode');
  // `Buffer` skips what is not base64; the contract does not.
  if (encoding === 'base64' && (!/^[A-Za-z0-9+/]*={0,2}$/.test(content) || content.length % 4 !== 0))
    refuse('is not base64');
  const bytes = encoding === 'utf-8' ? encoder.encode(content) : Buffer.from(content, 'base64');
  if (bytes.length > limits.file.sizeMax)
    throw new KilnError('payload_too_large', { detail: `A file has at most ${limits.file.sizeMax} bytes.` });
  return bytes;
}
