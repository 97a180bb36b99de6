import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { verifyToken } from '../../core/tokens.ts';
import { accountBy, rehashPassword } from '../../data/accounts.ts';
import { audit } from '../../data/audit.ts';
import { rotateRefreshToken, sessionOfToken } from '../../data/sessions.ts';
import { createUser, toUser, userById } from '../../data/users.ts';
import { clearRefreshCookie, refreshTokenOf } from '../auth/cookies.ts';
import { endSessionsOf, tellGuard } from '../auth/end-sessions.ts';
import { refuseWeak } from '../auth/password-rules.ts';
import { hashPassword, isOutdated, verifyPassword } from '../auth/passwords.ts';
import { hashRefreshToken, newRefreshToken, sessionReply, signIn, startSession } from '../auth/sessions.ts';
import { countSignUp, tryPassword } from '../auth/throttling.ts';
import { type AppContext, type AppEnv, actorOf } from '../http/context.ts';
import { mount } from '../http/mount.ts';
import { sendSoon } from '../mail/deliver.ts';

/** Whose session a request for its end speaks of: by the access token, else by the refresh token. */
async function sessionToEnd(c: AppContext, body: { refreshToken?: string | undefined }) {
  const token = refreshTokenOf(c, body);
  const access = /^Bearer (.+)$/.exec(c.req.header('authorization') ?? '')?.[1];
  const claims = access ? await verifyToken(c.var.config, 'access', access) : null;
  if (claims) return { id: claims.sid, userId: claims.sub };
  return token ? await sessionOfToken(c.var.db, hashRefreshToken(token)) : undefined;
}

/** Signing up, in and out. */
export function authRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.register, async (c, { body }) => {
    const { password, displayName, ...who } = body;
    await refuseWeak(password, body);
    await countSignUp(c);
    const mail = newId();
    const passwordHash = await hashPassword(password);
    const user = await createUser(
      c.var.db,
      { ...who, displayName: displayName ?? who.username, passwordHash, now: c.var.started },
      mail,
    );
    sendSoon(c, mail);
    c.var.fields.user = user.id;
    await audit(c.var.db, { ...actorOf(c, user.id), action: 'auth.registered' });
    return { status: 201, body: await startSession(c, user) };
  });

  mount(app, endpoints.login, async (c, { body }) => {
    const { email, password } = body;
    const account = await accountBy(c.var.db, { email });
    const stored = account?.passwordHash ?? null;
    const right = await tryPassword(c, email, account?.id, () => verifyPassword(password, stored));
    if (!account || stored === null || !right) {
      c.var.fields.user = account?.id;
      if (account) await audit(c.var.db, { ...actorOf(c, account.id), action: 'auth.sign_in_failed' });
      throw new KilnError('invalid_credentials');
    }
    if (isOutdated(stored))
      await rehashPassword(c.var.db, { id: account.id, before: stored, passwordHash: await hashPassword(password) });
    return { status: 200, body: await signIn(c, account, 'password') };
  });

  mount(app, endpoints.refresh, async (c, { body }) => {
    const token = refreshTokenOf(c, body);
    if (!token) throw new KilnError('refresh_token_invalid');
    const successor = newRefreshToken();
    const rotation = await rotateRefreshToken(c.var.db, {
      hash: hashRefreshToken(token),
      successor: hashRefreshToken(successor),
      requestStarted: c.var.started,
      now: Date.now(),
    });
    if (rotation.outcome === 'reused') {
      c.var.fields.user = rotation.userId;
      await audit(c.var.db, {
        ...actorOf(c, rotation.userId),
        action: 'auth.refresh_token_reused',
        subject: `session:${rotation.sessionId}`,
      });
      // Access tokens of the family are as stolen as its refresh tokens.
      await tellGuard(c.env, rotation.userId, [rotation.sessionId]);
      throw new KilnError('refresh_token_reused');
    }
    const user = rotation.outcome === 'rotated' ? await userById(c.var.db, rotation.userId) : undefined;
    if (rotation.outcome === 'invalid' || !user) throw new KilnError('refresh_token_invalid');
    c.var.fields.user = user.id;
    return { status: 200, body: await sessionReply(c, toUser(user), rotation.sessionId, successor) };
  });

  mount(app, endpoints.logout, async (c, { body }) => {
    const session = await sessionToEnd(c, body);
    if (!session) throw new KilnError('unauthenticated');
    c.var.fields.user = session.userId;
    clearRefreshCookie(c);
    await endSessionsOf(
      c.env,
      c.var.db,
      session.userId,
      { only: session.id },
      { reason: 'signed-out', actor: actorOf(c, session.userId) },
    );
    return { status: 204 };
  });
}
