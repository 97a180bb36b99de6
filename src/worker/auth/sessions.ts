import { randomBytes } from 'node:crypto';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Session, User } from '../../contract/users.ts';
import { signToken } from '../../core/tokens.ts';
import { sha256 } from '../../core/tree.ts';
import { createSession } from '../../data/sessions.ts';
import type { AppContext } from '../http/context.ts';

const cookieName = 'kiln_refresh';
const cookieOptions = { path: '/', secure: true, httpOnly: true, sameSite: 'Strict', prefix: 'host' } as const;

/** 256 random bits; only their SHA-256 is stored. */
export const newRefreshToken = (): string => randomBytes(32).toString('base64url');

export const hashRefreshToken = (token: string): string => sha256(token);

/**
 * The refresh token of a request: from the body, else from the cookie. A cookie comes along with any
 * request that a browser makes, so it only counts from a page of ours (hostile pages are cross-site).
 */
export function refreshTokenOf(c: AppContext, body: { refreshToken?: string | undefined }): string | undefined {
  if (body.refreshToken !== undefined) return body.refreshToken;
  const cookie = getCookie(c, cookieName, 'host');
  if (!cookie) return undefined;
  const origin = c.req.header('origin');
  const site = c.req.header('sec-fetch-site') ?? 'none';
  const ours =
    origin === undefined ? site === 'same-origin' || site === 'none' : c.var.config.allowedOrigins.has(origin);
  if (!ours) throw new KilnError('forbidden', { detail: 'This origin may not use the cookie.' });
  return cookie;
}

/** The body of every successful sign-in, and its cookie. */
export async function sessionReply(
  c: AppContext,
  user: User,
  sessionId: string,
  refreshToken: string,
): Promise<Session> {
  setCookie(c, cookieName, refreshToken, { ...cookieOptions, maxAge: limits.auth.refreshTokenTtl / 1000 });
  const accessToken = await signToken(
    c.var.config,
    'access',
    { sub: user.id, sid: sessionId },
    limits.auth.accessTokenTtl,
  );
  return { user, accessToken, expiresIn: limits.auth.accessTokenTtl / 1000, refreshToken };
}

/** Starts a session for somebody who has just proved who they are. */
export async function startSession(c: AppContext, user: User): Promise<Session> {
  const refreshToken = newRefreshToken();
  const id = await createSession(c.var.db, {
    userId: user.id,
    userAgent: c.req.header('user-agent') ?? '',
    tokenHash: hashRefreshToken(refreshToken),
    now: c.var.started,
  });
  return await sessionReply(c, user, id, refreshToken);
}

export function clearRefreshCookie(c: AppContext): void {
  deleteCookie(c, cookieName, cookieOptions);
}
