import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { concat } from '../../core/bytes.ts';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Media type of a request, lower-case, without parameters. */
export const mediaType = (request: Request): string =>
  (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

/** What a message says that its body is long; undefined when it does not. Throws `malformed_request`. */
export function declaredLength(message: Pick<Request, 'headers'>): number | undefined {
  const length = message.headers.get('content-length');
  if (length === null) return undefined;
  if (!/^\d{1,15}$/.test(length)) throw new KilnError('malformed_request', { detail: 'Content-Length is no number.' });
  return Number(length);
}

/**
 * The body as it comes. Throws `request_timeout` when it comes too slowly, for which only the time counts that it is
 * awaited, and `malformed_request` when it breaks off.
 */
export async function* bodyOf({ body }: Pick<Request, 'body'>): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  if (!body) return;
  const reader = (body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
  const { window, bytes } = limits.http.bodyPace;
  let left: number = window;
  let got = 0;
  try {
    for (let coming = reader.read(); ; ) {
      const since = Date.now();
      const part = await within(coming, left);
      left -= Date.now() - since;
      if (part?.done) return;
      got += part?.value.length ?? 0;
      if (part === null || left <= 0) {
        if (got < bytes) throw new KilnError('request_timeout');
        left = window;
        got = 0;
      }
      if (part) {
        yield part.value;
        coming = reader.read();
      }
    }
  } finally {
    // Nobody reads on; a body that has broken off needs no end.
    reader.cancel().catch(() => undefined);
  }
}

/** What a read gives, or null when it has not come in time. */
async function within<T>(read: Promise<T>, ms: number): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([read, late]);
  } catch (cause) {
    throw new KilnError('malformed_request', { detail: 'The body broke off.', cause });
  } finally {
    clearTimeout(timer);
  }
}

/** A body of at most so many bytes whole, or a longer one as a stream of which nothing was lost. */
export async function smallOrStream(
  body: AsyncGenerator<Uint8Array, void, void>,
  most: number,
): Promise<Uint8Array | AsyncGenerator<Uint8Array, void, void>> {
  const parts: Uint8Array[] = [];
  let size = 0;
  while (size <= most) {
    const next = await body.next();
    if (next.done) return concat(parts);
    parts.push(next.value);
    size += next.value.length;
  }
  return (async function* () {
    yield* parts;
    yield* body;
  })();
}

/** The whole body; throws `payload_too_large` as soon as it is known to be over the cap, whatever `Content-Length` claims. */
export async function readBytes(message: Request | Response, cap: number): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = (): KilnError => new KilnError('payload_too_large', { detail: `At most ${cap} bytes.` });
  if ((declaredLength(message) ?? 0) > cap) throw tooLarge();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const part of bodyOf(message)) {
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
  return jsonOf(await readBytes(request, limits.http.jsonBody));
}

/** The JSON value that bytes hold. Throws `malformed_json`. */
export function jsonOf(bytes: Uint8Array): unknown {
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
