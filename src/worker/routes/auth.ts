import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { verifyToken } from '../../core/tokens.ts';
import { audit } from '../../data/audit.ts';
import { revokeSession, rotateRefreshToken, sessionOfToken } from '../../data/sessions.ts';
import { createUser, toUser, updateProfile, userByEmail, userById } from '../../data/users.ts';
import { hashPassword, verifyPassword } from '../auth/passwords.ts';
import {
  clearRefreshCookie,
  hashRefreshToken,
  newRefreshToken,
  refreshTokenOf,
  sessionReply,
  startSession,
} from '../auth/sessions.ts';
import type { AppEnv } from '../http/context.ts';
import { mount } from '../http/mount.ts';
import { sendSoon } from '../mail/deliver.ts';

export function authRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.register, async (c, { body }) => {
    const { password, displayName, ...who } = body;
    const mail = newId();
    const passwordHash = await hashPassword(password);
    const user = await createUser(
      c.var.db,
      { ...who, displayName: displayName ?? who.username, passwordHash, now: c.var.started },
      mail,
    );
    sendSoon(c, mail);
    await audit(c.var.db, {
      actorId: user.id,
      action: 'auth.registered',
      requestId: c.var.requestId,
      now: c.var.started,
    });
    return { status: 201, body: await startSession(c, user) };
  });

  mount(app, endpoints.login, async (c, { body }) => {
    const row = await userByEmail(c.var.db, body.email);
    const right = await verifyPassword(body.password, row?.passwordHash ?? null);
    if (!row || !right) throw new KilnError('invalid_credentials');
    await audit(c.var.db, {
      actorId: row.id,
      action: 'auth.signed_in',
      requestId: c.var.requestId,
      now: c.var.started,
    });
    return { status: 200, body: await startSession(c, toUser(row)) };
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
      await audit(c.var.db, {
        actorId: rotation.userId,
        action: 'auth.refresh_token_reused',
        subject: `session:${rotation.sessionId}`,
        requestId: c.var.requestId,
        now: c.var.started,
      });
      throw new KilnError('refresh_token_reused');
    }
    const user = rotation.outcome === 'rotated' ? await userById(c.var.db, rotation.userId) : undefined;
    if (rotation.outcome === 'invalid' || !user) throw new KilnError('refresh_token_invalid');
    return { status: 200, body: await sessionReply(c, toUser(user), rotation.sessionId, successor) };
  });

  mount(app, endpoints.logout, async (c, { body }) => {
    const token = refreshTokenOf(c, body);
    const access = /^Bearer (.+)$/.exec(c.req.header('authorization') ?? '')?.[1];
    const claims = access ? await verifyToken(c.var.config, 'access', access) : null;
    const sessionId =
      claims?.sid ?? (token ? (await sessionOfToken(c.var.db, hashRefreshToken(token)))?.id : undefined);
    if (!sessionId) throw new KilnError('unauthenticated');
    await revokeSession(c.var.db, sessionId, c.var.started, 'signed-out');
    clearRefreshCookie(c);
    return { status: 204 };
  });

  mount(app, endpoints.getMe, async (c, { user }) => {
    const row = await userById(c.var.db, user.userId);
    if (!row) throw new KilnError('unauthenticated');
    return { status: 200, body: { user: toUser(row) } };
  });

  mount(app, endpoints.updateMe, async (c, { user, body }) => {
    const updated = await updateProfile(c.var.db, user.userId, body, c.var.started);
    if (!updated) throw new KilnError('unauthenticated');
    return { status: 200, body: { user: updated } };
  });
}
