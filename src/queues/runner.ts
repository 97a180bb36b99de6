import { getRandom } from '@cloudflare/containers';
import * as z from 'zod';
import type { PictureOrder } from '../contract/assets.ts';
import { KilnError } from '../contract/errors.ts';
import type { AssetTicket, Job } from '../contract/jobs.ts';
import { limits } from '../contract/limits.ts';
import { configOf } from '../core/config.ts';
import { describeError, logEvent } from '../core/log.ts';
import { signToken } from '../core/tokens.ts';
import { sha256 } from '../core/tree.ts';
import type { Claim } from '../durable-objects/build/build.ts';
import { jobOf, jobToken, sendTicket } from '../durable-objects/build/job.ts';
import { unwrap } from '../durable-objects/rpc.ts';
import { buildRun } from '../durable-objects/stubs.ts';

/** Milliseconds until a runner that says nothing is given up. */
type Patience = { readonly process: number; readonly container: number };

/** Asks the runner at this address; null: a container. */
async function ask(
  env: Env,
  url: string | null,
  path: string,
  init: RequestInit,
  patience: Patience,
): Promise<Response> {
  const signal = AbortSignal.timeout(url === null ? patience.container : patience.process);
  if (url !== null) return await fetch(`${url}${path}`, { ...init, signal });
  const container = await getRandom(env.BUILD_RUNNER, limits.build.runners);
  return await container.fetch(new Request(`http://runner${path}`, { ...init, signal }));
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
 * What a runner makes of the order of a preview: its answer, whatever that is; null when none answers. Not for runners
 * that pull: they have no address.
 */
export async function askForPreview(env: Env, projectId: string, order: string): Promise<Response | null> {
  const config = configOf(env);
  const { patience } = limits.preview.runner;
  const token = await signToken(config, 'bundle', { sub: projectId, order: sha256(order) }, patience.container);
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  for (const url of config.runnerUrls.length > 0 ? config.runnerUrls : [null]) {
    try {
      return await ask(env, url, '/previews', { method: 'POST', headers, body: order }, patience);
    } catch (error) {
      logEvent('preview.runner_away', { project: projectId, ...describeError(error) }, 'warn');
    }
  }
  return null;
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
  let answer: Response | null = null;
  for (const url of inTurn(config.runnerUrls, hash)) {
    const source = await open();
    const sized = new FixedLengthStream(size);
    // A runner that does not read it to its end says so in its answer.
    source.pipeTo(sized.writable).catch(() => undefined);
    try {
      answer = await ask(env, url, '/pictures', { method: 'POST', headers, body: sized.readable }, patience);
      if (answer.status !== 503) return answer;
      await answer.body?.cancel();
    } catch (error) {
      logEvent('picture.runner_away', { hash, ...describeError(error) }, 'warn');
    }
  }
  return answer;
}

/** All of them, each first for its share of the hashes: who asks for the same meets at the same one. Null: a container. */
function inTurn(urls: readonly string[], hash: string): readonly (string | null)[] {
  if (urls.length === 0) return [null];
  const first = Number.parseInt(hash.slice(0, 8), 16) % urls.length;
  return [...urls.slice(first), ...urls.slice(0, first)];
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
    return await pushJob(env, { ...(await jobOf(env, claim)), token: await jobToken(env, claim, 0) }, runners);
  } catch {
    return 'lost';
  }
}

/** Posts a job to the first of these runners that takes it, or to a container. */
export async function pushJob(env: Env, job: Job | AssetTicket, runners: readonly string[] | null): Promise<HandOver> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(job) };
  for (const url of runners ?? [null]) {
    const answer = await answerOf(ask(env, url, '/jobs', init, limits.build.handOver));
    // Only one that said no has not got it: after silence the next one might be the second.
    if (answer !== 'busy') return answer;
  }
  return 'busy';
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
