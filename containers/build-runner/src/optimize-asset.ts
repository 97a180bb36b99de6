import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { newId } from '../../../src/contract/ids.ts';
import type { AssetOutcome, AssetTicket } from '../../../src/contract/jobs.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { AssetPlatform } from './asset-platform.ts';
import type { ChildPool } from './children.ts';
import { BuildFailure, Stopped } from './failure.ts';
import type { JobEnd } from './jobs.ts';
import { describeError, log } from './log.ts';

/**
 * Makes one asset smaller, from its ticket to its outcome. Never rejects. The work is done by a child of its own, as of a
 * build: bytes are whatever somebody uploaded. Whoever has not said how it went is given up by the platform.
 */
export const optimizeAsset = async (
  ticket: AssetTicket,
  { platform, children }: { readonly platform: AssetPlatform; readonly children: ChildPool },
  stop: AbortController,
  onWorked: () => void,
): Promise<JobEnd> => {
  const started = performance.now();
  const { signal } = stop;
  let end = 'again';
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const job = await platform.start(newId(), signal);
    timer = setTimeout(() => stop.abort(new Stopped('deadline')), Math.min(job.timeout, limits.optimize.timeout));
    end = await attempt(job, platform, children, signal);
  } catch (error) {
    const outcome = outcomeOf(error, signal);
    if (outcome === null) end = 'over';
    // Not begun: it may be begun later, or elsewhere.
    else if (timer !== undefined || signal.aborted) {
      end = outcome.code;
      log('warn', 'optimization.failed', { optimizationId: ticket.optimizationId, error: describeError(error) });
      // What it was that stopped the work must not stop the telling.
      await platform.end(outcome, AbortSignal.timeout(limits.optimize.lease)).catch(() => undefined);
    }
  } finally {
    clearTimeout(timer);
    onWorked();
  }
  const ms = Math.round(performance.now() - started);
  log('info', 'optimization', { optimizationId: ticket.optimizationId, attempt: ticket.attempt, end, ms });
  return end === 'again' ? 'again' : 'over';
};

const attempt = async (
  job: Awaited<ReturnType<AssetPlatform['start']>>,
  platform: AssetPlatform,
  children: ChildPool,
  signal: AbortSignal,
): Promise<string> => {
  const child = await children.take();
  const kill = (): void => void child.dispose();
  signal.addEventListener('abort', kill, { once: true });
  try {
    signal.throwIfAborted();
    const input = join(child.work.project, 'asset');
    const output = join(child.work.out, 'asset');
    await platform.source(signal, (body) => storeVerified(body, input, job));
    const isPicture = 'picture' in job;
    if (isPicture) await child.picture({ picture: job.picture, input, output });
    else await child.optimize({ optimize: job.mimeType, input, output, compressMeshes: job.compressMeshes });
    signal.throwIfAborted();
    const made = await lstat(output).catch(() => null);
    // Another format may take more bytes, and a picture of another size is wanted whatever it takes.
    if (isPicture && made !== null && made.size > limits.optimize.bytes)
      throw new BuildFailure('limit', 'payload_too_large', 'What is made of the picture is too large.');
    // What a child leaves is believed no further than that it is a file.
    if (made === null || !made.isFile() || (!isPicture && made.size >= job.size) || made.size > limits.optimize.bytes) {
      await platform.end({ type: 'unchanged' }, signal);
      return 'unchanged';
    }
    await platform.result(output, signal);
    return 'smaller';
  } finally {
    signal.removeEventListener('abort', kill);
    await child.dispose();
  }
};

/** Writes bytes where a child finds them; throws where they are not the ones that were promised. */
export const storeVerified = async (
  body: AsyncIterable<Uint8Array>,
  path: string,
  { size, hash }: { readonly size: number; readonly hash: string },
): Promise<void> => {
  const digest = createHash('sha256');
  let seen = 0;
  const check = new Transform({
    transform(chunk: Buffer, _, done) {
      seen += chunk.length;
      digest.update(chunk);
      done(seen > size ? new Error('there are more bytes than were promised') : null, chunk);
    },
  });
  await pipeline(Readable.from(body), check, createWriteStream(path));
  if (seen !== size || digest.digest('hex') !== hash) throw new Error('the bytes are not those that were promised');
};

/** What is to be told of an error; null when nobody wants to hear it. A stop explains whatever it made fail. */
const outcomeOf = (error: unknown, signal: AbortSignal): Extract<AssetOutcome, { type: 'failure' }> | null => {
  const stopped = signal.aborted ? signal.reason : error;
  if (stopped instanceof Stopped && stopped.reason === 'deadline')
    return { type: 'failure', kind: 'limit', code: 'payload_too_large' };
  if (stopped instanceof Stopped && stopped.reason !== 'shutdown') return null;
  if (!(stopped instanceof Stopped) && error instanceof BuildFailure && error.kind !== 'infra')
    return {
      type: 'failure',
      kind: error.kind,
      code: error.code === 'asset_broken' ? error.code : 'payload_too_large',
    };
  return { type: 'failure', kind: 'infra', code: 'runner_lost' };
};
