import { KilnError } from '../../contract/errors.ts';
import { etag, matches, matchesWeakly } from '../../core/etag.ts';

interface Part {
  readonly offset: number;
  readonly length: number;
}

/** Immutable or hash-tagged bytes on their way out. */
export interface ByteSource {
  readonly size: number;
  readonly etag: string;
  /** The bytes, or a part of them. */
  open(range?: Part): Promise<ReadableStream | Uint8Array>;
}

export const partOf = (bytes: Uint8Array, range: Part | undefined): Uint8Array =>
  range ? bytes.subarray(range.offset, range.offset + range.length) : bytes;

/** Bytes that are in memory, named by a hash. */
export const inMemory = (bytes: Uint8Array, hash: string): ByteSource => ({
  size: bytes.length,
  etag: etag(hash),
  open: async (range) => partOf(bytes, range),
});

/** Bytes that a bucket has under their hash; `unavailable` where it has not. */
export const inBucket = (
  { hash, size }: { readonly hash: string; readonly size: number },
  read: (range?: Part) => Promise<R2ObjectBody | null>,
): ByteSource => ({
  size,
  etag: etag(hash),
  async open(range) {
    const object = await read(range);
    if (!object) throw new KilnError('unavailable');
    return object.body;
  },
});

/** Bytes in a content coding, which are made when they are asked for. They have a tag of their own, and no parts. */
export interface CodedSource {
  readonly coding: 'br' | 'gzip';
  readonly etag: string;
  open(): Promise<Uint8Array>;
}

/** Answers 200, 206, 304 or throws `precondition_failed`, `range_not_satisfiable` (RFC 9110 §13–14). */
export async function serveBytes(
  request: Request,
  source: ByteSource | CodedSource,
  headers: Headers,
): Promise<Response> {
  headers.set('etag', source.etag);
  headers.set('accept-ranges', 'bytes');
  headers.set('x-content-type-options', 'nosniff');
  const ifMatch = request.headers.get('if-match');
  if (ifMatch !== null && !matches(ifMatch, source.etag)) throw new KilnError('precondition_failed');
  const ifNoneMatch = request.headers.get('if-none-match');
  if (ifNoneMatch !== null && matchesWeakly(ifNoneMatch, source.etag))
    return new Response(null, { status: 304, headers });
  const head = request.method === 'HEAD';
  if ('coding' in source) {
    const bytes = await source.open();
    headers.set('content-encoding', source.coding);
    headers.set('content-length', String(bytes.length));
    return new Response(head ? null : bytes, { headers, encodeBody: 'manual' });
  }
  // Ranges are of GET alone.
  const range = head ? null : requestedRange(request, source);
  if (!range) {
    headers.set('content-length', String(source.size));
    return new Response(head ? null : await source.open(), { headers });
  }
  const { first, last } = range;
  const length = last - first + 1;
  headers.set('content-length', String(length));
  headers.set('content-range', `bytes ${first}-${last}/${source.size}`);
  return new Response(await source.open({ offset: first, length }), { status: 206, headers });
}

/**
 * The one range that is asked for; null: answer the whole. That is also the answer to several ranges, to other units
 * and to what is no range, all of which a server may ignore (§14.2).
 */
function requestedRange(request: Request, { size, etag }: ByteSource): { first: number; last: number } | null {
  const ifRange = request.headers.get('if-range');
  // A date is no tag either, so it never holds.
  if (ifRange !== null && ifRange.trim() !== etag) return null;
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(request.headers.get('range') ?? '');
  if (!match) return null;
  const [from = '', to = ''] = match.slice(1);
  if (from === '' && to === '') return null;
  // Without a first position, the second is how much is wanted of the end: of less than that, everything.
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== '' && to !== '' && Number(to) < first) return null;
  if (first >= size)
    throw new KilnError('range_not_satisfiable', {
      detail: `The content has ${size} bytes.`,
      headers: { 'content-range': `bytes */${size}` },
    });
  return { first, last };
}
