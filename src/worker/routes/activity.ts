import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { listActivity } from '../../data/activity.ts';
import { usageOf } from '../../data/usage.ts';
import type { AppEnv } from '../http/context.ts';
import { mount } from '../http/mount.ts';

export function activityRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.listActivity, async (c, { room, query }) => {
    await room.enter();
    return { status: 200, body: await listActivity(c.var.db, room.projectId, query) };
  });

  mount(app, endpoints.getUsage, async (c, { user }) => ({
    status: 200,
    body: { usage: await usageOf(c.var.db, user.userId, new Date(c.var.started).setUTCHours(0, 0, 0, 0)) },
  }));
}
