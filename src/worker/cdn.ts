import { LRUCache } from 'lru-cache';
import { KilnError } from '../contract/errors.ts';
import { Id } from '../contract/ids.ts';
import { limits } from '../contract/limits.ts';
import { attachment } from '../core/archive.ts';
import { isInert } from '../core/asset-types.ts';
import { etag } from '../core/etag.ts';
import { cleanSvg } from '../core/svg.ts';
import { verifyToken } from '../core/tokens.ts';
import { type Deliverable, deliverable } from '../data/delivery.ts';
import { type ByteRange, getObject } from '../data/objects.ts';
import { keep, kept } from './assets/edge-cache.ts';
import { variantAsked, variantOf } from './assets/variants.ts';
import { immutable } from './http/caching.ts';
import type { AppContext } from './http/context.ts';
import { type ByteSource, inMemory, serveBytes } from './http/range.ts';

/** Raised when the copies that are shown come out differently. */
const svgCopy = 'svg1';

/** Short: an asset that was deleted, or a project that was closed, is gone from here as soon. */
const known = new LRUCache<string, Deliverable>({ max: limits.asset.remembered, ttl: limits.http.siteAge });

async function find(c: AppContext, assetId: string, version: number): Promise<Deliverable> {
  const key = `${assetId} ${version}`;
  const found = known.get(key) ?? (await deliverable(c.var.db, assetId, version));
  if (!found) throw new KilnError('not_found');
  known.set(key, found);
  return found;
}

/** Who may not read it learns nothing, also not that a link was good once. */
async function admit(c: AppContext, assetId: string, { isPublic }: Deliverable): Promise<void> {
  if (isPublic) return;
  const token = new URL(c.req.url).searchParams.get('token');
  const claims = token === null ? null : await verifyToken(c.var.config, 'cdn', token);
  if (claims?.sub !== assetId) throw new KilnError('not_found');
}

async function object(c: AppContext, { objectKey }: Deliverable, range?: ByteRange): Promise<ReadableStream> {
  const found = await getObject(c.env.ASSETS, objectKey, range);
  if (!found) throw new KilnError('unavailable');
  return found.body;
}

/** What is shown of an SVG document, which is never the document itself; null: nothing is. */
async function shownSvg(c: AppContext, asset: Deliverable, headers: Headers): Promise<Uint8Array | null> {
  if (asset.size > limits.asset.svgBytes) return null;
  const name = `${svgCopy}/${asset.hash}`;
  const cached = await kept(c, name);
  headers.set(cacheHeader, cached ? 'hit' : 'miss');
  if (cached) return new Uint8Array(await new Response(cached).arrayBuffer());
  const copy = cleanSvg(await new Response(await object(c, asset)).text());
  if (copy === null) return null;
  const bytes = new TextEncoder().encode(copy);
  keep(c, name, bytes.length, async () => bytes);
  return bytes;
}

const cacheHeader = 'x-kiln-cache';

function stored(c: AppContext, asset: Deliverable, headers: Headers): ByteSource {
  return {
    size: asset.size,
    etag: etag(asset.hash),
    async open(range) {
      const cached = await kept(c, asset.hash, range);
      headers.set(cacheHeader, cached ? 'hit' : 'miss');
      if (cached) return cached;
      if (asset.size <= limits.asset.cachedBytes) keep(c, asset.hash, asset.size, () => object(c, asset));
      return await object(c, asset, range);
    },
  };
}

/** Null: the picture itself stands for one that nobody can make of it now. It is one that browsers show, or nothing would be made of it. */
function standIn({ size }: Deliverable, error: unknown): null {
  if (error instanceof KilnError && error.code === 'unavailable' && size <= limits.variant.standInBytes) return null;
  throw error;
}

/**
 * A version of an asset, at the address that `asset.url` names: `/cdn/{assetId}/{version}/{name}` on a host of
 * the content, or with `w` and `format` a picture made of it. The gate comes before any cache. Nothing that is served here runs: types come from the bytes, and
 * what a browser could run is a download.
 */
export async function serveAsset(c: AppContext): Promise<Response> {
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD') throw new KilnError('method_not_allowed');
  const [, assetId = '', version = ''] = /^\/cdn\/([^/]+)\/([1-9]\d{0,8})\/[^/;]+$/.exec(c.req.path) ?? [];
  if (!Id.safeParse(assetId).success) throw new KilnError('not_found');
  const asset = await find(c, assetId, Number(version));
  await admit(c, assetId, asset);
  const asked = variantAsked(new URL(c.req.url));
  const isSvg = asset.mimeType === 'image/svg+xml';
  const headers = new Headers({
    'content-type': asset.mimeType,
    'cache-control': asset.isPublic ? immutable('public') : immutable('private', limits.asset.linkTtl),
    'content-security-policy': "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    'access-control-allow-origin': '*',
    'access-control-expose-headers': `etag, content-range, ${cacheHeader}, x-kiln-picture`,
    'cross-origin-resource-policy': 'cross-origin',
    'referrer-policy': 'no-referrer',
  });
  if (asked) {
    const made = await variantOf(c, asset, asked).catch((error: unknown) => standIn(asset, error));
    if (made === null) {
      // For this once: the next who asks may get the picture that was meant.
      headers.set('cache-control', 'no-store');
      headers.set('content-disposition', 'inline');
      headers.set('x-kiln-picture', 'original');
      return await serveBytes(c.req.raw, stored(c, asset, headers), headers);
    }
    const { name, mimeType, bytes, cached } = made;
    headers.set('content-type', mimeType);
    headers.set('content-disposition', 'inline');
    headers.set(cacheHeader, cached ? 'hit' : 'miss');
    return await serveBytes(c.req.raw, inMemory(bytes, `${asset.hash}-${name}`), headers);
  }
  const copy = isSvg ? await shownSvg(c, asset, headers) : null;
  if (isSvg) headers.set('vary', 'sec-fetch-dest');
  if (isSvg && !copy) headers.set('content-type', 'application/octet-stream');
  const shows = isInert(asset.mimeType) || (copy !== null && c.req.header('sec-fetch-dest') === 'image');
  headers.set('content-disposition', shows ? 'inline' : attachment(asset.name));
  if (!copy) return await serveBytes(c.req.raw, stored(c, asset, headers), headers);
  return await serveBytes(c.req.raw, inMemory(copy, `${asset.hash}-${svgCopy}`), headers);
}
