import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { noAnswer, within } from '../../src/core/within.ts';
import { boundedEnv } from '../../src/data/bounded.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount(), 'timers that were left running').toBe(0);
  vi.useRealTimers();
});

const silence = (): Error => noAnswer('A part');
const never = (): Promise<never> => new Promise(() => undefined);

/** What a promise has come to by now. */
async function stateOf(pending: Promise<unknown>): Promise<unknown> {
  return await Promise.race([
    pending.then(
      (value) => ({ value }),
      (error: { code?: string; message: string }) => error.code ?? error.message,
    ),
    Promise.resolve().then(async () => {
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
      return 'pending';
    }),
  ]);
}

describe('within', () => {
  it('hands on what comes in time, answers and errors', async () => {
    expect(await within(100, Promise.resolve(7), silence)).toBe(7);
    await expect(within(100, Promise.reject(new Error('no')), silence)).rejects.toThrow('no');
  });

  it('throws for silence when the time is over, not before', async () => {
    const waiting = within(100, never(), silence);
    const state = stateOf(waiting);
    await vi.advanceTimersByTimeAsync(99);
    expect(await state).toBe('pending');
    const ended = expect(waiting).rejects.toMatchObject({
      code: 'unavailable',
      detail: expect.stringContaining('A part does not answer'),
    });
    await vi.advanceTimersByTimeAsync(1);
    await ended;
  });
});

describe('Bindings with a bound', () => {
  const { patience } = limits;
  const MiB = 1024 * 1024;
  /** What each call of a binding is told to do. */
  const binding = (calls: Record<string, (...given: unknown[]) => unknown>): R2Bucket => calls as unknown as R2Bucket;
  const assets = (calls: Record<string, (...given: unknown[]) => unknown>): R2Bucket =>
    boundedEnv({
      ASSETS: binding(calls),
      BUILDS: {},
      EXPORTS: {},
      CACHE: {},
      BUILD_QUEUE: {},
      BUILD_PULL_QUEUE: {},
    } as unknown as Env).ASSETS;

  /** How long a call waits for a store that never answers. */
  async function waits(call: Promise<unknown>): Promise<number> {
    const start = Date.now();
    let ended = 0;
    const done = call.catch(() => {
      ended = Date.now() - start;
    });
    await vi.advanceTimersByTimeAsync(patience.stream + 1);
    await done;
    return ended;
  }

  it('are made once for each environment, and are bounded once', () => {
    const env = {
      ASSETS: {},
      BUILDS: {},
      EXPORTS: {},
      CACHE: {},
      BUILD_QUEUE: {},
      BUILD_PULL_QUEUE: {},
      KILN_ENV: 'x',
    } as unknown as Env;
    const made = boundedEnv(env);
    expect(boundedEnv(env)).toBe(made);
    expect(boundedEnv(made)).toBe(made);
    expect(made.KILN_ENV).toBe('x');
  });

  it('wait for an answer, and for bytes by their number', async () => {
    const bucket = assets({ head: never, put: never, list: never });
    expect(await waits(bucket.head(''))).toBe(patience.store);
    expect(await waits(bucket.put('', new Uint8Array(25 * MiB)))).toBe(patience.store + 25_000);
    expect(await waits(bucket.put('', 'x'.repeat(MiB)))).toBe(patience.store + 1000);
  });

  it('wait for a stream as long as its sender may take', async () => {
    const bucket = assets({ put: never });
    expect(await waits(bucket.put('k', new ReadableStream()))).toBe(patience.stream);
  });

  it('bound the body of an object by its size, and a part of an upload', async () => {
    const object = { size: 3 * MiB, bodyUsed: false, json: never, writeHttpMetadata: () => undefined };
    const bucket = assets({
      get: async () => object,
      createMultipartUpload: async () => ({ uploadId: 'u', uploadPart: never }),
    });
    const found = await bucket.get('k');
    expect(found?.size).toBe(3 * MiB);
    expect(await waits(found?.json() ?? Promise.resolve())).toBe(patience.store + 3000);
    const upload = await bucket.createMultipartUpload('k');
    expect(await waits(upload.uploadPart(1, new Uint8Array(5 * MiB)))).toBe(patience.store + 5000);
  });

  it('let go of an object that comes too late', async () => {
    const cancel = vi.fn(async () => undefined);
    let come: (object: unknown) => void = () => undefined;
    const bucket = assets({ get: () => new Promise((resolve) => (come = resolve)) });
    expect(await waits(bucket.get(''))).toBe(patience.store);
    come({ size: 1, bodyUsed: false, body: { cancel } });
    await vi.advanceTimersByTimeAsync(0);
    expect(cancel).toHaveBeenCalledOnce();
  });

  it('pass on what the store says in time, null and errors too', async () => {
    const bucket = assets({ get: async () => null, put: () => Promise.reject(new Error('(10001)')) });
    expect(await bucket.get('k')).toBeNull();
    await expect(bucket.put('k', 'v')).rejects.toThrow('(10001)');
  });
});
