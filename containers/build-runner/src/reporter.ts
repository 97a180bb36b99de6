import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import type { BuildStep, EventAnswer, EventBatch, RunnerEvent } from '../../../src/contract/jobs.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { LogLine } from './child/protocol.ts';
import { type BuildFailure, Stopped } from './failure.ts';
import { runnerLimits } from './runner-limits.ts';

export interface ReporterOptions {
  /** Delivers a batch, however long that takes. */
  readonly send: (batch: EventBatch, signal: AbortSignal) => Promise<EventAnswer>;
  readonly attempt: number;
  /** Texts that must never leave the runner, such as the job's token. */
  readonly secrets: readonly string[];
  /** Called once, when the platform says that the attempt is over. */
  readonly onStop: (reason: Stopped) => void;
  /** Ends all sending: nothing is worth saying after it. */
  readonly signal: AbortSignal;
}

/** Cuts at a whole character: half a surrogate pair is not JSON that every reader takes. */
const cut = (text: string, bytes: number): string => {
  if (Buffer.byteLength(text) <= bytes) return text;
  const mark = ' …';
  const room = bytes - Buffer.byteLength(mark);
  return new TextDecoder().decode(Buffer.from(text).subarray(0, room)).replace(/\uFFFD+$/u, '') + mark;
};

/**
 * Tells the platform what happens, in order, in small batches: one request is under way at a time, so
 * a batch number is never overtaken, and a batch that is sent again carries the same number and events.
 * An empty batch is both the heartbeat and the question whether the build was cancelled.
 */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #queue: RunnerEvent[] = [];
  readonly #done: Promise<void>;
  #wake: () => void = () => undefined;
  #batch = 0;
  #lines = 0;
  #step: BuildStep = 'source';
  #hasErrors = false;
  #progress = 0;
  #ended = false;
  #sendLast: ReporterOptions['send'];

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#sendLast = options.send;
    this.#done = this.#run();
  }

  /** Adds one line to the build log: plain text, masked, capped in length and number. */
  log(line: LogLine): void {
    if (this.#ended || this.#lines > limits.build.logLines) return;
    this.#lines += 1;
    this.#hasErrors ||= line.level === 'error';
    const last = this.#lines > limits.build.logLines;
    const { level, step, message, file } = last
      ? {
          level: 'warn' as const,
          step: line.step,
          message: 'The log is full; later lines are dropped.',
          file: undefined,
        }
      : line;
    this.#push({
      type: 'log',
      at: Date.now(),
      level,
      step,
      message: this.clean(message),
      ...(file === undefined || file.length > limits.file.pathMax ? {} : { file }),
      ...(last || line.line === undefined || line.line < 1 ? {} : { line: line.line }),
      ...(last || line.column === undefined || line.column < 0 ? {} : { column: line.column }),
      ...(last || line.source === undefined ? {} : { source: this.clean(line.source, limits.build.sourceLineBytes) }),
    });
  }

  /** Reports work really done; a smaller number than before is not sent. */
  progress(step: BuildStep, progress: number): void {
    this.#step = step;
    const value = Math.min(1, Math.round(progress * 1000) / 1000);
    if (this.#ended || value <= this.#progress) return;
    this.#progress = value;
    const last = this.#queue.at(-1);
    // Only the newest of a row of progress events is of use to anybody.
    if (last?.type === 'progress') this.#queue.pop();
    this.#push({ type: 'progress', step, progress: value });
  }

  /** Adds why an attempt fails to the log, where nothing there has said it yet. */
  fail({ message, place }: BuildFailure): void {
    if (!this.#hasErrors) this.log({ level: 'error', step: this.#step, message, ...place });
  }

  /** Text as it may leave the runner. */
  clean(text: string, bytes: number = limits.build.logLineBytes): string {
    let clean = stripVTControlCharacters(text);
    for (const secret of this.#options.secrets) clean = clean.replaceAll(secret, '[masked]');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
    return cut(clean.replace(/[\u0000-\u0008\u000B-\u001F\u007F]/g, ''), bytes);
  }

  /** Sends the outcome as the last event and waits until it is answered, or until nobody listens any more. `send` delivers that last batch. */
  async finish(outcome: RunnerEvent, send = this.#options.send): Promise<void> {
    if (this.#ended) return;
    this.#sendLast = send;
    this.#push(outcome);
    this.#ended = true;
    this.#wake();
    await this.#done;
  }

  /** Ends without an outcome: the attempt is not ours any more. */
  async abandon(): Promise<void> {
    this.#ended = true;
    this.#queue.length = 0;
    this.#wake();
    await this.#done;
  }

  #push(event: RunnerEvent): void {
    this.#queue.push(event);
    this.#wake();
  }

  async #run(): Promise<void> {
    const { attempt, onStop, send, signal } = this.#options;
    try {
      while (!signal.aborted) {
        await this.#idle();
        if (this.#ended && this.#queue.length === 0) return;
        const events = this.#queue.splice(0, limits.build.eventsPerBatch);
        this.#batch += 1;
        const isLast = this.#ended && this.#queue.length === 0;
        const batch = { attempt, batch: this.#batch, events, ...(isLast && { vacant: true }) };
        const answer = await (isLast ? this.#sendLast : send)(batch, signal);
        if (answer.cancelled && !this.#ended) {
          onStop(new Stopped('cancelled'));
          return;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      // Whatever a lasting refusal means, nobody will take this attempt's outcome.
      onStop(error instanceof Stopped ? error : new Stopped('fenced'));
    }
  }

  /** Waits for something to say, then a moment for more of it; at most until the next poll is due. */
  async #idle(): Promise<void> {
    if (this.#ended) return;
    const woken = Promise.withResolvers<void>();
    const timer = setTimeout(woken.resolve, runnerLimits.cancelPoll);
    this.#wake = woken.resolve;
    if (this.#queue.length > 0) woken.resolve();
    await woken.promise;
    clearTimeout(timer);
    if (this.#ended || this.#queue.length >= limits.build.eventsPerBatch || this.#queue.length === 0) return;
    const company = new AbortController();
    this.#wake = () => {
      if (this.#ended || this.#queue.length >= limits.build.eventsPerBatch) company.abort();
    };
    await sleep(runnerLimits.eventWindow, undefined, { signal: company.signal }).catch(() => undefined);
  }
}
