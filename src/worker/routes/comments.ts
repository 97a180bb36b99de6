import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { validPath } from '../../core/paths.ts';
import type { AppEnv } from '../http/context.ts';
import { mount } from '../http/mount.ts';

export function commentRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.listComments, async (_c, { room, query }) => ({
    status: 200,
    body: await room.call((stub, caller, right) => stub.comments(caller, right, query)),
  }));

  mount(app, endpoints.createComment, async (_c, { room, body }) => {
    const input = { ...body, path: validPath(body.path) };
    const comment = await room.call((stub, caller, right) => stub.createComment(caller, right, input));
    return { status: 201, body: { comment } };
  });

  mount(app, endpoints.getComment, async (_c, { room, params }) => ({
    status: 200,
    body: { comment: await room.call((stub, caller, right) => stub.comment(caller, right, params.commentId)) },
  }));

  mount(app, endpoints.replyToComment, async (_c, { room, params, body }) => ({
    status: 201,
    body: { reply: await room.call((stub, caller, right) => stub.reply(caller, right, params.commentId, body)) },
  }));

  mount(app, endpoints.updateComment, async (_c, { room, params, body }) => ({
    status: 200,
    body: {
      comment: await room.call((stub, caller, right) => stub.updateComment(caller, right, params.commentId, body)),
    },
  }));

  mount(app, endpoints.deleteComment, async (_c, { room, params }) => {
    await room.call((stub, caller, right) => stub.deleteComment(caller, right, params.commentId));
    return { status: 204 };
  });
}
