import type { JobTicket, StartedJob } from '../../contract/jobs.ts';
import { limits } from '../../contract/limits.ts';
import { configOf } from '../../core/config.ts';
import { signToken } from '../../core/tokens.ts';
import { getLock } from '../../data/objects.ts';
import type { Claim } from './build.ts';

type Attempt = Pick<Claim, 'buildId' | 'projectId' | 'attempt'>;

/** A token that opens this attempt of this build and nothing else, from when a runner has it. `wait`: milliseconds until then at most. */
export const jobToken = (env: Env, { buildId, projectId, attempt }: Attempt, wait: number): Promise<string> =>
  signToken(
    configOf(env),
    'build',
    { sub: buildId, projectId, attempt },
    wait + limits.build.timeout + limits.build.lease,
  );

/** What a runner has to know of a claimed attempt, its dependency lock included. */
export async function jobOf(env: Env, claim: Claim): Promise<StartedJob> {
  const { lockHash, ...facts } = claim;
  const lock = lockHash === null ? null : await getLock(env.BUILDS, lockHash);
  return { v: 1, ...facts, ...(lock !== null && { lock }) };
}

/** Puts a claimed attempt into the queue that runners pull from. */
export async function sendTicket(env: Env, attempt: Attempt): Promise<void> {
  const token = await jobToken(env, attempt, limits.build.queuedTimeout);
  const ticket: JobTicket = { v: 1, buildId: attempt.buildId, attempt: attempt.attempt, token };
  await env.BUILD_PULL_QUEUE.send(ticket);
}
