import parseRange from 'range-parser';
import { KilnError } from '../../contract/errors.ts';
import { matchesWeakly } from '../../core/etag.ts';

/** Immutable or hash-tagged bytes on their way out. */
export interface ByteSource {
  readonly size: number;
  readonly etag: string;
  /** The bytes, or a part of them. */
  open(range?: { readonly offset: number; readonly length: number }): Promise<ReadableStream | Uint8Array>;
}

/** Answers 200, 206, 304 or throws `range_not_satisfiable` (RFC 9110 §13–14). Several ranges in one request are answered whole, which the RFC allows. */
export async function serveBytes(request: Request, source: ByteSource, headers: Headers): Promise<Response> {
  headers.set('etag', source.etag);
  headers.set('accept-ranges', 'bytes');
  headers.set('x-content-type-options', 'nosniff');
  const ifNoneMatch = request.headers.get('if-none-match');
  if (ifNoneMatch !== null && matchesWeakly(ifNoneMatch, source.etag))
    return new Response(null, { status: 304, headers });
  const head = request.method === 'HEAD';
  const range = requestedRange(request, source);
  if (!range) {
    headers.set('content-length', String(source.size));
    return new Response(head ? null : await source.open(), { headers });
  }
  const length = range.end - range.start + 1;
  headers.set('content-length', String(length));
  headers.set('content-range', `bytes ${range.start}-${range.end}/${source.size}`);
  return new Response(head ? null : await source.open({ offset: range.start, length }), { status: 206, headers });
}

function requestedRange(request: Request, source: ByteSource): { start: number; end: number } | null {
  const header = request.headers.get('range');
  const ifRange = request.headers.get('if-range');
  if (header === null || (ifRange !== null && ifRange !== source.etag)) return null;
  const ranges = parseRange(source.size, header, { combine: true });
  if (ranges === -1)
    throw new KilnError('range_not_satisfiable', {
      detail: `The content has ${source.size} bytes.`,
      headers: { 'content-range': `bytes */${source.size}` },
    });
  if (ranges === -2 || ranges.type !== 'bytes' || ranges.length !== 1) return null;
  return ranges[0] ?? null;
}
