import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { etag } from '../../core/etag.ts';
import { getBlob, getTree } from '../../data/objects.ts';
import { listTemplates, templateByRef, toTemplate } from '../../data/templates.ts';
import { keptFor } from '../http/caching.ts';
import type { AppEnv } from '../http/context.ts';
import { mount } from '../http/mount.ts';
import { serveBytes } from '../http/range.ts';

export function templateRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.listTemplates, async (c, { query }) => {
    const { rows, nextCursor } = await listTemplates(c.var.db, query);
    return { status: 200, body: { templates: rows.map(toTemplate), nextCursor } };
  });

  mount(app, endpoints.getTemplate, async (c, { params }) => {
    const row = await templateByRef(c.var.db, params.id);
    if (!row) throw new KilnError('not_found');
    const files = await getTree(c.env.ASSETS, row.treeHash);
    if (!files) throw new KilnError('unavailable');
    return {
      status: 200,
      body: { template: { ...toTemplate(row), files: files.map(({ path, size, hash }) => ({ path, size, hash })) } },
    };
  });

  mount(app, endpoints.getTemplateThumbnail, async (c, { params }) => {
    const row = await templateByRef(c.var.db, params.id);
    const object = row?.thumbnailHash ? await getBlob(c.env.ASSETS, row.thumbnailHash) : null;
    if (!row?.thumbnailHash || !object) throw new KilnError('not_found');
    const headers = new Headers({
      'content-type': 'image/svg+xml',
      // An SVG opened as a document could run script on this origin.
      'content-security-policy': "sandbox; default-src 'none'; style-src 'unsafe-inline'",
      'cache-control': keptFor('public', limits.http.pictureAge),
    });
    return {
      raw: await serveBytes(
        c.req.raw,
        { size: object.size, etag: etag(row.thumbnailHash), open: async () => object.body },
        headers,
      ),
    };
  });
}
