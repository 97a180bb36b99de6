import { describeError, logEvent } from '../core/log.ts';

/** One alarm for everything that an object has due: the earliest wish wins, also over a restart. */
export class AlarmClock {
  readonly #storage: DurableObjectStorage;
  #at: number | null = null;

  constructor(ctx: DurableObjectState) {
    this.#storage = ctx.storage;
    // An alarm set before a crash must not be put off by a later wish of this life.
    void ctx.blockConcurrencyWhile(async () => {
      this.#at = await ctx.storage.getAlarm();
    });
  }

  /** Milliseconds since the epoch. */
  schedule(at: number): void {
    if (this.#at !== null && this.#at <= at) return;
    this.#at = at;
    void this.#storage.setAlarm(at).catch((error: unknown) => logEvent('alarm.not_set', describeError(error), 'error'));
  }

  /** The alarm has fired. */
  rang(): void {
    this.#at = null;
  }
}
