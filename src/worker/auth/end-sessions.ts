import { KilnError } from '../../contract/errors.ts';
import { describeError, logEvent } from '../../core/log.ts';
import type { Actor } from '../../data/audit.ts';
import type { Database } from '../../data/database.ts';
import { endSessions, type SessionChoice } from '../../data/live-sessions.ts';
import type { SessionEnd } from '../../data/schema/define.ts';
import { unwrap } from '../../durable-objects/rpc.ts';
import { accountGuard } from '../../durable-objects/stubs.ts';
import { forget } from './vouch.ts';

/**
 * Tells an account's object what the database has ended: these credentials, or with null everything. From
 * then on access tokens live for what isolates remember, five seconds, and sockets close. Asked again it
 * does the same again. Throws `unavailable`: who gets that must not believe that it is over already.
 */
export async function tellGuard(env: Env, userId: string, ended: readonly string[] | null): Promise<void> {
  forget(ended ?? []);
  const guard = accountGuard(env, userId);
  const tellOnce = (): Promise<unknown> => unwrap(guard.ended(ended));
  await tellOnce()
    .catch(tellOnce)
    .catch((error: unknown) => {
      logEvent('guard.not_told', { user: userId, ...describeError(error) }, 'error');
      throw new KilnError('unavailable', {
        detail: 'It is revoked, but may still work for half a minute. Ask again to be sure.',
        retryAfter: 1,
      });
    });
}

/** Ends sessions of a user everywhere: refresh tokens now, access tokens and sockets within five seconds. Returns how many. */
export async function endSessionsOf(
  env: Env,
  db: Database,
  userId: string,
  choice: SessionChoice,
  { reason, actor }: { reason: SessionEnd; actor: Actor },
): Promise<number> {
  const ended = await endSessions(db, userId, choice, reason, actor);
  const told = typeof choice === 'object' && 'only' in choice ? [choice.only] : ended;
  await tellGuard(env, userId, choice === 'all' ? null : told);
  return ended.length;
}
