import { getRandom } from '@cloudflare/containers';
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

async function ask(
  env: Env,
  path: string,
  init: RequestInit,
  timeout: typeof limits.build.handOver | number,
): Promise<Response> {
  const { runnerUrl } = configOf(env);
  const ms = typeof timeout === 'number' ? timeout : runnerUrl ? timeout.process : timeout.container;
  const signal = AbortSignal.timeout(ms);
  if (runnerUrl) return await fetch(`${runnerUrl}${path}`, { ...init, signal });
  const container = await getRandom(env.BUILD_RUNNER, limits.build.runners);
  return await container.fetch(new Request(`http://runner${path}`, { ...init, signal }));
}

/**
 * What a runner makes of the order of a preview: its answer, whatever that is; null when none answers, or there is
 * none that could be asked.
 */
export async function askForPreview(env: Env, projectId: string, order: string): Promise<Response | null> {
  const config = configOf(env);
  const { patience } = limits.preview.runner;
  // Runners that pull have no address.
  if (config.buildDelivery === 'pull') return null;
  const token = await signToken(config, 'bundle', { sub: projectId, order: sha256(order) }, patience.container);
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  return await ask(env, '/previews', { method: 'POST', headers, body: order }, patience).catch((error: unknown) => {
    logEvent('preview.runner_away', { project: projectId, ...describeError(error) }, 'warn');
    return null;
  });
}

/** The runner's answer to a job: taken, busy (it runs as many as it can), or nobody knows. */
export type HandOver = 'taken' | 'busy' | 'lost';

/** Gives a claimed attempt to a runner, or into the queue that runners pull from. */
export const handOver = (env: Env, claim: Claim): Promise<HandOver> =>
  configOf(env).buildDelivery === 'pull' ? offer(env, claim) : push(env, claim);

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

async function push(env: Env, claim: Claim): Promise<HandOver> {
  try {
    return await pushJob(env, { ...(await jobOf(env, claim)), token: await jobToken(env, claim, 0) });
  } catch {
    return 'lost';
  }
}

/** Posts a job to a runner. */
export async function pushJob(env: Env, job: Job | AssetTicket): Promise<HandOver> {
  try {
    const response = await ask(
      env,
      '/jobs',
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(job) },
      limits.build.handOver,
    );
    await response.body?.cancel();
    if (response.status === 202) return 'taken';
    return response.status === 503 ? 'busy' : 'lost';
  } catch {
    return 'lost';
  }
}

/** What is wrong with the runner; undefined when it is well. Containers start on demand and are not woken for this, and runners that pull are not known. */
export async function runnerHealth(env: Env): Promise<string | undefined> {
  const { runnerUrl, buildDelivery } = configOf(env);
  if (!runnerUrl || buildDelivery === 'pull') return undefined;
  const response = await ask(env, '/health', {}, limits.build.runnerHealth).catch((cause: unknown) => {
    throw new KilnError('unavailable', { cause });
  });
  await response.body?.cancel();
  return response.ok ? undefined : `answers ${response.status}`;
}
