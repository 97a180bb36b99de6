import { randomBytes } from 'node:crypto';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Session, User } from '../../contract/users.ts';
import { signToken } from '../../core/tokens.ts';
import { sha256 } from '../../core/tree.ts';
import { type AccountRow, undoDeletion } from '../../data/accounts.ts';
import { audit } from '../../data/audit.ts';
import { createSession } from '../../data/sessions.ts';
import { toUser } from '../../data/users.ts';
import { type AppContext, actorOf } from '../http/context.ts';
import { rememberDevice, setRefreshCookie } from './cookies.ts';
import { tellGuard } from './end-sessions.ts';

/** 256 random bits; only their SHA-256 is stored. */
export const newRefreshToken = (): string => randomBytes(32).toString('base64url');

export const hashRefreshToken = (token: string): string => sha256(token);

/** The body of every successful sign-in, and its cookie. */
export async function sessionReply(
  c: AppContext,
  user: User,
  sessionId: string,
  refreshToken: string,
): Promise<Session> {
  setRefreshCookie(c, refreshToken);
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
  await rememberDevice(c, user.id);
  return await sessionReply(c, user, id, refreshToken);
}

/**
 * Signs in whoever has just proved that the account is theirs, `how`ever that was: by password, or by a provider.
 * An account on its way out comes back by it. Throws `account_disabled`.
 */
export async function signIn(c: AppContext, account: AccountRow, how: string): Promise<Session> {
  c.var.fields.user = account.id;
  if (account.disabledAt !== null) throw new KilnError('account_disabled');
  if (account.deletedAt !== null) {
    // Past its grace it is being erased, and is as good as gone.
    if (!(await undoDeletion(c.var.db, account.id, actorOf(c, account.id)))) throw new KilnError('invalid_credentials');
    await tellGuard(c.env, account.id, null);
  }
  await audit(c.var.db, { ...actorOf(c, account.id), action: 'auth.signed_in', data: { how } });
  return await startSession(c, toUser(account));
}
