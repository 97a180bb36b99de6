import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { limits } from '../../contract/limits.ts';
import { previewUrl } from '../../core/links.ts';
import { signToken } from '../../core/tokens.ts';
import { iso } from '../../data/time.ts';
import type { AppEnv } from '../http/context.ts';
import { mount } from '../http/mount.ts';
import { bundledBy, pageOf } from '../preview/site.ts';
import { newestState } from '../preview/state.ts';

export function previewRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.previewProject, async (c, { room, user }) => {
    const { config, started } = c.var;
    const state = await newestState(c, room, user.userId);
    const site = await pageOf(c, state);
    const claims = { sub: room.projectId, by: user.userId, sid: user.sessionId };
    const key = await signToken(config, 'preview', claims, limits.preview.linkTtl);
    return {
      status: 200,
      body: {
        preview: {
          projectId: room.projectId,
          ready: site.ok,
          reason: site.ok ? null : site.reason,
          problems: site.ok ? [] : [...site.problems],
          warnings: site.ok ? [...site.warnings] : [],
          bundledBy: bundledBy(state),
          sourceHash: state.sourceHash,
          url: previewUrl(config, room.projectId, key),
          expiresAt: iso(started + limits.preview.linkTtl),
        },
      },
    };
  });
}
