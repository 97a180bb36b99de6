/**
 * Exponential back-off with full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture
 * Blog): uniform in (0, base · 2^(attempt−1)]. Milliseconds.
 */
export function backoff(attempt: number, base: number, cap: number, random: () => number = Math.random): number {
  const ceiling = Math.min(cap, base * 2 ** (attempt - 1));
  return Math.max(1, Math.round(ceiling * (1 - random())));
}
