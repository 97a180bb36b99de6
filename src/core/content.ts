import mime from 'mime';
import { limits } from '../contract/limits.ts';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The text in some bytes, or null when they are not collaborative text: not UTF-8, holding NUL
 * (which editors cannot show), or over the cap. A byte-order mark stays part of the text, so that
 * reading gives back the very bytes that were written.
 */
export function textOf(bytes: Uint8Array): string | null {
  return bytes.length > limits.file.textMax || bytes.includes(0) ? null : decodeText(bytes);
}

/** The text in UTF-8 bytes, whatever characters it has; null when they are not UTF-8. */
export function decodeText(bytes: Uint8Array): string | null {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return null;
  }
}

/** Types whose registered name would mislead in a game project. */
const overrides = new Map(['ts', 'tsx', 'mts', 'cts'].map((extension) => [extension, 'text/typescript']));

/** From the extension alone: the type of a project file decides how it is shown, never whether it is trusted. */
export function mimeTypeOf(path: string, isText: boolean): string {
  const extension = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  return overrides.get(extension) ?? mime.getType(path) ?? (isText ? 'text/plain' : 'application/octet-stream');
}
