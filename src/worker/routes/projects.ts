import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Project, UpdateProject } from '../../contract/projects.ts';
import { etag, matches, matchesWeakly } from '../../core/etag.ts';
import { allAssets } from '../../data/assets.ts';
import { getTree, type ManifestEntry } from '../../data/objects.ts';
import {
  listProjects,
  restoreProject,
  startErasing,
  toProject,
  trashProject,
  updateProject,
} from '../../data/projects.ts';
import { templateByRef } from '../../data/templates.ts';
import { withAssetPaths } from '../assets/commented.ts';
import { refuseBeyond } from '../auth/authenticate.ts';
import { eraseProject } from '../erase-project.ts';
import { type AppContext, type AppEnv, actorOf } from '../http/context.ts';
import type { GatedRoom } from '../http/gated-room.ts';
import { mount } from '../http/mount.ts';
import { type NewProjectInput, newProject } from '../new-project.ts';
import { tellRoom } from '../tell-room.ts';

async function treeOf(c: AppContext, treeHash: string): Promise<ManifestEntry[]> {
  const entries = await getTree(c.env.ASSETS, treeHash);
  if (!entries) throw new KilnError('unavailable', { detail: 'A stored tree could not be read.' });
  return entries;
}

/** A project from a template, or an empty one. */
async function create(
  c: AppContext,
  ownerId: string,
  { templateId, ...input }: Omit<NewProjectInput, 'entries' | 'origin'>,
): Promise<{ project: Project }> {
  const template = templateId == null ? undefined : await templateByRef(c.var.db, templateId);
  if (templateId != null && !template) throw new KilnError('not_found', { detail: 'There is no such template.' });
  const entries = template ? await treeOf(c, template.treeHash) : [];
  const from = { description: input.description ?? template?.description, templateId: template?.id, entries };
  return await newProject(c, ownerId, { ...input, ...from, origin: { template: template?.slug ?? null } }, {});
}

async function update(
  c: AppContext,
  room: GatedRoom,
  userId: string,
  change: UpdateProject,
): Promise<{ project: Project; revision: number }> {
  const { project, revision } = await room.call((stub, caller, right) => stub.project(caller, right));
  const ifMatch = c.req.header('if-match');
  if (ifMatch !== undefined && !matches(ifMatch.replaceAll(/-\d+"/g, '"'), etag(revision)))
    throw new KilnError('precondition_failed');
  const row = await updateProject(
    c.var.db,
    room.projectId,
    change,
    ifMatch === undefined ? null : revision,
    actorOf(c, userId),
  );
  if (!row) throw new KilnError('precondition_failed');
  await tellRoom(c, room.projectId, { type: 'project.updated', by: userId, data: { fields: Object.keys(change) } });
  return {
    project: { ...toProject(row, project.role), fileCount: project.fileCount, totalSize: project.totalSize },
    revision: row.revision,
  };
}

export function projectRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.createProject, async (c, { user, body }) => ({
    status: 201,
    body: await create(c, user.userId, body),
  }));

  mount(app, endpoints.createFromTemplate, async (c, { user, params, body }) => ({
    status: 201,
    body: await create(c, user.userId, { ...body, templateId: params.templateId }),
  }));

  mount(app, endpoints.listProjects, async (c, { user, query }) => ({
    status: 200,
    body: await listProjects(c.var.db, user.userId, query),
  }));

  mount(app, endpoints.getProject, async (c, { room }) => {
    const { project, revision, seq } = await room.call((stub, caller, right) => stub.project(caller, right));
    // Totals follow the files, so the tag follows both; a change of the project compares its own part.
    const tag = etag(`${revision}-${seq}`);
    const ifNoneMatch = c.req.header('if-none-match');
    if (ifNoneMatch !== undefined && matchesWeakly(ifNoneMatch, tag)) return { status: 304, headers: { etag: tag } };
    return { status: 200, headers: { etag: tag }, body: { project } };
  });

  mount(app, endpoints.replaceProject, async (c, { room, user, body }) => {
    const { project, revision } = await update(c, room, user.userId, body);
    return { status: 200, headers: { etag: etag(revision) }, body: { project } };
  });

  mount(app, endpoints.updateProject, async (c, { room, user, body }) => {
    const { project, revision } = await update(c, room, user.userId, body);
    return { status: 200, headers: { etag: etag(revision) }, body: { project } };
  });

  mount(app, endpoints.restoreProject, async (c, { room, user }) => {
    const { project } = await room.call((stub, caller, right) => stub.project(caller, right));
    const row = await restoreProject(c.var.db, room.projectId, actorOf(c, user.userId));
    if (!row) throw new KilnError('not_found');
    await tellRoom(c, room.projectId, null);
    const { fileCount, totalSize } = project;
    return { status: 200, body: { project: { ...toProject(row, project.role), fileCount, totalSize } } };
  });

  mount(app, endpoints.duplicateProject, async (c, { room, user, body }) => {
    refuseBeyond(user, null);
    const forked = body.fork
      ? await room.call((stub, caller, right) =>
          stub.checkpoint(caller, right, { kind: 'auto', message: 'A fork left from here' }),
        )
      : null;
    const { project, entries, texts, comments } = forked
      ? {
          ...forked,
          entries: await treeOf(c, forked.checkpoint.treeHash),
          texts: [],
          comments: await room.call((stub, caller, right) => stub.carriedComments(caller, right)),
        }
      : await room.call((stub, caller, right) => stub.copy(caller, right));
    const suffix = body.fork ? ' (fork)' : ' (copy)';
    const input = {
      name: body.name ?? `${project.name.slice(0, limits.project.nameMax - suffix.length)}${suffix}`,
      description: project.description,
      settings: project.settings,
      entries,
      texts,
      assets: (await allAssets(c.var.db, room.projectId)).map(({ asset, version }) => ({
        name: asset.name,
        type: asset.type,
        mimeType: version.mimeType,
        objectKey: version.objectKey,
        hash: version.hash,
        size: version.size,
        metadata: version.metadata,
      })),
      comments: await withAssetPaths(c.var.db, room.projectId, comments),
      fork: forked ? { projectId: room.projectId, checkpoint: forked.checkpoint } : undefined,
      origin: { duplicateOf: room.projectId, fork: body.fork },
    };
    return { status: 201, body: await newProject(c, user.userId, input, {}) };
  });

  mount(app, endpoints.deleteProject, async (c, { room, user, query }) => {
    await room.enter();
    const { projectId } = room;
    const actor = actorOf(c, user.userId);
    const change = query.permanent ? startErasing : trashProject;
    if (!(await change(c.var.db, projectId, actor))) throw new KilnError('forbidden');
    if (query.permanent) await eraseProject(c.env, c.var.db, projectId, actor.now);
    else await room.tell((stub) => stub.closeAll('not_found'));
    return { status: 204 };
  });
}
