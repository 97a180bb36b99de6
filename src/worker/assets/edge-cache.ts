import { limits } from '../../contract/limits.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { within } from '../../core/within.ts';
import type { ByteRange } from '../../data/objects.ts';
import { immutable } from '../http/caching.ts';
import type { AppContext } from '../http/context.ts';

/*
 * Bytes near whoever reads them. They are kept by their content, so no signature and no name is part of the key,
 * and nothing is asked here before the gate of the asset was passed. A cache that is away is a miss.
 */

/** No path of the content host: it is asked for by nobody but this. */
const keyOf = (c: AppContext, name: string): string =>
  `${c.var.config.contentScheme}://cdn.${c.var.config.contentHost}/kept/${name}`;

const quietly =
  (c: AppContext) =>
  (error: unknown): undefined => {
    logEvent('asset.cache_failed', { requestId: c.var.requestId, ...describeError(error) }, 'warn');
  };

/** The bytes, or the part of them, if they are here. */
export async function kept(c: AppContext, name: string, range?: ByteRange): Promise<ReadableStream | null> {
  const headers = range ? { range: `bytes=${range.offset}-${range.offset + range.length - 1}` } : undefined;
  const found = await within(
    limits.asset.cachePatience,
    caches.default.match(new Request(keyOf(c, name), headers && { headers })),
    () => new Error('the cache does not answer'),
  ).catch(quietly(c));
  if (!found?.body) return null;
  if (found.status === (range ? 206 : 200)) return found.body;
  await found.body.cancel();
  return null;
}

/** Keeps the bytes for the next reader, behind the answer. */
export function keep(
  c: AppContext,
  name: string,
  size: number,
  open: () => Promise<ReadableStream | Uint8Array | null>,
): void {
  const work = async (): Promise<void> => {
    const body = await open();
    if (!body) return;
    const headers = { 'content-length': String(size), 'cache-control': immutable('public') };
    await caches.default.put(keyOf(c, name), new Response(body, { headers }));
  };
  c.executionCtx.waitUntil(work().catch(quietly(c)));
}
