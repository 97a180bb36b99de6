import { LRUCache } from 'lru-cache';
import { KilnError } from '../contract/errors.ts';
import { Id } from '../contract/ids.ts';
import type { OutputFile } from '../contract/jobs.ts';
import { limits } from '../contract/limits.ts';
import { etag } from '../core/etag.ts';
import { decodePath } from '../core/paths.ts';
import { buildById } from '../data/builds.ts';
import { getOutput, getOutputs } from '../data/objects.ts';
import type { AppContext } from './http/context.ts';
import { serveBytes } from './http/range.ts';

type Site = ReadonlyMap<string, OutputFile>;

const sites = new LRUCache<string, Site>({ max: 200, ttl: limits.http.siteAge });

/** The label below the content host that a request is for; null when it is for the app. */
export function contentLabel(host: string, contentHost: string): string | null {
  const suffix = `.${contentHost}`;
  return host.endsWith(suffix) ? host.slice(0, -suffix.length) : null;
}

async function siteOf(c: AppContext, buildId: string): Promise<Site> {
  const cached = sites.get(buildId);
  if (cached) return cached;
  const build = Id.safeParse(buildId).success ? await buildById(c.var.db, buildId) : undefined;
  if (build?.status !== 'success' || build.target !== 'web') throw new KilnError('not_found');
  const outputs = await getOutputs(c.env.BUILDS, build.outputOf ?? build.id);
  if (!outputs) throw new KilnError('not_found');
  const site = new Map(outputs.filter((file) => file.role === 'site').map((file) => [file.name, file]));
  sites.set(buildId, site);
  return site;
}

/** A page of a finished game, on the game's own origin. No cookies, no API, nothing of the app lives here. */
export async function serveContent(c: AppContext, label: string): Promise<Response> {
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD') throw new KilnError('method_not_allowed');
  const site = await siteOf(c, label);
  const raw = c.req.path.slice(1);
  const path = raw === '' || raw.endsWith('/') ? `${raw}index.html` : raw;
  const file = site.get(decodePath(path));
  if (!file) throw new KilnError('not_found');
  const headers = new Headers({
    'content-type': file.mimeType,
    // The URL names one build for ever; pages are asked for again so that a removed build goes away.
    'cache-control': file.mimeType.startsWith('text/html') ? 'no-cache' : 'public, max-age=31536000, immutable',
    'content-security-policy': `frame-ancestors 'self' ${c.var.config.appOrigin}; base-uri 'self'; object-src 'none'`,
    'cross-origin-resource-policy': 'cross-origin',
    'referrer-policy': 'no-referrer',
  });
  return await serveBytes(
    c.req.raw,
    {
      size: file.size,
      etag: etag(file.sha256),
      open: async (range) => {
        const object = await getOutput(c.env.BUILDS, file.sha256, range);
        if (!object) throw new KilnError('unavailable');
        return object.body;
      },
    },
    headers,
  );
}
