import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { exportAccount, requestDeletion, setPassword } from '../../data/accounts.ts';
import { listApiKeys } from '../../data/api-keys.ts';
import { audit } from '../../data/audit.ts';
import { listSessions } from '../../data/live-sessions.ts';
import { listSecurityEvents } from '../../data/security-events.ts';
import { sessionById } from '../../data/sessions.ts';
import { iso } from '../../data/time.ts';
import { toUser, updateProfile, userById } from '../../data/users.ts';
import { closeAccount } from '../auth/close-account.ts';
import { confirmed } from '../auth/confirmed.ts';
import { clearRefreshCookie } from '../auth/cookies.ts';
import { endSessionsOf } from '../auth/end-sessions.ts';
import { refuseWeak } from '../auth/password-rules.ts';
import { hashPassword } from '../auth/passwords.ts';
import { type AppEnv, actorOf } from '../http/context.ts';
import { mount } from '../http/mount.ts';

/** What a person does with their own account. */
export function accountRoutes(app: Hono<AppEnv>): void {
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

  mount(app, endpoints.changePassword, async (c, { user, body }) => {
    const account = await confirmed(c, user, body.currentPassword);
    await refuseWeak(body.newPassword, account, 'newPassword');
    const change = {
      id: account.id,
      before: account.passwordHash,
      passwordHash: await hashPassword(body.newPassword),
    };
    const actor = actorOf(c, account.id);
    if (!(await setPassword(c.var.db, change, actor)))
      throw new KilnError('conflict', { detail: 'The password was changed at this very moment.' });
    await endSessionsOf(c.env, c.var.db, account.id, { except: user.sessionId }, { reason: 'password-changed', actor });
    return { status: 204 };
  });

  mount(app, endpoints.listSessions, async (c, { user }) => ({
    status: 200,
    body: {
      sessions: await listSessions(c.var.db, user.userId, user.sessionId, c.var.started),
      nextCursor: null,
    },
  }));

  mount(app, endpoints.revokeSession, async (c, { user, params }) => {
    const session = await sessionById(c.var.db, params.id);
    if (session?.userId !== user.userId) throw new KilnError('not_found');
    const actor = actorOf(c, user.userId);
    await endSessionsOf(c.env, c.var.db, user.userId, { only: session.id }, { reason: 'revoked', actor });
    if (session.id === user.sessionId) clearRefreshCookie(c);
    return { status: 204 };
  });

  mount(app, endpoints.listSecurityEvents, async (c, { user, query }) => ({
    status: 200,
    body: await listSecurityEvents(c.var.db, user.userId, query),
  }));

  mount(app, endpoints.exportMe, async (c, { user }) => {
    const row = await userById(c.var.db, user.userId);
    if (!row) throw new KilnError('unauthenticated');
    const [rest, sessions, apiKeys] = await Promise.all([
      exportAccount(c.var.db, user.userId),
      listSessions(c.var.db, user.userId, user.sessionId, c.var.started),
      listApiKeys(c.var.db, user.userId, c.var.started),
    ]);
    await audit(c.var.db, { ...actorOf(c, user.userId), action: 'auth.data_exported' });
    return {
      status: 200,
      headers: { 'content-disposition': 'attachment; filename="kiln-account.json"' },
      body: { exportedAt: iso(c.var.started), user: toUser(row), sessions, apiKeys, ...rest },
    };
  });

  mount(app, endpoints.deleteMe, async (c, { user, body }) => {
    const account = await confirmed(c, user, body.password);
    const actor = actorOf(c, account.id);
    await requestDeletion(c.var.db, account.id, actor);
    await closeAccount(c.env, c.var.db, account.id, { reason: 'account-deleted', actor });
    clearRefreshCookie(c);
    const requestedAt = iso(c.var.started);
    return {
      status: 202,
      body: { deletion: { requestedAt, erasedAt: iso(c.var.started + limits.account.deletionGrace) } },
    };
  });
}
