import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { KilnError } from '../../../src/contract/errors.ts';
import type { QueueSource } from './config.ts';
import type { JobEnd, JobPlaces } from './jobs.ts';
import { describeError, log } from './log.ts';
import type { PulledPictures } from './pulled-pictures.ts';
import { runnerLimits } from './runner-limits.ts';

const Pulled = z.object({
  success: z.literal(true),
  result: z.object({
    messages: z.array(
      z.object({
        id: z.string(),
        body: z.string(),
        lease_id: z.string(),
        attempts: z.int(),
        metadata: z.record(z.string(), z.string()).optional(),
      }),
    ),
  }),
});
type Message = z.infer<typeof Pulled>['result']['messages'][number];

/** What becomes of a message: gone, or visible again after a delay. */
type Verdict = { readonly ack: true } | { readonly retryIn: number };

/**
 * Fetches jobs from a Cloudflare queue with an HTTP pull consumer
 * (https://developers.cloudflare.com/queues/configuration/pull-consumers/), never more than there are places.
 * Delivery is at least once, and the queue is only the way here: whether a job still counts is what the
 * platform says when it is begun. So a message is acknowledged once its attempt is over, however it ended, one
 * that comes a second time costs a question, and one whose question nobody answered is given back.
 */
export class QueuePuller {
  readonly #source: QueueSource;
  readonly #jobs: JobPlaces;
  readonly #pictures: Pick<PulledPictures, 'accept'>;
  readonly #stop = new AbortController();
  readonly #open = new Set<Promise<void>>();
  #loop: Promise<void> = Promise.resolve();

  constructor(source: QueueSource, jobs: JobPlaces, pictures: Pick<PulledPictures, 'accept'>) {
    this.#source = source;
    this.#jobs = jobs;
    this.#pictures = pictures;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Pulls no more, and waits until what was pulled is acknowledged. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    await Promise.all(this.#open);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      if (this.#jobs.free === 0) {
        await Promise.race([this.#jobs.someFree(), untilAborted(signal)]);
        continue;
      }
      let messages: readonly Message[] = [];
      try {
        messages = await this.#pull(this.#jobs.free);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        log('warn', 'queue.pull_failed', { error: describeError(error), failures });
      }
      // A place is taken before the next pull asks how many there are.
      await Promise.all(messages.map((message) => this.#take(message)));
      if (messages.length > 0) continue;
      const pause = Math.min(runnerLimits.queue.pauseMax, runnerLimits.queue.pause * 2 ** failures);
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Starts the message's job; what follows its end goes on by itself. */
  async #take(message: Message): Promise<void> {
    const settled = (verdict: Verdict): void => {
      const answer = this.#settle(message, verdict).finally(() => this.#open.delete(answer));
      this.#open.add(answer);
    };
    try {
      const body = bodyOf(message);
      const { done } = this.#pictures.accept(body) ?? (await this.#jobs.accept(body));
      const end = done.then((how: JobEnd) => {
        this.#open.delete(end);
        settled(how === 'over' ? { ack: true } : { retryIn: retryDelay(message) });
      });
      this.#open.add(end);
    } catch (error) {
      const mayComeAgain = error instanceof KilnError && error.code === 'unavailable';
      log('warn', 'queue.message_refused', {
        id: message.id,
        attempts: message.attempts,
        error: describeError(error),
        again: mayComeAgain,
      });
      settled(mayComeAgain ? { retryIn: retryDelay(message) } : { ack: true });
    }
  }

  async #pull(count: number): Promise<readonly Message[]> {
    const answer = await this.#call('messages/pull', {
      batch_size: count,
      visibility_timeout_ms: runnerLimits.queue.visibility,
    });
    return Pulled.parse(answer).result.messages;
  }

  /** A message whose verdict does not arrive is delivered again after its visibility timeout. */
  async #settle({ id, lease_id }: Message, verdict: Verdict): Promise<void> {
    const acks = 'ack' in verdict ? [{ lease_id }] : [];
    const retries = 'ack' in verdict ? [] : [{ lease_id, delay_seconds: Math.ceil(verdict.retryIn / 1000) }];
    try {
      await this.#call('messages/ack', { acks, retries });
    } catch (error) {
      log('warn', 'queue.ack_failed', { id, error: describeError(error) });
    }
  }

  async #call(path: string, body: object): Promise<unknown> {
    const response = await fetch(new URL(path, this.#source.queueUrl), {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#source.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(runnerLimits.requestTimeout),
    });
    if (response.ok) return await response.json();
    await response.body?.cancel();
    throw new Error(`the queue answers ${response.status}`);
  }
}

const retryDelay = ({ attempts }: Message): number =>
  Math.min(runnerLimits.queue.retryDelayMax, runnerLimits.queue.retryDelay * 2 ** Math.max(0, attempts - 1));

/** JSON and bytes come as base64, text as it is. */
const bodyOf = ({ body, metadata }: Message): unknown => {
  const text = metadata?.['CF-Content-Type'] === 'text' ? body : Buffer.from(body, 'base64').toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    throw new KilnError('malformed_json');
  }
};

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
