import { createHash } from 'node:crypto';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { mediaType } from '../http/body.ts';
import { formParts } from '../http/multipart.ts';

const { archive: bounds } = limits;
const accepted = new Set(['application/zip', 'application/x-zip-compressed', 'application/octet-stream']);

const tooLarge = (): KilnError =>
  new KilnError('payload_too_large', { detail: `An archive has at most ${bounds.uploadBytes} bytes.` });

/**
 * A body as it arrives: counted, whatever `Content-Length` claims, and cut off when it takes too long.
 * Throws `payload_too_large`, `request_timeout`; `malformed_request` where the connection ends before it.
 */
export async function* arriving(
  body: ReadableStream<Uint8Array>,
  cap: number,
  patience: number,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  let late = false;
  // Ends a read that waits, too.
  const timer = setTimeout(() => {
    late = true;
    reader.cancel().catch(() => undefined);
  }, patience);
  let size = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read().catch((cause: unknown) => {
        if (late) return { value: undefined, done: true as const };
        throw new KilnError('malformed_request', { detail: 'The body ended before its end.', cause });
      });
      if (late) throw new KilnError('request_timeout', { detail: `A body may take ${Math.round(patience / 1000)} s.` });
      if (done) return;
      size += value.length;
      if (size > cap) throw tooLarge();
      yield value;
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => undefined);
  }
}

/** The part `file` of a multipart body, and what the client calls it. Other parts are passed over. */
async function* filePart(
  body: AsyncIterable<Uint8Array>,
  contentType: string,
  named: (fileName: string | undefined) => void,
): AsyncGenerator<Uint8Array> {
  const expected = 'Not a multipart body with one part `file`.';
  let found = false;
  for await (const part of formParts(body, contentType, { files: 4, fileFields: ['file'], expected })) {
    if (part.kind !== 'file' || part.name !== 'file') continue;
    if (found) throw new KilnError('malformed_request', { detail: expected });
    found = true;
    named(part.fileName);
    yield* part.content;
  }
  if (!found) throw new KilnError('malformed_request', { detail: expected });
}

/** Stores what arrives as one object, a part at a time. Nothing is left when it fails; what a crash leaves is swept. */
async function store(
  bucket: R2Bucket,
  key: string,
  chunks: AsyncIterable<Uint8Array>,
): Promise<{ size: number; hash: string }> {
  const hash = createHash('sha256');
  let size = 0;
  const part = new Uint8Array(bounds.partBytes);
  let filled = 0;
  let upload: R2MultipartUpload | undefined;
  const parts: R2UploadedPart[] = [];
  const put = async (): Promise<void> => {
    upload ??= await bucket.createMultipartUpload(key);
    parts.push(await upload.uploadPart(parts.length + 1, part.subarray(0, filled)));
    filled = 0;
  };
  try {
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size > bounds.uploadBytes) throw tooLarge();
      hash.update(chunk);
      for (let rest = chunk; rest.length > 0; ) {
        const piece = rest.subarray(0, part.length - filled);
        part.set(piece, filled);
        filled += piece.length;
        rest = rest.subarray(piece.length);
        // All parts but the last have one size.
        if (filled === part.length) await put();
      }
    }
    if (upload === undefined) await bucket.put(key, part.subarray(0, filled));
    else {
      if (filled > 0) await put();
      await (upload as R2MultipartUpload).complete(parts);
    }
  } catch (error) {
    await upload?.abort().catch(() => undefined);
    throw error;
  }
  return { size, hash: hash.digest('hex') };
}

export interface Upload {
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the file. */
  readonly hash: string;
  /** What the client calls the file, without its extension. */
  readonly name: string | null;
}

/** Puts the file of a request, raw or as the part `file`, at `key`. */
export async function receive(bucket: R2Bucket, key: string, request: Request): Promise<Upload> {
  const type = mediaType(request);
  const multipart = type === 'multipart/form-data';
  if (!multipart && !accepted.has(type))
    throw new KilnError('unsupported_media_type', {
      detail: 'Send `application/zip`, `multipart/form-data` with a part `file`, or an `uploadId` as JSON.',
    });
  const cap = bounds.uploadBytes + (multipart ? bounds.framingBytes : 0);
  if (Number(request.headers.get('content-length') ?? 0) > cap) throw tooLarge();
  if (!request.body) throw new KilnError('malformed_request', { detail: 'The body is empty.' });
  let name: string | null = null;
  const body = arriving(request.body as ReadableStream<Uint8Array>, cap, bounds.uploadTimeout);
  const file = multipart
    ? filePart(body, request.headers.get('content-type') ?? '', (fileName) => {
        name = fileName?.replace(/\.zip$/i, '') ?? null;
      })
    : body;
  return { ...(await store(bucket, key, file)), name };
}
