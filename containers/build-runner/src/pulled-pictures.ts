import { KilnError } from '../../../src/contract/errors.ts';
import { type PictureEnd, PictureTicket } from '../../../src/contract/jobs.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { Config } from './config.ts';
import { Stopped } from './failure.ts';
import type { JobEnd } from './jobs.ts';
import { describeError, log } from './log.ts';
import type { Pictures } from './pictures.ts';
import { callerOf, postOf, readAll } from './platform.ts';
import { runnerLimits } from './runner-limits.ts';

const retries = runnerLimits.transferRetries;
const drop = async (response: Response): Promise<void> => void (await response.body?.cancel());

/** Pictures that come as messages. They stand in the line of the others, beside the places of jobs. */
export class PulledPictures {
  readonly #platformUrl: URL;
  readonly #pictures: Pick<Pictures, 'make'>;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<JobEnd>>();

  constructor({ platformUrl }: Pick<Config, 'platformUrl'>, pictures: Pick<Pictures, 'make'>) {
    this.#platformUrl = platformUrl;
    this.#pictures = pictures;
  }

  /** Takes a picture; `done` never rejects. Null: it is none. */
  accept(value: unknown): { readonly done: Promise<JobEnd> } | null {
    const parsed = PictureTicket.safeParse(value);
    if (!parsed.success) return null;
    const done = this.#run(parsed.data).finally(() => this.#running.delete(done));
    this.#running.add(done);
    return { done };
  }

  /** Ends what is running, which then comes again elsewhere. */
  async stop(): Promise<void> {
    this.#stop.abort(new Stopped('shutdown'));
    await Promise.all(this.#running);
  }

  async #run({ pictureHash, token }: PictureTicket): Promise<JobEnd> {
    const { signal } = this.#stop;
    const call = callerOf(new URL(`api/runner/pictures/${pictureHash}/`, this.#platformUrl), token);
    /** Why the source could not be had, which whoever reads it may say in words of their own. */
    let missing: unknown;
    // Read once it is its turn: of those in line none is in memory.
    const source = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield await call('source', { signal, retries }, (response) => readAll(response, limits.variant.sourceBytes));
      } catch (error) {
        missing = error;
        throw error;
      }
    };
    try {
      const made = await this.#pictures.make(source(), token, signal);
      const body = new Uint8Array(made);
      const headers = { 'content-type': 'application/octet-stream' };
      await call('result', { signal, retries, init: () => ({ method: 'PUT', body, headers }) }, drop);
      return 'over';
    } catch (error) {
      // It is made by now, or nobody wants it any more.
      if ([error, missing].some((one) => one instanceof Stopped && one.reason === 'fenced')) return 'over';
      const code = error instanceof KilnError ? error.code : undefined;
      if (code === 'unauthenticated') return 'over';
      if (code === 'asset_broken' || code === 'payload_too_large') {
        const end: PictureEnd = { code };
        await call('end', { signal, retries, init: postOf(end) }, drop).catch(() => undefined);
        return 'over';
      }
      log('warn', 'picture.given_back', { hash: pictureHash, error: describeError(error) });
      return 'again';
    }
  }
}
