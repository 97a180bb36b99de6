import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KilnError } from '../../src/contract/errors.ts';
import { serveBytes } from '../../src/worker/http/range.ts';

const tag = '"v1"';

interface Served {
  readonly status: number;
  readonly length: string | null;
  readonly range: string | null;
  readonly bytes: string;
}

/** Digits from 0 as often as `size` says, asked for with these headers. */
async function ask(size: number, headers: Record<string, string>, method = 'GET'): Promise<Served> {
  const data = Uint8Array.from({ length: size }, (_, index) => 48 + (index % 10));
  try {
    const response = await serveBytes(
      new Request('http://x', { method, headers }),
      {
        size,
        etag: tag,
        open: async (range) => (range ? data.subarray(range.offset, range.offset + range.length) : data),
      },
      new Headers({ 'content-type': 'text/plain' }),
    );
    expect(response.headers.get('etag')).toBe(tag);
    expect(response.headers.get('accept-ranges')).toBe('bytes');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    return {
      status: response.status,
      length: response.headers.get('content-length'),
      range: response.headers.get('content-range'),
      bytes: await response.text(),
    };
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    return { status: 0, length: null, range: error.headers['content-range'] ?? null, bytes: error.code };
  }
}

const range = (size: number, value: string, more: Record<string, string> = {}) => ask(size, { range: value, ...more });
const whole = { status: 200, length: '10', range: null, bytes: '0123456789' };

describe('A range', () => {
  it.each([
    ['bytes=0-0', '0', '0-0'],
    ['bytes=2-4', '234', '2-4'],
    ['bytes=7-', '789', '7-9'],
    ['bytes=7-99', '789', '7-9'],
    ['bytes=0-', '0123456789', '0-9'],
    ['bytes=-3', '789', '7-9'],
    ['bytes=-10', '0123456789', '0-9'],
    ['bytes=-99', '0123456789', '0-9'],
    ['Bytes= 2-4 ', '234', '2-4'],
  ])('%s of ten bytes is answered with 206', async (value, bytes, sent) => {
    expect(await range(10, value)).toEqual({
      status: 206,
      length: String(bytes.length),
      range: `bytes ${sent}/10`,
      bytes,
    });
  });

  it.each(['bytes=10-', 'bytes=10-12', 'bytes=99-', 'bytes=-0', `bytes=${'9'.repeat(400)}-`])(
    '%s of ten bytes is refused with their number',
    async (value) => {
      expect(await range(10, value)).toMatchObject({ range: 'bytes */10', bytes: 'range_not_satisfiable' });
    },
  );

  it.each([
    'items=0-1',
    'items=99-',
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=4-2',
    'bytes=a-b',
    'bytes=0x1-2',
    'bytes=1.5-2',
    'bytes=--1',
    'bytes=0-1,4-5',
    'bytes=0-1,99-',
    'bytes=0-0,'.repeat(500),
  ])('%s is none, or several: answered whole', async (value) => {
    expect(await range(10, value)).toEqual(whole);
  });

  it('of nothing is refused', async () => {
    for (const value of ['bytes=0-', 'bytes=0-0', 'bytes=-5'])
      expect(await range(0, value)).toMatchObject({ range: 'bytes */0', bytes: 'range_not_satisfiable' });
    expect(await ask(0, {})).toEqual({ status: 200, length: '0', range: null, bytes: '' });
  });

  it('with If-Range is answered only for the very bytes that the tag names', async () => {
    expect((await range(10, 'bytes=0-1', { 'if-range': tag })).status).toBe(206);
    for (const other of ['"v0"', 'W/"v1"', 'Wed, 21 Oct 2026 07:28:00 GMT', '*', ''])
      expect(await range(10, 'bytes=0-1', { 'if-range': other }), other).toEqual(whole);
    expect(await range(10, 'bytes=99-', { 'if-range': '"v0"' })).toEqual(whole);
  });

  it('comes after the preconditions', async () => {
    expect((await range(10, 'bytes=99-', { 'if-none-match': tag })).status).toBe(304);
    expect((await range(10, 'bytes=0-1', { 'if-match': '"v0"' })).bytes).toBe('precondition_failed');
    expect((await range(10, 'bytes=0-1', { 'if-match': `"v0", ${tag}` })).status).toBe(206);
    expect((await ask(10, { 'if-match': `W/${tag}` })).bytes).toBe('precondition_failed');
    expect((await ask(10, { 'if-match': '*', 'if-none-match': '"v0"' })).status).toBe(200);
  });

  it('of HEAD is ignored: it answers what GET would say of the whole', async () => {
    for (const headers of [{}, { range: 'bytes=0-1' }, { range: 'bytes=99-' }] as Record<string, string>[])
      expect(await ask(10, headers, 'HEAD')).toEqual({ ...whole, bytes: '' });
    expect((await ask(10, { 'if-none-match': tag }, 'HEAD')).status).toBe(304);
  });

  it('[property] gives the bytes that it says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(20), fc.option(fc.nat(25)), fc.option(fc.nat(25)), async (size, from, to) => {
        const all = Array.from({ length: size }, (_, index) => index % 10).join('');
        const served = await range(size, `bytes=${from ?? ''}-${to ?? ''}`);
        if (served.status === 200) expect(served.bytes).toBe(all);
        if (served.status !== 206) return;
        const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(served.range ?? '') ?? [];
        expect(served.bytes).toBe(all.slice(Number(first), Number(last) + 1));
        expect(served.length).toBe(String(served.bytes.length));
        expect(Number(total)).toBe(size);
        if (from !== null) expect(Number(first)).toBe(from);
      }),
    );
  });
});
