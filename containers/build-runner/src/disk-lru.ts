import { rm } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { describeError, log } from './log.ts';

/**
 * Keeps the sum of sizes of things on disk below a limit by removing what was used longest ago. It is
 * only an index: the disk is the truth, so a reader must cope with an entry that has just gone.
 */
export class DiskLru {
  readonly #cache: LRUCache<string, { readonly path: string; readonly size: number }>;
  readonly #pins = new Map<string, number>();

  constructor(maxBytes: number) {
    this.#cache = new LRUCache({
      maxSize: maxBytes,
      // An empty file still takes an inode, and the library wants positive sizes.
      sizeCalculation: (entry) => Math.max(1, entry.size),
      dispose: (entry, key, reason) => {
        if (reason === 'evict' && !this.#pins.has(key)) void remove(entry.path);
      },
    });
  }

  /** Tells of an entry that is on disk now. */
  add(key: string, path: string, size: number): void {
    this.#cache.set(key, { path, size });
  }

  /** Whether the entry is known. */
  has(key: string): boolean {
    return this.#cache.has(key);
  }

  /** True when the entry is known; it then counts as just used. */
  touch(key: string): boolean {
    return this.#cache.get(key) !== undefined;
  }

  /** Forgets an entry that has turned out to be gone. */
  forget(key: string): void {
    this.#cache.delete(key);
  }

  /** Keeps an entry's files until the returned function is called. */
  pin(key: string): () => void {
    const entry = this.#cache.peek(key);
    this.#pins.set(key, (this.#pins.get(key) ?? 0) + 1);
    return () => {
      const left = (this.#pins.get(key) ?? 1) - 1;
      if (left > 0) this.#pins.set(key, left);
      else this.#pins.delete(key);
      // Evicted while it was in use.
      if (left === 0 && entry !== undefined && !this.#cache.has(key)) void remove(entry.path);
    };
  }
}

const remove = async (path: string): Promise<void> => {
  await rm(path, { recursive: true, force: true }).catch((error: unknown) =>
    log('warn', 'cache.remove_failed', { error: describeError(error) }),
  );
};
