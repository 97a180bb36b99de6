import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { sha256 } from '../../src/core/tree.ts';
import { storeStream } from '../../src/data/intake.ts';
import { intakePrefix } from '../../src/data/objects.ts';
import { sweep } from '../../src/worker/scheduled.ts';
import { type Account, call, expectJson, expectProblem, makeWorld, type World } from './support.ts';

const MiB = 1024 * 1024;
const { sizeMax, textMax } = limits.file;

let world: World;
beforeAll(async () => {
  world = await makeWorld({});
});

let number = 0;
/** Bytes that nobody has stored before. */
function bytes(size: number): Uint8Array<ArrayBuffer> {
  number += 1;
  const data = new Uint8Array(size);
  for (let at = 0; at < size; at += 1000) data[at] = (at / 1000 + number * 7) % 251;
  data.set(new TextEncoder().encode(newId()));
  return data;
}

/** The bytes as they come from a network, with no length unless a header says one. */
function streamOf(data: Uint8Array, chunk = 64 * 1024): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= data.length) return controller.close();
      controller.enqueue(data.slice(at, at + chunk));
      at += chunk;
    },
  });
}

const url = (path: string): string => `/api/projects/${world.projectId}/files/${path}`;
const put = (
  path: string,
  body: BodyInit,
  headers: Record<string, string> = {},
  as: Account = world.editor,
): Promise<Response> => call('PUT', url(path), { as, body, headers: { 'content-type': 'image/png', ...headers } });

const read = async (path: string): Promise<Uint8Array> => {
  const answer = await call('GET', `${url(path)}?raw=1`, { as: world.viewer });
  if (answer.status !== 200) throw new Error(`${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
};

const keysOf = async (prefix: string): Promise<string[]> =>
  (await env.ASSETS.list({ prefix })).objects.map(({ key }) => key);
const isStored = async (data: Uint8Array): Promise<boolean> => (await env.ASSETS.head(`blob/${sha256(data)}`)) !== null;

/** As it was before: no file, no blob, nothing on its way. */
async function expectNothing(path: string, data: Uint8Array): Promise<void> {
  expect(await expectProblem(await call('GET', url(path), { as: world.owner }), 404)).toBe('not_found');
  expect(await isStored(data)).toBe(false);
  expect(await keysOf(intakePrefix)).toEqual([]);
}

interface FileBody {
  file: { size: number; hash: string; isText: boolean };
}

describe('a file that is no text', () => {
  it.each([
    ['just over what is text', textMax + 1],
    ['of less than a part', 3 * MiB],
    ['of one part', limits.intake.part],
    ['of some parts and a rest', 2 * limits.intake.part + 12_345],
  ])('%s is stored as it comes, with a length and without', async (_name, size) => {
    for (const declared of [true, false]) {
      const data = bytes(size);
      const path = `size-${size}-${declared}.png`;
      const { file } = await expectJson<FileBody>(
        await put(path, streamOf(data), declared ? { 'content-length': String(size) } : {}),
        201,
      );
      expect(file).toMatchObject({ size, hash: sha256(data), isText: false });
      expect(sha256(await read(path))).toBe(file.hash);
    }
    expect(await keysOf(intakePrefix)).toEqual([]);
  });

  it('of the largest size is stored', async () => {
    const data = bytes(sizeMax);
    const { file } = await expectJson<FileBody>(await put('largest.bin', data), 201);
    expect(file).toMatchObject({ size: sizeMax, hash: sha256(data) });
  });

  it('in chunks of any size is the same file', async () => {
    const data = bytes(limits.intake.part + 999_999);
    const hashes: string[] = [];
    for (const chunk of [7919, limits.intake.part, data.length])
      hashes.push((await expectJson<FileBody>(await put(`chunk-${chunk}`, streamOf(data, chunk)), 201)).file.hash);
    expect(new Set(hashes)).toEqual(new Set([sha256(data)]));
  });

  it('that is stored already is named, not stored again', async () => {
    const data = bytes(2 * MiB);
    await expectJson(await put('first.bin', streamOf(data)), 201);
    const first = await env.ASSETS.head(`blob/${sha256(data)}`);
    await expectJson(await put('second.bin', streamOf(data)), 201);
    const second = await env.ASSETS.head(`blob/${sha256(data)}`);
    expect(second?.version).toBe(first?.version);
    expect(sha256(await read('second.bin'))).toBe(sha256(data));
  });

  it('that the collector has set aside is put back to where it is read', async () => {
    const data = bytes(2 * MiB);
    await env.ASSETS.put(`aside/blob/${sha256(data)}`, data, { sha256: sha256(data) });
    await expectJson(await put('aside.bin', streamOf(data)), 201);
    expect(await isStored(data)).toBe(true);
  });

  it('may be text over the limit of documents', async () => {
    const data = new TextEncoder().encode('line\n'.repeat(textMax / 4));
    const { file } = await expectJson<FileBody>(
      await put('long.txt', streamOf(data), { 'content-type': 'text/plain' }),
      201,
    );
    expect(file.isText).toBe(false);
    const { file: small } = await expectJson<FileBody>(await put('long.txt', streamOf(data.slice(0, textMax))), 200);
    expect(small.isText).toBe(true);
  });

  it('obeys the preconditions of any write', async () => {
    const data = bytes(2 * MiB);
    await expectJson(await put('once.bin', streamOf(data)), 201);
    expect(await expectProblem(await put('once.bin', streamOf(bytes(2 * MiB)), { 'if-none-match': '*' }), 409)).toBe(
      'file_exists',
    );
    expect(await expectProblem(await put('once.bin', streamOf(bytes(2 * MiB)), { 'if-match': '"x"' }), 412)).toBe(
      'precondition_failed',
    );
    expect(sha256(await read('once.bin'))).toBe(sha256(data));
  });

  it('of somebody without the right reaches no store', async () => {
    const data = bytes(2 * MiB);
    for (const [as, status, code] of [
      [world.viewer, 403, 'forbidden'],
      [world.stranger, 404, 'not_found'],
    ] as const)
      for (const headers of [{}, { 'content-length': String(data.length) }] as Record<string, string>[])
        expect(await expectProblem(await put('theirs.bin', streamOf(data), headers, as), status)).toBe(code);
    await expectNothing('theirs.bin', data);
  });
});

describe('#45 a body that is not what it says', () => {
  it('without a length and beyond the limit is refused, and nothing of it is visible', async () => {
    const data = bytes(sizeMax + 1);
    expect(await expectProblem(await put('big.bin', streamOf(data)), 413)).toBe('payload_too_large');
    await expectNothing('big.bin', data);
  });

  it('that is said to be beyond the limit is refused before it is read', async () => {
    let pulled = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulled += 1;
          controller.enqueue(new Uint8Array(MiB));
        },
      },
      { highWaterMark: 0 },
    );
    const answer = await put('big.bin', body, { 'content-length': String(sizeMax + 1) });
    expect(await expectProblem(answer, 413)).toBe('payload_too_large');
    expect(pulled).toBeLessThan(3);
  });

  it.each([
    ['shorter', 3 * MiB, 2 * MiB],
    ['longer', 3 * MiB, 4 * MiB],
    ['small and shorter', 1000, 999],
    ['small and longer', 1000, 1001],
    ['small and said to be large', 1000, 3 * MiB],
    ['large and said to be small', 3 * MiB, 1000],
  ])('than its length, %s, is refused, and nothing of it is visible', async (name, size, said) => {
    const data = bytes(size);
    const path = `${name.replaceAll(' ', '-')}.bin`;
    expect(await expectProblem(await put(path, streamOf(data), { 'content-length': String(said) }), 400)).toBe(
      'malformed_request',
    );
    await expectNothing(path, data);
    // Nor is what the length would have made of it.
    expect(await isStored(data.slice(0, said))).toBe(false);
  });

  it('that breaks off is refused, and nothing of it is visible', async () => {
    const data = bytes(7 * MiB);
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at >= data.length) controller.error(new Error('the line was cut'));
        else controller.enqueue(data.slice(at, at + MiB));
        at += MiB;
      },
    });
    expect(await expectProblem(await put('cut.bin', body, { 'content-length': String(8 * MiB) }), 400)).toBe(
      'malformed_request',
    );
    await expectNothing('cut.bin', data);
  });

  it('that breaks off on its way into a bucket leaves nothing there, with a length and without', async () => {
    const broken = async function* () {
      for (let sent = 0; sent < 7; sent += 1) yield new Uint8Array(MiB);
      throw new Error('the line was cut');
    };
    for (const contentLength of [undefined, 7 * MiB, 8 * MiB]) {
      await expect(storeStream(env.EXPORTS, 'cut', broken(), { cap: 9 * MiB, contentLength })).rejects.toThrow('cut');
      expect(await env.EXPORTS.head('cut')).toBeNull();
    }
  });
});

describe('bytes on their way', () => {
  it('whose request has died are swept when they are old, and not before', async () => {
    await env.ASSETS.put(`${intakePrefix}${newId()}`, 'left behind');
    await sweep(env, Date.now());
    expect(await keysOf(intakePrefix)).toHaveLength(1);
    await sweep(env, Date.now() + limits.intake.abandoned + 1000);
    expect(await keysOf(intakePrefix)).toEqual([]);
  });

  it('are counted and hashed under any key, up to any cap', async () => {
    const data = bytes(100_000);
    const chunks = async function* () {
      for (let at = 0; at < data.length; at += 999) yield data.subarray(at, at + 999);
    };
    const stored = { size: 100_000, sha256: sha256(data) };
    expect(await storeStream(env.EXPORTS, 'any/key', chunks(), { cap: 100_000 })).toEqual(stored);
    expect(await storeStream(env.EXPORTS, 'any/key', chunks(), { cap: 100_000, contentLength: 100_000 })).toEqual(
      stored,
    );
    expect(sha256(new Uint8Array((await (await env.EXPORTS.get('any/key'))?.arrayBuffer()) ?? []))).toBe(stored.sha256);
    for (const contentLength of [undefined, 99_999, 100_000])
      await expect(storeStream(env.EXPORTS, 'other', chunks(), { cap: 99_999, contentLength })).rejects.toMatchObject({
        code: 'payload_too_large',
      });
    expect(await env.EXPORTS.head('other')).toBeNull();
    expect(await storeStream(env.EXPORTS, 'empty', (async function* () {})(), { cap: 0 })).toMatchObject({ size: 0 });
    expect((await env.EXPORTS.head('empty'))?.size).toBe(0);
  });

  it('end with the bucket: what it refuses is told, and the sender is not read on', async () => {
    let ended = false;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield new Uint8Array(MiB);
      } finally {
        ended = true;
      }
    };
    const failing = {
      put: () => Promise.reject(new Error('put: We encountered an internal error. (10001)')),
      createMultipartUpload: () => Promise.reject(new Error('createMultipartUpload: internal error (10001)')),
    } as unknown as R2Bucket;
    for (const contentLength of [100 * MiB, undefined]) {
      ended = false;
      await expect(storeStream(failing, 'k', endless(), { cap: 200 * MiB, contentLength })).rejects.toThrow('(10001)');
      expect(ended).toBe(true);
    }
  });
});
