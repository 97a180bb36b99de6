import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { day } from '../../contract/units.ts';
import { newApiKey } from '../../core/api-keys.ts';
import { createApiKey, listApiKeys, revokeApiKey } from '../../data/api-keys.ts';
import { projectAccess } from '../../data/projects.ts';
import { tellGuard } from '../auth/end-sessions.ts';
import { type AppEnv, actorOf } from '../http/context.ts';
import { mount } from '../http/mount.ts';

/** Null: never. Throws `validation_failed`. */
function endOf(expiresAt: string | undefined, now: number): number | null {
  if (expiresAt === undefined) return null;
  const at = Date.parse(expiresAt);
  if (at > now && at <= now + limits.apiKey.ttlMax) return at;
  const message = `must be ahead, by at most ${limits.apiKey.ttlMax / day} days`;
  throw new KilnError('validation_failed', { issues: [{ path: 'body.expiresAt', message }] });
}

/** Keys for programs. A key is made and revoked by a person alone. */
export function apiKeyRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.listApiKeys, async (c, { user }) => ({
    status: 200,
    body: { apiKeys: await listApiKeys(c.var.db, user.userId, c.var.started), nextCursor: null },
  }));

  mount(app, endpoints.createApiKey, async (c, { user, body }) => {
    const { name, scopes, projectId = null } = body;
    const expiresAt = endOf(body.expiresAt, c.var.started);
    // A project that its owner cannot see is none; the gate looks again at every use.
    if (projectId !== null && !(await projectAccess(c.var.db, projectId, user.userId)))
      throw new KilnError('not_found');
    const { secret, prefix, hash } = newApiKey(user.userId);
    const row = { userId: user.userId, name, hash, prefix, scopes, projectId, expiresAt };
    const apiKey = await createApiKey(c.var.db, row, actorOf(c, user.userId));
    return { status: 201, body: { apiKey, secret } };
  });

  mount(app, endpoints.revokeApiKey, async (c, { user, params }) => {
    const revoked = await revokeApiKey(c.var.db, user.userId, params.id, actorOf(c, user.userId));
    if (!revoked) throw new KilnError('not_found');
    await tellGuard(c.env, user.userId, [revoked.hash]);
    return { status: 204 };
  });
}
