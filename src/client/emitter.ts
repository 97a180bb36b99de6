/** A typed event emitter. A listener that throws does not keep the others from hearing the event. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();

  /** Adds a listener and returns what removes it. */
  on<K extends keyof Events>(type: K, listener: (event: Events[K]) => void): () => void {
    const set = this.#listeners.get(type) ?? new Set();
    set.add(listener);
    this.#listeners.set(type, set);
    return () => void set.delete(listener);
  }

  emit<K extends keyof Events>(type: K, event: Events[K]): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        (listener as (event: Events[K]) => void)(event);
      } catch (cause) {
        // Rethrown out of band, so that the host reports it as any other uncaught error.
        queueMicrotask(() => {
          throw cause;
        });
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
