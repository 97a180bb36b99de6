import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import type { LimitedCache } from './disk.ts';
import { describeError, log } from './log.ts';
import { folderBytes, type TrimAnswer, type TrimRequest } from './npm-cache-files.ts';
import type { ProcessCaps } from './process-caps.ts';
import { followProcess, killGroup, startSandboxed } from './sandbox.ts';

const script = fileURLToPath(new URL('./trim-npm-cache.ts', import.meta.url));

const Answer: z.ZodType<TrimAnswer> = z.object({ bytes: z.number().min(0).nullable() });

/**
 * npm's own cache of what the registry has answered. It knows no limit by itself, and cannot be made smaller under the hands of npm: so
 * that is done between two installs, which wait for it.
 */
export class NpmCache implements LimitedCache {
  readonly dir: string;
  readonly #caps: ProcessCaps;
  #bytes = 0;
  #max = Number.POSITIVE_INFINITY;
  #installs = 0;
  /** Resolves when none is running. */
  #idle = Promise.withResolvers<void>();
  /** Nobody may begin meanwhile. */
  #trimming: Promise<void> | undefined;
  #measuring: Promise<void> | undefined;

  private constructor(dir: string, caps: ProcessCaps) {
    this.dir = dir;
    this.#caps = caps;
    this.#idle.resolve();
  }

  static async open(dir: string, caps: ProcessCaps): Promise<NpmCache> {
    const cache = new NpmCache(dir, caps);
    cache.#bytes = await folderBytes(dir);
    return cache;
  }

  get bytes(): number {
    return this.#bytes;
  }

  limit(bytes: number): void {
    this.#max = bytes;
    if (this.#bytes > bytes) void this.#trim(bytes);
  }

  async evict(part: number): Promise<void> {
    await this.#trim(Math.floor(this.#bytes * (1 - part)));
  }

  /** Runs an install, which may read and write the cache until it ends. */
  async use<T>(signal: AbortSignal, install: () => Promise<T>): Promise<T> {
    while (this.#trimming !== undefined) {
      await Promise.race([this.#trimming, once(signal, 'abort')]);
      signal.throwIfAborted();
    }
    if (this.#installs === 0) this.#idle = Promise.withResolvers();
    this.#installs += 1;
    try {
      return await install();
    } finally {
      this.#installs -= 1;
      if (this.#installs === 0) this.#idle.resolve();
      this.#measuring ??= this.#measure();
    }
  }

  /** Waits for what is measured and removed at the moment. */
  async settle(): Promise<void> {
    await this.#measuring;
    await this.#trimming;
  }

  async #measure(): Promise<void> {
    this.#bytes = await folderBytes(this.dir);
    this.#measuring = undefined;
    if (this.#bytes > this.#max) void this.#trim(this.#max);
  }

  /** Never rejects. */
  #trim(bytes: number): Promise<void> {
    this.#trimming ??= this.#idle.promise
      .then(() => this.#runTrim(bytes))
      .catch((error: unknown) => log('warn', 'cache.trim_failed', { error: describeError(error) }))
      .finally(() => {
        this.#trimming = undefined;
      });
    return this.#trimming;
  }

  async #runTrim(bytes: number): Promise<void> {
    const before = this.#bytes;
    const cwd = await mkdtemp(join(this.dir, '..', 'trim-'));
    const child = startSandboxed({
      script,
      cwd,
      network: false,
      caps: this.#caps,
      nodeFlags: [],
      env: { HOME: cwd, TMPDIR: cwd },
    });
    const end = followProcess(child);
    try {
      const said = Promise.withResolvers<unknown>();
      child.once('message', said.resolve);
      end.then(() => said.resolve(null));
      const request: TrimRequest = { cache: this.dir, bytes };
      child.send(request, () => undefined);
      const answer = Answer.safeParse(await said.promise);
      if (answer.data?.bytes == null) {
        killGroup(child);
        const { code, signal, stderr } = await end;
        throw new Error(`the cache of npm could not be made smaller: ${signal ?? code} ${stderr}`);
      }
      this.#bytes = answer.data.bytes;
      log('info', 'cache.trimmed', { before, bytes: this.#bytes });
    } finally {
      killGroup(child);
      await end;
      await rm(cwd, { recursive: true, force: true });
    }
  }
}
