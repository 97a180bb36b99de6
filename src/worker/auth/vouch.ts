import { LRUCache } from 'lru-cache';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { describeError, logEvent } from '../../core/log.ts';
import type { Credential, Facts } from '../../durable-objects/guard/guard.ts';
import { unwrap } from '../../durable-objects/rpc.ts';
import { accountGuard } from '../../durable-objects/stubs.ts';
import type { AppContext } from '../http/context.ts';
import { learn, tell } from '../http/rates.ts';

interface Remembered {
  readonly facts: Facts | null;
  readonly at: number;
  /** A request is asking anew, so that the next ones need not. */
  asking: boolean;
}

const { trusted, refreshAhead, remembered, patience } = limits.guard;

/** What the objects said, for a few seconds: the hot path asks nobody. */
const known = new LRUCache<string, Remembered>({ max: remembered });

const nameOf = (credential: Credential): string => (credential.kind === 'session' ? credential.id : credential.hash);

async function ask(env: Env, userId: string, credential: Credential, subject: string): Promise<Facts | null> {
  const asked = unwrap(accountGuard(env, userId).ask(credential, subject, tell(subject)), patience);
  const { facts, states } = await asked.catch((error: unknown) => {
    if (error instanceof KilnError) throw error;
    throw new KilnError('unavailable', { detail: 'Whether you are still signed in cannot be checked.', cause: error });
  });
  const now = Date.now();
  learn(subject, states, now);
  known.set(nameOf(credential), { facts, at: now, asking: false });
  return facts;
}

/**
 * What a credential is good for at this moment; null when it is revoked or over, or its account is not in
 * use. Its account's object is asked at most every few seconds; where that does not answer, this throws
 * `unavailable`: nobody gets in unseen. `subject` is who the request counts for.
 */
export async function vouch(
  c: AppContext,
  userId: string,
  credential: Credential,
  subject: string,
): Promise<Facts | null> {
  const found = known.get(nameOf(credential));
  const age = found ? Date.now() - found.at : Number.POSITIVE_INFINITY;
  // A clock that went back proves nothing.
  const facts = found && age >= 0 && age < trusted ? found.facts : await ask(c.env, userId, credential, subject);
  if (found && age >= refreshAhead && age < trusted && !found.asking) {
    found.asking = true;
    const asked = ask(c.env, userId, credential, subject).catch((error: unknown) => {
      found.asking = false;
      logEvent('guard.not_refreshed', describeError(error), 'warn');
    });
    c.executionCtx.waitUntil(asked);
  }
  return facts?.endsAt != null && facts.endsAt <= Date.now() ? null : facts;
}

/** What this isolate need not ask about: it has just ended it itself. */
export function forget(names: readonly string[]): void {
  for (const name of names) known.delete(name);
}
