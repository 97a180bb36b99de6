import { createHash } from 'node:crypto';
import { lstat, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KilnError } from '../../../src/contract/errors.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { ChildPool } from './children.ts';
import type { Config } from './config.ts';
import { BuildFailure } from './failure.ts';
import { log } from './log.ts';
import { PlatformKeys } from './platform-keys.ts';

/** Previews that are too large for the edge: each one request, which waits for what is made of it. */
export class Previews {
  readonly #keys: PlatformKeys;
  readonly #capacity: number;
  readonly #children: ChildPool;
  #running = 0;

  constructor(config: Pick<Config, 'platformUrl' | 'capacity'>, children: ChildPool) {
    this.#keys = new PlatformKeys(config.platformUrl);
    this.#capacity = config.capacity;
    this.#children = children;
  }

  /**
   * The result of an order, as JSON. Throws `KilnError`: `unavailable` for what may be asked again. `signal`: nobody
   * waits any more.
   */
  async bundle(order: Buffer, token: string, signal: AbortSignal): Promise<Buffer> {
    const projectId = await this.#verify(order, token);
    if (this.#running >= this.#capacity)
      throw new KilnError('unavailable', { detail: 'Every place is taken.', retryAfter: 1 });
    this.#running += 1;
    const started = performance.now();
    let end = 'failed';
    try {
      const result = await this.#run(
        order,
        AbortSignal.any([signal, AbortSignal.timeout(limits.preview.runner.timeout)]),
      );
      end = 'done';
      return result;
    } catch (error) {
      if (!(error instanceof BuildFailure)) throw error;
      end = error.code;
      throw new KilnError(error.kind === 'limit' ? 'payload_too_large' : 'unavailable', {
        detail: error.message,
        retryAfter: 1,
        cause: error,
      });
    } finally {
      this.#running -= 1;
      this.#children.refill();
      log('info', 'preview', { projectId, bytes: order.byteLength, end, ms: Math.round(performance.now() - started) });
    }
  }

  async #run(order: Buffer, signal: AbortSignal): Promise<Buffer> {
    const child = await this.#children.take();
    const kill = (): void => void child.dispose();
    signal.addEventListener('abort', kill, { once: true });
    try {
      if (signal.aborted) throw new BuildFailure('infra', 'runner_lost', 'Nobody waits for this preview.');
      const { root, out } = child.work;
      const [input, output] = [join(root, 'order.json'), join(out, 'result.json')];
      await writeFile(input, order);
      await child.preview({ preview: true, input, output });
      const { size } = await lstat(output);
      // JSON escapes: what is made may be twice its size here.
      if (size > 2 * limits.preview.runner.outputBytes)
        throw new BuildFailure('limit', 'build_too_large', 'What is made of the sources is too large.');
      return await readFile(output);
    } finally {
      signal.removeEventListener('abort', kill);
      await child.dispose();
    }
  }

  /** The platform must have signed for exactly these bytes. The project that it is for. */
  async #verify(order: Buffer, token: string): Promise<string> {
    const claims = await this.#keys.read(token, 'bundle');
    if (claims.order !== createHash('sha256').update(order).digest('hex'))
      throw new KilnError('forbidden', { detail: 'The token is for another order.' });
    return claims.sub;
  }
}
