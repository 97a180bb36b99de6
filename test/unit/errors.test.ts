import { describe, expect, it } from 'vitest';
import { endpoints } from '../../src/contract/endpoints.ts';
import { errorCodes, errorSpec, errors, KilnError } from '../../src/contract/errors.ts';

describe('The table of errors', () => {
  it.each(errorCodes)('%s is lower snake case', (code) => {
    expect(code).toMatch(/^[a-z]+(?:_[a-z]+)*$/);
  });

  it.each(errorCodes)('%s has a client or server error status', (code) => {
    const { status } = errorSpec(code);
    expect(Number.isInteger(status)).toBe(true);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    // 401 asks for credentials, 404 hides: neither may be mistaken for the other's neighbour.
    expect([402, 406, 407, 418]).not.toContain(status);
  });

  it.each(errorCodes)('%s closes sockets with an application code, or with 1003 or 1012 of RFC 6455', (code) => {
    const { close } = errorSpec(code);
    if (close === undefined) return;
    expect((close >= 4400 && close <= 4599) || close === 1012 || close === 1003, String(close)).toBe(true);
  });

  it('has no close code twice, so that a client can tell them apart', () => {
    const closes = errorCodes.map((code) => errorSpec(code).close).filter((close) => close !== undefined);
    expect(new Set(closes).size).toBe(closes.length);
  });

  it('has the close codes that the room documents', () => {
    const byClose = Object.fromEntries(errorCodes.map((code) => [errorSpec(code).close ?? '', code]));
    expect(byClose).toMatchObject({
      1012: 'unavailable',
      4401: 'unauthenticated',
      4403: 'forbidden',
      4404: 'not_found',
      4408: 'ticket_expired',
      4409: 'moved',
      4413: 'payload_too_large',
      4415: 'not_a_document',
      4429: 'rate_limited',
      4500: 'internal',
      4507: 'quota_exceeded',
    });
  });

  it.each(errorCodes)('%s says what happened and what to do', (code) => {
    const { title, help } = errorSpec(code);
    expect(title).toMatch(/^\S.{3,80}[^.]$/);
    expect(help).toMatch(/^\S.{10,}\.$/s);
  });

  it('calls retryable what the server may get over, and never what only another request can', () => {
    for (const code of errorCodes) {
      const { status, retryable } = errorSpec(code);
      if (status >= 500 || status === 429) expect(retryable, code).toBe(true);
      if ([400, 403, 404, 405, 412, 413, 415, 416, 422].includes(status)) expect(retryable, code).toBe(false);
    }
  });

  it('knows every code that an endpoint declares, and no endpoint declares one twice', () => {
    for (const [name, endpoint] of Object.entries(endpoints)) {
      const declared: readonly string[] = 'errors' in endpoint ? endpoint.errors : [];
      expect(new Set(declared).size, name).toBe(declared.length);
      for (const code of declared) expect(errors, name).toHaveProperty(code);
    }
  });
});

describe('KilnError', () => {
  it('is an Error whose message is the detail, else the title', () => {
    expect(new KilnError('not_found').message).toBe(errorSpec('not_found').title);
    expect(new KilnError('not_found', { detail: 'No such file.' }).message).toBe('No such file.');
    expect(new KilnError('not_found')).toBeInstanceOf(Error);
  });

  it('keeps its cause for the log and its fields for the answer', () => {
    const cause = new Error('why');
    const error = new KilnError('rate_limited', { retryAfter: 3, cause, issues: [{ path: 'a', message: 'b' }] });
    expect([error.code, error.retryAfter, error.cause, error.issues]).toEqual([
      'rate_limited',
      3,
      cause,
      [{ path: 'a', message: 'b' }],
    ]);
  });
});
