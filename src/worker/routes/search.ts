import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { finderOf, pathFilterOf } from '../../core/search.ts';
import type { AppEnv } from '../http/context.ts';
import { mount } from '../http/mount.ts';

export function searchRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.searchFiles, async (_c, { room, query }) => {
    // Here first: a huge pattern takes long to compile before it can be refused, and in the room people are typing.
    finderOf(query);
    pathFilterOf(query.path);
    return { status: 200, body: await room.call((stub, caller, right) => stub.search(caller, right, query)) };
  });
}
