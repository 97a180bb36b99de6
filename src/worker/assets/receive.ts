import { KilnError } from '../../contract/errors.ts';
import { Id } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import { concat } from '../../core/bytes.ts';
import { sha256 } from '../../core/tree.ts';
import { assetQuota, leftOf, overQuota } from '../../data/asset-quota.ts';
import { settle, stage, unstage } from '../../data/intake.ts';
import { putBlob } from '../../data/objects.ts';
import { bodyOf, declaredLength, mediaType, smallOrStream } from '../http/body.ts';
import type { AppContext } from '../http/context.ts';
import type { GatedRoom } from '../http/gated-room.ts';
import { formParts } from '../http/multipart.ts';

const { uploadBytes, framingBytes, wholeBytes, headBytes } = limits.asset;

/** A file of a form, every byte of it stored, and not named by anything yet. */
export interface ReceivedFile {
  /** What the client calls it. */
  readonly fileName: string | undefined;
  /** What the client says that it is. */
  readonly mimeType: string;
  readonly size: number;
  readonly hash: string;
  readonly head: Uint8Array;
  /** Makes it a blob. */
  keep(): Promise<void>;
  discard(): Promise<void>;
}

/** What a form said, behind the gate of its project. */
export interface ReceivedForm {
  readonly room: GatedRoom;
  readonly fields: ReadonlyMap<string, string>;
  readonly files: readonly ReceivedFile[];
}

const tooLarge = (): KilnError =>
  new KilnError('payload_too_large', { detail: `A form has at most ${uploadBytes} bytes; larger files go in parts.` });

async function* counted(body: AsyncIterable<Uint8Array>, cap: number): AsyncGenerator<Uint8Array, void, void> {
  let size = 0;
  for await (const piece of body) {
    size += piece.length;
    if (size > cap) throw tooLarge();
    yield piece;
  }
}

interface Coming {
  readonly fileName: string | undefined;
  readonly mimeType: string;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Takes one file in with at most a part of it in memory. `left`: bytes that its project may still take; null before the gate. */
async function receiveFile(bucket: R2Bucket, { fileName, mimeType, content }: Coming, left: number | null) {
  const first: Uint8Array[] = [];
  let seen = 0;
  const watched = async function* (): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of content) {
      if (seen < headBytes) first.push(chunk.slice(0, headBytes - seen));
      seen += chunk.length;
      if (left !== null && seen > left) throw new KilnError('quota_exceeded');
      yield chunk;
    }
  };
  const file = (size: number, hash: string) => ({ fileName, mimeType, size, hash, head: concat(first) });
  // Before the gate nothing gets a name of its own.
  const whole = left === null ? watched() : await smallOrStream(watched(), wholeBytes);
  if (whole instanceof Uint8Array) {
    const hash = sha256(whole);
    // At once, so that of many small files one is in memory.
    await putBlob(bucket, hash, whole);
    return { ...file(whole.length, hash), keep: async () => undefined, discard: async () => undefined };
  }
  const staged = await stage(bucket, whole, { cap: uploadBytes });
  return {
    ...file(staged.size, staged.sha256),
    keep: () => settle(bucket, staged),
    discard: () => unstage(bucket, staged),
  };
}

/**
 * Reads a multipart form whose files are in `fileField`. The gate of the project that it names is passed
 * as soon as the name is known; files that come before it wait where nobody sees them. Throws as the
 * parts do, `validation_failed`, `quota_exceeded`, and what the gate says; then nothing is left.
 */
export async function receiveForm(
  c: AppContext,
  enter: (projectId: string) => Promise<GatedRoom>,
  fileField: 'file' | 'files',
): Promise<ReceivedForm> {
  if (mediaType(c.req.raw) !== 'multipart/form-data')
    throw new KilnError('unsupported_media_type', { detail: 'Send `multipart/form-data`.' });
  const most = fileField === 'file' ? 1 : limits.asset.batchFiles;
  const cap = uploadBytes + most * framingBytes;
  if ((declaredLength(c.req.raw) ?? 0) > cap) throw tooLarge();
  const bucket = c.env.ASSETS;
  const fields = new Map<string, string>();
  const files: ReceivedFile[] = [];
  /** Once the gate is passed: the room, and the bytes that its project may still take. */
  let inside: { readonly room: GatedRoom; left: number } | null = null;
  const parts = formParts(counted(bodyOf(c.req.raw), cap), c.req.header('content-type') ?? '', {
    files: most,
    fileFields: [fileField, `${fileField}[]`],
    expected: `Not a multipart form with fields and ${fileField === 'file' ? 'one file' : `at most ${most} files`}.`,
  });
  const gate = async (projectId: string) => {
    if (!Id.safeParse(projectId).success) throw new KilnError('not_found');
    const room = await enter(projectId);
    const quota = await assetQuota(c.var.db, projectId);
    if (!quota) throw new KilnError('not_found');
    return { room, left: leftOf(quota) };
  };
  try {
    for await (const part of parts) {
      if (part.kind === 'field') {
        fields.set(part.name, part.value);
        if (part.name === 'projectId') inside ??= await gate(part.value);
      } else if (part.name === fileField || part.name === `${fileField}[]`) {
        const file: ReceivedFile = await receiveFile(bucket, part, inside?.left ?? null);
        files.push(file);
        if (inside) inside.left -= file.size;
      }
    }
    const missing = [
      ...(inside ? [] : [{ path: 'body.projectId', message: 'is missing' }]),
      ...(files.length > 0 ? [] : [{ path: `body.${fileField}`, message: 'is missing' }]),
    ];
    if (!inside || missing.length > 0) throw new KilnError('validation_failed', { issues: missing });
    return { room: inside.room, fields, files };
  } catch (error) {
    for (const file of files) await file.discard();
    const quota =
      inside && error instanceof KilnError && error.code === 'quota_exceeded' && error.detail === undefined
        ? await assetQuota(c.var.db, inside.room.projectId)
        : undefined;
    throw quota ? overQuota(quota) : error;
  }
}
