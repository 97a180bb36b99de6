import type { Hono } from 'hono';
import type { CreateComment, NewComment } from '../../contract/comments.ts';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { validPath } from '../../core/paths.ts';
import { assetPaths, withAssetPaths } from '../assets/commented.ts';
import type { AppContext, AppEnv } from '../http/context.ts';
import { mount } from '../http/mount.ts';

/** A comment on an asset stands where builds find that. Throws `not_found` where the project has none such. */
async function placed(c: AppContext, projectId: string, comment: NewComment): Promise<CreateComment> {
  const { anchor, path } = comment;
  if (anchor?.kind !== 'asset') return { ...comment, path: validPath(path ?? '') };
  const found = (await assetPaths(c.var.db, projectId, [anchor.asset])).get(anchor.asset);
  if (found === undefined) throw new KilnError('not_found', { detail: 'There is no such asset.' });
  return { ...comment, path: found };
}

export function commentRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.listComments, async (c, { room, query }) => {
    const { comments, nextCursor } = await room.call((stub, caller, right) => stub.comments(caller, right, query));
    return { status: 200, body: { comments: await withAssetPaths(c.var.db, room.projectId, comments), nextCursor } };
  });

  mount(app, endpoints.createComment, async (c, { room, body }) => {
    // Who may not write here does not learn what assets there are.
    if (body.anchor?.kind === 'asset') await room.enter();
    const input = await placed(c, room.projectId, body);
    const comment = await room.call((stub, caller, right) => stub.createComment(caller, right, input));
    return { status: 201, body: { comment } };
  });

  mount(app, endpoints.getComment, async (c, { room, params }) => {
    const found = await room.call((stub, caller, right) => stub.comment(caller, right, params.commentId));
    const [comment = found] = await withAssetPaths(c.var.db, room.projectId, [found]);
    return { status: 200, body: { comment } };
  });

  mount(app, endpoints.replyToComment, async (_c, { room, params, body }) => ({
    status: 201,
    body: { reply: await room.call((stub, caller, right) => stub.reply(caller, right, params.commentId, body)) },
  }));

  mount(app, endpoints.updateComment, async (c, { room, params, body }) => {
    const changed = await room.call((stub, caller, right) => stub.updateComment(caller, right, params.commentId, body));
    const [comment = changed] = await withAssetPaths(c.var.db, room.projectId, [changed]);
    return { status: 200, body: { comment } };
  });

  mount(app, endpoints.deleteComment, async (_c, { room, params }) => {
    await room.call((stub, caller, right) => stub.deleteComment(caller, right, params.commentId));
    return { status: 204 };
  });
}
