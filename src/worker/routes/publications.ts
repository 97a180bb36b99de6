import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { keyParameter, slugUrl } from '../../core/links.ts';
import { logEvent } from '../../core/log.ts';
import { signToken } from '../../core/tokens.ts';
import { getOutputs } from '../../data/objects.ts';
import { projectById } from '../../data/projects.ts';
import { publicationOf, publish, toPublication, unpublish } from '../../data/publications.ts';
import { iso } from '../../data/time.ts';
import { forgetPublished } from '../content/published.ts';
import { type AppEnv, actorOf } from '../http/context.ts';
import { mount } from '../http/mount.ts';
import { tellRoom } from '../tell-room.ts';

export function publicationRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.publishBuild, async (c, { build, user, body }) => {
    const { db, config } = c.var;
    const { projectId } = build;
    const project = await projectById(db, projectId);
    if (!project) throw new KilnError('not_found');
    // A row may say success while its files are on their way out.
    if (build.status !== 'success' || build.target !== 'web') throw new KilnError('not_publishable');
    if (!(await getOutputs(c.env.BUILDS, build.outputOf ?? build.id))) throw new KilnError('not_publishable');
    const before = await publicationOf(db, projectId);
    const row = await publish(
      db,
      { id: build.id, projectId, projectName: project.name },
      body,
      actorOf(c, user.userId),
    );
    forgetPublished(row.slug, before?.slug);
    const publication = toPublication(row, config);
    const { slug, url, buildId, access } = publication;
    logEvent('publication.published', { project: projectId, user: user.userId, slug, build: buildId, access });
    const data = { slug, url, buildId, access };
    await tellRoom(c, projectId, { type: 'project.published', by: user.userId, data });
    return { status: 200, body: { publication } };
  });

  mount(app, endpoints.getPublication, async (c, { room }) => {
    await room.enter();
    const row = await publicationOf(c.var.db, room.projectId);
    return { status: 200, body: { publication: row ? toPublication(row, c.var.config) : null } };
  });

  mount(app, endpoints.unpublish, async (c, { room, user }) => {
    await room.enter();
    const slug = await unpublish(c.var.db, room.projectId, actorOf(c, user.userId));
    if (slug === undefined) return { status: 204 };
    forgetPublished(slug);
    logEvent('publication.ended', { project: room.projectId, user: user.userId, slug });
    await tellRoom(c, room.projectId, { type: 'project.unpublished', by: user.userId, data: { slug } });
    return { status: 204 };
  });

  mount(app, endpoints.createPlayLink, async (c, { room, body }) => {
    await room.enter();
    const row = await publicationOf(c.var.db, room.projectId);
    if (row?.access !== 'link')
      throw new KilnError('conflict', {
        detail: row ? 'The game is public: its URL is all that is needed.' : 'Nothing is published.',
      });
    const { config, started } = c.var;
    const claims = { sub: room.projectId, since: row.createdAt };
    const key = await signToken(config, 'play', claims, body.expiresIn * 1000);
    return {
      status: 201,
      body: {
        url: `${slugUrl(config, row.slug)}?${keyParameter}=${key}`,
        expiresAt: iso(started + body.expiresIn * 1000),
      },
    };
  });
}
