import { describe, expect, it, vi } from 'vitest';
import { buildUrl, createClient, memoryAuth } from '../../src/client/api.ts';
import { backoffDelay } from '../../src/client/backoff.ts';
import { watchBuild } from '../../src/client/builds.ts';
import {
  errorFromClose,
  errorFromResponse,
  isFinalClose,
  KilnApiError,
  parseRetryAfter,
} from '../../src/client/errors.ts';
import { endpoints } from '../../src/contract/endpoints.ts';
import { limits } from '../../src/contract/limits.ts';

const id = '0192f0c1-2a3b-7c4d-8e5f-a1b2c3d4e5f6';
const at = '2026-01-02T03:04:05.000Z';
const user = {
  id,
  email: 'a@b.example',
  username: 'ada',
  displayName: 'Ada',
  avatarUrl: null,
  emailVerified: true,
  createdAt: at,
};
const base = 'https://kiln.example';

const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });
const problem = (code: string, status: number, extra: object = {}, headers: Record<string, string> = {}) =>
  json({ type: `${base}/docs/errors#${code}`, title: 'T', status, code, requestId: 'r-1', ...extra }, status, headers);
const session = (n: number) => ({
  user,
  accessToken: `access-${n}`,
  expiresIn: 900,
  refreshToken: `refresh-${n}`,
});
const bearer = (init: RequestInit) => new Headers(init.headers).get('authorization');

describe('buildUrl', () => {
  it('encodes each parameter as one segment', () => {
    expect(buildUrl(`${base}/`, endpoints.getArtifact, { id, name: 'a b/c?.zip' })).toBe(
      `${base}/api/builds/${id}/artifacts/a%20b%2Fc%3F.zip`,
    );
  });

  it('keeps the slashes of a catch-all parameter and encodes the rest', () => {
    expect(buildUrl(base, endpoints.getFile, { id, path: 'src/ä #1.ts' })).toBe(
      `${base}/api/projects/${id}/files/src/%C3%A4%20%231.ts`,
    );
  });

  it.each(['../collaborators', 'a/./b', 'a//b', '', '/a'])(
    'refuses the path %j, which would reach another endpoint',
    (path) => {
      expect(() => buildUrl(base, endpoints.getFile, { id, path })).toThrow(
        expect.objectContaining({ code: 'invalid_path' }),
      );
    },
  );

  it('leaves out undefined query values', () => {
    expect(buildUrl(base, endpoints.listProjects, {}, { q: 'a&b', role: undefined, trashed: true })).toBe(
      `${base}/api/projects?q=a%26b&trashed=true`,
    );
  });
});

describe('errors', () => {
  it('reads a problem document', async () => {
    const issues = [{ path: 'body.name', message: 'required' }];
    const error = await errorFromResponse(
      problem('validation_failed', 422, { detail: 'D', issues }, { 'retry-after': '7' }),
    );
    expect(error).toMatchObject({
      code: 'validation_failed',
      status: 422,
      title: 'T',
      detail: 'D',
      issues,
      requestId: 'r-1',
      retryAfter: 7,
    });
  });

  it('makes an error of an answer that is no problem document', async () => {
    const error = await errorFromResponse(
      new Response('<h1>Bad gateway</h1>', { status: 502, headers: { 'x-request-id': 'r-2' } }),
    );
    expect(error).toMatchObject({ code: 'unavailable', status: 502, requestId: 'r-2' });
  });

  it('reads both forms of Retry-After', () => {
    expect(parseRetryAfter('12')).toBe(12);
    expect(parseRetryAfter('Wed, 21 Oct 2026 07:28:00 GMT', Date.parse('2026-10-21T07:27:30Z'))).toBe(30);
    expect(parseRetryAfter('soon')).toBeUndefined();
    expect(parseRetryAfter(null)).toBeUndefined();
  });

  it('ends a socket on refusals and not on what may pass', () => {
    expect([4401, 4403, 4404, 4409, 4413, 4415].map(isFinalClose)).toEqual(Array(6).fill(true));
    expect([1000, 1003, 1006, 1012, 4408, 4429, 4500].map(isFinalClose)).toEqual(Array(7).fill(false));
    expect(errorFromClose(4403, 'removed')).toMatchObject({ code: 'forbidden', detail: 'removed' });
  });
});

describe('call', () => {
  it('sends body, key and token, and strips what the contract does not name', async () => {
    const fetch = vi.fn(async (_url: string, _init: RequestInit) => json({ user: { ...user, extra: 1 } }));
    const client = createClient({ baseUrl: base, fetch, auth: memoryAuth({ accessToken: 't' }) });
    expect(await client.call('updateMe', { body: { displayName: 'Ada L.' }, idempotencyKey: 'k' })).toEqual({
      user,
    });
    const [url, init] = fetch.mock.calls[0] ?? [];
    expect(url).toBe(`${base}/api/auth/me`);
    expect(init).toMatchObject({ method: 'PATCH', body: '{"displayName":"Ada L."}' });
    const headers = new Headers(init?.headers);
    expect([headers.get('authorization'), headers.get('idempotency-key'), headers.get('content-type')]).toEqual([
      'Bearer t',
      'k',
      'application/json',
    ]);
  });

  it('sends bytes as they are', async () => {
    const file = {
      path: 'a.bin',
      size: 2,
      hash: '0'.repeat(64),
      mimeType: 'application/octet-stream',
      isText: false,
      updatedAt: at,
      updatedBy: id,
      seq: 1,
    };
    const fetch = vi.fn(async (_url: string, _init: RequestInit) => json({ file }, 201));
    const client = createClient({ baseUrl: base, fetch, auth: memoryAuth({ accessToken: 't' }) });
    const body = new Uint8Array([1, 2]);
    await client.call('putFile', { params: { id, path: 'a.bin' }, body });
    expect(fetch.mock.calls[0]?.[1].body).toBe(body);
  });

  it('sends an archive under its type, by the fetch of this one call where there is one', async () => {
    const project = {
      id,
      name: 'P',
      description: '',
      ownerId: id,
      isPublic: false,
      thumbnailUrl: null,
      settings: {},
      role: 'owner',
      fileCount: 1,
      totalSize: 1,
      createdAt: at,
      updatedAt: at,
      deletedAt: null,
      forkedFrom: null,
      forkedCheckpointId: null,
    };
    const answer = { project, imported: { files: 1, assets: 0, bytes: 1, skipped: 0 } };
    const own = vi.fn(async (_url: string, _init: RequestInit) => json(answer, 201));
    const watched = vi.fn(async (_url: string, _init: RequestInit) => json(answer, 201));
    const client = createClient({ baseUrl: base, fetch: own, auth: memoryAuth({ accessToken: 't' }) });
    const body = new Blob(['PK']);
    const types = { 'content-type': 'application/x-zip-compressed' };
    await client.call('importProject', { query: { name: 'P' }, body });
    expect(await client.call('importProject', { body, headers: types, fetch: watched })).toEqual(answer);
    expect([own, watched].map((fetch) => fetch.mock.calls.length)).toEqual([1, 1]);
    expect(own.mock.calls[0]?.[0]).toBe(`${base}/api/projects/import?name=P`);
    const [first, second] = [own, watched].map((fetch) => fetch.mock.calls[0]?.[1]);
    expect([first?.body, second?.body]).toEqual([body, body]);
    expect(new Headers(first?.headers).get('content-type')).toBe('application/zip');
    expect(new Headers(second?.headers).get('content-type')).toBe('application/x-zip-compressed');
  });

  describe('where no answer comes', () => {
    /** Fails `losses` times as `fetch` does, then answers. */
    const lossy = (losses: number) => {
      let left = losses;
      return vi.fn(async (_url: string, _init: RequestInit) => {
        left -= 1;
        if (left >= 0) throw new TypeError('fetch failed');
        return json({ user });
      });
    };
    const clientOf = (fetch: ReturnType<typeof lossy>) =>
      createClient({ baseUrl: base, fetch, auth: memoryAuth({ accessToken: 't' }) });
    const body = { displayName: 'Ada' };

    it('asks again, and changes again what has a key, with the same key', async () => {
      const reading = lossy(limits.client.requestRetries);
      expect(await clientOf(reading).call('getMe')).toEqual({ user });
      const writing = lossy(1);
      await clientOf(writing).call('updateMe', { body, idempotencyKey: 'k' });
      expect(writing.mock.calls.map(([, { headers }]) => new Headers(headers).get('idempotency-key'))).toEqual([
        'k',
        'k',
      ]);
    });

    it('gives up in the end, and does not change twice what has no key, nor what is sent in a way of its own', async () => {
      const never = lossy(Number.POSITIVE_INFINITY);
      await expect(clientOf(never).call('getMe')).rejects.toBeInstanceOf(TypeError);
      expect(never).toHaveBeenCalledTimes(1 + limits.client.requestRetries);
      const once = lossy(1);
      await expect(clientOf(once).call('updateMe', { body })).rejects.toBeInstanceOf(TypeError);
      const watched = lossy(1);
      await expect(clientOf(once).call('getMe', { fetch: watched })).rejects.toBeInstanceOf(TypeError);
      expect([once, watched].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
    });

    it('asks no more when nobody waits', async () => {
      const stop = new AbortController();
      const never = lossy(Number.POSITIVE_INFINITY);
      const asked = clientOf(never).call('getMe', { signal: stop.signal });
      stop.abort(new Error('enough'));
      await expect(asked).rejects.toThrow('enough');
      expect(never).toHaveBeenCalledTimes(1);
    });
  });

  it('does not pass on an answer that breaks the contract', async () => {
    const client = createClient({ baseUrl: base, fetch: async () => json({ nobody: true }) });
    await expect(client.call('getMe')).rejects.toMatchObject({ code: 'internal' });
  });

  it('resolves an empty success to undefined', async () => {
    const client = createClient({ baseUrl: base, fetch: async () => new Response(null, { status: 204 }) });
    expect(await client.call('deleteProject', { params: { id }, query: { permanent: true } })).toBeUndefined();
  });
});

describe('bookmarks', () => {
  it('of the last write go with every later call, so that a replica which is behind does not answer', async () => {
    const answers = ['0001', null, '0003', '0002', null];
    const sent: (string | null)[] = [];
    const fetch = async (_url: string, init: RequestInit) => {
      sent.push(new Headers(init.headers).get('x-kiln-bookmark'));
      const bookmark = answers.shift() ?? null;
      return json({ user }, 200, bookmark === null ? {} : { 'x-kiln-bookmark': bookmark });
    };
    const client = createClient({ baseUrl: base, fetch, auth: memoryAuth({ accessToken: 't' }) });
    for (let n = 0; n < 5; n += 1) await client.call('getMe');
    // The answer that said 0002 had been overtaken.
    expect(sent).toEqual([null, '0001', '0001', '0003', '0003']);
  });

  it('are taken from refusals too, and those of another database replace them', async () => {
    const sent: (string | null)[] = [];
    const fetch = async (_url: string, init: RequestInit) => {
      sent.push(new Headers(init.headers).get('x-kiln-bookmark'));
      if (sent.length === 1) return problem('conflict', 409, {}, { 'x-kiln-bookmark': 'at-1795417272398' });
      return json({ user }, 200, { 'x-kiln-bookmark': '0001' });
    };
    const client = createClient({ baseUrl: base, fetch, auth: memoryAuth({ accessToken: 't' }) });
    await expect(client.call('getMe')).rejects.toBeInstanceOf(KilnApiError);
    await client.call('getMe');
    await client.call('getMe');
    expect(sent).toEqual([null, 'at-1795417272398', '0001']);
  });
});

describe('refreshing', () => {
  const server = () => {
    let valid = 2;
    const fetch = vi.fn(async (url: string, init: RequestInit) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (url.endsWith('/api/auth/refresh')) {
        return init.body === `{"refreshToken":"refresh-${valid - 1}"}`
          ? json(session(valid))
          : problem('refresh_token_reused', 401);
      }
      return bearer(init) === `Bearer access-${valid}` ? json({ user }) : problem('unauthenticated', 401);
    });
    return {
      fetch,
      expire: () => (valid += 1),
      refreshes: () => fetch.mock.calls.filter(([url]) => url.endsWith('/refresh')).length,
    };
  };

  it('refreshes once for many calls, and repeats each', async () => {
    const { fetch, refreshes } = server();
    const auth = memoryAuth({ accessToken: 'access-1', refreshToken: 'refresh-1' });
    const client = createClient({ baseUrl: base, fetch, auth });
    const answers = await Promise.all([1, 2, 3, 4].map(() => client.call('getMe')));
    expect(answers).toHaveLength(4);
    expect(refreshes()).toBe(1);
    expect(auth.get()).toEqual({ accessToken: 'access-2', refreshToken: 'refresh-2' });
  });

  it('refreshes again at the next expiry', async () => {
    const { fetch, expire, refreshes } = server();
    const client = createClient({
      baseUrl: base,
      fetch,
      auth: memoryAuth({ accessToken: 'access-1', refreshToken: 'refresh-1' }),
    });
    await client.call('getMe');
    expire();
    await client.call('getMe');
    expect(refreshes()).toBe(2);
  });

  it('signs out once when the refresh token is refused', async () => {
    const { fetch } = server();
    const onSignedOut = vi.fn();
    const auth = memoryAuth({ accessToken: 'access-1', refreshToken: 'stolen' });
    const client = createClient({ baseUrl: base, fetch, auth, onSignedOut });
    const results = await Promise.allSettled([client.call('getMe'), client.call('getMe')]);
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected']);
    expect(onSignedOut).toHaveBeenCalledTimes(1);
    expect(auth.get()).toBeUndefined();
  });

  it('stays signed in when refreshing fails for another reason', async () => {
    const auth = memoryAuth({ accessToken: 'access-1', refreshToken: 'refresh-1' });
    const onSignedOut = vi.fn();
    const fetch = async (url: string) =>
      url.endsWith('/refresh') ? problem('unavailable', 503) : problem('unauthenticated', 401);
    const client = createClient({ baseUrl: base, fetch, auth, onSignedOut });
    await expect(client.call('getMe')).rejects.toMatchObject({ code: 'unavailable' });
    expect(auth.get()).toBeDefined();
    expect(onSignedOut).not.toHaveBeenCalled();
  });

  it('does not take wrong credentials for an expired token', async () => {
    const fetch = vi.fn(async (_url: string, _init: RequestInit) => problem('invalid_credentials', 401));
    const client = createClient({
      baseUrl: base,
      fetch,
      auth: memoryAuth({ accessToken: 'old', refreshToken: 'refresh-1' }),
    });
    await expect(client.login({ email: 'a@b.example', password: 'x' })).rejects.toBeInstanceOf(KilnApiError);
    expect(fetch).toHaveBeenCalledTimes(1);
    expect(bearer(fetch.mock.calls[0]?.[1] ?? {})).toBeNull();
  });

  it('leaves the refresh token to the cookie where there is one', async () => {
    const fetch = vi.fn(async (_url: string, _init: RequestInit) => json(session(1)));
    const auth = memoryAuth();
    const client = createClient({ baseUrl: base, fetch, auth, cookies: true });
    await client.refresh();
    expect(fetch.mock.calls[0]?.[1]).toMatchObject({ body: '{}', credentials: 'same-origin' });
    expect(auth.get()).toEqual({ accessToken: 'access-1' });
  });
});

describe('watchBuild', () => {
  const line = (seq: number) => ({ seq, at, level: 'info', step: 'bundle', message: `line ${seq}` });
  const stream = (...events: string[]) =>
    new Response(events.join(''), { headers: { 'content-type': 'text/event-stream' } });
  const log = (seq: number) => `event: log\nid: ${seq}\ndata: ${JSON.stringify(line(seq))}\n\n`;

  it('resumes after the last line and drops repeated ones', async () => {
    const lastIds: (string | null)[] = [];
    const answers = [stream(log(1), log(2)), stream(log(2), log(3), 'event: done\ndata: {}\n\n')];
    const client = createClient({
      baseUrl: base,
      fetch: async (_url, init) => {
        lastIds.push(new Headers(init.headers).get('last-event-id'));
        return answers.shift() ?? problem('internal', 500);
      },
    });
    const seen: number[] = [];
    const done = vi.fn();
    await watchBuild(client, id, { log: ({ seq }) => seen.push(seq), done }, new AbortController().signal);
    expect(seen).toEqual([1, 2, 3]);
    expect(lastIds).toEqual([null, '2']);
    expect(done).toHaveBeenCalledTimes(1);
  });

  it('gives up on a refusal', async () => {
    const client = createClient({ baseUrl: base, fetch: async () => problem('not_found', 404) });
    await expect(watchBuild(client, id, {}, new AbortController().signal)).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});

describe('backoff', () => {
  it('doubles up to a cap, half of it random', () => {
    expect([0, 1, 2, 10].map((attempt) => backoffDelay(attempt, () => 1))).toEqual([250, 500, 1000, 15_000]);
    expect([0, 10].map((attempt) => backoffDelay(attempt, () => 0))).toEqual([125, 7500]);
  });
});
