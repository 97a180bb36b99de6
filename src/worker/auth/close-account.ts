import { describeError, logEvent } from '../../core/log.ts';
import type { Actor } from '../../data/audit.ts';
import { activeBuildsOf } from '../../data/build-turns.ts';
import type { Database } from '../../data/database.ts';
import type { SessionEnd } from '../../data/schema/define.ts';
import { unwrap } from '../../durable-objects/rpc.ts';
import { buildObject } from '../../queues/build-object.ts';
import { endSessionsOf } from './end-sessions.ts';

/**
 * Ends what an account that is disabled or on its way out has going on: sessions, keys, sockets and builds.
 * The database says already that the account is not in use. Every step may run twice; builds that could not be
 * reached are found by the sweep.
 */
export async function closeAccount(
  env: Env,
  db: Database,
  userId: string,
  by: { reason: SessionEnd; actor: Actor },
): Promise<{ endedSessions: number; cancelledBuilds: number }> {
  const endedSessions = await endSessionsOf(env, db, userId, 'all', by);
  const cancelledBuilds = await cancelBuilds(env, db, await activeBuildsOf(db, userId), by.actor);
  return { endedSessions, cancelledBuilds };
}

/** Returns how many were cancelled now; one that ends by itself meanwhile is none. */
export async function cancelBuilds(
  env: Env,
  db: Database,
  builds: readonly { id: string }[],
  actor: Actor,
): Promise<number> {
  const cancelled = await Promise.all(
    builds.map(async ({ id }) => {
      try {
        const run = await buildObject(env, db, id);
        if (run) await unwrap(run.cancel(actor));
        return run ? 1 : 0;
      } catch (error) {
        logEvent('build.not_cancelled', { build: id, ...describeError(error) }, 'warn');
        return 0;
      }
    }),
  );
  return cancelled.reduce<number>((sum, one) => sum + one, 0);
}
