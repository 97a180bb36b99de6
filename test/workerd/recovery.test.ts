import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it, vi } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { createApp } from '../../src/worker/app.ts';
import { sweep } from '../../src/worker/scheduled.ts';
import { call, database, expectJson, expectProblem, mailsTo, signUp, tokenIn } from './support.ts';

const verify = (token: string) => call('POST', '/api/auth/email/verify', { json: { token } });
const forgot = (email: string, headers: Record<string, string> = {}) =>
  call('POST', '/api/auth/password/forgot', { json: { email }, headers });
const reset = (token: string, newPassword = 'another good horse') =>
  call('POST', '/api/auth/password/reset', { json: { token, newPassword } });
const login = (email: string, password: string) => call('POST', '/api/auth/login', { json: { email, password } });

const verified = async (account: { token: string }): Promise<boolean> => {
  const answer = await call('GET', '/api/auth/me', { headers: { authorization: `Bearer ${account.token}` } });
  return (await expectJson<{ user: { emailVerified: boolean } }>(answer, 200)).user.emailVerified;
};

const rows = async <T = Record<string, unknown>>(query: string, ...values: unknown[]): Promise<T[]> =>
  (
    await database
      .prepare(query)
      .bind(...values)
      .all<T>()
  ).results;

describe('verification of an address', () => {
  it('comes by a mail at registration, whose link works once', async () => {
    const account = await signUp('vera');
    const [mail] = await mailsTo(account.email);
    expect(mail?.subject).toBe('Verify your address for Kiln');
    expect(mail?.text).toContain('http://kiln.test/verify-email#');
    expect(mail?.html).toContain('href="http://kiln.test/verify-email#');
    expect(await verified(account)).toBe(false);
    expect((await verify(tokenIn(mail))).status).toBe(204);
    expect(await verified(account)).toBe(true);
    expect(await expectProblem(await verify(tokenIn(mail)), 422)).toBe('link_invalid');
  });

  it('is sent again on request, the newest link alone works, and who is verified gets none', async () => {
    const account = await signUp('again');
    const [first] = await mailsTo(account.email);
    expect((await call('POST', '/api/auth/email/verification', { as: account })).status).toBe(202);
    const [second] = await mailsTo(account.email, 2);
    expect(await expectProblem(await verify(tokenIn(first)), 422)).toBe('link_invalid');
    expect((await verify(tokenIn(second))).status).toBe(204);
    expect((await call('POST', '/api/auth/email/verification', { as: account })).status).toBe(202);
    await expect.poll(() => rows('SELECT id FROM outbox')).toEqual([]);
    expect(await mailsTo(account.email, 2)).toHaveLength(2);
  });

  it('keeps only the hash of a token', async () => {
    const account = await signUp('hashed');
    const token = tokenIn((await mailsTo(account.email))[0]);
    const stored = await rows('SELECT * FROM email_tokens WHERE user_id = ?', account.id);
    expect(stored).toHaveLength(1);
    expect(JSON.stringify(stored)).not.toContain(token);
  });
});

describe('#16 a reset of the password', () => {
  it('works once, sets the password, ends every session and verifies the address', async () => {
    const account = await signUp('reset');
    await mailsTo(account.email);
    expect((await forgot(account.email.toUpperCase())).status).toBe(202);
    const [mail] = await mailsTo(account.email, 2);
    expect(mail?.subject).toBe('Reset your Kiln password');
    expect((await reset(tokenIn(mail))).status).toBe(204);
    expect(await expectProblem(await login(account.email, `correct horse ${account.username}`), 401)).toBe(
      'invalid_credentials',
    );
    const refreshed = await call('POST', '/api/auth/refresh', { json: { refreshToken: account.refreshToken } });
    expect(refreshed.status).toBe(401);
    const session = await expectJson<{ user: { emailVerified: boolean } }>(
      await login(account.email, 'another good horse'),
      200,
    );
    expect(session.user.emailVerified).toBe(true);
    expect(await expectProblem(await reset(tokenIn(mail), 'a third good horse'), 422)).toBe('link_invalid');
    expect((await mailsTo(account.email, 3))[0]?.subject).toBe('Your Kiln password was changed');
  });

  it('is refused by a token that a newer one replaced, that has expired, or that is of another kind', async () => {
    const account = await signUp('newer');
    const [verification] = await mailsTo(account.email);
    expect(await expectProblem(await reset(tokenIn(verification)), 422)).toBe('link_invalid');
    await forgot(account.email);
    const [older] = await mailsTo(account.email, 2);
    await forgot(account.email);
    const [newer] = await mailsTo(account.email, 3);
    expect(await expectProblem(await reset(tokenIn(older)), 422)).toBe('link_invalid');
    expect(await expectProblem(await verify(tokenIn(newer)), 422)).toBe('link_invalid');
    await rows('UPDATE email_tokens SET expires_at = ? WHERE user_id = ?', Date.now() - 1, account.id);
    expect(await expectProblem(await reset(tokenIn(newer)), 422)).toBe('link_invalid');
    await expectJson(await login(account.email, `correct horse ${account.username}`), 200);
  });

  it('is good for one of five who use it at once', async () => {
    const account = await signUp('race');
    await mailsTo(account.email);
    await forgot(account.email);
    const token = tokenIn((await mailsTo(account.email, 2))[0]);
    const answers = await Promise.all(Array.from({ length: 5 }, (_, n) => reset(token, `good horse number ${n}`)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 422, 422, 422, 422]);
  });

  it('has a link to the configured host, whatever host the request names', async () => {
    const account = await signUp('host');
    await mailsTo(account.email);
    await call('POST', '/api/auth/password/forgot', {
      json: { email: account.email },
      host: 'evil.example',
      headers: { 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' },
    });
    const [mail] = await mailsTo(account.email, 2);
    expect(mail?.text).toContain('http://kiln.test/reset-password#');
    expect(`${mail?.text}${mail?.html}`).not.toContain('evil');
  });

  it('answers the same for an address without an account, and promises it nothing', async () => {
    const known = await signUp('known');
    const answers = [await forgot(known.email), await forgot('nobody@kiln.test')];
    for (const answer of answers) expect([answer.status, await answer.text()]).toEqual([202, '']);
    await mailsTo(known.email, 2);
    const { mails } = await expectJson<{ mails: { to: string }[] }>(
      await call('GET', '/dev/mail', { headers: { accept: 'application/json' } }),
      200,
    );
    expect(mails.filter(({ to }) => to === 'nobody@kiln.test')).toEqual([]);
  });
});

describe('a mail service that fails', () => {
  const app = createApp();

  it('loses no mail and tells nothing: it is sent by the sweep once the service is back', async () => {
    const account = await signUp('outage');
    await mailsTo(account.email);
    const down = { send: () => Promise.reject(new Error(`550 no mailbox ${account.email}`)) } as unknown as SendEmail;
    const logged: string[] = [];
    const log = vi.spyOn(console, 'error').mockImplementation((line: string) => void logged.push(line));
    const context = createExecutionContext();
    const answer = await app.request(
      'http://kiln.test/api/auth/password/forgot',
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email: account.email }),
      },
      { ...env, EMAIL: down },
      context,
    );
    expect([answer.status, await answer.text()]).toEqual([202, '']);
    await waitOnExecutionContext(context);
    log.mockRestore();
    expect(logged.join()).toContain('"outcome":"postponed"');
    expect(logged.join()).not.toContain(account.email);

    await sweep(env, Date.now());
    expect(await mailsTo(account.email)).toHaveLength(1);
    await sweep(env, Date.now() + limits.mail.retryMax);
    const [mail] = await mailsTo(account.email, 2);
    expect((await reset(tokenIn(mail))).status).toBe(204);
  });

  it('is given up on after a day', async () => {
    const account = await signUp('never');
    await mailsTo(account.email);
    const down = { ...env, EMAIL: { send: () => Promise.reject(new Error('down')) } as unknown as SendEmail };
    await rows(
      `INSERT INTO outbox (id, queue, body, created_at, claimed_until, attempts) VALUES ('old', 'mail', ?, ?, 0, 9)`,
      JSON.stringify({ kind: 'reset', userId: account.id }),
      Date.now() - limits.mail.giveUp,
    );
    await sweep(down, Date.now());
    expect(await rows(`SELECT id FROM outbox WHERE id = 'old'`)).toEqual([]);
  });
});

describe('the development mailbox', () => {
  it('is a page with links in development, and nowhere else', async () => {
    const account = await signUp('page');
    await mailsTo(account.email);
    const page = await call('GET', '/dev/mail');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await page.text()).toContain('<a href="http://kiln.test/verify-email#');
    const elsewhere = {
      ...env,
      KILN_ENV: 'staging',
      APP_ORIGIN: 'https://kiln.test',
      CONTENT_HOST: 'play.example',
      OAUTH_GITHUB_URL: 'https://github.test',
      OAUTH_GITHUB_API_URL: 'https://api.github.test',
      OAUTH_GOOGLE_ISSUER: 'https://google.test',
      AUTH_KEYS: env.AUTH_KEYS.replace(/"kid":"dev-/, '"kid":"'),
    };
    const answer = await createApp().request('https://kiln.test/dev/mail', {}, elsewhere, createExecutionContext());
    expect(await expectProblem(answer, 404)).toBe('not_found');
  });
});
