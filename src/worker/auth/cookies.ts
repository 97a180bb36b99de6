import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import { signToken, type Verified, verifyToken } from '../../core/tokens.ts';
import type { AppContext } from '../http/context.ts';

const options = { path: '/', secure: true, httpOnly: true, sameSite: 'Strict', prefix: 'host' } as const;
const refreshName = 'kiln_refresh';
const deviceName = 'kiln_device';

/** A cookie comes along with any request that a browser makes, so it only counts from a page of ours. Throws `forbidden`. */
export function refuseForeignPage(c: AppContext): void {
  const origin = c.req.header('origin');
  const site = c.req.header('sec-fetch-site') ?? 'none';
  const ours =
    origin === undefined ? site === 'same-origin' || site === 'none' : c.var.config.allowedOrigins.has(origin);
  if (!ours) throw new KilnError('forbidden', { detail: 'This origin may not use the cookie.' });
}

/** The refresh token of a request: from the body, else from the cookie. */
export function refreshTokenOf(c: AppContext, body: { refreshToken?: string | undefined }): string | undefined {
  if (body.refreshToken !== undefined) return body.refreshToken;
  const cookie = getCookie(c, refreshName, 'host');
  if (!cookie) return undefined;
  refuseForeignPage(c);
  return cookie;
}

export const setRefreshCookie = (c: AppContext, token: string): void =>
  setCookie(c, refreshName, token, { ...options, maxAge: limits.auth.refreshTokenTtl / 1000 });

/** With the attributes that it was set with, or a browser keeps it. */
export function clearRefreshCookie(c: AppContext): void {
  deleteCookie(c, refreshName, options);
}

/** Remembers that this user has signed in on this device. It signs nobody in; it only has a count of its own. */
export async function rememberDevice(c: AppContext, userId: string): Promise<void> {
  const token = await signToken(c.var.config, 'device', { sub: userId, device: newId() }, limits.auth.deviceTtl);
  setCookie(c, deviceName, token, { ...options, maxAge: limits.auth.deviceTtl / 1000 });
}

/** Who signed in on this device before, where that is known. */
export async function knownDevice(c: AppContext): Promise<Verified<'device'> | null> {
  const token = getCookie(c, deviceName, 'host');
  return token ? await verifyToken(c.var.config, 'device', token) : null;
}
