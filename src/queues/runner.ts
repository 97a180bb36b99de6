import { getRandom } from '@cloudflare/containers';
import { KilnError } from '../contract/errors.ts';
import type { Job } from '../contract/jobs.ts';
import { limits } from '../contract/limits.ts';
import { configOf } from '../core/config.ts';
import { signToken } from '../core/tokens.ts';
import { getLock } from '../data/objects.ts';
import type { Claim } from '../durable-objects/build/build.ts';

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

/** The runner's answer to a job: taken, busy (it runs as many as it can), or nobody knows. */
export type HandOver = 'taken' | 'busy' | 'lost';

/** Offers a claimed attempt to a runner. The token opens this attempt of this build and nothing else. */
export async function handOver(env: Env, claim: Claim): Promise<HandOver> {
  const token = await signToken(
    configOf(env),
    'build',
    { sub: claim.buildId, projectId: claim.projectId, attempt: claim.attempt },
    limits.build.timeout + limits.build.lease,
  );
  const { lockHash, ...facts } = claim;
  try {
    const lock = lockHash === null ? null : await getLock(env.BUILDS, lockHash);
    const job: Job = { v: 1, ...facts, ...(lock !== null && { lock }), token };
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

/** What is wrong with the runner; undefined when it is well. Containers start on demand and are not woken for this. */
export async function runnerHealth(env: Env): Promise<string | undefined> {
  if (!configOf(env).runnerUrl) return undefined;
  const response = await ask(env, '/health', {}, limits.build.runnerHealth).catch((cause: unknown) => {
    throw new KilnError('unavailable', { cause });
  });
  await response.body?.cancel();
  return response.ok ? undefined : `answers ${response.status}`;
}
