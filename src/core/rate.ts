/**
 * The generic cell rate algorithm (ITU-T I.371): one time per subject says all. `limit` uses may come at
 * once, and one is given back every `window / limit`. The state is the time at which everything has been
 * given back; anything in the past is the same as nothing used.
 */
export interface RatePolicy {
  readonly limit: number;
  /** Milliseconds. */
  readonly window: number;
}

const interval = ({ limit, window }: RatePolicy): number => window / limit;

/** The state after `uses` more, whether they fit or not. */
export const advance = (state: number, policy: RatePolicy, uses: number, now: number): number =>
  Math.max(state, now) + uses * interval(policy);

export interface Standing {
  /** Whether what was used fits. */
  readonly ok: boolean;
  readonly remaining: number;
  /** Seconds until everything is given back. */
  readonly reset: number;
  /** Seconds until one more fits; 0 when it does now. */
  readonly retryAfter: number;
}

export function standing(state: number, policy: RatePolicy, now: number): Standing {
  const used = Math.max(0, state - now);
  const free = policy.window - used;
  // A millisecond's worth of rounding must not cost a use.
  const remaining = Math.max(0, Math.floor(free / interval(policy) + 1e-6));
  return {
    ok: used <= policy.window + 1e-6,
    remaining,
    reset: Math.ceil(used / 1000),
    retryAfter: remaining > 0 ? 0 : Math.max(1, Math.ceil((interval(policy) - free) / 1000)),
  };
}

export const scaled = (policy: RatePolicy, scale: number): RatePolicy => ({ ...policy, limit: policy.limit * scale });

/** `RateLimit` and `RateLimit-Policy` as draft-ietf-httpapi-ratelimit-headers-10 writes them. */
export const rateHeaders = (
  name: string,
  policy: RatePolicy,
  { remaining, reset }: Standing,
): Record<string, string> => ({
  'ratelimit-policy': `"${name}";q=${policy.limit};w=${policy.window / 1000}`,
  ratelimit: `"${name}";r=${remaining};t=${reset}`,
});
