import { LRUCache } from 'lru-cache';
import pMap from 'p-map';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { kindOf } from '../../contract/loaders.ts';
import { type BundleAnswer, type BundleOrder, type BundleResult, RunnerBundle } from '../../contract/preview.ts';
import { lockFiles, stillMeant } from '../../core/game/packages.ts';
import { describeError, type LogFields, logEvent } from '../../core/log.ts';
import { sha256 } from '../../core/tree.ts';
import { noAnswer, within } from '../../core/within.ts';
import { getBlob, getPreview, type ManifestEntry, putPreview } from '../../data/objects.ts';
import { askForPreview } from '../../queues/runner.ts';
import { keep, kept } from '../assets/edge-cache.ts';
import type { AppContext } from '../http/context.ts';
import type { GatedRoom } from '../http/gated-room.ts';
import { countRunnerPreview } from '../http/rates.ts';
import { lockFileOf, packagesFolder } from './packages.ts';
import { type State, texts } from './state.ts';

/** Raised when the same sources are bundled to something else, or something else is said of them. */
const version = 4;

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

const unplayable = (reason: 'too_large' | 'needs_build' | 'no_runner', message: string): BundleResult => ({
  ok: false,
  reason,
  problems: [{ message }],
});

/** What a bundle is made of, and who takes it: the edge as long as it fits there. */
function planOf(state: State): { readonly sources: readonly ManifestEntry[]; readonly by: 'edge' | 'runner' } {
  const sources = [...state.entries.values()].filter(isSource);
  const fits = sources.length <= limits.preview.sources && sizeOf(sources) <= limits.preview.sourceBytes;
  return { sources, by: fits ? 'edge' : 'runner' };
}

const sizeOf = (sources: readonly ManifestEntry[]): number => sources.reduce((sum, { size }) => sum + size, 0);

/** Where a state is bundled. */
export const bundledBy = (state: State): 'edge' | 'runner' => planOf(state).by;

async function orderOf(c: AppContext, state: State, want: BundleOrder['want']): Promise<BundleOrder> {
  const sources: Record<string, string> = {};
  await pMap(
    planOf(state).sources,
    async (entry) => {
      sources[entry.path] = await textOf(c, state.room, entry);
    },
    { concurrency: limits.preview.reads },
  );
  const order = { paths: [...state.entries.keys()], sources, want };
  const { packages } = state;
  if (!packages) return order;
  const lockFile = lockFileOf(state.entries);
  const meant = stillMeant(packages.list, { manifest: sources['package.json'], lockFile });
  return { ...order, packages: { base: `${packagesFolder}${packages.key}`, ...meant } };
}

/** A result, and whether it is worth keeping: that nobody answered says nothing of the sources. */
interface Made {
  readonly result: BundleResult;
  readonly lasting: boolean;
}

async function makeAtEdge(c: AppContext, state: State, want: BundleOrder['want']): Promise<Made> {
  const order = await orderOf(c, state, want);
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
  logBundled(state, order, result as BundleResult, { by: 'edge', ms: Date.now() - started, bundlerMs: ms, heap });
  return { result: result as BundleResult, lasting: true };
}

function logBundled(state: State, order: BundleOrder, result: BundleResult, fields: LogFields): void {
  logEvent('preview.bundled', {
    project: state.projectId,
    sources: Object.keys(order.sources).length,
    outcome: result.ok ? 'ok' : result.reason,
    packages: Object.keys(order.packages?.entries ?? {}).length,
    ...fields,
  });
}

const partOf = (want: BundleOrder['want']): string => (want.kind === 'page' ? 'page' : `worker/${sha256(want.path)}`);

/** Too large for the edge: the same bundle, by a runner, which has a compiler and memory of its own. */
async function makeByRunner(c: AppContext, state: State, want: BundleOrder['want']): Promise<Made> {
  const { sources: most, sourceBytes, outputBytes } = limits.preview.runner;
  const { sources } = planOf(state);
  const refused = (message: string): Made => ({ result: unplayable('too_large', message), lasting: true });
  if (sources.length > most) return refused(`The project has ${sources.length} sources; a preview takes ${most}.`);
  const size = sizeOf(sources);
  if (size > sourceBytes)
    return refused(`The sources have ${Math.ceil(size / 1024)} KiB; a preview takes ${sourceBytes / 1024}.`);

  const name = nameOf(state, want);
  const { projectId } = state;
  const known = await getPreview(c.env.BUILDS, projectId, partOf(want), name);
  if (known !== null) return { result: JSON.parse(known) as BundleResult, lasting: true };
  // A runner that fetches its jobs has no address, and a ticket may wait behind builds: nobody would look at a page for so long.
  if (c.var.config.buildDelivery === 'pull')
    return {
      result: unplayable(
        'needs_build',
        'A project of this size is bundled by a build runner, and those of this Kiln only take builds. Build it to play it.',
      ),
      lasting: false,
    };
  countRunnerPreview(c, state.userId);
  const order = await orderOf(c, state, want);
  const started = Date.now();
  const silent: Made = {
    result: unplayable(
      'no_runner',
      'A project of this size needs a build runner, and none answers. Try again, or build it.',
    ),
    lasting: false,
  };
  const answer = await askForPreview(c.env, projectId, JSON.stringify(order));
  if (answer?.status === 413) {
    await answer.body?.cancel();
    return refused(
      `What is made of the sources is more than ${outputBytes / 1024 / 1024} MiB, or takes too much memory.`,
    );
  }
  if (!answer?.ok) {
    const status = answer?.status;
    await answer?.body?.cancel();
    if (status !== undefined) logEvent('preview.runner_refused', { project: projectId, status }, 'warn');
    return silent;
  }
  // A runner that dies on the way leaves half an answer.
  const parsed = RunnerBundle.safeParse(await answer.json().catch(() => null));
  if (!parsed.success) {
    logEvent('preview.runner_refused', { project: projectId, status: answer.status }, 'warn');
    return silent;
  }
  const result = parsed.data;
  logBundled(state, order, result, { by: 'runner', ms: Date.now() - started });
  c.executionCtx.waitUntil(
    putPreview(c.env.BUILDS, projectId, partOf(want), name, JSON.stringify(result)).catch((error: unknown) =>
      logEvent('preview.not_kept', { project: projectId, ...describeError(error) }, 'warn'),
    ),
  );
  return { result, lasting: true };
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
    if (cached) {
      const result = (await new Response(cached).json()) as BundleResult;
      sites.set(name, result);
      return result;
    }
    const { result, lasting } = await (bundledBy(state) === 'edge' ? makeAtEdge : makeByRunner)(c, state, want);
    if (!lasting) return result;
    sites.set(name, result);
    const bytes = new TextEncoder().encode(JSON.stringify(result));
    keep(c, name, bytes.length, async () => bytes);
    return result;
  })();
  making.set(name, work);
  try {
    return await work;
  } finally {
    making.delete(name);
  }
}

export const pageOf = (c: AppContext, state: State): Promise<BundleResult> =>
  siteOf(c, state, { kind: 'page', title: 'Game' });
