import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, lstat, mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../../../src/contract/ids.ts';
import runnerPackage from '../package.json' with { type: 'json' };
import type { LimitedCache } from './disk.ts';
import { DiskLru } from './disk-lru.ts';
import { describeError, log } from './log.ts';

const keyPattern = /^(?<hash>[\da-f]{64})-[\da-f]{8}m?$/;

/**
 * Assets that were made smaller before, by the hash of what they were. What a child leaves is its own word
 * for bytes that it may have been taken over by, so every project has a folder of its own: nobody
 * can put a picture into somebody else's game.
 */
export class AssetCache {
  /** Part of every key: results of another version of an optimiser are not found. */
  readonly version = createHash('sha256').update(JSON.stringify(runnerPackage.dependencies)).digest('hex').slice(0, 8);
  readonly #dir: string;
  readonly #index = new DiskLru();

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async open(dir: string): Promise<AssetCache> {
    const cache = new AssetCache(dir);
    await rm(join(dir, 'tmp'), { recursive: true, force: true });
    await mkdir(join(dir, 'tmp'), { recursive: true });
    for (const projectId of await readdir(dir)) {
      for (const key of await readdir(join(dir, projectId))) {
        const path = join(dir, projectId, key);
        cache.#index.add(path, path, (await lstat(path)).size);
      }
    }
    return cache;
  }

  /** What it keeps on the disk. */
  get kept(): LimitedCache {
    return this.#index;
  }

  /** Copies what is known of these files into `folder`. */
  async lend(projectId: string, hashes: ReadonlySet<string>, folder: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    for (const key of await readdir(join(this.#dir, projectId)).catch(() => [])) {
      const path = join(this.#dir, projectId, key);
      if (!hashes.has(keyPattern.exec(key)?.groups?.hash ?? '') || !this.#index.touch(path)) continue;
      await copyFile(path, join(folder, key), constants.COPYFILE_FICLONE).catch(() => this.#index.forget(path));
    }
  }

  /** Takes over what a child has left in `folder` about these files. What cannot be kept is no reason to fail a build. */
  async keep(projectId: string, hashes: ReadonlySet<string>, folder: string): Promise<void> {
    const isItself = (await realpath(folder).catch(() => null)) === folder;
    const entries = isItself ? await readdir(folder, { withFileTypes: true }) : [];
    for (const entry of entries) {
      if (!entry.isFile() || !hashes.has(keyPattern.exec(entry.name)?.groups?.hash ?? '')) continue;
      const path = join(this.#dir, projectId, entry.name);
      const tmp = join(this.#dir, 'tmp', newId());
      try {
        await mkdir(join(this.#dir, projectId), { recursive: true });
        await copyFile(join(folder, entry.name), tmp, constants.COPYFILE_FICLONE);
        const { size } = await lstat(tmp);
        await rename(tmp, path);
        this.#index.add(path, path, size);
      } catch (error) {
        log('warn', 'cache.keep_failed', { error: describeError(error) });
        await rm(tmp, { force: true }).catch(() => undefined);
      }
    }
  }
}
