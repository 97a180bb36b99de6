import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import type { AddCollaborator, Collaborator } from '../../contract/projects.ts';
import { audit } from '../../data/audit.ts';
import { addCollaborator, listCollaborators, removeCollaborator, setRole } from '../../data/collaborators.ts';
import type { Database } from '../../data/database.ts';
import { userByEmail, userById, userByUsername } from '../../data/users.ts';
import type { AppContext, AppEnv } from '../http/context.ts';
import type { GatedRoom } from '../http/gated-room.ts';
import { mount } from '../http/mount.ts';

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

/** The database has the change; now the room acts on it and the log remembers it. */
async function tellMembers(
  c: AppContext,
  room: GatedRoom,
  actorId: string,
  action: string,
  userId: string,
  role: string | null,
): Promise<void> {
  await room.tell((stub) => stub.membersChanged());
  await room.tell((stub) => stub.record(action, actorId, { userId, role }));
  await audit(c.var.db, {
    actorId,
    projectId: room.projectId,
    action,
    subject: `user:${userId}`,
    data: { role },
    requestId: c.var.requestId,
    now: c.var.started,
  });
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
    await addCollaborator(c.var.db, {
      projectId: room.projectId,
      userId: id,
      role: body.role,
      addedBy: user.userId,
      now: c.var.started,
    });
    await tellMembers(c, room, user.userId, 'member.added', id, body.role);
    return { status: 201, body: { collaborator: await memberOf(c.var.db, room.projectId, id) } };
  });

  mount(app, endpoints.updateCollaborator, async (c, { room, user, params, body }) => {
    await room.enter();
    if (params.userId === user.userId) throw new KilnError('owner_required');
    if (!(await setRole(c.var.db, room.projectId, params.userId, body.role))) throw new KilnError('not_found');
    await tellMembers(c, room, user.userId, 'member.changed', params.userId, body.role);
    return { status: 200, body: { collaborator: await memberOf(c.var.db, room.projectId, params.userId) } };
  });

  mount(app, endpoints.removeCollaborator, async (c, { room, user, params }) => {
    const { access } = await room.enter();
    const self = params.userId === user.userId;
    if (access === 'owner' && self) throw new KilnError('owner_required');
    if (access !== 'owner' && !self) throw new KilnError('forbidden');
    if (!(await removeCollaborator(c.var.db, room.projectId, params.userId))) throw new KilnError('not_found');
    await tellMembers(c, room, user.userId, 'member.removed', params.userId, null);
    return { status: 204 };
  });
}
