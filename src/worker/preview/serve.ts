import { LRUCache } from 'lru-cache';
import { KilnError } from '../../contract/errors.ts';
import { Id } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import type { BundledFile, BundleResult } from '../../contract/preview.ts';
import { mimeTypeOf } from '../../core/content.ts';
import { etag } from '../../core/etag.ts';
import { entryFiles, findEntry } from '../../core/game/entry.ts';
import { fileServed, isTileset, rootsOf } from '../../core/game/served.ts';
import { decodePath } from '../../core/paths.ts';
import { sha256 } from '../../core/tree.ts';
import { getBlob, getOutput, type ManifestEntry } from '../../data/objects.ts';
import { projectRoom } from '../../durable-objects/stubs.ts';
import { vouch } from '../auth/vouch.ts';
import { admit } from '../content/admission.ts';
import { gameHeaders } from '../content/game-headers.ts';
import { immutable } from '../http/caching.ts';
import type { AppContext } from '../http/context.ts';
import { GatedRoom } from '../http/gated-room.ts';
import { inBucket, inMemory, partOf, serveBytes } from '../http/range.ts';
import { packagesFolder } from './packages.ts';
import { pageOf, siteOf, textOf } from './site.ts';
import { newestState, type State } from './state.ts';

/** What a page was just shown of, for the files that it asks for: by project and person, who passed the gate. */
const shown = new LRUCache<string, State>({ max: limits.preview.pages, ttl: limits.preview.memory });

const script = /\.[cm]?[jt]sx?$/i;
/** What only a compiler can read, wherever it is asked for. */
const needsCompiling = /\.(?:[cm]?tsx?|jsx)$/i;
const startsWorker = new Set(['worker', 'sharedworker', 'serviceworker', 'audioworklet', 'paintworklet']);

/**
 * The newest state of a project on an origin of its own, for members with a signed link. What is bundled is made of the
 * sources of the moment; everything else is served where it is, as a development server does. Its own address is
 * below `/preview/<project>/`; what a game asks for at the root of its origin is the same.
 */
export async function servePreview(c: AppContext, projectId: string): Promise<Response> {
  if (!Id.safeParse(projectId).success) throw new KilnError('not_found');
  const { claims, redirect } = await admit(c, 'preview', ({ sub }) => sub === projectId);
  if (redirect) return redirect;
  c.var.fields.user = claims.by;
  c.var.fields.project = projectId;
  if (!(await vouch(c, claims.by, { kind: 'session', id: claims.sid }, claims.by))) throw new KilnError('not_found');
  const caller = { userId: claims.by, requestId: c.var.requestId };
  const room = new GatedRoom(projectId, projectRoom(c.env, projectId), caller, 'build.create');

  const base = `/preview/${projectId}/`;
  const path = decodePath(
    (c.req.path.startsWith(base) ? c.req.path.slice(base.length) : c.req.path.slice(1)) || 'index.html',
  );
  const isPage = path === 'index.html';
  const key = `${projectId} ${claims.by}`;
  const state = (isPage ? undefined : shown.get(key)) ?? (await newestState(c, room, claims.by));
  shown.set(key, state);

  if (path.startsWith(packagesFolder)) return await servePackage(c, state, path.slice(packagesFolder.length));

  const site = await pageOf(c, state);
  const made = site.ok ? site.files.find((file) => file.path === path) : undefined;
  if (made) return await serveMade(c, made);
  if (isPage && !site.ok) return explain(c, site);
  const roots = await rootsOfPreview(c, state);
  const found = fileServed(state.entries, roots, path);
  const entry = found === undefined ? undefined : state.entries.get(found);
  if (!entry) throw new KilnError('not_found');
  const isWorker = startsWorker.has(c.req.header('sec-fetch-dest') ?? '') && script.test(entry.path);
  const mayCompile = needsCompiling.test(entry.path) && !isTileset(entry.path, await headOf(c, state, entry));
  if (isWorker || mayCompile) {
    const worker = await siteOf(c, state, { kind: 'worker', path: entry.path });
    if (!worker.ok) throw new KilnError('preview_unavailable', { detail: worker.problems[0]?.message });
    const [file] = worker.files;
    if (!file) throw new KilnError('not_found');
    return await serveMade(c, file);
  }
  return await serveFile(c, state.room, entry);
}

/** As a build of the same files would place them. */
async function rootsOfPreview(c: AppContext, { room, entries }: State): Promise<readonly string[]> {
  const texts: Partial<Record<(typeof entryFiles)[number], string>> = {};
  for (const name of entryFiles) {
    const file = entries.get(name);
    if (file?.isText) texts[name] = await textOf(c, room, file);
  }
  const entry = findEntry({ paths: entries, texts });
  return rootsOf('problem' in entry ? { kind: 'html', path: 'index.html' } : entry);
}

/** How a file begins that may be something else than its ending says. */
const headOf = async (c: AppContext, { room }: State, entry: ManifestEntry): Promise<string> =>
  entry.isText && /\.tsx$/i.test(entry.path) ? (await textOf(c, room, entry)).slice(0, 200) : '';

const headersOf = (c: AppContext, contentType: string, caching = 'private, no-cache'): Headers =>
  new Headers({
    ...gameHeaders(c),
    // A neighbour's page would send the visitor's cookie along.
    'cross-origin-resource-policy': 'same-origin',
    'x-robots-tag': 'noindex',
    'content-type': contentType,
    'cache-control': caching,
  });

const keptForGood = immutable('private');

async function serveMade(c: AppContext, { path, mimeType, text }: BundledFile): Promise<Response> {
  const bytes = new TextEncoder().encode(text);
  const isHashed = /-[A-Z0-9]{8}\.\w+$/.test(path) && path.startsWith('_kiln/');
  const headers = headersOf(c, mimeType, isHashed ? keptForGood : undefined);
  return await serveBytes(c.req.raw, inMemory(bytes, sha256(bytes)), headers);
}

/** A module of a package. Its address has the list that names it, so it never changes. */
async function servePackage(c: AppContext, { packages }: State, path: string): Promise<Response> {
  const file = packages && path.startsWith(`${packages.key}/`) ? path.slice(packages.key.length + 1) : undefined;
  const output = file === undefined ? undefined : packages?.files.get(file);
  if (!output) throw new KilnError('not_found');
  const { sha256: hash, size, mimeType } = output;
  return await serveBytes(
    c.req.raw,
    inBucket({ hash, size }, (range) => getOutput(c.env.BUILDS, hash, range)),
    headersOf(c, mimeType, keptForGood),
  );
}

async function serveFile(c: AppContext, room: GatedRoom, entry: ManifestEntry): Promise<Response> {
  const { hash, size, path, isText } = entry;
  return await serveBytes(
    c.req.raw,
    {
      size,
      etag: etag(hash),
      open: async (range) => {
        const object = await getBlob(c.env.ASSETS, hash, range);
        if (object) return object.body;
        // A text that was typed just now is in the room alone.
        if (!isText) throw new KilnError('unavailable');
        return partOf(new TextEncoder().encode(await textOf(c, room, entry)), range);
      },
    },
    headersOf(c, mimeTypeOf(path, isText)),
  );
}

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** Said as a page, because it is where a page was expected. The workspace says the same, with places to click. */
function explain(c: AppContext, { reason, problems }: Extract<BundleResult, { ok: false }>): Response {
  const lines = problems.map(({ message, file, line, column }) => {
    const place = file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}:${column ?? 0}`} `;
    return `<li>${escaped(place + message)}</li>`;
  });
  const advice =
    reason === 'errors'
      ? 'The preview comes back with the next change.'
      : reason === 'needs_packages'
        ? 'After the next build the preview has them.'
        : reason === 'no_runner'
          ? 'Load it again in a moment, or make a build.'
          : 'A build can do that: make one to play this.';
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>No preview</title>
<style>body{font:15px/1.5 system-ui,sans-serif;background:#14100e;color:#efe6df;margin:0;padding:28px}h1{font-size:18px}li{font-family:ui-monospace,monospace;font-size:13px;margin:6px 0}p{color:#b3a49a}</style>
<h1>There is no preview of this</h1><ul>${lines.join('')}</ul><p>${advice}</p></html>`;
  const headers = headersOf(c, 'text/html; charset=utf-8');
  headers.set(
    'content-security-policy',
    `${headers.get('content-security-policy')}; default-src 'none'; style-src 'unsafe-inline'`,
  );
  headers.set('x-content-type-options', 'nosniff');
  return new Response(c.req.method === 'HEAD' ? null : html, { status: 422, headers });
}
