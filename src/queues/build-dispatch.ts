import { limits } from '../contract/limits.ts';
import type { LogFields } from '../core/log.ts';
import type { Claim } from '../durable-objects/build/build.ts';
import type { HandOver } from './runner.ts';

/** Everything that dispatching touches, so that the order of steps can be tested without a platform. */
export interface DispatchDeps {
  /** Queued builds, fairest first. */
  candidates(): Promise<readonly { id: string; running: number }[]>;
  /** Whether a runner has a free place, or may have. */
  hasRoom(): Promise<boolean>;
  /** Starts an attempt; null when somebody else did, or it is no longer queued. */
  claim(buildId: string): Promise<Claim | null>;
  handOver(claim: Claim): Promise<HandOver>;
  release(buildId: string, attempt: number, busy: boolean): Promise<void>;
  log(event: string, fields: LogFields): void;
}

/** `busy`: no runner has a place. `idle`: nothing waits. `held`: what waits may not start yet, or somebody else was faster. */
export type DispatchOutcome = 'started' | 'busy' | 'idle' | 'held';

/**
 * One wake-up: starts at most one build, the one whose turn it is, which need not be the one that the
 * message names. A crash between claim and hand-over is found by the lease of the attempt; a lost
 * message by the alarm of its build; so nothing here must be retried, and every message is acked.
 */
export async function dispatch(deps: DispatchDeps): Promise<DispatchOutcome> {
  const waiting = await deps.candidates();
  if (waiting.length === 0) return 'idle';
  const candidates = waiting.filter(({ running }) => running < limits.build.runningPerUser);
  if (candidates.length === 0) return 'held';
  // With every place taken, a claim would only be given back: the next build that ends wakes us.
  if (!(await deps.hasRoom())) return 'busy';
  for (const { id } of candidates) {
    let claim: Claim | null;
    try {
      claim = await deps.claim(id);
    } catch (error) {
      // One build that cannot be asked must not hold up those behind it; the sweep looks after it.
      deps.log('build.claim_failed', { build: id, message: String(error) });
      continue;
    }
    if (!claim) continue;
    const outcome = await deps.handOver(claim);
    deps.log('build.dispatched', { build: id, attempt: claim.attempt, outcome });
    if (outcome === 'taken') return 'started';
    await deps.release(id, claim.attempt, outcome === 'busy');
    return 'busy';
  }
  return 'held';
}
