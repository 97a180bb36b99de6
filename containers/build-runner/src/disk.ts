import { statfs } from 'node:fs/promises';
import { runnerLimits } from './runner-limits.ts';

/** A cache on the disk of the runner: what is in it can be had again, at the price of time. */
export interface LimitedCache {
  /** How much it holds. */
  readonly bytes: number;
  /** Holds it to so many bytes from now on, by removing what was used longest ago. */
  limit(bytes: number): void;
  /** Removes this part of what it holds, 0–1, but for what is in use. Resolves when the room is free. Never rejects. */
  evict(part: number): Promise<void>;
}

const { disk } = runnerLimits;

/** The caches by name. */
export type CacheName = keyof typeof disk.caches;
export type DiskCaches = Readonly<Record<CacheName, LimitedCache>>;
export type DiskBudget = Readonly<Record<CacheName, number>>;

/**
 * Shares a disk among the caches. `free`: bytes that may be taken of it. `held`: what they hold already, which is theirs to keep. `given`: what an operator allows them
 * together; without it they take a part of what is free, and none more than is of use to it.
 */
export const shareDisk = (free: number, held: number, given?: number): DiskBudget => {
  const together = given ?? Math.floor((free + held) * disk.cacheShare);
  const budget = {} as Record<CacheName, number>;
  for (const name of Object.keys(disk.caches) as CacheName[]) {
    const { share, bytes } = disk.caches[name];
    budget[name] = Math.floor(given === undefined ? Math.min(bytes, together * share) : together * share);
  }
  return budget;
};

/** What statfs(2) says of the file system of a folder. */
const freeOn = async (dir: string): Promise<number> => {
  const { bsize, bavail } = await statfs(dir);
  return bsize * bavail;
};

/** The disk of the caches: how it is shared, and who makes room when it is full for all that. */
export class Disk {
  readonly budget: DiskBudget;
  readonly #caches: DiskCaches;
  #making: Promise<void> | undefined;

  private constructor(caches: DiskCaches, budget: DiskBudget) {
    this.#caches = caches;
    this.budget = budget;
  }

  /** Holds each cache to its share of the disk below `dir`. `free` tells of another disk, for tests. */
  static async share(
    dir: string,
    caches: DiskCaches,
    given?: number,
    free: (dir: string) => Promise<number> = freeOn,
  ): Promise<Disk> {
    const held = Object.values(caches).reduce((sum, { bytes }) => sum + bytes, 0);
    const budget = shareDisk(await free(dir), held, given);
    for (const name of Object.keys(caches) as CacheName[]) caches[name].limit(budget[name]);
    return new Disk(caches, budget);
  }

  /** Gives up a part of every cache. Jobs that find the disk full at the same moment share one clearance. */
  makeRoom(): Promise<void> {
    this.#making ??= Promise.all(Object.values(this.#caches).map((cache) => cache.evict(disk.evictedPart)))
      .then(() => undefined)
      .finally(() => {
        this.#making = undefined;
      });
    return this.#making;
  }
}
