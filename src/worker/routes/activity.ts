import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { listActivity } from '../../data/activity.ts';
import { iso } from '../../data/time.ts';
import { usageOf } from '../../data/usage.ts';
import { buildPolicy, lookAtBuilds } from '../../durable-objects/build/quota.ts';
import type { AppEnv } from '../http/context.ts';
import { mount } from '../http/mount.ts';

export function activityRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.listActivity, async (c, { room, query }) => {
    await room.enter();
    return { status: 200, body: await listActivity(c.var.db, room.projectId, query) };
  });

  mount(app, endpoints.getUsage, async (c, { user }) => {
    const { db, started: now } = c.var;
    const limit = Math.floor(buildPolicy(c.env).limit);
    const { remaining, reset } = await lookAtBuilds(c.env, user.userId);
    const resetsAt = reset === 0 ? null : iso(now + reset * 1000);
    const day = { used: Math.max(0, limit - remaining), limit, resetsAt };
    return { status: 200, body: { usage: await usageOf(db, user.userId, new Date(now).setUTCHours(0, 0, 0, 0), day) } };
  });
}
