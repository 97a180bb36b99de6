import { z } from 'zod';
import { limits } from '../contract/limits.ts';
import { describeError, logEvent } from '../core/log.ts';
import { nextBuilds } from '../data/builds.ts';
import { withDatabase } from '../data/open.ts';
import { unwrap } from '../durable-objects/rpc.ts';
import { buildRun } from '../durable-objects/stubs.ts';
import { dispatch } from './build-dispatch.ts';
import { buildObject } from './build-object.ts';
import { handOver } from './runner.ts';

const BuildMessage = z.object({ v: z.literal(1), buildId: z.uuid(), attempt: z.int() });

async function startBuild(env: Env): Promise<string> {
  return await withDatabase(env, (db) =>
    dispatch({
      candidates: () => nextBuilds(db, limits.build.candidates),
      claim: async (id) => {
        const run = await buildObject(env, db, id);
        return run && (await unwrap(run.claim()));
      },
      handOver: (claim) => handOver(env, claim),
      release: (id, attempt, busy) => unwrap(buildRun(env, id).release(attempt, busy)),
      log: logEvent,
    }),
  );
}

/** Queue → consumer. One canonical event per message; a message that cannot be understood is dropped with one. */
export async function consume(batch: MessageBatch, env: Env): Promise<void> {
  for (const message of batch.messages) {
    const start = Date.now();
    const fields = { queue: batch.queue, messageId: message.id, attempts: message.attempts };
    const parsed = BuildMessage.safeParse(message.body);
    if (!parsed.success) {
      logEvent('queue.message', { ...fields, outcome: 'not understood' }, 'error');
      message.ack();
      continue;
    }
    if (batch.queue.endsWith('-dead')) {
      // The build's own alarm goes on looking after it; this says that consumers have been failing.
      logEvent('queue.message', { ...fields, build: parsed.data.buildId, outcome: 'dead letter' }, 'error');
      message.ack();
      continue;
    }
    try {
      const outcome = await startBuild(env);
      logEvent('queue.message', { ...fields, build: parsed.data.buildId, outcome, ms: Date.now() - start });
      message.ack();
    } catch (error) {
      logEvent(
        'queue.message',
        { ...fields, build: parsed.data.buildId, outcome: 'failed', ...describeError(error) },
        'error',
      );
      message.retry({ delaySeconds: 2 ** Math.min(message.attempts, 6) });
    }
  }
}
