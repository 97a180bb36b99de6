import { LRUCache } from 'lru-cache';
import { KilnError } from '../../contract/errors.ts';
import { Id } from '../../contract/ids.ts';
import type { OutputFile } from '../../contract/jobs.ts';
import { limits } from '../../contract/limits.ts';
import { previewPrefix } from '../../contract/publications.ts';
import { etag } from '../../core/etag.ts';
import { decodePath } from '../../core/paths.ts';
import { type BuildRow, mayPlay, shownBuild } from '../../data/builds.ts';
import { type ByteRange, getOutput, getOutputs } from '../../data/objects.ts';
import type { Published } from '../../data/publications.ts';
import { immutable } from '../http/caching.ts';
import type { AppContext } from '../http/context.ts';
import { type ByteSource, type CodedSource, serveBytes } from '../http/range.ts';
import { servePreview } from '../preview/serve.ts';
import { admit, withoutKey } from './admission.ts';
import { codingFor, encoded } from './encoded.ts';
import { gameHeaders } from './game-headers.ts';
import { isPagePath, publishedUnder } from './published.ts';

interface Site {
  readonly files: ReadonlyMap<string, OutputFile>;
  readonly projectId: string;
  /** Whether its own address is open to all. */
  readonly isPublic: boolean;
}

const sites = new LRUCache<string, Site>({ max: limits.http.sitesRemembered, ttl: limits.http.siteAge });

/** The label below the content host that a request is for; null when it is for the app. */
export function contentLabel(host: string, contentHost: string): string | null {
  const suffix = `.${contentHost}`;
  return host.endsWith(suffix) ? host.slice(0, -suffix.length) : null;
}

/** `anew` asks the database also where the site is known: whether it may still be shown. */
async function siteOf(c: AppContext, buildId: string, anew: boolean): Promise<Site> {
  const cached = sites.get(buildId);
  if (cached && !anew) return cached;
  const shown = await shownBuild(c.var.db, buildId);
  if (shown?.build.status !== 'success' || shown.build.target !== 'web') {
    sites.delete(buildId);
    throw new KilnError('not_found');
  }
  const { build, isPublic } = shown;
  if (cached?.isPublic === isPublic) return cached;
  const site = { files: cached?.files ?? (await filesOf(c, build)), projectId: build.projectId, isPublic };
  sites.set(buildId, site);
  return site;
}

async function filesOf(c: AppContext, { id, outputOf }: BuildRow): Promise<Site['files']> {
  const outputs = await getOutputs(c.env.BUILDS, outputOf ?? id);
  if (!outputs) throw new KilnError('not_found');
  return new Map(outputs.filter((file) => file.role === 'site').map((file) => [file.name, file]));
}

/** As the bundler names what it makes: the name changes with the content. */
const hashedName = /(?:^|\/)assets\/[^/]*-[A-Z0-9]{8}\.\w+$/;
const isPage = (file: OutputFile): boolean => file.mimeType.startsWith('text/html');

/** The URL names one build for ever; pages are asked for again so that a removed build goes away. */
const cachingOfBuild = (file: OutputFile, isPublic: boolean): string =>
  isPage(file) ? 'no-cache' : immutable(isPublic ? 'public' : 'private');

/** What a URL names changes with the next publication: it is asked for again each time, which the tag makes cheap. */
function cachingOfSlug(file: OutputFile, { access }: Published): string {
  const age = hashedName.test(file.name) ? `max-age=${limits.publication.hashedAge / 1000}` : 'no-cache';
  return access === 'public' ? `public, ${age}` : `private, ${age}`;
}

/** Part of the tags: a browser that is told that a page is the same keeps the headers that it came with. */
const variantOf = ({ access, crossOriginIsolated }: Published): string =>
  `${access === 'link' ? '-link' : ''}${crossOriginIsolated ? '-isolated' : ''}`;

/** Of what is not for everybody: a neighbour's page would send the visitor's cookie along. */
const privately = { 'cross-origin-resource-policy': 'same-origin', 'x-robots-tag': 'noindex' };

/** The headers by which a publication is another site than a build. */
function publishedHeaders({ access, crossOriginIsolated }: Published): Record<string, string> {
  return {
    ...(access === 'link' && privately),
    ...(crossOriginIsolated && {
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
    }),
  };
}

/** A page of a finished game, on the game's own origin. No cookies of the app, no API, nothing of the app lives here. */
export async function serveContent(c: AppContext, label: string): Promise<Response> {
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD') throw new KilnError('method_not_allowed');
  if (Id.safeParse(label).success) return await serveBuild(c, label);
  if (label.startsWith(previewPrefix)) return await servePreview(c, label.slice(previewPrefix.length));
  const published = await publishedUnder(c.var.db, label, c.req.path);
  if (!published) throw new KilnError('not_found');
  c.var.fields.slug = label;
  if (published.access === 'link') {
    const { projectId, createdAt } = published;
    const { redirect } = await admit(c, 'play', ({ sub, since }) => sub === projectId && since === createdAt);
    if (redirect) return redirect;
  }
  // The slug has been asked for already.
  return await serveSite(c, await siteOf(c, published.buildId, false), {
    headers: publishedHeaders(published),
    variant: variantOf(published),
    caching: (file) => cachingOfSlug(file, published),
  });
}

/**
 * A build at its own address: for everybody where its project is public, else for whoever was given a key by the API, as long
 * as they may read the project.
 */
async function serveBuild(c: AppContext, buildId: string): Promise<Response> {
  // As for a slug: what ends is gone at once, the files of a page that was just shown soon after.
  const anew = isPagePath(c.req.path);
  const site = await siteOf(c, buildId, anew);
  const { isPublic, projectId } = site;
  c.var.fields.build = buildId;
  if (isPublic) {
    const redirect = withoutKey(c);
    if (redirect) return redirect;
  } else {
    const { claims, redirect } = await admit(c, 'site', ({ sub }) => sub === buildId);
    c.var.fields.user = claims.by;
    if (anew && !(await mayPlay(c.var.db, projectId, claims.by))) throw new KilnError('not_found');
    if (redirect) return redirect;
  }
  return await serveSite(c, site, {
    headers: isPublic ? {} : privately,
    variant: isPublic ? '' : '-link',
    caching: (file) => cachingOfBuild(file, isPublic),
  });
}

/** How the files of a build are sent. */
interface Manner {
  readonly headers: Readonly<Record<string, string>>;
  readonly variant: string;
  caching(file: OutputFile): string;
}

async function serveSite(c: AppContext, { files }: Site, manner: Manner): Promise<Response> {
  const raw = c.req.path.slice(1);
  const path = raw === '' || raw.endsWith('/') ? `${raw}index.html` : raw;
  const file = files.get(decodePath(path));
  // Browsers ask for it unasked, and a game without one has nothing in its console to be told of.
  if (!file && path === 'favicon.ico') return new Response(null, { status: 204, headers: gameHeaders(c) });
  if (!file) throw new KilnError('not_found');
  const headers = new Headers({
    ...gameHeaders(c),
    'content-type': file.mimeType,
    'cache-control': manner.caching(file),
    vary: 'accept-encoding',
    ...manner.headers,
  });
  return await serveBytes(c.req.raw, sourceOf(c, file, manner.variant), headers);
}

function sourceOf(c: AppContext, file: OutputFile, variant: string): ByteSource | CodedSource {
  const { sha256, size } = file;
  const open = async (range?: ByteRange): Promise<ReadableStream> => {
    const object = await getOutput(c.env.BUILDS, sha256, range);
    if (!object) throw new KilnError('unavailable');
    return object.body;
  };
  const coding = codingFor(c.req.raw, file);
  return coding
    ? { coding, etag: etag(`${sha256}-${coding}${variant}`), open: () => encoded(c, sha256, coding, open) }
    : { size, etag: etag(`${sha256}${variant}`), open };
}
