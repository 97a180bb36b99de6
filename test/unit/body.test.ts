import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { bodyOf, declaredLength, readBytes, smallOrStream } from '../../src/worker/http/body.ts';
import { codeOf } from './support/code-of.ts';

const { window, bytes } = limits.http.bodyPace;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A body that gives so many bytes every so many milliseconds, for ever where `times` is not given. */
function dripping(size: number, every: number, times = Number.POSITIVE_INFINITY) {
  let given = 0;
  let timer: ReturnType<typeof setInterval> | undefined;
  const state = { cancelled: false };
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      timer = setInterval(() => {
        controller.enqueue(new Uint8Array(size));
        given += 1;
        if (given < times) return;
        clearInterval(timer);
        controller.close();
      }, every);
    },
    cancel() {
      clearInterval(timer);
      state.cancelled = true;
    },
  });
  return { body: body as NonNullable<Request['body']>, state };
}

const readAll = async (body: Request['body']): Promise<number> => {
  let size = 0;
  for await (const part of bodyOf({ body })) size += part.length;
  return size;
};

/** What becomes of some work while time passes. */
async function outcome(work: Promise<unknown>, ms: number): Promise<string> {
  const code = codeOf(work);
  await vi.advanceTimersByTimeAsync(ms);
  return await Promise.race([code, Promise.resolve().then(() => 'waiting')]);
}

describe('#45 a body', () => {
  it('of one byte a second is given up after the window, and not before', async () => {
    const { body, state } = dripping(1, 1000);
    const work = codeOf(readAll(body));
    expect(await outcome(work.then(), window - 1000)).toBe('waiting');
    await vi.advanceTimersByTimeAsync(1000);
    expect(await work).toBe('request_timeout');
    expect(state.cancelled).toBe(true);
  });

  it('that never begins, or stops in the middle, is given up', async () => {
    expect(await outcome(readAll(dripping(1, 10 * window).body), window)).toBe('request_timeout');
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    const stopped = new ReadableStream<Uint8Array>({
      start(given) {
        controller = given;
        given.enqueue(new Uint8Array(10 * bytes));
      },
    });
    const work = codeOf(readAll(stopped as NonNullable<Request['body']>));
    // What came in the first window is enough for that one only.
    expect(await outcome(work.then(), window)).toBe('waiting');
    await vi.advanceTimersByTimeAsync(window);
    expect(await work).toBe('request_timeout');
    expect(controller?.desiredSize).toBe(0);
  });

  it('that is slow and comes on is read to its end, however long it takes', async () => {
    const work = readAll(dripping(bytes / 8, window / 10, 100).body);
    await vi.advanceTimersByTimeAsync(10 * window);
    expect(await work).toBe((100 * bytes) / 8);
  });

  it('is not blamed for the time that its reader takes', async () => {
    const { body } = dripping(1, 1, 20);
    const work = (async () => {
      let size = 0;
      for await (const part of bodyOf({ body })) {
        size += part.length;
        await new Promise((resolve) => setTimeout(resolve, window));
      }
      return size;
    })();
    await vi.advanceTimersByTimeAsync(25 * window);
    expect(await work).toBe(20);
  });

  it('that breaks off is malformed', async () => {
    const broken = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new Uint8Array(10));
      },
      pull(controller) {
        controller.error(new Error('the network went away'));
      },
    });
    expect(await codeOf(readAll(broken as NonNullable<Request['body']>))).toBe('malformed_request');
  });

  it('over the cap is refused and not read on, whatever its length claims', async () => {
    const { body, state } = dripping(1000, 1);
    const headers = new Headers({ 'content-length': '5' });
    const work = codeOf(readBytes({ body, headers } as unknown as Request, 2500));
    await vi.advanceTimersByTimeAsync(10);
    expect(await work).toBe('payload_too_large');
    expect(state.cancelled).toBe(true);
  });

  it('says how long it is in digits or not at all', async () => {
    const lengthOf = (value?: string) =>
      declaredLength(new Request('http://x', { headers: value === undefined ? {} : { 'content-length': value } }));
    expect([lengthOf(), lengthOf('0'), lengthOf('26214400')]).toEqual([undefined, 0, 26_214_400]);
    for (const value of ['-1', '1e3', '0x10', '1, 2', '', 'ten', '9'.repeat(16)])
      expect(await codeOf(() => lengthOf(value)), value).toBe('malformed_request');
  });
});

describe('A body that may be small', () => {
  const of = async function* (...sizes: number[]): AsyncGenerator<Uint8Array, void, void> {
    for (const [index, size] of sizes.entries()) yield new Uint8Array(size).fill(index);
  };

  it('comes whole up to the limit, and beyond it as a stream of all its bytes', async () => {
    for (const sizes of [[], [10], [4, 6], [1, 0, 9]])
      expect(await smallOrStream(of(...sizes), 10)).toEqual(
        new Uint8Array(sizes.flatMap((size, index) => new Array<number>(size).fill(index))),
      );
    for (const sizes of [[11], [4, 7, 3], [10, 1]]) {
      const stream = await smallOrStream(of(...sizes), 10);
      if (stream instanceof Uint8Array) throw new Error('came whole');
      const read: number[] = [];
      for await (const part of stream) read.push(part.length);
      expect(read).toEqual(sizes);
    }
  });
});
