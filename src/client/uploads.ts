import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Asset, AssetBatchResult, AssetQuery, Upload } from '../contract/assets.ts';
import { newId } from '../contract/ids.ts';
import { limits } from '../contract/limits.ts';
import type { KilnClient } from './api.ts';
import { Backoff } from './backoff.ts';
import { errorFromResponse, isFinal, KilnApiError } from './errors.ts';
import { type Sender, sender } from './sent.ts';

const { uploadParallel, hashBytes, verifyPoll, formBytes } = limits.client;

export interface UploadProgress {
  /** `verifying`: all bytes are there, and are being read by Kiln. */
  readonly phase: 'hashing' | 'sending' | 'verifying';
  /** Bytes of this phase that are done; those that had arrived before count. */
  readonly done: number;
  /** Bytes in all. */
  readonly total: number;
}

interface SendOptions {
  readonly projectId: string;
  /** Stops the upload, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Parts, or forms, on their way at once; 4 unless said. */
  readonly parallel?: number;
  /** Sends bodies; in a browser by XMLHttpRequest, which tells how far it is, elsewhere by `fetch`. */
  readonly send?: Sender;
  /** A request was lost and will be made again. */
  readonly onInterrupted?: (error: unknown) => void;
}

export interface UploadOptions extends SendOptions {
  readonly file: Blob;
  /** Of the asset; the name of a `File` unless said. */
  readonly name?: string;
  /** SHA-256 of the file in lower-case hex, where it is known; else a file that goes in parts is read for it first. */
  readonly hash?: string;
  readonly onProgress?: (progress: UploadProgress) => void;
  /** Leaves what has arrived where it is when `signal` aborts, to go on from there within a day. Else it is given up. */
  readonly keepOnAbort?: boolean;
}

/** Resolves after `ms`, or when `signal` aborts. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });

/** Does it until it is answered, with growing pauses. Throws what cannot be healed by asking again, and the signal's reason. */
export const untilAnswered = async <T>(
  { signal, onInterrupted }: { signal: AbortSignal; onInterrupted?: SendOptions['onInterrupted'] },
  work: () => Promise<T>,
): Promise<T> => {
  const backoff = new Backoff();
  let atLeast = 0;
  for (;;) {
    await backoff.wait(signal, atLeast);
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      atLeast = error instanceof KilnApiError ? (error.retryAfter ?? 0) * 1000 : 0;
      if (isFinal(error) && error.retryAfter === undefined) throw error;
      backoff.failed();
      onInterrupted?.(error);
    }
  }
};

/**
 * SHA-256 of a file of any size, in lower-case hex, a mebibyte in memory at a time.
 * @throws the signal's reason; what reading throws, as for a file that was changed meanwhile.
 */
export const hashFile = async (
  file: Blob,
  options: { signal?: AbortSignal; onHashed?: (bytes: number) => void } = {},
): Promise<string> => {
  const hash = sha256.create();
  for (let at = 0; at < file.size; at += hashBytes) {
    options.signal?.throwIfAborted();
    hash.update(new Uint8Array(await file.slice(at, at + hashBytes).arrayBuffer()));
    options.onHashed?.(Math.min(file.size, at + hashBytes));
  }
  return bytesToHex(hash.digest());
};

const nameOf = (file: Blob): string => (file as Blob & { name?: string }).name ?? '';

/** Runs work on all items, so many at once. The first failure stops the rest and is thrown. */
const inParallel = async <T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> => {
  const queue = [...items];
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
        queue.length = 0;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, width) }, worker));
  if (failures.length > 0) throw failures[0];
};

/**
 * Uploads a file of any size as an asset, or as the next version of the one that has its name. A small one goes in one
 * form. A larger one is hashed and goes in parts, several at once: at once it is done where the project has its bytes, and what
 * had arrived before a reload, or before the connection was lost, is not sent again. What is lost on the way is sent again
 * for as long as it takes, or until `signal` aborts.
 * @throws {KilnApiError} what Kiln refuses, as `type_mismatch` or `quota_exceeded`; the reason of `signal`.
 */
export const uploadAsset = async (client: KilnClient, options: UploadOptions): Promise<Asset> => {
  const { file } = options;
  if (file.size > limits.upload.partSize) return await uploadInParts(client, options);
  const name = options.name ?? nameOf(file);
  const send = options.send ?? sender();
  const signal = options.signal ?? new AbortController().signal;
  const idempotencyKey = newId();
  const tell = (done: number): void =>
    options.onProgress?.({ phase: 'sending', done: Math.min(done, file.size), total: file.size });
  tell(0);
  const { asset } = await untilAnswered({ ...options, signal }, () => {
    const body = new FormData();
    body.set('projectId', options.projectId);
    body.set('file', file, name);
    const fetch = (url: string, init: RequestInit) => send(url, init, tell);
    return client.call('uploadAsset', { body, idempotencyKey, signal, fetch });
  });
  tell(file.size);
  return asset;
};

const uploadInParts = async (client: KilnClient, options: UploadOptions): Promise<Asset> => {
  const { file, projectId, onProgress } = options;
  const name = options.name ?? nameOf(file);
  const total = file.size;
  const signal = options.signal ?? new AbortController().signal;
  const again = { ...options, signal };
  const hash =
    options.hash ??
    (await hashFile(file, { signal, onHashed: (done) => onProgress?.({ phase: 'hashing', done, total }) }));
  const begun = await untilAnswered(again, () =>
    client.call('createUpload', { body: { projectId, name, size: total, hash }, signal }),
  );
  if ('asset' in begun) {
    onProgress?.({ phase: 'sending', done: total, total });
    return begun.asset;
  }
  const { id } = begun.upload;
  try {
    const parts = await sendParts(client, begun.upload, again);
    onProgress?.({ phase: 'verifying', done: 0, total });
    const ended = await untilAnswered(again, () =>
      client.call('completeUpload', { params: { id }, body: { parts }, signal }),
    );
    const asset = 'asset' in ended ? ended.asset : await verified(client, id, again);
    onProgress?.({ phase: 'verifying', done: total, total });
    return asset;
  } catch (error) {
    if (signal.aborted && options.keepOnAbort !== true)
      // In vain where nobody answers: then it is gone after a day.
      await client.call('abortUpload', { params: { id } }).catch(() => undefined);
    throw error;
  }
};

/** Sends the parts that have not arrived; the tags of all. */
export const sendParts = async (
  client: KilnClient,
  upload: Upload,
  options: Pick<UploadOptions, 'file' | 'send' | 'parallel' | 'onProgress' | 'onInterrupted'> & {
    readonly signal: AbortSignal;
  },
): Promise<{ number: number; etag: string }[]> => {
  const { file, signal } = options;
  const send = options.send ?? sender();
  const etags = new Map(upload.parts.flatMap(({ number, etag }) => (etag === null ? [] : [[number, etag] as const])));
  const addresses = new Map(upload.parts.map(({ number, url }) => [number, url]));
  const sent = new Map(upload.parts.map(({ number, size, etag }) => [number, etag === null ? 0 : size]));
  const tell = (number: number, bytes: number): void => {
    sent.set(number, bytes);
    const done = [...sent.values()].reduce((sum, size) => sum + size, 0);
    options.onProgress?.({ phase: 'sending', done, total: file.size });
  };
  /** Addresses run out, and an upload may have ended elsewhere. */
  const renew = async (): Promise<void> => {
    const { upload: now } = await client.call('getUpload', { params: { id: upload.id }, signal });
    for (const { number, url } of now.parts) addresses.set(number, url);
  };
  const arriving = upload.parts.filter(({ etag }) => etag === null);
  if (arriving.length === 0) tell(1, upload.parts[0]?.size ?? 0);
  await inParallel(arriving, options.parallel ?? uploadParallel, async ({ number, size }) => {
    const from = (number - 1) * upload.partSize;
    let renewed = false;
    await untilAnswered(options, async () => {
      tell(number, 0);
      const body = file.slice(from, from + size);
      const init = { method: 'PUT', body, signal } satisfies RequestInit;
      const answer = await send(addresses.get(number) ?? '', init, (bytes) => tell(number, Math.min(bytes, size)));
      if (!answer.ok) {
        const refused = await errorFromResponse(answer);
        if (!isFinal(refused) || renewed) throw refused;
        renewed = true;
        await renew();
        throw new Error('the address of a part was taken no more', { cause: refused });
      }
      await answer.body?.cancel();
      const etag = answer.headers.get('etag')?.replaceAll('"', '');
      if (!etag) throw new KilnApiError('internal', { detail: 'The answer to a part has no tag.' });
      etags.set(number, etag);
      tell(number, size);
    });
    const etag = etags.get(number);
    // What went past Kiln it learns of here; a reload asks Kiln.
    if (upload.direct && etag !== undefined)
      await untilAnswered(options, () =>
        client.call('noteUploadParts', { params: { id: upload.id }, body: { parts: [{ number, etag }] }, signal }),
      );
  });
  return [...etags].map(([number, etag]) => ({ number, etag }));
};

/** Waits until the bytes of an upload have been read. */
const verified = async (
  client: KilnClient,
  id: string,
  options: { readonly signal: AbortSignal; readonly onInterrupted?: SendOptions['onInterrupted'] },
): Promise<Asset> => {
  const { signal } = options;
  for (;;) {
    const { upload } = await untilAnswered(options, () => client.call('getUpload', { params: { id }, signal }));
    if (upload.status === 'refused')
      throw new KilnApiError(upload.errorCode ?? 'internal', { detail: 'The bytes were read, and refused.' });
    const { assetId } = upload;
    if (upload.status === 'done' && assetId !== null)
      return (await untilAnswered(options, () => client.call('getAsset', { params: { id: assetId }, signal }))).asset;
    await pause(verifyPoll, signal);
    signal.throwIfAborted();
  }
};

export interface BatchOptions extends SendOptions {
  readonly files: readonly File[];
  /** Over all files. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
  /** A file was stored, or refused. */
  readonly onFile?: (file: File, result: { readonly asset: Asset } | { readonly error: KilnApiError }) => void;
}

/** Small files together, as many as one form may have; each larger one by itself. */
const grouped = (files: readonly File[]): File[][] => {
  const groups: File[][] = [];
  let open: File[] = [];
  let bytes = 0;
  for (const file of files) {
    if (file.size > limits.asset.wholeBytes) {
      groups.push([file]);
      continue;
    }
    if (open.length === limits.asset.batchFiles || bytes + file.size > formBytes) open = [];
    if (open.length === 0) {
      groups.push(open);
      bytes = 0;
    }
    open.push(file);
    bytes += file.size;
  }
  return groups;
};

/**
 * Uploads many files. Each is judged by itself: what is refused is in `errors`, by the name of its file, and the others are stored.
 * @throws {KilnApiError} what refuses all of them, as `not_found`; the reason of `signal`.
 */
export const uploadAssets = async (client: KilnClient, options: BatchOptions): Promise<AssetBatchResult> => {
  const signal = options.signal ?? new AbortController().signal;
  const again = { ...options, signal };
  const send = options.send ?? sender();
  const result: AssetBatchResult = { assets: [], errors: [] };
  const groups = grouped(options.files);
  const total = options.files.reduce((sum, { size }) => sum + size, 0);
  const sent = new Map<File[], number>();
  const tell = (group: File[], bytes: number): void => {
    const most = group.reduce((sum, { size }) => sum + size, 0);
    sent.set(group, Math.min(bytes, most));
    options.onProgress?.({ done: [...sent.values()].reduce((sum, size) => sum + size, 0), total });
  };
  const refuse = (file: File, error: KilnApiError): void => {
    result.errors.push({ name: file.name, code: error.code, detail: error.message });
    options.onFile?.(file, { error });
  };
  const alone = async (group: File[], file: File): Promise<void> => {
    try {
      const asset = await uploadAsset(client, {
        projectId: options.projectId,
        file,
        send,
        signal,
        ...(options.onInterrupted && { onInterrupted: options.onInterrupted }),
        // Files take turns among themselves; the parts of one do so here.
        parallel: 2,
        onProgress: ({ phase, done }) => tell(group, phase === 'hashing' ? 0 : phase === 'sending' ? done : file.size),
      });
      result.assets.push(asset);
      options.onFile?.(file, { asset });
    } catch (error) {
      if (signal.aborted || !(error instanceof KilnApiError) || !judged.includes(error.code)) throw error;
      refuse(file, error);
    }
    tell(group, file.size);
  };
  const together = async (group: File[]): Promise<void> => {
    const idempotencyKey = newId();
    const answer = await untilAnswered(again, () => {
      const body = new FormData();
      body.set('projectId', options.projectId);
      for (const file of group) body.append('files', file, file.name);
      const fetch = (url: string, init: RequestInit) => send(url, init, (bytes) => tell(group, bytes));
      return client.call('uploadAssets', { body, idempotencyKey, signal, fetch });
    });
    // Both lists are in the order of the form.
    const errors = [...answer.errors];
    const assets = [...answer.assets];
    for (const file of group) {
      const [error] = errors;
      if (error?.name === file.name) {
        errors.shift();
        refuse(file, new KilnApiError(error.code, { detail: error.detail }));
        continue;
      }
      const asset = assets.shift();
      if (!asset) continue;
      result.assets.push(asset);
      options.onFile?.(file, { asset });
    }
    tell(group, Number.POSITIVE_INFINITY);
  };
  await inParallel(groups, options.parallel ?? uploadParallel, async (group) => {
    const [only] = group;
    await (group.length === 1 && only ? alone(group, only) : together(group));
  });
  return result;
};

/** Refusals of one file, which say nothing about the next. */
const judged: readonly string[] = [
  'type_mismatch',
  'unsupported_media_type',
  'invalid_path',
  'validation_failed',
  'payload_too_large',
  'quota_exceeded',
  'path_conflict',
  'conflict',
];

/** Every asset of a project by name, page after page as they are asked for. */
export async function* eachAsset(
  client: KilnClient,
  projectId: string,
  query: Partial<Pick<AssetQuery, 'type' | 'q' | 'trashed'>> = {},
): AsyncGenerator<Asset, void> {
  let cursor: string | undefined;
  do {
    const page = await client.call('listAssets', { params: { id: projectId }, query: { ...query, cursor } });
    yield* page.assets;
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
}
