import { createHash } from 'node:crypto';
import { KilnError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import { limits } from '../contract/limits.ts';
import { describeError, logEvent } from '../core/log.ts';
import { intakePrefix, listObjects, nameBlob, uploadPrefix } from './objects.ts';

/*
 * Bytes of unknown content on their way into a bucket. Their name is their hash, which is known when the last of
 * them is here, and R2 can rename nothing: so they are stored under a key of their own first, and copied inside
 * of R2 once they are whole. An object is visible under a key only when all of it was stored.
 */

export interface StreamOptions {
  /** Bytes; one more is `payload_too_large`. */
  readonly cap: number;
  /** What the sender says it is. A stream of any other length is `malformed_request`. */
  readonly contentLength?: number | undefined;
}

/** What a stream turned out to be. */
export interface Stored {
  readonly size: number;
  /** In hex. */
  readonly sha256: string;
}

/**
 * Stores a stream under a key as it comes, with at most one part of it in memory. Throws `payload_too_large`,
 * `malformed_request`, and whatever the stream or the bucket throws; then there is nothing under the key.
 */
export async function storeStream(
  bucket: R2Bucket,
  key: string,
  stream: AsyncIterable<Uint8Array>,
  { cap, contentLength }: StreamOptions,
): Promise<Stored> {
  const tooLarge = () => new KilnError('payload_too_large', { detail: `At most ${cap} bytes.` });
  const otherLength = () => new KilnError('malformed_request', { detail: 'The body is not as long as it says.' });
  if (contentLength !== undefined && contentLength > cap) throw tooLarge();
  const hash = createHash('sha256');
  let size = 0;
  const chunks = watched(stream, {
    chunk(chunk) {
      size += chunk.length;
      if (size > cap) throw tooLarge();
      if (contentLength !== undefined && size > contentLength) throw otherLength();
      hash.update(chunk);
    },
    end() {
      if (contentLength !== undefined && size < contentLength) throw otherLength();
    },
  });
  if (contentLength === undefined) await putParts(bucket, key, chunks);
  else await putWhole((body) => bucket.put(key, body), chunks, contentLength);
  return { size, sha256: hash.digest('hex') };
}

/**
 * Stores a part of an upload as it comes, with no more of it in memory than is on its way. Throws `payload_too_large` and `malformed_request`
 * where it is not as long as it has to be, and what the stream or the bucket throws; then a part that was there by its number is still there.
 */
export async function storePart(
  upload: R2MultipartUpload,
  number: number,
  stream: AsyncIterable<Uint8Array>,
  length: number,
): Promise<R2UploadedPart> {
  let size = 0;
  const chunks = watched(stream, {
    chunk(chunk) {
      size += chunk.length;
      if (size > length) throw new KilnError('payload_too_large', { detail: `At most ${length} bytes.` });
    },
    end() {
      if (size < length) throw new KilnError('malformed_request', { detail: `This part has ${length} bytes.` });
    },
  });
  return await putWhole((body) => upload.uploadPart(number, body), chunks, length);
}

/** Chunks that are looked at as they come. With its last byte an object is complete, and visible, whatever comes after it: so the last one waits for the end. */
async function* watched(
  stream: AsyncIterable<Uint8Array>,
  see: { chunk(chunk: Uint8Array): void; end(): void },
): AsyncGenerator<Uint8Array> {
  let last: Uint8Array | null = null;
  for await (const chunk of stream) {
    see.chunk(chunk);
    if (last) yield last;
    last = chunk;
  }
  see.end();
  if (last) yield last;
}

/** R2 takes a stream whose length it knows. */
async function putWhole<T>(
  put: (body: ReadableStream) => Promise<T>,
  chunks: AsyncGenerator<Uint8Array>,
  length: number,
): Promise<T> {
  const { readable, writable } = new FixedLengthStream(length);
  const writer = writable.getWriter();
  const pump = async (): Promise<void> => {
    for await (const chunk of chunks) await writer.write(chunk);
    await writer.close();
  };
  const work = [put(readable), pump()] as const;
  try {
    const [stored] = await Promise.all(work);
    return stored;
  } catch (error) {
    // The one that failed ends the other, of which nobody wants to hear.
    for (const half of work) half.catch(() => undefined);
    await writer.abort(error).catch(() => undefined);
    throw error;
  }
}

/** Without a length, R2 takes parts, all but the last of one size. What fits into one needs no upload in parts. */
async function putParts(bucket: R2Bucket, key: string, chunks: AsyncGenerator<Uint8Array>): Promise<void> {
  const part = new Uint8Array(limits.intake.part);
  let filled = 0;
  let upload: R2MultipartUpload | null = null;
  const parts: R2UploadedPart[] = [];
  try {
    for await (const chunk of chunks)
      for (let at = 0; at < chunk.length; ) {
        const end = Math.min(chunk.length, at + part.length - filled);
        part.set(chunk.subarray(at, end), filled);
        filled += end - at;
        at = end;
        if (filled < part.length) continue;
        upload ??= await bucket.createMultipartUpload(key);
        parts.push(await upload.uploadPart(parts.length + 1, part));
        filled = 0;
      }
    const rest = part.subarray(0, filled);
    if (!upload) await bucket.put(key, rest);
    else {
      if (filled) parts.push(await upload.uploadPart(parts.length + 1, rest));
      await upload.complete(parts);
    }
  } catch (error) {
    // Where this fails too, R2 ends the upload by itself after a week.
    await upload?.abort().catch(notRemoved);
    throw error;
  }
}

const notRemoved = (error: unknown): void => logEvent('intake.not_removed', describeError(error), 'warn');

/** A stream that is whole, and waits for the name that its hash gives it. */
export interface Staged extends Stored {
  readonly key: string;
}

/** Stores a stream without a name. Throws like `storeStream`. */
export async function stage(
  bucket: R2Bucket,
  stream: AsyncIterable<Uint8Array>,
  options: StreamOptions,
): Promise<Staged> {
  const key = `${intakePrefix}${newId()}`;
  return { key, ...(await storeStream(bucket, key, stream, options)) };
}

/** Forgets what was staged. What stays is swept. */
export const unstage = (bucket: R2Bucket, { key }: Staged): Promise<void> => bucket.delete(key).catch(notRemoved);

/** Makes a blob of what was staged. */
export async function settle(bucket: R2Bucket, staged: Staged): Promise<void> {
  try {
    await nameBlob(bucket, staged.key, staged.sha256);
  } finally {
    await unstage(bucket, staged);
  }
}

/** Takes a stream in as a blob. Throws like `storeStream`. */
export async function takeBlob(
  bucket: R2Bucket,
  stream: AsyncIterable<Uint8Array>,
  options: StreamOptions,
): Promise<Stored> {
  const staged = await stage(bucket, stream, options);
  await settle(bucket, staged);
  return staged;
}

/** Removes what requests, and uploads of projects that are gone, left behind before `before`; at most one page of each. */
export async function sweepIntake(bucket: R2Bucket, before: number, limit: number): Promise<number> {
  const old: string[] = [];
  for (const prefix of [intakePrefix, uploadPrefix]) {
    const { objects } = await listObjects(bucket, prefix, null, limit);
    old.push(...objects.filter(({ uploaded }) => uploaded < before).map(({ key }) => key));
  }
  if (old.length) await bucket.delete(old);
  return old.length;
}
