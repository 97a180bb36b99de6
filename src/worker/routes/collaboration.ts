import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { signToken } from '../../core/tokens.ts';
import { userById } from '../../data/users.ts';
import { unwrap } from '../../durable-objects/rpc.ts';
import { accountGuard } from '../../durable-objects/stubs.ts';
import type { AppEnv } from '../http/context.ts';
import { mount } from '../http/mount.ts';

export function collaborationRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.createTicket, async (c, { room, user }) => {
    await room.enter();
    const row = await userById(c.var.db, user.userId);
    if (!row) throw new KilnError('unauthenticated');
    // Before the ticket is given out: whatever it opens, the guard knows where.
    await unwrap(accountGuard(c.env, user.userId).opened(user.sessionId, room.projectId), limits.guard.patience);
    const claims = {
      sub: user.userId,
      sid: user.sessionId,
      project: room.projectId,
      username: row.username,
      name: row.displayName,
    };
    const ticket = await signToken(c.var.config, 'room', claims, limits.room.ticketTtl);
    return { status: 200, body: { ticket, expiresIn: limits.room.ticketTtl / 1000 } };
  });

  mount(app, endpoints.getPresence, async (_c, { room }) => ({
    status: 200,
    body: { users: await room.call((stub, caller, right) => stub.presence(caller, right)) },
  }));

  mount(app, endpoints.listChat, async (_c, { room, query }) => ({
    status: 200,
    body: await room.call((stub, caller, right) => stub.chat(caller, right, query)),
  }));

  mount(app, endpoints.postChat, async (_c, { room, body }) => ({
    status: 201,
    body: { message: await room.call((stub, caller, right) => stub.postChat(caller, right, body)) },
  }));

  mount(app, endpoints.listDocumentProblems, async (_c, { room }) => ({
    status: 200,
    body: { documents: await room.call((stub, caller, right) => stub.problems(caller, right)) },
  }));

  mount(app, endpoints.listEvents, async (_c, { room, query }) => ({
    status: 200,
    body: await room.call((stub, caller, right) => stub.events(caller, right, query.since, query.type)),
  }));
}
