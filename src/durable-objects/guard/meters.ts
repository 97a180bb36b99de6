import { advance, type RatePolicy } from '../../core/rate.ts';

/** What one isolate has counted of a subject since it last said so. */
export interface Count {
  readonly name: string;
  readonly policy: RatePolicy;
  readonly uses: number;
}

/**
 * The counts of all isolates together, in memory: they meet here at most every few seconds, so nobody waits
 * for a count. When the object moves, everybody starts anew.
 */
export class Meters {
  readonly #states = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Adds what was counted and says where every count stands, by its name. */
  add(subject: string, counts: readonly Count[]): Record<string, number> {
    const now = this.#now();
    const answer: Record<string, number> = {};
    for (const { name, policy, uses } of counts) {
      const key = `${subject} ${name}`;
      const state = advance(this.#states.get(key) ?? 0, policy, uses, now);
      this.#states.set(key, state);
      answer[name] = state;
    }
    for (const [key, state] of this.#states) if (state < now) this.#states.delete(key);
    return answer;
  }
}
