import { createHash, hash as hashOf } from 'node:crypto';
import { constants, readFileSync } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { Id, newId } from '../../../src/contract/ids.ts';
import type { LimitedCache } from './disk.ts';
import { DiskLru } from './disk-lru.ts';
import { isDiskFull } from './failure.ts';
import { describeError, log } from './log.ts';
import { runnerLimits } from './runner-limits.ts';

const firstOf = <K, V>(map: ReadonlyMap<K, V>): [K, V] | undefined => map.entries().next().value;

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** What `fetch` brings is handed to `consume`, which may be called again when a try fails half-way. */
export type FetchBlob = (consume: (body: AsyncIterable<Uint8Array>) => Promise<void>) => Promise<void>;

/**
 * File contents by project and SHA-256 on local disk, kept between jobs: nobody learns from the time of a build that another project
 * has the same bytes. Jobs get copies (reflinks where the file system can), never
 * links: a job must not be able to change what the next one reads.
 *
 * Large contents are hashed on their way in and appear under their name by one rename, so what is there is whole and right,
 * whenever the process died. Small ones are in memory first, and written under their name when no build waits for it; they are
 * hashed when they are read. What was not written yet when the process died is fetched again.
 */
export class BlobCache {
  readonly #dir: string;
  readonly #index = new DiskLru();
  /** Small contents that were used of late: a project that is built again and again has almost the same ones each time. */
  readonly #recent = new LRUCache<string, Buffer>({
    maxSize: runnerLimits.blobMemoryBytes,
    sizeCalculation: ({ byteLength }) => Math.max(1, byteLength),
  });
  /** Small contents that are not on disk yet, and how many bytes they are. */
  readonly #unwritten = new Map<string, Buffer>();
  #unwrittenBytes = 0;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async open(dir: string): Promise<BlobCache> {
    const cache = new BlobCache(dir);
    const tmp = join(dir, 'tmp');
    await rm(tmp, { recursive: true, force: true });
    await mkdir(tmp, { recursive: true });
    for (const folder of await readdir(dir)) {
      if (folder === 'tmp') continue;
      const hashes = Id.safeParse(folder).success ? await readdir(join(dir, folder)) : [];
      // Left empty, or of a release that kept the contents of all projects together.
      if (hashes.length === 0) await rm(join(dir, folder), { recursive: true, force: true });
      for (const hash of hashes) {
        const path = cache.#pathOf(folder, hash);
        cache.#index.add(path, path, (await stat(path)).size);
      }
    }
    return cache;
  }

  /** What it keeps on the disk. */
  get kept(): LimitedCache {
    return this.#index;
  }

  /** Whether a small content is here, as far as is known without reading it. */
  has(projectId: string, hash: string): boolean {
    const path = this.#pathOf(projectId, hash);
    return this.#index.has(path) || this.#unwritten.has(path);
  }

  /** A small content; undefined when it is not here. Synchronous, as a thread for each costs more than the disk's own cache takes. */
  read(projectId: string, hash: string): Buffer | undefined {
    const path = this.#pathOf(projectId, hash);
    const recent = this.#recent.get(path) ?? this.#unwritten.get(path);
    if (!this.#index.touch(path) && !this.#unwritten.has(path)) return undefined;
    if (recent !== undefined) return recent;
    try {
      const bytes = readFileSync(path);
      if (hashOf('sha256', bytes) === hash) {
        this.#recent.set(path, bytes);
        return bytes;
      }
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    this.#index.forget(path);
    return undefined;
  }

  /** Takes in a small content, of which the caller has verified the hash. */
  keep(projectId: string, hash: string, bytes: Uint8Array): void {
    const path = this.#pathOf(projectId, hash);
    // A copy: what is given is a part of a whole answer, which would stay with it.
    const copy = Buffer.from(bytes);
    this.#recent.set(path, copy);
    if (this.#unwritten.has(path)) return;
    this.#unwritten.set(path, copy);
    this.#unwrittenBytes += copy.byteLength;
    if (this.#unwrittenBytes > runnerLimits.blobMemoryBytes) void this.settle();
    else if (this.#timer) this.#timer.refresh();
    else this.#timer = setTimeout(() => void this.settle(), runnerLimits.blobWriteDelay).unref();
  }

  /** Writes what is not on disk yet. Never rejects. */
  settle(): Promise<void> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  /** One after the other, so that builds have the disk for themselves but for one file. */
  async #write(): Promise<void> {
    for (let next = firstOf(this.#unwritten); next !== undefined; next = firstOf(this.#unwritten)) {
      const [path, bytes] = next;
      try {
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, bytes);
        this.#index.add(path, path, bytes.byteLength);
      } catch (error) {
        // It is fetched again. What was written of it is no content of that name.
        log('warn', 'cache.keep_failed', { error: describeError(error) });
        await rm(path, { force: true }).catch(() => undefined);
        if (isDiskFull(error)) {
          // Nor is there room for those that wait. For the next ones there shall be.
          this.#unwritten.clear();
          this.#unwrittenBytes = 0;
          await this.#index.evict(runnerLimits.disk.evictedPart);
          return;
        }
      }
      this.#unwritten.delete(path);
      this.#unwrittenBytes -= bytes.byteLength;
    }
  }

  /** Puts a large content at `target`, fetching it first when it is not here. True when it was here. */
  async place(
    projectId: string,
    blob: { hash: string; size: number },
    target: string,
    fetch: FetchBlob,
  ): Promise<boolean> {
    const path = this.#pathOf(projectId, blob.hash);
    if (this.#index.touch(path)) {
      try {
        await copyFile(path, target, constants.COPYFILE_FICLONE);
        return true;
      } catch (error) {
        if (!isMissing(error)) throw error;
        this.#index.forget(path);
      }
    }
    const tmp = join(this.#dir, 'tmp', newId());
    try {
      await fetch((body) => write(body, blob, tmp));
      await copyFile(tmp, target, constants.COPYFILE_FICLONE);
      await mkdir(dirname(path), { recursive: true });
      await rename(tmp, path);
      this.#index.add(path, path, blob.size);
      return false;
    } catch (error) {
      await rm(tmp, { force: true });
      throw error;
    }
  }

  #pathOf(projectId: string, hash: string): string {
    return join(this.#dir, projectId, hash);
  }
}

const write = async (
  body: AsyncIterable<Uint8Array>,
  expected: { hash: string; size: number },
  path: string,
): Promise<void> => {
  const hash = createHash('sha256');
  let size = 0;
  await using file = await open(path, 'w', 0o644);
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > expected.size) throw new Error('a blob is longer than its manifest says');
    hash.update(chunk);
    await file.writeFile(chunk);
  }
  if (size !== expected.size || hash.digest('hex') !== expected.hash) throw new Error('a blob does not match its hash');
};
