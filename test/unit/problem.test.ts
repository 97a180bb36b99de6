import { describe, expect, it } from 'vitest';
import { KilnError } from '../../src/contract/errors.ts';
import { problemResponse } from '../../src/worker/http/problem.ts';

const answer = async (error: unknown) => {
  const response = problemResponse(error, 'request-1', 'https://kiln.example');
  const { code } = (await response.json()) as { code: string };
  return { status: response.status, code, retryAfter: response.headers.get('retry-after') };
};

describe('The problem of an error', () => {
  it.each([
    Object.assign(new Error('Durable Object reset because its code was updated.'), { retryable: true }),
    Object.assign(new Error('too many requests'), { overloaded: true }),
    new Error('database or disk is full: SQLITE_FULL'),
    new Error('disk I/O error: SQLITE_IOERR (extended: SQLITE_IOERR_WRITE)'),
    new Error('internal error; reference = jmdrhl0n20ipvov321tkq56n'),
    new Error('put: We encountered an internal error. Please try again. (10001)'),
  ])('that the platform had is 503 with a time to come back: %s', async (error) => {
    expect(await answer(error)).toEqual({ status: 503, code: 'unavailable', retryAfter: '1' });
  });

  it.each([
    new TypeError('x is not a function'),
    new Error('no such table: users: SQLITE_ERROR'),
    new Error('head: unknown (10004)'),
    'a text',
    undefined,
  ])('of our own is 500 and says nothing of itself: %s', async (error) => {
    expect(await answer(error)).toEqual({ status: 500, code: 'internal', retryAfter: null });
  });

  it('that is typed stays what it is', async () => {
    expect(await answer(new KilnError('not_found'))).toMatchObject({ status: 404, code: 'not_found' });
    expect(await answer(new KilnError('unavailable', { retryAfter: 7 }))).toMatchObject({ retryAfter: '7' });
  });
});
