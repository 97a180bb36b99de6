/** How much of something each key may do: bursts of `burst`, and one more after every `refill` milliseconds. */
export class Buckets {
  readonly #burst: number;
  readonly #refill: number;
  /** When the bucket of a key will be full again; a key that is not there has a full one. */
  readonly #fullAt = new Map<string, number>();

  constructor(burst: number, refill: number) {
    this.#burst = burst;
    this.#refill = refill;
  }

  /** Takes one. Returns the milliseconds after which there is one again; 0: it was taken. */
  take(key: string, now: number): number {
    const fullAt = Math.max(now, this.#fullAt.get(key) ?? now) + this.#refill;
    const wait = fullAt - now - this.#burst * this.#refill;
    if (wait > 0) return wait;
    // Full buckets are as good as none.
    if (this.#fullAt.size > 1000) for (const [one, at] of this.#fullAt) if (at <= now) this.#fullAt.delete(one);
    this.#fullAt.set(key, fullAt);
    return 0;
  }
}
