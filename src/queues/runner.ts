import { getContainer } from '@cloudflare/containers';
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import type { PictureOrder } from '../contract/assets.ts';
import { KilnError } from '../contract/errors.ts';
import type { AssetTicket, Job, PictureTicket } from '../contract/jobs.ts';
import { limits } from '../contract/limits.ts';
import { configOf } from '../core/config.ts';
import { describeError, logEvent } from '../core/log.ts';
import { signToken } from '../core/tokens.ts';
import { sha256 } from '../core/tree.ts';
import type { Claim } from '../durable-objects/build/build.ts';
import { jobToken, sendTicket } from '../durable-objects/build/job.ts';
import { unwrap } from '../durable-objects/rpc.ts';
import { buildRun } from '../durable-objects/stubs.ts';
import { jobFor } from './build-files.ts';

/** A runner that can be asked: by its address, or the container of a number, from 0 below `limits.build.runners`. */
type Runner = string | number;

/** How a runner is called in the log; an address without what may be secret in it. */
const nameOf = (runner: Runner): string =>
  typeof runner === 'number' ? `instance-${runner}` : (URL.parse(runner)?.host ?? '');

/** Asks one runner. */
const ask = (env: Env, runner: Runner, path: string, init: RequestInit): Promise<Response> =>
  typeof runner === 'number'
    ? getContainer(env.BUILD_RUNNER, nameOf(runner)).fetch(new Request(`http://runner${path}`, init))
    : fetch(`${runner}${path}`, init);

/**
 * The containers of an account, as they are asked for something of this key: each key has a first one, where its contents lie in the
 * caches, and then the others in a fixed order (docs/decisions/0027). `skip`: so many of them were tried before.
 */
const containersFor = (key: string, skip = 0): readonly number[] =>
  inTurn(
    Array.from({ length: limits.build.runners }, (_, index) => index),
    key,
    skip,
  );

/** All of them, each first for its share of the keys: what has one key meets at the same one. */
function inTurn<T>(runners: readonly T[], key: string, skip = 0): readonly T[] {
  const first = (Number.parseInt(sha256(key).slice(0, 8), 16) + skip) % runners.length;
  return [...runners.slice(first), ...runners.slice(0, first)];
}

/** Milliseconds until a runner that says nothing is given up. */
type Patience = { readonly process: number; readonly container: number };

/**
 * The first answer of these runners that is not 503, which says that it is full, or else the last one; null when none
 * answers. A runner that fails without a word is `gone`. Containers share one patience: whoever waits, waits once.
 */
async function firstFree(
  runners: readonly Runner[],
  patience: Patience,
  post: (runner: Runner, signal: AbortSignal) => Promise<Response>,
  gone: (error: unknown) => void,
): Promise<Response | null> {
  const shared = AbortSignal.timeout(patience.container);
  let full: Response | null = null;
  for (const runner of runners) {
    if (typeof runner === 'number' && shared.aborted) break;
    const signal = typeof runner === 'number' ? shared : AbortSignal.timeout(patience.process);
    try {
      const answer = await post(runner, signal);
      if (answer.status !== 503) return answer;
      await answer.body?.cancel();
      full = answer;
    } catch (error) {
      gone(error);
    }
  }
  return full;
}

const FreePlaces = z.object({ free: z.int().min(0) });

/** How many jobs the runner at this address would take now; null when it does not say. */
async function freePlaces(url: string): Promise<number | null> {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(limits.build.runnerRoom) });
    const answer = FreePlaces.safeParse(await response.json());
    return answer.success ? answer.data.free : null;
  } catch {
    return null;
  }
}

/**
 * Addresses of runners with a free place, the freest first. All of them when none says how it is: handing over finds
 * out, and what comes of that is known. Null where nobody can be asked: containers start on demand, and runners that pull are not known.
 */
export async function runnersWithRoom(env: Env): Promise<readonly string[] | null> {
  const { runnerUrls, buildDelivery } = configOf(env);
  if (runnerUrls.length === 0 || buildDelivery === 'pull') return null;
  const answers = await Promise.all(runnerUrls.map(async (url) => ({ url, free: await freePlaces(url) })));
  if (answers.every(({ free }) => free === null)) return runnerUrls;
  return answers
    .map(({ url, free }) => ({ url, free: free ?? 0 }))
    .filter(({ free }) => free > 0)
    .sort((a, b) => b.free - a.free)
    .map(({ url }) => url);
}

/**
 * What a runner makes of the order of a preview: the answer of the first that is not full, whatever that is; null when none
 * answers. Not for runners that pull: they have no address.
 */
export async function askForPreview(env: Env, projectId: string, order: string): Promise<Response | null> {
  const config = configOf(env);
  const { patience } = limits.preview.runner;
  const token = await signToken(config, 'bundle', { sub: projectId, order: sha256(order) }, patience.container);
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  return await firstFree(
    config.runnerUrls.length > 0 ? config.runnerUrls : containersFor(projectId),
    patience,
    (runner, signal) => ask(env, runner, '/previews', { method: 'POST', headers, body: order, signal }),
    (error) => logEvent('preview.runner_away', { project: projectId, ...describeError(error) }, 'warn'),
  );
}

/**
 * What a runner answers to a picture that is to be written anew: the first one that is not full; null when none answers, or there
 * is none that could be asked. `open` reads the picture, anew for each that is asked.
 */
export async function askForPicture(
  env: Env,
  { hash, size }: { readonly hash: string; readonly size: number },
  order: PictureOrder,
  open: () => Promise<ReadableStream<Uint8Array>>,
): Promise<Response | null> {
  const config = configOf(env);
  const { patience } = limits.variant.runner;
  // Runners that pull have no address.
  if (config.buildDelivery === 'pull') return null;
  const claims = { sub: hash, size, order: JSON.stringify(order) };
  const token = await signToken(config, 'picture', claims, patience.container);
  const headers = { 'content-type': 'application/octet-stream', authorization: `Bearer ${token}` };
  return await firstFree(
    config.runnerUrls.length > 0 ? inTurn(config.runnerUrls, hash) : containersFor(hash),
    patience,
    async (runner, signal) => {
      const source = await open();
      const sized = new FixedLengthStream(size);
      // A runner that does not read it to its end says so in its answer.
      source.pipeTo(sized.writable).catch(() => undefined);
      return await ask(env, runner, '/pictures', { method: 'POST', headers, body: sized.readable, signal });
    },
    (error) => logEvent('picture.runner_away', { hash, ...describeError(error) }, 'warn'),
  );
}

/** Pictures that runners which pull were offered, so that each look at them is no other offer. Of this isolate only. */
const offered = new LRUCache<string, true>({
  max: limits.variant.runner.offersRemembered,
  ttl: limits.variant.runner.offeredAgain,
});

/**
 * Has a picture written anew by a runner that pulls, some time from now; never throws. Nothing where runners are asked, which
 * answer at once.
 */
export async function offerPicture(
  env: Env,
  { hash, size }: { readonly hash: string; readonly size: number },
  order: PictureOrder,
): Promise<void> {
  const config = configOf(env);
  const claims = { sub: hash, size, order: JSON.stringify(order) };
  const key = `${hash} ${claims.order}`;
  if (config.buildDelivery !== 'pull' || offered.has(key)) return;
  offered.set(key, true);
  try {
    const token = await signToken(config, 'picture', claims, limits.variant.runner.offerTtl);
    await env.BUILD_PULL_QUEUE.send({ v: 1, pictureHash: hash, token } satisfies PictureTicket);
    logEvent('picture.offered', { hash, format: order.format, width: order.maxWidth });
  } catch (error) {
    offered.delete(key);
    logEvent('picture.not_offered', { hash, ...describeError(error) }, 'warn');
  }
}

/** Addresses of the runners that took builds, by build: which one it is that says it has a free place. A hint, of this isolate only. */
const takenBy = new LRUCache<string, string>({ max: limits.build.takenRemembered });

/** The address of the runner that took this build, if it is still one; undefined where this isolate does not know. */
export function runnerOf(env: Env, buildId: string): string | undefined {
  const runner = takenBy.get(buildId);
  return runner !== undefined && configOf(env).runnerUrls.includes(runner) ? runner : undefined;
}

/** The runner's answer to a job: taken, busy (it runs as many as it can), or nobody knows. */
export type HandOver = 'taken' | 'busy' | 'lost';

/** Gives a claimed attempt to a runner, or into the queue that runners pull from. */
export const handOver = (env: Env, claim: Claim, runners: readonly string[] | null): Promise<HandOver> =>
  configOf(env).buildDelivery === 'pull' ? offer(env, claim) : push(env, claim, runners);

async function offer(env: Env, claim: Claim): Promise<HandOver> {
  const { buildId, attempt } = claim;
  try {
    await sendTicket(env, claim);
  } catch {
    return 'lost';
  }
  // The message is on its way, and a runner may have begun by now. Where this is not heard, the short lease of the claim ends.
  await unwrap(buildRun(env, buildId).offered(attempt)).catch((error: unknown) =>
    logEvent('build.offer_unheard', { build: buildId, attempt, ...describeError(error) }, 'warn'),
  );
  return 'taken';
}

async function push(env: Env, claim: Claim, runners: readonly string[] | null): Promise<HandOver> {
  try {
    const [started, token] = await Promise.all([jobFor(env, claim), jobToken(env, claim, 0)]);
    const job = { ...started, token };
    return await pushJob(env, job, claim.projectId, runners);
  } catch {
    return 'lost';
  }
}

/**
 * Posts a job to the first of these runners that takes it; null: to a container, the project's own first. An attempt after one
 * that was lost begins at the next container: the first may be what lost it.
 */
export async function pushJob(
  env: Env,
  job: Job | AssetTicket,
  projectId: string,
  runners: readonly string[] | null,
): Promise<HandOver> {
  const { process, container } = limits.build.handOver;
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify(job);
  const asked: string[] = [];
  let outcome: HandOver = 'busy';
  for (const runner of runners ?? containersFor(projectId, job.attempt - 1)) {
    asked.push(nameOf(runner));
    const signal = AbortSignal.timeout(typeof runner === 'number' ? container : process);
    outcome = await answerOf(ask(env, runner, '/jobs', { method: 'POST', headers, body, signal }));
    // Only one that said no has not got it: after silence the next one might be the second.
    if (outcome !== 'busy') {
      if (outcome === 'taken' && typeof runner === 'string' && 'buildId' in job) takenBy.set(job.buildId, runner);
      break;
    }
  }
  logEvent('runner.asked', { project: projectId, attempt: job.attempt, asked: asked.join(' '), outcome });
  return outcome;
}

async function answerOf(asked: Promise<Response>): Promise<HandOver> {
  try {
    const response = await asked;
    await response.body?.cancel();
    if (response.status === 202) return 'taken';
    return response.status === 503 ? 'busy' : 'lost';
  } catch {
    return 'lost';
  }
}

/** What is wrong with the runners; undefined when one is well. Containers start on demand and are not woken for this, and runners that pull are not known. */
export async function runnerHealth(env: Env): Promise<string | undefined> {
  const { runnerUrls, buildDelivery } = configOf(env);
  if (runnerUrls.length === 0 || buildDelivery === 'pull') return undefined;
  const answers = await Promise.allSettled(
    runnerUrls.map(async (url) => {
      const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(limits.build.runnerHealth) });
      await response.body?.cancel();
      return response;
    }),
  );
  const heard = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  if (heard.some(({ ok }) => ok)) return undefined;
  if (heard[0]) return `answers ${heard[0].status}`;
  throw new KilnError('unavailable', { cause: answers });
}
