import { limits } from '../contract/limits.ts';

const { retryFirst, retryMax, stable } = limits.client;

/**
 * Delay before attempt `attempt` (0-based): exponential with equal jitter, half fixed and half random, so that a restart of the
 * server does not bring everyone back in one instant and nobody hammers it with a near-zero draw.
 */
export const backoffDelay = (attempt: number, random: () => number = Math.random): number => {
  const ceiling = Math.min(retryMax, retryFirst * 2 ** attempt);
  return ceiling / 2 + (random() * ceiling) / 2;
};

/** Counts failures in a row and waits between them. */
export class Backoff {
  #failures = 0;
  #openedAt: number | undefined;

  opened(): void {
    this.#openedAt = Date.now();
  }

  /** Call when a connection ended, or could not be made. */
  failed(): void {
    if (this.#openedAt !== undefined && Date.now() - this.#openedAt >= stable) this.#failures = 0;
    this.#openedAt = undefined;
    this.#failures += 1;
  }

  /** Waits as long as the failures so far ask for; at most until the device is back online or `signal` aborts. */
  async wait(signal: AbortSignal, atLeast = 0): Promise<void> {
    if (this.#failures > 0) await sleep(Math.max(atLeast, backoffDelay(this.#failures - 1)), signal);
  }
}

/** Resolves after `ms`, when the device is back online, or when `signal` aborts. */
export const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    // `online` exists only where there is a window; elsewhere nobody fires it.
    const target = globalThis as unknown as Partial<Pick<EventTarget, 'addEventListener' | 'removeEventListener'>>;
    const done = () => {
      clearTimeout(timer);
      target.removeEventListener?.('online', done);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    target.addEventListener?.('online', done);
    signal?.addEventListener('abort', done);
  });
