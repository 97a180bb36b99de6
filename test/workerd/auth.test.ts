import { describe, expect, it } from 'vitest';
import { call, expectJson, expectProblem, signUp } from './support.ts';

const credentials = { email: 'mia@kiln.test', username: 'Mia', password: 'a long enough password' };

describe('accounts', () => {
  it('signs up, says who it is, and signs in again without minding the case of the email', async () => {
    const session = await expectJson<{
      user: { email: string; displayName: string };
      accessToken: string;
      expiresIn: number;
    }>(await call('POST', '/api/auth/register', { json: credentials }), 201);
    expect(session.user).toMatchObject({ email: credentials.email, displayName: 'Mia' });
    expect(session.expiresIn).toBeLessThanOrEqual(900);
    const me = await call('GET', '/api/auth/me', { headers: { authorization: `Bearer ${session.accessToken}` } });
    expect((await expectJson<{ user: { username: string } }>(me, 200)).user.username).toBe('Mia');
    await expectJson(
      await call('POST', '/api/auth/login', { json: { email: ' MIA@kiln.test ', password: credentials.password } }),
      200,
    );
  });

  it('refuses a taken email and a taken name in any case', async () => {
    expect(
      await expectProblem(
        await call('POST', '/api/auth/register', { json: { ...credentials, username: 'Other' } }),
        409,
      ),
    ).toBe('email_taken');
    expect(
      await expectProblem(
        await call('POST', '/api/auth/register', {
          json: { ...credentials, email: 'other@kiln.test', username: 'mIA' },
        }),
        409,
      ),
    ).toBe('username_taken');
  });

  it('gives an unknown email and a wrong password the same answer', async () => {
    const wrong = await call('POST', '/api/auth/login', {
      json: { email: credentials.email, password: 'not the password' },
    });
    const unknown = await call('POST', '/api/auth/login', {
      json: { email: 'nobody@kiln.test', password: 'not the password' },
    });
    expect(await expectProblem(wrong, 401)).toBe('invalid_credentials');
    expect(await expectProblem(unknown, 401)).toBe('invalid_credentials');
  });

  it('refuses short passwords, extra fields and broken JSON with their own codes', async () => {
    expect(
      await expectProblem(
        await call('POST', '/api/auth/register', { json: { ...credentials, password: 'short12' } }),
        422,
      ),
    ).toBe('validation_failed');
    expect(
      await expectProblem(
        await call('POST', '/api/auth/register', { json: { ...credentials, id: 'x', role: 'admin' } }),
        422,
      ),
    ).toBe('validation_failed');
    expect(
      await expectProblem(
        await call('POST', '/api/auth/login', { body: '{"email":', headers: { 'content-type': 'application/json' } }),
        400,
      ),
    ).toBe('malformed_json');
    expect(
      await expectProblem(
        await call('POST', '/api/auth/login', { body: 'email=x', headers: { 'content-type': 'text/plain' } }),
        415,
      ),
    ).toBe('unsupported_media_type');
    const deep = `${'['.repeat(100)}${']'.repeat(100)}`;
    expect(
      await expectProblem(
        await call('POST', '/api/auth/login', { body: deep, headers: { 'content-type': 'application/json' } }),
        400,
      ),
    ).toBe('malformed_json');
  });
});

describe('refresh tokens', () => {
  const refresh = (refreshToken: string) => call('POST', '/api/auth/refresh', { json: { refreshToken } });

  it('rotate on every use, and come as a cookie that only this host reads', async () => {
    const account = await signUp();
    const answer = await refresh(account.refreshToken);
    expect(answer.headers.get('set-cookie')).toMatch(
      /^__Host-kiln_refresh=.+; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    );
    const next = await expectJson<{ refreshToken: string }>(answer, 200);
    expect(next.refreshToken).not.toBe(account.refreshToken);
    const cookie = `__Host-kiln_refresh=${next.refreshToken}`;
    await expectJson(await call('POST', '/api/auth/refresh', { headers: { cookie } }), 200);
  });

  it('#8 a token used a second time kills the whole family', async () => {
    const account = await signUp();
    const { refreshToken: newest } = await expectJson<{ refreshToken: string }>(
      await refresh(account.refreshToken),
      200,
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await expectProblem(await refresh(account.refreshToken), 401)).toBe('refresh_token_reused');
    expect(await expectProblem(await refresh(newest), 401)).toBe('refresh_token_invalid');
  });

  it('#9 of twenty uses at once exactly one gives a usable pair', async () => {
    const account = await signUp();
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(account.refreshToken)));
    const winners = answers.filter((answer) => answer.status === 200);
    expect(winners).toHaveLength(1);
    const [winner] = winners;
    const next = await expectJson<{ refreshToken: string }>(winner as Response, 200);
    await expectJson(await refresh(next.refreshToken), 200);
  });

  it('are dead after signing out, and the cookie is cleared', async () => {
    const account = await signUp();
    const answer = await call('POST', '/api/auth/logout', { as: account, json: {} });
    expect(answer.status).toBe(204);
    expect(answer.headers.get('set-cookie')).toMatch(
      /^__Host-kiln_refresh=; Max-Age=0; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    );
    expect(await expectProblem(await refresh(account.refreshToken), 401)).toBe('refresh_token_invalid');
  });
});

describe('#76 the refresh cookie', () => {
  it('counts only from a page of ours, and needs no body', async () => {
    const account = await signUp();
    const cookie = `__Host-kiln_refresh=${account.refreshToken}`;
    const refreshFrom = (headers: Record<string, string>) =>
      call('POST', '/api/auth/refresh', { headers: { cookie, ...headers } });
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ])
      expect(await expectProblem(await refreshFrom(headers), 403)).toBe('forbidden');
    await expectJson(await refreshFrom({ origin: 'http://kiln.test', 'sec-fetch-site': 'same-origin' }), 200);
  });

  it('is not needed to sign out: the access token and nothing else will do', async () => {
    const account = await signUp();
    expect((await call('POST', '/api/auth/logout', { as: account })).status).toBe(204);
  });
});

describe('credentials', () => {
  it('#7 are taken from one place in one form', async () => {
    const account = await signUp();
    const { token } = account;
    for (const authorization of [
      `Basic ${token}`,
      `Token ${token}`,
      token,
      `Bearer ${token}, Bearer ${token}`,
      `Bearer  ${token}`,
      '',
    ])
      expect(await expectProblem(await call('GET', '/api/auth/me', { headers: { authorization } }), 401)).toBe(
        'unauthenticated',
      );
    expect(await expectProblem(await call('GET', `/api/auth/me?access_token=${token}`), 401)).toBe('unauthenticated');
    await expectJson(await call('GET', '/api/auth/me', { as: account }), 200);
  });

  it('publishes public keys without their private part', async () => {
    const { keys } = await expectJson<{ keys: Record<string, string>[] }>(
      await call('GET', '/.well-known/jwks.json'),
      200,
    );
    expect(keys).toHaveLength(1);
    expect(Object.keys(keys[0] ?? {}).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
  });
});
