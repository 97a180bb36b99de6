import { LRUCache } from 'lru-cache';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { kindOf } from '../../contract/loaders.ts';
import type { BundleAnswer, BundleOrder, BundleResult } from '../../contract/preview.ts';
import { lockFiles, stillMeant } from '../../core/game/packages.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { noAnswer, within } from '../../core/within.ts';
import { getBlob, type ManifestEntry } from '../../data/objects.ts';
import { keep, kept } from '../assets/edge-cache.ts';
import type { AppContext } from '../http/context.ts';
import type { GatedRoom } from '../http/gated-room.ts';
import { lockFileOf, packagesFolder } from './packages.ts';
import { type State, texts } from './state.ts';

/** Raised when the same sources are bundled to something else. */
const version = 2;

/** Never of one project for another, though their files be the same: nothing of a project is anybody else's. */
const nameOf = ({ projectId, sourceHash }: State, want: BundleOrder['want']): string =>
  `preview${version}/${projectId}/${sourceHash}/${want.kind === 'page' ? '' : encodeURIComponent(want.path)}`;

const sites = new LRUCache<string, BundleResult>({
  maxSize: limits.preview.keptBytes,
  sizeCalculation: (site) => (site.ok ? site.files.reduce((sum, { text }) => sum + text.length, 1) : 1),
});
/** Who asks for what is being made waits for the same. */
const making = new Map<string, Promise<BundleResult>>();

const isLockFile = (path: string): boolean => lockFiles.some((name) => path === name || path.endsWith(`/${name}`));

/** What a bundle may read. Everything else is served as it is. */
const isSource = ({ path, isText }: ManifestEntry): boolean =>
  isText &&
  !path.startsWith('public/') &&
  !isLockFile(path) &&
  (kindOf(path) !== 'asset' || /\.(?:html?|svg|md|csv)$/i.test(path));

/** The text of a source, kept for the next bundle; what was typed just now is in the room alone. */
export async function textOf(c: AppContext, room: GatedRoom, { hash, path }: ManifestEntry): Promise<string> {
  const known = texts.get(hash);
  if (known !== undefined) return known;
  const object = await getBlob(c.env.ASSETS, hash);
  if (object) {
    const text = await object.text();
    texts.set(hash, text);
    return text;
  }
  const read = await room.call((stub, caller, right) => stub.read(caller, right, path));
  // It was typed on since: whoever asks again gets the newer state.
  if (read.file.hash !== hash || read.text === null)
    throw new KilnError('unavailable', { detail: 'The project is changing. Ask again.', retryAfter: 1 });
  texts.set(hash, read.text);
  return read.text;
}

const tooLarge = (message: string): BundleResult => ({ ok: false, reason: 'too_large', problems: [{ message }] });

async function orderOf(c: AppContext, state: State, want: BundleOrder['want']): Promise<BundleOrder | BundleResult> {
  const wanted = [...state.entries.values()].filter(isSource);
  const size = wanted.reduce((sum, entry) => sum + entry.size, 0);
  const { sources: most, sourceBytes } = limits.preview;
  if (wanted.length > most) return tooLarge(`The project has ${wanted.length} sources; a preview takes ${most}.`);
  if (size > sourceBytes)
    return tooLarge(`The sources have ${Math.ceil(size / 1024)} KiB; a preview takes ${sourceBytes / 1024}.`);
  const sources: Record<string, string> = {};
  await Promise.all(
    wanted.map(async (entry) => {
      sources[entry.path] = await textOf(c, state.room, entry);
    }),
  );
  const { packages } = state;
  if (!packages) return { paths: [...state.entries.keys()], sources, want };
  const lockFile = lockFileOf(state.entries);
  const meant = stillMeant(packages.list, { manifest: sources['package.json'], lockFile });
  const base = `${packagesFolder}${packages.key}`;
  return { paths: [...state.entries.keys()], sources, want, packages: { base, ...meant } };
}

async function make(c: AppContext, state: State, want: BundleOrder['want']): Promise<BundleResult> {
  const order = await orderOf(c, state, want);
  if ('ok' in order) return order;
  const started = Date.now();
  const asked = c.env.BUNDLER.fetch('https://bundler/', { method: 'POST', body: JSON.stringify(order) });
  // An isolate that ran out of memory takes its orders with it; the next one has its own.
  const answer = await within(limits.preview.patience, asked, () => noAnswer('The bundler')).catch((error: unknown) => {
    if (error instanceof KilnError) throw error;
    logEvent('preview.bundler_away', { project: state.projectId, ...describeError(error) }, 'warn');
    throw new KilnError('unavailable', { detail: 'The bundler is away.', retryAfter: 1, cause: error });
  });
  if (!answer.ok) {
    await answer.body?.cancel();
    throw new KilnError('unavailable', { detail: 'The bundler is busy.', retryAfter: 1 });
  }
  const { ms, heap, ...result } = (await answer.json()) as BundleAnswer;
  logEvent('preview.bundled', {
    project: state.projectId,
    sources: Object.keys(order.sources).length,
    outcome: result.ok ? 'ok' : result.reason,
    packages: Object.keys(order.packages?.entries ?? {}).length,
    ms: Date.now() - started,
    bundlerMs: ms,
    heap,
  });
  return result as BundleResult;
}

/** What is made of a state: from this isolate, from the cache of the data centre, or now. */
export async function siteOf(c: AppContext, state: State, want: BundleOrder['want']): Promise<BundleResult> {
  const name = nameOf(state, want);
  const known = sites.get(name);
  if (known) return known;
  const under = making.get(name);
  if (under) return await under;
  const work = (async () => {
    const cached = await kept(c, name);
    if (cached) return (await new Response(cached).json()) as BundleResult;
    const result = await make(c, state, want);
    const bytes = new TextEncoder().encode(JSON.stringify(result));
    keep(c, name, bytes.length, async () => bytes);
    return result;
  })();
  making.set(name, work);
  try {
    const result = await work;
    sites.set(name, result);
    return result;
  } finally {
    making.delete(name);
  }
}

export const pageOf = (c: AppContext, state: State): Promise<BundleResult> =>
  siteOf(c, state, { kind: 'page', title: 'Game' });
