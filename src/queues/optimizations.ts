import type { AssetTicket } from '../contract/jobs.ts';
import { limits } from '../contract/limits.ts';
import { configOf } from '../core/config.ts';
import { logEvent } from '../core/log.ts';
import { signToken } from '../core/tokens.ts';
import type { Database } from '../data/database.ts';
import {
  dueOptimizations,
  endOptimization,
  forgetOptimization,
  type OptimizationRow,
  offerOptimization,
  optimizationById,
  optimizedAsset,
  postponeOptimization,
  requeueOptimization,
} from '../data/optimizations.ts';
import { announce } from '../durable-objects/announce.ts';
import { type HandOver, pushJob, runnersWithRoom } from './runner.ts';

const { timeout, lease, offered, retryDelay, queuedTimeout } = limits.optimize;

/** Wakes the consumer for one that waits. Whatever gets lost the sweep finds. */
export async function wakeFor(env: Env, optimizationId: string, delay = 0): Promise<void> {
  await env.BUILD_QUEUE.send({ v: 1, optimizationId }, { delaySeconds: Math.ceil(delay / 1000) });
}

/** Says that one has ended, in its room and in the log. */
export async function tellOptimized(env: Env, row: OptimizationRow, name: string, errorCode: string | null) {
  const { id, projectId, assetId, userId, version, savedBytes, starts } = row;
  logEvent(
    'asset.optimization_ended',
    { project: projectId, asset: assetId, optimization: id, starts, savedBytes, errorCode },
    errorCode === 'runner_lost' || errorCode === 'build_undelivered' ? 'error' : 'info',
  );
  const data = { assetId, name, version, savedBytes, errorCode };
  await announce(env, projectId, { type: 'asset.optimized', by: userId, data });
}

/** Ends one without a new version, once. */
export async function settleOptimization(
  env: Env,
  db: Database,
  row: OptimizationRow,
  errorCode: Parameters<typeof endOptimization>[2],
  now: number,
): Promise<boolean> {
  if (!(await endOptimization(db, row, errorCode, now))) return false;
  const at = await optimizedAsset(db, row);
  if (at) await tellOptimized(env, { ...row, savedBytes: 0 }, at.asset.name, errorCode);
  return true;
}

async function handOver(env: Env, { id, projectId, attempt }: OptimizationRow): Promise<HandOver> {
  const isPulled = configOf(env).buildDelivery === 'pull';
  const wait = isPulled ? queuedTimeout : 0;
  const token = await signToken(configOf(env), 'optimize', { sub: id, projectId, attempt }, wait + timeout + lease);
  const ticket: AssetTicket = { v: 1, optimizationId: id, attempt, token };
  if (!isPulled) return await pushJob(env, ticket, projectId, await runnersWithRoom(env));
  try {
    await env.BUILD_PULL_QUEUE.send(ticket);
    return 'taken';
  } catch {
    return 'lost';
  }
}

/** Offers one that waits to a runner. A crash on the way is found by the sweep, so nothing here must be retried. */
export async function dispatchOptimization(env: Env, db: Database, id: string, now: number): Promise<string> {
  const patience = configOf(env).buildDelivery === 'pull' ? limits.build.pullResend : offered;
  const row = await offerOptimization(db, id, now, patience);
  if (!row) return 'idle';
  if (!(await optimizedAsset(db, row))) {
    await settleOptimization(env, db, row, 'conflict', now);
    return 'overtaken';
  }
  const outcome = await handOver(env, row);
  logEvent('asset.optimization_offered', { optimization: id, attempt: row.attempt, outcome });
  if (outcome === 'taken') return 'started';
  await postponeOptimization(db, id, row.attempt, now + offered);
  await wakeFor(env, id, outcome === 'busy' ? retryDelay : 4 * retryDelay);
  return outcome;
}

/** Nobody could be told of it: it ends, unless it went on meanwhile. */
export async function buryOptimization(env: Env, db: Database, id: string, now: number): Promise<string> {
  const row = await optimizationById(db, id);
  const ended = row?.status === 'queued' && (await settleOptimization(env, db, row, 'build_undelivered', now));
  return ended ? 'buried' : 'dead letter of a job that went on';
}

/** Looks after those that should have gone on by now. May run twice, at any time. */
export async function sweepOptimizations(
  env: Env,
  db: Database,
  now: number,
  each: (id: string, work: () => Promise<void>) => Promise<void>,
): Promise<number> {
  const due = await dueOptimizations(db, now, limits.outbox.sweep);
  for (const row of due)
    await each(row.id, async () => {
      if (row.status === 'done' || row.status === 'failed') await forgetOptimization(db, row.id);
      else if (row.status === 'running') await giveUp(env, db, row, now);
      else if (row.createdAt < now - queuedTimeout) await settleOptimization(env, db, row, 'build_undelivered', now);
      else {
        await postponeOptimization(db, row.id, row.attempt, now + offered);
        await wakeFor(env, row.id);
      }
    });
  return due.length;
}

/** A runner has failed, by its own word or by its silence: another one tries, or it is over. */
export async function giveUp(env: Env, db: Database, row: OptimizationRow, now: number): Promise<void> {
  if (await requeueOptimization(db, row, now)) await wakeFor(env, row.id, retryDelay);
  else await settleOptimization(env, db, row, 'runner_lost', now);
}
