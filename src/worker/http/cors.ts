import type { AppContext } from './context.ts';

/** What pages of another origin that the configuration names may send and read. */
const sent =
  'authorization, content-type, idempotency-key, if-match, if-none-match, range, x-kiln-bookmark, x-request-id';
const read =
  'content-disposition, content-range, etag, idempotency-replayed, location, ratelimit, ratelimit-policy, retry-after, x-kiln-bookmark, x-request-id';
const methods = 'GET, HEAD, POST, PUT, PATCH, DELETE';
/** Seconds that a browser remembers a preflight: as long as Chromium and Firefox both would. */
const maxAge = '600';

/** The origin of a page that is not ours and is on the list, to the letter. Nothing else is ever echoed. */
function foreignPage(c: AppContext): string | null {
  const origin = c.req.header('origin');
  const { allowedOrigins, appOrigin } = c.var.config;
  return origin !== undefined && origin !== appOrigin && allowedOrigins.has(origin) ? origin : null;
}

/** The answer to a preflight from such a page; null for every other request. */
export function preflight(c: AppContext): Response | null {
  if (c.req.method !== 'OPTIONS' || c.req.header('access-control-request-method') === undefined) return null;
  const origin = foreignPage(c);
  if (origin === null) return null;
  return new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': methods,
      'access-control-allow-headers': sent,
      'access-control-max-age': maxAge,
      vary: 'origin',
    },
  });
}

/** Lets such a page read the answer. */
export function allowForeignPage(c: AppContext): void {
  if (c.req.header('origin') === undefined) return;
  c.res.headers.append('vary', 'origin');
  const origin = foreignPage(c);
  if (origin === null) return;
  c.res.headers.set('access-control-allow-origin', origin);
  c.res.headers.set('access-control-allow-credentials', 'true');
  c.res.headers.set('access-control-expose-headers', read);
}
