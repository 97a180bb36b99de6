import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import type { AddCollaborator, Collaborator } from '../../contract/projects.ts';
import {
  addCollaborator,
  listCollaborators,
  removeCollaborator,
  setRole,
  transferProject,
} from '../../data/collaborators.ts';
import type { Database } from '../../data/database.ts';
import { toProject } from '../../data/projects.ts';
import { userByEmail, userById, userByUsername } from '../../data/users.ts';
import { type AppEnv, actorOf } from '../http/context.ts';
import { mount } from '../http/mount.ts';
import { tellRoom } from '../tell-room.ts';

async function findUser(db: Database, body: AddCollaborator): Promise<{ id: string }> {
  const found =
    body.userId !== undefined
      ? await userById(db, body.userId)
      : body.email !== undefined
        ? await userByEmail(db, body.email)
        : await userByUsername(db, body.username ?? '');
  if (!found) throw new KilnError('not_found', { detail: 'There is no such user.' });
  return found;
}

async function memberOf(db: Database, projectId: string, userId: string): Promise<Collaborator> {
  const member = (await listCollaborators(db, projectId)).find((one) => one.userId === userId);
  if (!member) throw new KilnError('not_found');
  return member;
}

export function collaboratorRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.listCollaborators, async (c, { room }) => {
    await room.enter();
    return {
      status: 200,
      body: { collaborators: await listCollaborators(c.var.db, room.projectId), nextCursor: null },
    };
  });

  mount(app, endpoints.addCollaborator, async (c, { room, user, body }) => {
    await room.enter();
    const { id } = await findUser(c.var.db, body);
    // Only the owner gets here, and an owner who adds themself is a member already.
    if (id === user.userId) throw new KilnError('already_member');
    const member = { projectId: room.projectId, userId: id, role: body.role };
    await addCollaborator(c.var.db, member, actorOf(c, user.userId));
    await tellRoom(c, room.projectId, {
      type: 'member.added',
      by: user.userId,
      data: { userId: id, role: body.role },
    });
    return { status: 201, body: { collaborator: await memberOf(c.var.db, room.projectId, id) } };
  });

  mount(app, endpoints.updateCollaborator, async (c, { room, user, params, body }) => {
    await room.enter();
    if (params.userId === user.userId) throw new KilnError('owner_required');
    const member = { projectId: room.projectId, userId: params.userId, role: body.role };
    if (!(await setRole(c.var.db, member, actorOf(c, user.userId)))) throw new KilnError('not_found');
    await tellRoom(c, room.projectId, {
      type: 'member.changed',
      by: user.userId,
      data: { userId: params.userId, role: body.role },
    });
    return { status: 200, body: { collaborator: await memberOf(c.var.db, room.projectId, params.userId) } };
  });

  mount(app, endpoints.removeCollaborator, async (c, { room, user, params }) => {
    const { access } = await room.enter();
    const self = params.userId === user.userId;
    if (access === 'owner' && self) throw new KilnError('owner_required');
    if (access !== 'owner' && !self) throw new KilnError('forbidden');
    const member = { projectId: room.projectId, userId: params.userId };
    if (!(await removeCollaborator(c.var.db, member, actorOf(c, user.userId)))) throw new KilnError('not_found');
    await tellRoom(c, room.projectId, {
      type: 'member.removed',
      by: user.userId,
      data: { userId: params.userId, role: null },
    });
    return { status: 204 };
  });

  mount(app, endpoints.transferProject, async (c, { room, user, body }) => {
    await room.enter();
    if (body.userId === user.userId)
      throw new KilnError('validation_failed', { issues: [{ path: 'body.userId', message: 'is the owner already' }] });
    const change = { projectId: room.projectId, from: user.userId, to: body.userId };
    const row = await transferProject(c.var.db, change, actorOf(c, user.userId));
    await tellRoom(c, room.projectId, {
      type: 'project.transferred',
      by: user.userId,
      data: { from: user.userId, to: body.userId },
    });
    return { status: 200, body: { project: toProject(row, 'editor') } };
  });
}
