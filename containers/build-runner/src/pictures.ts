import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { PictureOrder } from '../../../src/contract/assets.ts';
import { KilnError } from '../../../src/contract/errors.ts';
import { Sha256 } from '../../../src/contract/ids.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { ChildPool } from './children.ts';
import type { Config } from './config.ts';
import { BuildFailure } from './failure.ts';
import { describeError, log } from './log.ts';
import { storeVerified } from './optimize-asset.ts';
import { PlatformKeys } from './platform-keys.ts';

const Claims = z.object({
  /** Hash of the picture that is to be made anew. */
  sub: Sha256,
  size: z.int().min(1).max(limits.variant.sourceBytes),
  /** `PictureOrder` as JSON. */
  order: z.string(),
});

const unavailable = (detail: string, cause?: unknown): KilnError =>
  new KilnError('unavailable', { detail, retryAfter: 1, cause });

/** Pictures in another size or format, where Cloudflare Images is not bound: each one request, which waits for what is made of it. */
export class Pictures {
  readonly #keys: PlatformKeys;
  readonly #capacity: number;
  readonly #children: ChildPool;
  /** What is being made, by what it is: who asks for the same meanwhile gets the same. */
  readonly #making = new Map<string, Promise<Buffer>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(config: Pick<Config, 'platformUrl' | 'capacity'>, children: ChildPool) {
    this.#keys = new PlatformKeys(config.platformUrl);
    this.#capacity = config.capacity;
    this.#children = children;
  }

  /**
   * The picture that the token says, made of `source`, which is read once it is its turn. Throws `KilnError`: `unavailable` for what may be
   * asked again, `asset_broken` and `payload_too_large` for what may not. `left`: who sends it is gone.
   */
  async make(source: AsyncIterable<Uint8Array>, token: string, left: AbortSignal): Promise<Buffer> {
    const claims = await this.#claims(token);
    const key = `${claims.sub} ${claims.order}`;
    const known = this.#making.get(key);
    if (known !== undefined) return await known;
    const order = PictureOrder.parse(JSON.parse(claims.order));
    const made = this.#inTurn(left, () => this.#run(source, claims, order)).finally(() => this.#making.delete(key));
    this.#making.set(key, made);
    return await made;
  }

  async #claims(token: string): Promise<z.infer<typeof Claims>> {
    const parsed = Claims.safeParse(await this.#keys.read(token, 'picture'));
    if (!parsed.success) throw new KilnError('unauthenticated', { detail: 'The token is not valid.' });
    return parsed.data;
  }

  async #inTurn(left: AbortSignal, work: () => Promise<Buffer>): Promise<Buffer> {
    if (this.#running >= this.#capacity) {
      if (this.#waiting.length >= limits.variant.runner.waiting) throw unavailable('Too many pictures wait.');
      // Whoever ends hands its place on.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running += 1;
    try {
      if (left.aborted) throw unavailable('Nobody waits for this picture.');
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
      this.#children.refill();
    }
  }

  async #run(
    source: AsyncIterable<Uint8Array>,
    { sub: hash, size }: z.infer<typeof Claims>,
    picture: PictureOrder,
  ): Promise<Buffer> {
    const started = performance.now();
    const child = await this.#children.take();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      void child.dispose();
    }, limits.variant.runner.timeout);
    let end = 'failed';
    try {
      const [input, output] = [join(child.work.project, 'asset'), join(child.work.out, 'asset')];
      await storeVerified(source, input, { size, hash });
      await child.picture({ picture, input, output });
      const made = await lstat(output);
      if (!made.isFile() || made.size > limits.optimize.bytes)
        throw new BuildFailure('limit', 'payload_too_large', 'What is made of the picture is too large.');
      const bytes = await readFile(output);
      end = 'done';
      return bytes;
    } catch (error) {
      if (isLate) throw new KilnError('payload_too_large', { detail: 'The picture takes too long.', cause: error });
      if (error instanceof BuildFailure && error.kind !== 'infra')
        throw new KilnError(error.code === 'asset_broken' ? error.code : 'payload_too_large', { cause: error });
      log('warn', 'picture.failed', { hash, error: describeError(error) });
      throw unavailable('The picture could not be made.', error);
    } finally {
      clearTimeout(timer);
      await child.dispose();
      log('info', 'picture', { hash, bytes: size, ...picture, end, ms: Math.round(performance.now() - started) });
    }
  }
}
