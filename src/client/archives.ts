import type { z } from 'zod';
import type { ImportResult } from '../contract/archives.ts';
import { newId } from '../contract/ids.ts';
import { limits } from '../contract/limits.ts';
import type { KilnClient } from './api.ts';
import { type Sender, sender } from './sent.ts';
import { hashFile, sendParts, untilAnswered } from './uploads.ts';

export interface ImportProgress {
  /** `hashing`: a file that goes in parts is read for its hash first. `unpacking`: all bytes are there, and Kiln reads them. */
  readonly phase: 'hashing' | 'sending' | 'unpacking';
  /** Bytes of this phase that are done; those that had arrived before count. */
  readonly done: number;
  /** Bytes in all. */
  readonly total: number;
}

export interface ImportOptions {
  readonly file: Blob;
  /** Of the project; what the archive says unless said. */
  readonly name?: string | undefined;
  /** Of this import: the same key with the same file makes no second project. */
  readonly idempotencyKey?: string;
  /** Stops the import, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Leaves what has arrived where it is when `signal` aborts, to go on from there within a day. Else it is given up. */
  readonly keepOnAbort?: boolean;
  readonly onProgress?: (progress: ImportProgress) => void;
  /** Sends bodies; in a browser by XMLHttpRequest, which tells how far it is, elsewhere by `fetch`. */
  readonly send?: Sender;
  /** Parts on their way at once; 4 unless said. */
  readonly parallel?: number;
  /** A request was lost and will be made again. */
  readonly onInterrupted?: (error: unknown) => void;
}

/**
 * Makes a project of a zip of at most 1 GiB. One that fits into a request goes in one; a larger one goes in parts, several at once, of which
 * what is lost on the way is sent again for as long as it takes, and what had arrived before a reload is not.
 * @throws {KilnApiError} what Kiln refuses, as `invalid_archive` or `quota_exceeded`; the reason of `signal`.
 */
export const importArchive = async (
  client: KilnClient,
  options: ImportOptions,
): Promise<z.infer<typeof ImportResult>> => {
  const { file } = options;
  const total = file.size;
  const signal = options.signal ?? new AbortController().signal;
  const send = options.send ?? sender();
  const idempotencyKey = options.idempotencyKey ?? newId();
  const tell = (done: number): void =>
    options.onProgress?.({ phase: done < total ? 'sending' : 'unpacking', done: Math.min(done, total), total });
  const query = { name: options.name };
  if (total <= limits.archive.uploadBytes) {
    tell(0);
    return await client.call('importProject', {
      query,
      body: file,
      idempotencyKey,
      signal,
      fetch: (url, init) => send(url, init, tell),
    });
  }
  const again = { signal, ...(options.onInterrupted && { onInterrupted: options.onInterrupted }) };
  const name = (file as Blob & { name?: string }).name?.slice(-limits.file.segmentBytes) ?? '';
  const onHashed = (done: number): void => options.onProgress?.({ phase: 'hashing', done, total });
  const hash = await hashFile(file, { signal, onHashed });
  // Asked again, it answers the upload that was begun: the first time, and before a reload.
  const { upload } = await untilAnswered(again, () =>
    client.call('createArchiveUpload', { body: { size: total, name, hash }, signal }),
  );
  const { id } = upload;
  try {
    const parts = await sendParts(client, upload, {
      ...options,
      signal,
      send,
      onProgress: ({ done }) => options.onProgress?.({ phase: 'sending', done, total }),
    });
    tell(total);
    return await untilAnswered(again, () =>
      client.call('importProject', { query, body: { uploadId: id, parts }, idempotencyKey, signal }),
    );
  } catch (error) {
    // In vain where nobody answers: then it is gone after a day.
    if (signal.aborted && options.keepOnAbort !== true)
      await client.call('abortUpload', { params: { id } }).catch(() => undefined);
    throw error;
  }
};
