import { LRUCache } from 'lru-cache';
import { KilnError } from '../../contract/errors.ts';
import { Id } from '../../contract/ids.ts';
import type { OutputFile } from '../../contract/jobs.ts';
import { limits } from '../../contract/limits.ts';
import { previewPrefix } from '../../contract/publications.ts';
import { etag } from '../../core/etag.ts';
import { decodePath } from '../../core/paths.ts';
import { shownBuild } from '../../data/builds.ts';
import { type ByteRange, getOutput, getOutputs } from '../../data/objects.ts';
import type { Published } from '../../data/publications.ts';
import { immutable } from '../http/caching.ts';
import type { AppContext } from '../http/context.ts';
import { type ByteSource, type CodedSource, serveBytes } from '../http/range.ts';
import { servePreview } from '../preview/serve.ts';
import { admit } from './admission.ts';
import { codingFor, encoded } from './encoded.ts';
import { gameHeaders } from './game-headers.ts';
import { isPagePath, publishedUnder } from './published.ts';

type Site = ReadonlyMap<string, OutputFile>;

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
  const build = await shownBuild(c.var.db, buildId);
  if (build?.status !== 'success' || build.target !== 'web') {
    sites.delete(buildId);
    throw new KilnError('not_found');
  }
  if (cached) return cached;
  const outputs = await getOutputs(c.env.BUILDS, build.outputOf ?? build.id);
  if (!outputs) throw new KilnError('not_found');
  const site = new Map(outputs.filter((file) => file.role === 'site').map((file) => [file.name, file]));
  sites.set(buildId, site);
  return site;
}

/** As the bundler names what it makes: the name changes with the content. */
const hashedName = /(?:^|\/)assets\/[^/]*-[A-Z0-9]{8}\.\w+$/;
const isPage = (file: OutputFile): boolean => file.mimeType.startsWith('text/html');

/** The URL names one build for ever; pages are asked for again so that a removed build goes away. */
const cachingOfBuild = (file: OutputFile): string => (isPage(file) ? 'no-cache' : immutable('public'));

/** What a URL names changes with the next publication: it is asked for again each time, which the tag makes cheap. */
function cachingOfSlug(file: OutputFile, { access }: Published): string {
  const age = hashedName.test(file.name) ? `max-age=${limits.publication.hashedAge / 1000}` : 'no-cache';
  return access === 'public' ? `public, ${age}` : `private, ${age}`;
}

/** Part of the tags: a browser that is told that a page is the same keeps the headers that it came with. */
const variantOf = ({ access, crossOriginIsolated }: Published): string =>
  `${access === 'link' ? '-link' : ''}${crossOriginIsolated ? '-isolated' : ''}`;

/** The headers by which a publication is another site than a build. */
function publishedHeaders({ access, crossOriginIsolated }: Published): Record<string, string> {
  return {
    // A neighbour's page would send the visitor's cookie along.
    ...(access === 'link' && { 'cross-origin-resource-policy': 'same-origin', 'x-robots-tag': 'noindex' }),
    ...(crossOriginIsolated && {
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
    }),
  };
}

/** A page of a finished game, on the game's own origin. No cookies of the app, no API, nothing of the app lives here. */
export async function serveContent(c: AppContext, label: string): Promise<Response> {
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD') throw new KilnError('method_not_allowed');
  if (Id.safeParse(label).success)
    return await serveSite(c, label, {
      headers: {},
      variant: '',
      // As for a slug: what ends is gone at once, the files of a page that was just shown soon after.
      anew: isPagePath(c.req.path),
      caching: cachingOfBuild,
    });
  if (label.startsWith(previewPrefix)) return await servePreview(c, label.slice(previewPrefix.length));
  const published = await publishedUnder(c.var.db, label, c.req.path);
  if (!published) throw new KilnError('not_found');
  c.var.fields.slug = label;
  if (published.access === 'link') {
    const { projectId, createdAt } = published;
    const { redirect } = await admit(c, 'play', ({ sub, since }) => sub === projectId && since === createdAt);
    if (redirect) return redirect;
  }
  return await serveSite(c, published.buildId, {
    headers: publishedHeaders(published),
    variant: variantOf(published),
    // The slug has been asked for already.
    anew: false,
    caching: (file) => cachingOfSlug(file, published),
  });
}

/** How the files of a build are sent. */
interface Manner {
  readonly headers: Readonly<Record<string, string>>;
  readonly variant: string;
  /** Whether the database is asked also where the site is known. */
  readonly anew: boolean;
  caching(file: OutputFile): string;
}

async function serveSite(c: AppContext, buildId: string, manner: Manner): Promise<Response> {
  const site = await siteOf(c, buildId, manner.anew);
  const raw = c.req.path.slice(1);
  const path = raw === '' || raw.endsWith('/') ? `${raw}index.html` : raw;
  const file = site.get(decodePath(path));
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
