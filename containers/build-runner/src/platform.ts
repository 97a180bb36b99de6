import { hash as hashOf } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import pRetry, { AbortError } from 'p-retry';
import { type Framed, framedSize, frames, readFrames } from '../../../src/contract/frames.ts';
import {
  type EventAnswer,
  EventAnswer as EventAnswerSchema,
  type EventBatch,
  JobManifest,
  type JobTicket,
  OutputsMissing,
  StartedJob,
} from '../../../src/contract/jobs.ts';
import { limits } from '../../../src/contract/limits.ts';
import { BuildFailure, DiskFull, isDiskFull, Stopped } from './failure.ts';
import { describeError, log } from './log.ts';
import { runnerLimits } from './runner-limits.ts';

/** What a job needs of the platform. Every call ends with `Stopped('fenced')` once the token opens nothing any more. */
export interface Platform {
  /** Begins the attempt, and answers what it is. `execution` names this try of it. */
  start(attempt: number, execution: string, signal: AbortSignal): Promise<StartedJob>;
  /** The snapshot to build. */
  manifest(signal: AbortSignal): Promise<JobManifest>;
  /** Hands the body of a blob to `consume`, which is called anew for every retry. */
  blob<T>(hash: string, signal: AbortSignal, consume: (body: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T>;
  /** Small blobs, by hash, each verified. */
  blobs(hashes: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Uint8Array>>;
  /** Stores small outputs. */
  putOutputs(outputs: readonly Framed[], signal: AbortSignal): Promise<void>;
  /** Which of these outputs are not stored yet. */
  missing(hashes: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
  /** Stores the bytes of a local file under their hash. */
  putOutput(
    output: { sha256: string; path: string; mimeType: string; size: number },
    signal: AbortSignal,
  ): Promise<void>;
  /** Delivers one batch; retried until it is answered or `signal` aborts. */
  sendEvents(batch: EventBatch, signal: AbortSignal): Promise<EventAnswer>;
  /** Delivers the last batch, of a build that has succeeded, with the small outputs that are not stored yet. Retried as `sendEvents`. */
  sendSuccess(batch: EventBatch, outputs: readonly Framed[], signal: AbortSignal): Promise<EventAnswer>;
}

interface Request {
  readonly method: string;
  readonly body: string | Blob | Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
}

export const postOf = (value: object): (() => Request) => {
  const body = JSON.stringify(value);
  return () => ({ method: 'POST', body, headers: { 'content-type': 'application/json' } });
};

const postOfFrames = (contents: readonly Framed[]): (() => Request) => {
  const body = frames(contents);
  return () => ({ method: 'POST', body, headers: { 'content-type': 'application/octet-stream' } });
};

/** The platform says that this attempt is over: forged, expired, gone, or overtaken by another one. */
const fencedOff = new Set([401, 403, 404, 409, 410]);

/** A platform of the release before does not know what is asked. */
const unknownRoute = 405;

const isPassing = (status: number): boolean => status >= 500 || status === 408 || status === 425 || status === 429;

/** `also`: a status besides success with which the caller can go on. */
const check = async (response: Response, also?: number): Promise<Response> => {
  if (response.ok || response.status === also) return response;
  // The answer of an error is not wanted; an unread body would keep its connection busy.
  await response.body?.cancel();
  if (fencedOff.has(response.status)) throw new AbortError(new Stopped('fenced'));
  if (response.status === 413) {
    throw new AbortError(new BuildFailure('limit', 'build_too_large', 'The platform refused an output as too large.'));
  }
  const refusal = new BuildFailure('infra', 'unavailable', `The platform answered ${response.status}.`);
  throw isPassing(response.status) ? refusal : new AbortError(refusal);
};

/** A body of at most `cap` bytes. */
export const readAll = async (response: Response, cap: number): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > cap) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const sha256 = (bytes: Uint8Array): string => hashOf('sha256', bytes);

/** Calls the platform below one address, with the token of one job. */
export const callerOf = (root: URL, token: string) => {
  const authorization = `Bearer ${token}`;

  return async <T>(
    path: string,
    options: {
      init?: () => Promise<Request> | Request;
      signal: AbortSignal;
      retries: number;
      timeout?: number;
      also?: number;
    },
    read: (response: Response) => Promise<T>,
  ): Promise<T> => {
    try {
      return await pRetry(
        async () => {
          try {
            const init = await options.init?.();
            const response = await fetch(new URL(path, root), {
              ...init,
              // A redirect would carry the token, or the runner, to another place.
              redirect: 'error',
              headers: { ...init?.headers, authorization },
              signal: AbortSignal.any([
                options.signal,
                AbortSignal.timeout(options.timeout ?? runnerLimits.requestTimeout),
              ]),
            });
            return await read(await check(response, options.also));
          } catch (error) {
            if (error instanceof AbortError || error instanceof BuildFailure) throw error;
            // It is on this side, and asking once more makes no room.
            if (isDiskFull(error)) throw new AbortError(new DiskFull({ cause: error }));
            // p-retry takes an unknown TypeError for a bug and gives up; here it is always fetch that failed.
            throw new Error('request failed', { cause: error });
          }
        },
        {
          retries: options.retries,
          minTimeout: runnerLimits.retryDelay,
          maxTimeout: runnerLimits.retryDelayMax,
          factor: 2,
          randomize: true,
          signal: options.signal,
          onFailedAttempt: ({ error, attemptNumber, retriesLeft }) => {
            if (retriesLeft > 0 && !options.signal.aborted)
              log('warn', 'platform.request_failed', { path, attempt: attemptNumber, error: describeError(error) });
          },
        },
      );
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof Stopped || error instanceof BuildFailure) throw error;
      throw new BuildFailure('infra', 'unavailable', 'The platform could not be reached.', { cause: error });
    }
  };
};

/** The platform over HTTP, opened by the token of one job. */
export const connectPlatform = (baseUrl: URL, job: Pick<JobTicket, 'buildId' | 'token'>): Platform => {
  const call = callerOf(new URL(`api/runner/builds/${job.buildId}/`, baseUrl), job.token);

  return {
    start: (attempt, execution, signal) =>
      call(
        'start',
        { signal, retries: runnerLimits.transferRetries, init: postOf({ attempt, execution }) },
        async (response) => StartedJob.parse(await response.json()),
      ),

    manifest: (signal) =>
      call('manifest', { signal, retries: runnerLimits.transferRetries }, async (response) =>
        JobManifest.parse(await response.json()),
      ),

    blob: (hash, signal, consume) =>
      call(`blobs/${hash}`, { signal, retries: runnerLimits.transferRetries }, async (response) => {
        if (response.body === null) throw new Error('a blob without a body');
        return await consume(response.body);
      }),

    blobs: (hashes, signal) =>
      call('blobs', { signal, retries: runnerLimits.transferRetries, init: postOf({ hashes }) }, async (response) => {
        const contents = readFrames(
          await readAll(response, framedSize(limits.build.batch.parts, limits.build.batch.bytes)),
        );
        const found = new Map(contents?.map(({ hash, bytes }) => [hash, bytes]));
        for (const hash of hashes) {
          const bytes = found.get(hash);
          if (bytes === undefined || sha256(bytes) !== hash) throw new Error('a blob does not match its hash');
        }
        return found;
      }),

    putOutputs: (outputs, signal) => {
      const init = postOfFrames(outputs);
      return call('outputs', { signal, retries: runnerLimits.transferRetries, init }, async (response) => {
        await response.body?.cancel();
      });
    },

    missing: (hashes, signal) =>
      call(
        'outputs/missing',
        { signal, retries: runnerLimits.transferRetries, init: postOf({ hashes }), also: unknownRoute },
        async (response) => {
          if (response.status !== unknownRoute) return OutputsMissing.parse(await response.json()).missing;
          await response.body?.cancel();
          return hashes;
        },
      ),

    putOutput: (output, signal) =>
      call(
        `outputs/${output.sha256}`,
        {
          signal,
          retries: runnerLimits.transferRetries,
          timeout: runnerLimits.requestTimeout + Math.ceil(output.size / runnerLimits.uploadBytesPerMs),
          init: async () => ({
            method: 'PUT',
            body: await openAsBlob(output.path),
            headers: { 'content-type': output.mimeType },
          }),
        },
        async (response) => {
          await response.body?.cancel();
        },
      ),

    sendEvents: (batch, signal) => {
      const init = postOf(batch);
      return call('events', { signal, retries: Number.POSITIVE_INFINITY, init }, async (response) =>
        EventAnswerSchema.parse(await response.json()),
      );
    },

    sendSuccess: (batch, outputs, signal) => {
      const head = Buffer.from(JSON.stringify(batch));
      const init = postOfFrames([{ hash: sha256(head), bytes: head }, ...outputs]);
      return call('success', { signal, retries: Number.POSITIVE_INFINITY, init }, async (response) =>
        EventAnswerSchema.parse(await response.json()),
      );
    },
  };
};
