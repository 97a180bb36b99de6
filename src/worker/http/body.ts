import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { concat } from '../../core/bytes.ts';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Media type of a request, lower-case, without parameters. */
export const mediaType = (request: Request): string =>
  (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

/** The whole body; throws `payload_too_large` as soon as it is known to be over the cap, whatever `Content-Length` claims. */
export async function readBytes(request: Request, cap: number): Promise<Uint8Array> {
  const tooLarge = (): KilnError => new KilnError('payload_too_large', { detail: `At most ${cap} bytes.` });
  if (Number(request.headers.get('content-length') ?? 0) > cap) throw tooLarge();
  if (!request.body) return new Uint8Array();
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request.body as ReadableStream<Uint8Array>) {
    size += part.length;
    if (size > cap) throw tooLarge();
    parts.push(part);
  }
  return concat(parts);
}

/** One JSON value. Throws `unsupported_media_type`, `malformed_json`, `payload_too_large`. */
export async function readJson(request: Request): Promise<unknown> {
  if (mediaType(request) !== 'application/json')
    throw new KilnError('unsupported_media_type', { detail: 'Send `application/json`.' });
  const bytes = await readBytes(request, limits.http.jsonBody);
  let text: string;
  try {
    text = strictUtf8.decode(bytes);
  } catch {
    throw new KilnError('malformed_json', { detail: 'The body is not valid UTF-8.' });
  }
  // Checked on the text, before the parser builds anything.
  if (jsonDepth(text) > limits.http.jsonDepth)
    throw new KilnError('malformed_json', { detail: `Nested deeper than ${limits.http.jsonDepth} levels.` });
  try {
    return JSON.parse(text);
  } catch {
    throw new KilnError('malformed_json');
  }
}

function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (inString) {
      if (character === '\\') index += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth);
    else if (character === '}' || character === ']') depth -= 1;
  }
  return deepest;
}
