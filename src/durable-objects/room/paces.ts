/** Counts what each of some senders does within a second. */
export class Paces<K extends object> {
  readonly #perSecond: number;
  readonly #counts = new WeakMap<K, { second: number; count: number }>();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** False for one too many within its second. */
  take(sender: K, now: number): boolean {
    const second = Math.floor(now / 1000);
    const counted = this.#counts.get(sender);
    if (counted?.second !== second) {
      this.#counts.set(sender, { second, count: 1 });
      return true;
    }
    counted.count += 1;
    return counted.count <= this.#perSecond;
  }
}
