/** Counts what each of some senders does within a second. */
export class Paces<K extends object> {
  readonly #perSecond: number;
  readonly #bytesPerSecond: number;
  readonly #counts = new WeakMap<K, { second: number; count: number; bytes: number }>();

  constructor(perSecond: number, bytesPerSecond = Number.POSITIVE_INFINITY) {
    this.#perSecond = perSecond;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** False for one too many, or too much, within its second. */
  take(sender: K, now: number, bytes = 0): boolean {
    const second = Math.floor(now / 1000);
    let counted = this.#counts.get(sender);
    if (!counted) {
      counted = { second, count: 0, bytes: 0 };
      this.#counts.set(sender, counted);
    }
    if (counted.second !== second) Object.assign(counted, { second, count: 0, bytes: 0 });
    counted.count += 1;
    counted.bytes += bytes;
    return counted.count <= this.#perSecond && counted.bytes <= this.#bytesPerSecond;
  }
}
