import { getCookie, setCookie } from 'hono/cookie';
import { KilnError } from '../../contract/errors.ts';
import { keyParameter } from '../../core/links.ts';
import { type Purpose, type Verified, verifyToken } from '../../core/tokens.ts';
import type { AppContext } from '../http/context.ts';

/** With the prefix `__Host-` no neighbour below the content host can set it. */
const cookieName = 'kiln-key';

/**
 * Lets whoever follows a signed link into an origin. The link becomes a cookie of that origin and leaves the address,
 * so that neither the game nor whoever is shown the address gets it: then `redirect` is the answer. Throws `not_found`
 * for everybody else: they learn nothing, also not that a link was good once.
 */
export async function admit<P extends Purpose>(
  c: AppContext,
  purpose: P,
  holds: (claims: Verified<P>) => boolean,
): Promise<{ readonly claims: Verified<P>; readonly redirect: Response | null }> {
  const url = new URL(c.req.url);
  const sent = url.searchParams.get(keyParameter);
  const token = sent ?? getCookie(c, cookieName, 'host');
  const claims = token === undefined ? null : await verifyToken(c.var.config, purpose, token);
  if (token === undefined || !claims || !holds(claims)) throw new KilnError('not_found');
  if (sent === null) return { claims, redirect: null };
  setCookie(c, cookieName, token, {
    path: '/',
    secure: true,
    httpOnly: true,
    // A workspace shows games in a frame of another site: there the cookie is of that site's visitors alone.
    sameSite: 'None',
    partitioned: true,
    prefix: 'host',
    maxAge: Math.max(1, claims.exp - Math.floor(Date.now() / 1000)),
  });
  url.searchParams.delete(keyParameter);
  c.header('cache-control', 'no-store');
  c.header('referrer-policy', 'no-referrer');
  return { claims, redirect: c.redirect(url.pathname + url.search, 303) };
}
