import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { configOf } from '../../src/core/config.ts';
import { signToken } from '../../src/core/tokens.ts';
import { createApp } from '../../src/worker/app.ts';
import { call, expectJson, expectProblem, makeWorld, signUp, type World } from './support.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld({ 'index.html': '<p>hi</p>' });
});

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('#4 a credential of one kind', () => {
  it('opens nothing of another: the full matrix, signed and opaque', async () => {
    const account = await signUp();
    const config = configOf(env);
    const { projectId } = world;
    const { build } = await expectJson<{ build: { id: string } }>(
      await call('POST', '/api/builds', { as: world.owner, json: { projectId } }),
      202,
    );
    const { secret } = await expectJson<{ secret: string }>(
      await call('POST', '/api/auth/api-keys', { as: world.owner, json: { name: 'k', scopes: ['projects:read'] } }),
      201,
    );
    const { token: invite } = await expectJson<{ token: string }>(
      await call('POST', `/api/projects/${projectId}/invites`, { as: world.owner, json: { role: 'viewer' } }),
      201,
    );
    const { ticket } = await expectJson<{ ticket: string }>(
      await call('POST', `/api/projects/${projectId}/room/ticket`, { as: world.owner }),
      200,
    );
    const ttl = 60_000;
    const credentials: Record<string, string> = {
      access: world.owner.token,
      refresh: account.refreshToken,
      room: ticket,
      build: await signToken(config, 'build', { sub: build.id, projectId, attempt: 1 }, ttl),
      system: await signToken(config, 'system', { sub: 'operator' }, ttl),
      device: await signToken(config, 'device', { sub: world.owner.id, device: newId() }, ttl),
      key: secret,
      invite,
    };
    /** Every door, and what it says to who has the wrong key; its own key is tried by other tests. */
    const doors: Record<string, (credential: string) => Promise<Response>> = {
      access: (credential) => call('GET', '/api/auth/me', { headers: bearer(credential) }),
      refresh: (refreshToken) => call('POST', '/api/auth/refresh', { json: { refreshToken } }),
      cookie: (credential) =>
        call('POST', '/api/auth/refresh', { headers: { cookie: `__Host-kiln_refresh=${credential}` } }),
      room: (credential) =>
        call('GET', `/api/projects/${projectId}/room?ticket=${credential}`, { headers: { upgrade: 'websocket' } }),
      build: (credential) => call('GET', `/api/runner/builds/${build.id}/manifest`, { headers: bearer(credential) }),
      system: (credential) => call('GET', '/api/system/backups', { headers: bearer(credential) }),
      invite: (credential) => call('GET', `/api/invites/${credential}`, { as: account }),
    };
    const own: Record<string, string> = { cookie: 'refresh' };
    for (const [door, knock] of Object.entries(doors))
      for (const [kind, credential] of Object.entries(credentials)) {
        if (kind === (own[door] ?? door)) continue;
        const answer = await knock(credential);
        await answer.body?.cancel();
        // A key is known for what it is, and told that people's routes are not for it.
        const due = door === 'access' && kind === 'key' ? 403 : door === 'invite' ? 404 : 401;
        // A refresh body has a cap on its length, which signed tokens are over.
        const dues = door === 'refresh' && credential.length > 200 ? [422] : [due];
        expect(dues, `${kind} at ${door}`).toContain(answer.status);
      }
    await expectJson((await doors.access?.(credentials.access ?? '')) as Response, 200);
  });
});

describe('#1 #2 #5 a forged access token', () => {
  it('runs no route', async () => {
    const [header = '', payload = '', signature = ''] = world.owner.token.split('.');
    const write = (value: object): string =>
      btoa(JSON.stringify(value)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
    const read = (text: string): Record<string, unknown> =>
      JSON.parse(atob(text.replaceAll('-', '+').replaceAll('_', '/')));
    const forged = [
      `${write({ ...read(header), alg: 'none' })}.${payload}.`,
      `${write({ ...read(header), alg: 'nOnE' })}.${payload}.${signature}`,
      `${write({ ...read(header), alg: 'HS256' })}.${payload}.${signature}`,
      `${header}.${payload}.`,
      `${header}.${write({ ...read(payload), sub: world.stranger.id })}.${signature}`,
    ];
    for (const token of forged)
      expect(
        await expectProblem(
          await call('DELETE', `/api/projects/${world.projectId}?permanent=true`, { headers: bearer(token) }),
          401,
        ),
      ).toBe('unauthenticated');
    await expectJson(await call('GET', `/api/projects/${world.projectId}`, { as: world.owner }), 200);
  });
});

describe('fault 10: clocks that are wrong', () => {
  const access = async (at: number): Promise<string> => {
    const sid = (
      (
        await expectJson<{ sessions: { id: string; current: boolean }[] }>(
          await call('GET', '/api/auth/sessions', { as: world.owner }),
          200,
        )
      ).sessions.find(({ current }) => current) ?? { id: '' }
    ).id;
    vi.useFakeTimers({ now: at, toFake: ['Date'] });
    try {
      return await signToken(configOf(env), 'access', { sub: world.owner.id, sid }, 15 * 60_000);
    } finally {
      vi.useRealTimers();
    }
  };
  const code = async (token: string): Promise<string> => {
    const answer = await call('GET', '/api/auth/me', { headers: bearer(token) });
    return answer.ok ? 'ok' : (await answer.json<{ code: string }>()).code;
  };

  it('by an hour fail closed with a clear code, by seconds do no harm', async () => {
    const now = Date.now();
    const minute = 60_000;
    expect(await code(await access(now - 60 * minute))).toBe('unauthenticated');
    expect(await code(await access(now - 14 * minute))).toBe('ok');
    expect(await code(await access(now + 20_000))).toBe('ok');
  });

  it('of a client change no order: what it says about time is not read', async () => {
    const at = `/api/projects/${world.projectId}/files/clock.txt`;
    const seqs: number[] = [];
    for (const date of [
      'Thu, 01 Jan 1970 00:00:00 GMT',
      'Fri, 01 Jan 2100 00:00:00 GMT',
      'Thu, 01 Jan 1970 00:00:00 GMT',
    ]) {
      const answer = await call('PUT', at, {
        as: world.owner,
        json: { content: date + seqs.length },
        headers: { date },
      });
      seqs.push((await answer.json<{ file: { seq: number } }>()).file.seq);
    }
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    expect(new Set(seqs).size).toBe(3);
  });
});

describe('#74 addresses of other machines', () => {
  const inner = [
    'http://127.0.0.1/',
    'http://[::ffff:169.254.169.254]/latest',
    'http://2130706433/',
    'http://0177.1/',
    'http://localhost./',
    'file:///etc/passwd',
  ];

  it('are nowhere taken to be fetched: no operation has such a field, and none that is sent is followed', async () => {
    const fetched = vi.spyOn(globalThis, 'fetch');
    const { projectId } = world;
    for (const url of inner)
      for (const [method, path, json] of [
        ['POST', '/api/projects/import', { url }],
        ['PATCH', '/api/auth/me', { avatarUrl: url }],
        ['PATCH', `/api/projects/${projectId}`, { thumbnailUrl: url }],
        ['POST', '/api/projects', { name: 'P', url, webhook: url }],
      ] as const) {
        const answer = await call(method, path, { as: world.owner, json });
        expect(answer.status, `${method} ${path} ${url}`).toBeGreaterThanOrEqual(400);
        expect(answer.status, `${method} ${path} ${url}`).toBeLessThan(500);
        expect(await answer.text()).not.toContain('169.254');
      }
    expect(fetched).not.toHaveBeenCalled();
    fetched.mockRestore();
    const { paths } = await expectJson<{ paths: Record<string, Record<string, { requestBody?: unknown }>> }>(
      await call('GET', '/openapi.json'),
      200,
    );
    const taken = Object.values(paths).flatMap((operations) =>
      Object.values(operations).map(({ requestBody }) => JSON.stringify(requestBody ?? null)),
    );
    expect(taken.length).toBeGreaterThan(50);
    expect(taken.filter((body) => /"(?:\w*[uU]rl|\w*[uU]ri|webhook|callback|"format":"uri")":/.test(body))).toEqual([]);
  });
});

describe('#75 what looks like SQL', () => {
  it.each(["'", '"', "' OR 1=1 --", '%', '_', 'a* NEAR b', 'title:x', '\\', '/*', '💥'])(
    'is text like any other in a list, a name and a sign-in: %s',
    async (text) => {
      const before = await expectJson<{ projects: object[] }>(
        await call('GET', '/api/projects', { as: world.owner }),
        200,
      );
      const query = new URLSearchParams({ q: text });
      const found = await expectJson<{ projects: object[] }>(
        await call('GET', `/api/projects?${query}`, { as: world.owner }),
        200,
      );
      expect(found.projects).toEqual([]);
      const named = await call('PATCH', '/api/auth/me', { as: world.stranger, json: { displayName: text } });
      expect((await expectJson<{ user: { displayName: string } }>(named, 200)).user.displayName).toBe(text);
      const json = { email: `a${text}@kiln.test`, password: text };
      const answer = await call('POST', '/api/auth/login', { json });
      expect([401, 422]).toContain(answer.status);
      await answer.body?.cancel();
      expect(
        (await expectJson<{ projects: object[] }>(await call('GET', '/api/projects', { as: world.owner }), 200))
          .projects,
      ).toEqual(before.projects);
    },
  );

  it('has no place in a column, a direction, an id or a shape', async () => {
    for (const query of ['sort=name;DROP TABLE users', 'sort=password_hash', 'sort=name desc', 'sort[]=name', 'role=x'])
      if (query.startsWith('sort[]'))
        await expectJson(await call('GET', `/api/projects?${query}`, { as: world.owner }), 200);
      else
        expect(
          await expectProblem(await call('GET', `/api/projects?${encodeURI(query)}`, { as: world.owner }), 422),
        ).toBe('validation_failed');
    for (const userId of [['x'], { $ne: null }, 1, true, null, `${world.editor.id}' OR '1'='1`])
      expect(
        await expectProblem(
          await call('POST', `/api/projects/${world.projectId}/transfer`, { as: world.owner, json: { userId } }),
          422,
        ),
      ).toBe('validation_failed');
    expect(await expectProblem(await call('GET', `/api/projects/${newId()}'--`, { as: world.owner }), 404)).toBe(
      'not_found',
    );
    expect(
      await expectProblem(
        await call('PATCH', '/api/auth/me', { as: world.owner, json: { displayName: 'a\u0000b' } }),
        422,
      ),
    ).toBe('validation_failed');
  });
});

describe('#76 a page of another origin', () => {
  it('cannot post a form, name another method, or change anything by GET', async () => {
    const account = await signUp();
    const cookie = `__Host-kiln_refresh=${account.refreshToken}`;
    const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site', cookie };
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])
      for (const path of ['/api/auth/login', '/api/auth/register', '/api/auth/refresh', '/api/auth/logout']) {
        const answer = await call('POST', path, { body: 'a=1', headers: { ...foreign, 'content-type': type } });
        await answer.body?.cancel();
        expect([403, 415], `${path} ${type}`).toContain(answer.status);
      }
    for (const path of ['/api/auth/refresh', '/api/auth/logout', '/api/auth/login'])
      for (const method of ['GET', 'HEAD'])
        expect((await call(method, path, { headers: { cookie } })).status, `${method} ${path}`).toBe(405);
    const override = await call('POST', '/api/auth/me?_method=DELETE', {
      as: account,
      headers: { 'x-http-method-override': 'DELETE' },
    });
    expect(override.status).toBe(405);
    await expectJson(await call('GET', '/api/auth/me', { as: account }), 200);
    await expectJson(await call('POST', '/api/auth/refresh', { headers: { cookie } }), 200);
  });

  it('is let in by CORS only when the list has it to the letter, and is never echoed', async () => {
    const app = createApp();
    const listed = { ...env, ALLOWED_ORIGINS: 'https://studio.example' } as Env;
    const ask = async (origin: string, method = 'GET') =>
      await app.request(
        'http://kiln.test/api/auth/me',
        { method, headers: { origin, ...(method === 'OPTIONS' && { 'access-control-request-method': 'GET' }) } },
        listed,
        {
          waitUntil: () => undefined,
          passThroughOnException: () => undefined,
          props: {},
        } as unknown as ExecutionContext,
      );
    for (const origin of [
      'null',
      'https://evil.example',
      'https://studio.example.evil.example',
      'https://a.studio.example',
      'http://studio.example',
      'https://studio.example:444',
      'https://STUDIO.example',
      '*',
    ])
      for (const method of ['GET', 'OPTIONS']) {
        const answer = await ask(origin, method);
        expect(answer.headers.get('access-control-allow-origin'), origin).toBeNull();
        expect(answer.headers.get('access-control-allow-credentials'), origin).toBeNull();
      }
    const preflight = await ask('https://studio.example', 'OPTIONS');
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([
      204,
      'https://studio.example',
    ]);
    const answer = await ask('https://studio.example');
    expect(answer.status).toBe(401);
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://studio.example');
    expect(answer.headers.get('vary')).toContain('origin');
  });
});

describe('#77 JSON that is none, or too much', () => {
  const send = (body: BodyInit) =>
    call('PATCH', '/api/auth/me', { as: world.owner, body, headers: { 'content-type': 'application/json' } });
  const utf16 = new Uint8Array([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]);

  it.each<[string, BodyInit]>([
    ['100 levels', `{"displayName":${'['.repeat(100)}${']'.repeat(100)}}`],
    ['trailing bytes', '{"displayName":"x"} {}'],
    ['UTF-16', utf16],
    ['invalid UTF-8', new Uint8Array([0x22, 0xc3, 0x28, 0x22])],
    ['a BOM', '\uFEFF{"displayName":"x"}'],
    ['half a value', '{"displayName":'],
  ])('%s is malformed', async (_name, body) => {
    expect(await expectProblem(await send(body), 400)).toBe('malformed_json');
  });

  it('with a hundred thousand keys, or a number beyond numbers, is not valid', async () => {
    const keys = Array.from({ length: 100_000 }, (_, n) => `"k${n}":1`).join();
    expect(await expectProblem(await send(`{${keys}}`), 422)).toBe('validation_failed');
    const settings = await call('PATCH', `/api/projects/${world.projectId}`, {
      as: world.owner,
      body: '{"settings":{"a":1e400}}',
      headers: { 'content-type': 'application/json' },
    });
    expect(await expectProblem(settings, 422)).toBe('validation_failed');
  });

  it('with a key twice has one value, which is checked and used alike', async () => {
    expect(await expectProblem(await send('{"displayName":"fine","displayName":""}'), 422)).toBe('validation_failed');
    const { user } = await expectJson<{ user: { displayName: string } }>(
      await send('{"displayName":"","displayName":"The last one"}'),
      200,
    );
    expect(user.displayName).toBe('The last one');
  });
});

describe('#79 what is in no document', () => {
  it('is not there', async () => {
    for (const path of [
      '/api/v0/projects',
      '/api/v2/projects',
      '/api/internal',
      '/api/debug',
      '/api/system/jobs',
      '/api/system/queue/drain',
      '/api/auth/me/',
      '/api/auth/me.json',
      '/api/auth/sessions/all',
      '/metrics/x',
      '/cdn-cgi/handler/scheduled',
      '/__scheduled',
      '/api/.env',
      '/.git/config',
      '/.dev.vars',
      '/index.js.map',
    ]) {
      const answer = await call('GET', path, { as: world.owner });
      await answer.body?.cancel();
      expect([401, 404, 405], path).toContain(answer.status);
    }
  });

  it('is no method either', async () => {
    for (const method of ['PROPFIND', 'OPTIONS', 'PUT', 'PATCH'])
      expect([404, 405], method).toContain((await call(method, '/api/projects', { as: world.owner })).status);
  });
});

describe('refusals', () => {
  it('leave one line that names the actor and the rule, and never what was presented', async () => {
    const lines: string[] = [];
    const spy = vi.spyOn(console, 'warn').mockImplementation((line: string) => void lines.push(line));
    const stray = `${world.stranger.token}x`;
    await call('GET', '/api/auth/me', { headers: bearer(stray) });
    await call('PUT', `/api/projects/${world.projectId}/files/a.txt`, { as: world.viewer, json: { content: 'x' } });
    await call('GET', `/api/projects/${world.projectId}`, { as: world.stranger });
    await call('POST', '/api/auth/login', { json: { email: world.owner.email, password: 'a wrong password' } });
    spy.mockRestore();
    const security = lines
      .map((line) => JSON.parse(line) as Record<string, string>)
      .filter(({ event }) => event === 'security');
    expect(security.map(({ rule, actor }) => [rule, actor])).toEqual([
      ['unauthenticated', 'anonymous'],
      ['forbidden', world.viewer.id],
      ['not_found', world.stranger.id],
      ['invalid_credentials', world.owner.id],
    ]);
    for (const secret of [stray, world.viewer.token, 'a wrong password', world.owner.email])
      expect(lines.join('\n')).not.toContain(secret);
  });
});
