import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { createApp } from '../../src/worker/app.ts';
import { answerForProviders, comeBack, type Face, grant, leave, refreshedFrom, signInWith } from './provider-world.ts';
import {
  type Account,
  call,
  database,
  expectJson,
  expectProblem,
  mailsTo,
  signUp,
  tokenIn,
  verifyAddress,
} from './support.ts';

beforeEach(() => answerForProviders());

let number = 0;
const face = (more: Partial<Face> = {}): Face => {
  number += 1;
  return { id: number, email: `face${number}-${crypto.randomUUID().slice(0, 8)}@kiln.test`, ...more };
};

interface Session {
  user: { id: string; email: string; username: string; emailVerified: boolean };
  accessToken: string;
}

async function sessionOf(answer: Response): Promise<Session> {
  expect(answer.status).toBe(303);
  return await expectJson<Session>(await refreshedFrom(answer), 200);
}

const as = ({ user, accessToken }: Session): Account => ({
  ...user,
  token: accessToken,
  refreshToken: '',
});

const identities = async (account: Account): Promise<{ identities: { provider: string }[]; hasPassword: boolean }> =>
  await expectJson(await call('GET', '/api/auth/identities', { as: account }), 200);

/** Links a provider to who is signed in. */
async function linkTo(account: Account, provider: 'github' | 'google', who: Face, password?: string) {
  const answer = await call('POST', `/api/auth/identities/${provider}`, {
    as: account,
    json: password === undefined ? {} : { password },
  });
  const cookie = answer.headers.getSetCookie().join().split(';')[0] ?? '';
  const { url } = await expectJson<{ url: string }>(answer, 200);
  return await comeBack(grant(new URL(url), who), { cookie });
}

describe.each(['github', 'google'] as const)('signing in through %s', (provider) => {
  it('makes an account with a verified address, finds it again by its subject, and leaves no token in a URL', async () => {
    const who = face({ login: 'Ada Łovelace' });
    const first = await signInWith(provider, who);
    expect(first.headers.get('location')).toBe('http://kiln.test/signed-in?return=%2F');
    const session = await sessionOf(first);
    expect(session.user).toMatchObject({ email: who.email, emailVerified: true });
    // The address changed hands at the provider; the subject did not.
    const again = await sessionOf(await signInWith(provider, { ...who, email: `moved-${who.email}` }));
    expect(again.user.id).toBe(session.user.id);
    expect(await identities(as(session))).toMatchObject({ identities: [{ provider }], hasPassword: false });
  });

  it('joins an account where both sides have verified the address, and else says that it exists', async () => {
    const account = await signUp('join');
    await verifyAddress(account);
    const unverified = face({ email: account.email, verified: false });
    expect(await expectProblem(await signInWith(provider, unverified), 409)).toBe('account_exists');
    const joined = await sessionOf(await signInWith(provider, face({ email: account.email.toUpperCase() })));
    expect(joined.user.id).toBe(account.id);
    expect((await identities(account)).hasPassword).toBe(true);
    // Another sign-in of the same provider with this address is somebody else.
    expect(await expectProblem(await signInWith(provider, face({ email: account.email })), 409)).toBe('account_exists');
    expect((await mailsTo(account.email, 2))[0]?.subject).toMatch(/^\w+ was linked to your Kiln account$/);
  });

  it('makes no account for an address that the provider has not verified', async () => {
    expect(await expectProblem(await signInWith(provider, face({ verified: false })), 403)).toBe('email_unverified');
  });

  it('#17 voids what somebody left in an account with an address that is not theirs', async () => {
    const attacker = await signUp('hijack');
    const password = `correct horse ${attacker.username}`;
    const link = await linkTo(attacker, provider === 'github' ? 'google' : 'github', face(), password);
    expect(link.headers.get('location')).toContain('/account?linked=');
    const { secret } = await expectJson<{ secret: string }>(
      await call('POST', '/api/auth/api-keys', { as: attacker, json: { name: 'left', scopes: ['projects:read'] } }),
      201,
    );
    const verification = tokenIn((await mailsTo(attacker.email)).at(-1));

    const victim = await sessionOf(await signInWith(provider, face({ email: attacker.email })));
    expect(victim.user).toMatchObject({ email: attacker.email, emailVerified: true });
    const login = await call('POST', '/api/auth/login', { json: { email: attacker.email, password } });
    expect(await expectProblem(login, 401)).toBe('invalid_credentials');
    const refresh = await call('POST', '/api/auth/refresh', { json: { refreshToken: attacker.refreshToken } });
    expect(refresh.status).toBe(401);
    // Isolates remember for five seconds that a token was good.
    for (const [path, authorization] of [
      ['/api/auth/me', `Bearer ${attacker.token}`],
      ['/api/projects', `Bearer ${secret}`],
    ] as const)
      await expect
        .poll(async () => (await call('GET', path, { headers: { authorization } })).status, { interval: 250 })
        .toBe(401);
    expect((await call('POST', '/api/auth/email/verify', { json: { token: verification } })).status).toBe(422);
    expect(await identities(as(victim))).toMatchObject({ identities: [{ provider }], hasPassword: false });
    expect((await mailsTo(attacker.email, 2))[0]?.subject).toBe('Your Kiln account is yours now');
  });

  it('#19 takes who somebody is from the provider alone', async () => {
    const [who, victim] = [face(), await signUp('claimed')];
    const { url, browser } = await leave(provider, `?email=${victim.email}&id=${victim.id}`);
    const path = `${grant(url, who)}&email=${victim.email}&emailVerified=true&role=owner&id=${victim.id}&sub=1`;
    const session = await sessionOf(await comeBack(path, browser));
    expect(session.user).toMatchObject({ email: who.email });
    expect(session.user.id).not.toBe(victim.id);
    const posted = await call('POST', path, { json: { email: victim.email }, headers: { cookie: browser.cookie } });
    expect(posted.status).toBe(405);
  });

  it('#20 refuses a state that is missing, foreign, of another browser or used, and a code of another transaction', async () => {
    const { url, browser } = await leave(provider);
    const other = await leave(provider);
    const path = grant(url, face());
    const code = new URLSearchParams(path.split('?')[1]).get('code') ?? '';
    const refused = async (attempt: string, from = browser) =>
      expect(await expectProblem(await comeBack(attempt, from), 400)).toBe('oauth_state_invalid');
    await refused(path.replace(/state=[^&]+/, 'x=y'));
    await refused(path.replace(/state=[^&]+/, 'state=guessed'));
    await refused(path, other.browser);
    await refused(path, { cookie: '' });
    // A callback of the other provider with this state.
    await refused(path.replace(`/${provider}/`, provider === 'github' ? '/google/' : '/github/'));
    // The victim's browser is made to finish with the attacker's code: the verifier does not fit it.
    const injected = grant(other.url, face()).replace(/code=[^&]+/, `code=${code}`);
    expect(await expectProblem(await comeBack(injected, other.browser), 400)).toBe('oauth_failed');
    // None of that spent the honest one, which then works once.
    const honest = grant(url, face());
    await sessionOf(await comeBack(honest, browser));
    await refused(honest);
  });

  it('#20 refuses a state after ten minutes', async () => {
    const { url, browser } = await leave(provider);
    await database
      .prepare('UPDATE oauth_flows SET expires_at = ?')
      .bind(Date.now() - 1)
      .run();
    expect(await expectProblem(await comeBack(grant(url, face()), browser), 400)).toBe('oauth_state_invalid');
  });

  it('#22 goes on at paths of this site alone', async () => {
    const goesTo = async (wanted: string): Promise<string | null> => {
      const { url, browser } = await leave(provider, `?return=${encodeURIComponent(wanted)}`);
      const location = (await comeBack(grant(url, face()), browser)).headers.get('location') ?? '';
      expect(new URL(location).origin).toBe('http://kiln.test');
      return new URL(location).searchParams.get('return');
    };
    expect(await goesTo('/p/1?tab=2#top')).toBe('/p/1?tab=2#top');
    for (const evil of ['//evil.example', 'https://good@evil.example', '/\\evil.example', '/\r\nSet-Cookie: a=b'])
      expect(await goesTo(evil)).toBe('/');
  });

  it('tells a person who stopped it on a page, and a program by a problem', async () => {
    const denied = { callback: { error: 'access_denied', code: '' } };
    expect(await expectProblem(await signInWith(provider, face(), denied), 403)).toBe('oauth_denied');
    const { url, browser } = await leave(provider);
    const page = await comeBack(grant(url, face(), denied), browser, { accept: 'text/html,*/*' });
    expect([page.status, page.headers.get('location')]).toEqual([
      303,
      `http://kiln.test/sign-in?problem=oauth_denied&provider=${provider}`,
    ]);
  });
});

describe('#24 an ID token', () => {
  it.each([
    ['for another client', { claims: { aud: 'other' } }],
    ['with an old nonce', { claims: { nonce: 'old' } }],
    ['of another issuer', { claims: { iss: 'http://evil.test' } }],
    ['that has expired', { claims: { exp: 1 } }],
    ['signed by a key of somebody else', { foreignKey: true }],
  ])('%s is refused', async (_, crime) => {
    expect(await expectProblem(await signInWith('google', face(), crime), 400)).toBe('oauth_failed');
  });

  it('is not even asked for where the answer names another issuer (RFC 9207)', async () => {
    const mixedUp = { callback: { iss: 'http://evil.test' } };
    expect(await expectProblem(await signInWith('google', face(), mixedUp), 400)).toBe('oauth_failed');
    expect(await expectProblem(await signInWith('github', face(), mixedUp), 400)).toBe('oauth_failed');
  });
});

describe('linked providers', () => {
  it('are added while signed in, once each, and the last way in stays', async () => {
    const account = as(await sessionOf(await signInWith('google', face())));
    const unlink = (provider: string) => call('DELETE', `/api/auth/identities/${provider}`, { as: account, json: {} });
    expect(await expectProblem(await unlink('google'), 409)).toBe('last_way_in');
    expect(await expectProblem(await unlink('github'), 404)).toBe('not_found');
    const gitHub = face();
    await linkTo(account, 'github', gitHub);
    expect((await identities(account)).identities.map(({ provider }) => provider)).toEqual(['github', 'google']);
    const twice = await call('POST', '/api/auth/identities/github', { as: account, json: {} });
    expect(await expectProblem(twice, 409)).toBe('already_linked');
    const [one, other] = await Promise.all([unlink('google'), unlink('github')]);
    expect([one.status, other.status].sort()).toEqual([204, 409]);
    expect((await identities(account)).identities).toHaveLength(1);
  });

  it('of somebody else are not taken over', async () => {
    const who = face();
    await sessionOf(await signInWith('github', who));
    const other = as(await sessionOf(await signInWith('google', face())));
    expect(await expectProblem(await linkTo(other, 'github', who), 409)).toBe('identity_taken');
  });

  it('are not added once the session that asked has ended, nor without the password', async () => {
    const account = await signUp('ended');
    const bare = await call('POST', '/api/auth/identities/github', { as: account, json: {} });
    expect(await expectProblem(bare, 401)).toBe('invalid_credentials');
    const answer = await call('POST', '/api/auth/identities/github', {
      as: account,
      json: { password: `correct horse ${account.username}` },
    });
    const cookie = answer.headers.getSetCookie().join().split(';')[0] ?? '';
    const { url } = await expectJson<{ url: string }>(answer, 200);
    await call('POST', '/api/auth/logout', { as: account });
    const back = await comeBack(grant(new URL(url), face()), { cookie });
    expect(await expectProblem(back, 400)).toBe('oauth_state_invalid');
  });
});

describe('providers', () => {
  it('are listed where they are set up; others and unknown ones say so', async () => {
    const { providers } = await expectJson<{ providers: { provider: string }[] }>(
      await call('GET', '/api/auth/oauth'),
      200,
    );
    expect(providers.map(({ provider }) => provider)).toEqual(['github', 'google']);
    expect(await expectProblem(await call('GET', '/api/auth/oauth/evil'), 404)).toBe('not_found');
    const without = { ...env, OAUTH_GITHUB_CLIENT_ID: '', OAUTH_GITHUB_CLIENT_SECRET: '' };
    const answer = await createApp().request(
      'http://kiln.test/api/auth/oauth/github',
      {},
      without,
      createExecutionContext(),
    );
    expect(await expectProblem(answer, 404)).toBe('provider_not_configured');
  });

  it('that are away are no fault of the one who signs in', async () => {
    vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('connection refused'));
    const { url, browser } = await leave('github');
    expect(await expectProblem(await comeBack(grant(url, face()), browser), 503)).toBe('unavailable');
  });
});
