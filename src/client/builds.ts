import { createParser } from 'eventsource-parser';
import { type Build, BuildEnvelope, BuildLogLine } from '../contract/builds.ts';
import type { KilnClient } from './api.ts';
import { Backoff } from './backoff.ts';
import { isFinal } from './errors.ts';

export interface BuildHandlers {
  /** A line of the log; each arrives once, in order of `seq`. */
  log?(line: BuildLogLine): void;
  /** The build changed: status, progress, step. */
  status?(build: Build): void;
  /** The build ended and the log is whole. */
  done?(): void;
  /** The stream broke and will be taken up again. */
  interrupted?(): void;
}

/**
 * Follows a build by server-sent events until it ends. A broken stream is resumed after the last line seen, as often as it takes.
 * Resolves at the end of the log, or when `signal` aborts.
 * @throws {KilnApiError} when the build cannot be read: unknown, forbidden, signed out.
 */
export const watchBuild = async (
  client: KilnClient,
  id: string,
  handlers: BuildHandlers,
  signal: AbortSignal,
): Promise<void> => {
  const backoff = new Backoff();
  let lastSeq: number | undefined;
  let done = false;
  let retry = 0;

  const parser = createParser({
    onRetry: (ms) => {
      retry = ms;
    },
    onEvent: ({ event, data }) => {
      if (event === 'log') {
        const line = BuildLogLine.parse(JSON.parse(data));
        if (lastSeq !== undefined && line.seq <= lastSeq) return;
        lastSeq = line.seq;
        handlers.log?.(line);
      } else if (event === 'status') {
        handlers.status?.(BuildEnvelope.parse(JSON.parse(data)).build);
      } else if (event === 'done') {
        done = true;
      }
    },
  });

  while (!signal.aborted && !done) {
    await backoff.wait(signal, retry);
    if (signal.aborted) return;
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (lastSeq !== undefined) headers['last-event-id'] = String(lastSeq);
      const response = await client.raw('getBuildLogs', { params: { id }, headers, signal });
      backoff.opened();
      parser.reset();
      for await (const text of textChunks(response, signal)) {
        parser.feed(text);
        if (done) break;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (isFinal(error)) throw error;
    }
    if (done || signal.aborted) break;
    backoff.failed();
    handlers.interrupted?.();
  }
  if (done) handlers.done?.();
};

/** The body as text. A reader instead of `for await` over the stream: Safari has no async iteration of streams. */
async function* textChunks(response: Response, signal: AbortSignal): AsyncGenerator<string, void> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const stop = () => void reader.cancel().catch(() => undefined);
  signal.addEventListener('abort', stop);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield decoder.decode(value as Uint8Array, { stream: true });
    }
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}
