import { renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { newId } from '../../../src/contract/ids.ts';
import { describeError, log } from './log.ts';

/**
 * Keeps the sum of sizes of things on disk below a limit by removing what was used longest ago. It is
 * only an index: the disk is the truth, so a reader must cope with an entry that has just gone.
 */
export class DiskLru {
  /** Its own limit is none: what is in use has to stay, however full it is. */
  readonly #cache = new LRUCache<string, { readonly path: string; readonly size: number }>({
    maxSize: Number.MAX_SAFE_INTEGER,
    // An empty file still takes an inode, and the library wants positive sizes.
    sizeCalculation: (entry) => Math.max(1, entry.size),
  });
  readonly #pins = new Map<string, number>();
  readonly #removals = new Set<Promise<void>>();
  #max: number;

  constructor(maxBytes: number = Number.POSITIVE_INFINITY) {
    this.#max = maxBytes;
  }

  /** The sum of sizes. */
  get bytes(): number {
    return this.#cache.calculatedSize;
  }

  /** Sets another limit. */
  limit(bytes: number): void {
    this.#max = bytes;
    this.#removeUntil(bytes);
  }

  /** Removes this part of what there is, 0–1, but for what is in use. Resolves when it is off the disk. */
  async evict(part: number): Promise<void> {
    this.#removeUntil(this.bytes * (1 - part));
    await Promise.all(this.#removals);
  }

  /** Tells of an entry that is on disk now. */
  add(key: string, path: string, size: number): void {
    this.#cache.set(key, { path, size });
    this.#removeUntil(this.#max);
  }

  /** Tells of an entry that is on disk now, and keeps its files until the returned function is called. */
  addPinned(key: string, path: string, size: number): () => void {
    const release = this.pin(key);
    this.add(key, path, size);
    return release;
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

  /** Keeps an entry's files until the returned function is called, however full it is. */
  pin(key: string): () => void {
    this.#pins.set(key, (this.#pins.get(key) ?? 0) + 1);
    return () => {
      const left = (this.#pins.get(key) ?? 1) - 1;
      if (left > 0) this.#pins.set(key, left);
      else this.#pins.delete(key);
      this.#removeUntil(this.#max);
    };
  }

  #removeUntil(bytes: number): void {
    if (this.bytes <= bytes) return;
    for (const key of this.#cache.rkeys()) {
      if (this.#pins.has(key)) continue;
      const path = this.#cache.peek(key)?.path;
      this.#cache.delete(key);
      if (path !== undefined) this.#remove(path);
      if (this.bytes <= bytes) return;
    }
  }

  #remove(path: string): void {
    const doomed = `${path}.${newId()}`;
    try {
      // At once, and whole: who looks for it by its name meanwhile does not find the half of a folder.
      renameSync(path, doomed);
    } catch {
      // It has gone already.
      return;
    }
    const removal = rm(doomed, { recursive: true, force: true })
      .catch((error: unknown) => log('warn', 'cache.remove_failed', { error: describeError(error) }))
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }
}
