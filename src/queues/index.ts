import * as z from 'zod';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import { describeError, logEvent } from '../core/log.ts';
import { nextBuilds } from '../data/build-turns.ts';
import type { Database } from '../data/database.ts';
import { withDatabase } from '../data/open.ts';
import type { Claim } from '../durable-objects/build/build.ts';
import { unwrap } from '../durable-objects/rpc.ts';
import { buildRun } from '../durable-objects/stubs.ts';
import { type DispatchOutcome, dispatch } from './build-dispatch.ts';
import { buildObject } from './build-object.ts';
import { buryOptimization, dispatchOptimization } from './optimizations.ts';
import { handOver, runnerOf, runnersWithRoom } from './runner.ts';

/** A wake-up, or a ticket for a runner that pulls (`JobTicket`). */
const BuildMessage = z.object({ v: z.literal(1), buildId: z.uuid(), attempt: z.int() });
/** A wake-up for an asset that is to be made smaller. */
const AssetMessage = z.object({ v: z.literal(1), optimizationId: z.uuid() });
/** An offer of a picture, which nobody waits for: whoever looks next makes another. */
const PictureMessage = z.object({ v: z.literal(1), pictureHash: z.string() });
const Message = z.union([BuildMessage, AssetMessage, PictureMessage]);

/** Starts the next attempt of a build; its object is made where a crash left it out. Null when there is nothing to start. */
async function claimBuild(env: Env, db: Database, id: string): Promise<Claim | null> {
  try {
    return await unwrap(buildRun(env, id).claim());
  } catch (error) {
    if (!(error instanceof KilnError) || error.code !== 'not_found') throw error;
    const run = await buildObject(env, db, id);
    return run && (await unwrap(run.claim()));
  }
}

/**
 * Starts the build whose turn it is, where a runner has a place for it. `ending`: a build whose runner has just said that its place is
 * free, which then need not be asked.
 */
export async function startBuild(env: Env, ending?: string): Promise<DispatchOutcome> {
  const vacant = ending === undefined ? undefined : runnerOf(env, ending);
  let runners: readonly string[] | null = null;
  return await withDatabase(env, (db) =>
    dispatch({
      hasRoom: async () => {
        runners = vacant === undefined ? await runnersWithRoom(env) : [vacant];
        return runners === null || runners.length > 0;
      },
      candidates: () => nextBuilds(db, Date.now(), limits.build.candidates),
      claim: (id) => claimBuild(env, db, id),
      handOver: (claim) => handOver(env, claim, runners),
      release: (id, attempt, busy) => unwrap(buildRun(env, id).release(attempt, busy)),
      log: logEvent,
    }),
  );
}

/** Nobody could be given this attempt: its build ends, unless it went on by another way meanwhile. */
async function bury(env: Env, { buildId, attempt }: z.infer<typeof BuildMessage>, sentAt: Date): Promise<string> {
  const ended = await unwrap(buildRun(env, buildId).undeliverable(attempt, sentAt.getTime())).catch(
    (error: unknown) => {
      // Its project was removed.
      if (error instanceof KilnError && error.code === 'not_found') return false;
      throw error;
    },
  );
  return ended ? 'buried' : 'dead letter of a build that went on';
}

async function handle(env: Env, message: z.infer<typeof Message>, isDead: boolean, sentAt: Date): Promise<string> {
  if ('pictureHash' in message) return 'dropped';
  if ('buildId' in message) return isDead ? await bury(env, message, sentAt) : await startBuild(env);
  const settle = isDead ? buryOptimization : dispatchOptimization;
  return await withDatabase(env, (db) => settle(env, db, message.optimizationId, Date.now()));
}

const subject = (message: z.infer<typeof Message>) =>
  'pictureHash' in message
    ? { picture: message.pictureHash }
    : 'buildId' in message
      ? { build: message.buildId }
      : { optimization: message.optimizationId };

/** Queue → consumer. One canonical event per message; a message that cannot be understood is dropped with one. */
export async function consume(batch: MessageBatch, env: Env): Promise<void> {
  /** What the wake-ups of this batch have come to, once nothing waited or no place was free: all of them were there before it was asked. */
  let settled: string | null = null;
  for (const message of batch.messages) {
    const start = Date.now();
    const fields = { queue: batch.queue, messageId: message.id, attempts: message.attempts };
    const parsed = Message.safeParse(message.body);
    if (!parsed.success) {
      logEvent('queue.message', { ...fields, outcome: 'not understood' }, 'error');
      message.ack();
      continue;
    }
    const isDead = batch.queue.endsWith('-dead');
    try {
      const isWakeUp = !isDead && 'buildId' in parsed.data;
      const outcome: string =
        (isWakeUp ? settled : null) ?? (await handle(env, parsed.data, isDead, message.timestamp));
      if (isWakeUp && (outcome === 'idle' || outcome === 'busy')) settled = outcome;
      const level = outcome === 'buried' ? 'error' : 'info';
      logEvent('queue.message', { ...fields, ...subject(parsed.data), outcome, ms: Date.now() - start }, level);
      message.ack();
    } catch (error) {
      logEvent(
        'queue.message',
        { ...fields, ...subject(parsed.data), outcome: 'failed', ...describeError(error) },
        'error',
      );
      message.retry({ delaySeconds: 2 ** Math.min(message.attempts, 6) });
    }
  }
}
