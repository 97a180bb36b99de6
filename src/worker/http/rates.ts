import { LRUCache } from 'lru-cache';
import type { Endpoint } from '../../contract/endpoint.ts';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { advance, type RatePolicy, rateHeaders, type Standing, scaled, standing } from '../../core/rate.ts';
import type { Count } from '../../durable-objects/guard/meters.ts';
import { clientNetwork } from './client-address.ts';
import type { AppContext } from './context.ts';

interface Meter {
  /** Where each count stands, by its name: what all isolates had when they last met, and what this one counted since. */
  readonly states: Map<string, number>;
  /** What the others do not know of yet. */
  readonly untold: Map<string, { readonly policy: RatePolicy; uses: number }>;
}

const meters = new LRUCache<string, Meter>({ max: limits.rates.remembered });

function meterOf(subject: string): Meter {
  let meter = meters.get(subject);
  if (!meter) {
    meter = { states: new Map(), untold: new Map() };
    meters.set(subject, meter);
  }
  return meter;
}

/** What this isolate has counted and not told; from now on it counts as told. */
export function tell(subject: string): Count[] {
  const { untold } = meterOf(subject);
  const counts = [...untold].map(([name, { policy, uses }]) => ({ name, policy, uses }));
  untold.clear();
  return counts;
}

/** What the object says of all isolates together; what was counted while it was asked comes on top. */
export function learn(subject: string, states: Readonly<Record<string, number>>, now: number): void {
  const meter = meterOf(subject);
  for (const [name, state] of Object.entries(states)) {
    const since = meter.untold.get(name);
    meter.states.set(name, since ? advance(state, since.policy, since.uses, now) : state);
  }
}

/** Puts where the caller stands into the answer, and refuses who stands beyond the limit. */
export function enforce(c: AppContext, name: string, policy: RatePolicy, outcome: Standing): void {
  c.set('rate', rateHeaders(name, policy, outcome));
  if (outcome.ok) return;
  c.var.fields.rate = name;
  throw new KilnError('rate_limited', {
    detail: `At most ${policy.limit} in ${policy.window / 1000} s (${name}).`,
    retryAfter: Math.max(1, outcome.retryAfter),
  });
}

function use(c: AppContext, subject: string, name: string, base: RatePolicy): void {
  const policy = scaled(base, c.var.config.rateScale);
  const meter = meterOf(subject);
  // The clock stands still while nothing is awaited; it is right to the millisecond of the last answer.
  const now = Date.now();
  const before = meter.states.get(name) ?? 0;
  const after = advance(before, policy, 1, now);
  const outcome = standing(after, policy, now);
  if (!outcome.ok) enforce(c, name, policy, { ...standing(before, policy, now), ok: false });
  meter.states.set(name, after);
  const untold = meter.untold.get(name);
  if (untold) untold.uses += 1;
  else meter.untold.set(name, { policy, uses: 1 });
  enforce(c, name, policy, outcome);
}

/** Counts a request of a user or key. The count is of all isolates, some seconds late. Throws `rate_limited`. */
export function countUse(c: AppContext, subject: string, endpoint: Endpoint): void {
  const name = endpoint.rate ?? (endpoint.method === 'GET' ? 'read' : 'write');
  use(c, subject, name, limits.rates.perUser[name]);
}

/** Counts a preview that a runner bundles. The count is of all isolates, some seconds late. Throws `rate_limited`. */
export const countRunnerPreview = (c: AppContext, userId: string): void =>
  use(c, userId, 'runnerPreview', limits.preview.runner.rate);

/** Counts a request of somebody who has not said who they are. The count is of this isolate alone. Throws `rate_limited`. */
export const countAnonymous = (c: AppContext): void =>
  use(c, `address:${clientNetwork(c)}`, 'anonymous', limits.rates.perAddress.anonymous);
