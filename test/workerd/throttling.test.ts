import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import type { RatePolicy } from '../../src/core/rate.ts';
import { sha256 } from '../../src/core/tree.ts';
import { createApp } from '../../src/worker/app.ts';
import { expectJson, expectProblem, origin, signUp } from './support.ts';

const app = createApp();
/** As a deployment has it: the tests of everything else come from one address and count a hundred times over. */
const strict: Env = { ...env, RATE_LIMIT_SCALE: '1' };

interface From {
  /** As the platform says it. */
  readonly address?: string;
  readonly headers?: Record<string, string>;
}

async function send(method: string, path: string, { address = '192.0.2.1', headers = {} }: From, json?: unknown) {
  const context = createExecutionContext();
  const response = await app.fetch(
    new Request(`${origin}${path}`, {
      method,
      headers: { 'cf-connecting-ip': address, 'content-type': 'application/json', ...headers },
      ...(json !== undefined && { body: JSON.stringify(json) }),
    }),
    strict,
    context,
  );
  await waitOnExecutionContext(context);
  return response;
}

const login = (email: string, password: string, from: From) =>
  send('POST', '/api/auth/login', from, { email, password });

/** Tries that others have made before; a hash for each would take minutes. */
async function useUp(name: string, policy: RatePolicy, uses: number): Promise<void> {
  for (let n = 0; n < uses; n += 1) await env.THROTTLE.getByName(name).take(policy);
}

/** Each try that is let through is hashed, and machines may be slow at that. */
const patience = 240_000;

describe('#14 passwords that are tried', { timeout: patience }, () => {
  it('on one account from many addresses are throttled; its owner gets in from a known device', async () => {
    const account = await signUp();
    const password = `correct horse ${account.username}`;
    const first = await login(account.email, password, { address: '198.51.100.1' });
    const device = /__Host-kiln_device=[^;]+/.exec(first.headers.getSetCookie().join('\n'))?.[0] ?? '';
    expect(device).not.toBe('');
    await expectJson(first, 200);
    const statuses: number[] = [];
    const guesses = 60;
    for (let n = 0; n < guesses; n += 1) {
      const answer = await login(account.email, `guess number ${n}`, {
        address: `203.0.113.${n}`,
        headers: { 'x-forwarded-for': `10.0.0.${n}`, 'x-real-ip': `10.0.1.${n}` },
      });
      statuses.push(answer.status);
      if (answer.status === 429) {
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(answer.headers.get('ratelimit')).toMatch(/^"account";r=0;t=\d+$/);
      }
      await answer.body?.cancel();
    }
    expect(statuses.filter((status) => status === 401).length).toBe(limits.rates.account.limit);
    expect(statuses.filter((status) => status === 429).length).toBe(guesses - limits.rates.account.limit);
    expect(await expectProblem(await login(account.email, password, { address: '198.51.100.9' }), 429)).toBe(
      'rate_limited',
    );
    await expectJson(
      await login(account.email, password, { address: '198.51.100.9', headers: { cookie: device } }),
      200,
    );
    // The device of one account is nothing to another.
    const other = await signUp();
    await useUp(`account:${sha256(other.email)}`, limits.rates.account, limits.rates.account.limit);
    expect(await expectProblem(await login(other.email, 'one more', { headers: { cookie: device } }), 429)).toBe(
      'rate_limited',
    );
  });

  it('on many accounts from one address are throttled, whatever it says that it forwards for', async () => {
    const from = (n: number): From => ({ address: '192.0.2.77', headers: { 'x-forwarded-for': `10.1.0.${n}` } });
    const { signIn } = limits.rates.perAddress;
    const left = 8;
    await useUp('signIn:192.0.2.77', signIn, signIn.limit - left);
    let through = 0;
    for (let n = 0; n < 2 * left; n += 1) {
      const answer = await login(`nobody-${n}@kiln.test`, 'summer of 2026!', from(n));
      if (answer.status === 401) through += 1;
      await answer.body?.cancel();
    }
    // One is given back every nine seconds, and hashing takes its time.
    expect(through).toBeGreaterThanOrEqual(left);
    expect(through).toBeLessThan(2 * left);
    expect(
      await expectProblem(await login('nobody@kiln.test', 'summer of 2026!', { address: '192.0.2.78' }), 401),
    ).toBe('invalid_credentials');
  });

  it('that are right are given back: who signs in often is not throttled', async () => {
    const account = await signUp();
    await useUp(`account:${sha256(account.email)}`, limits.rates.account, limits.rates.account.limit - 1);
    for (let n = 0; n < 3; n += 1)
      await expectJson(await login(account.email, `correct horse ${account.username}`, { address: '192.0.2.5' }), 200);
  });
});

describe('rates', () => {
  it('are told with every answer that counts, and end in 429', async () => {
    const account = await signUp();
    const headers = { authorization: `Bearer ${account.token}` };
    const ask = () => send('POST', '/api/builds', { headers }, { projectId: account.id });
    const answer = await ask();
    expect(answer.status).toBe(404);
    const { limit } = limits.rates.perUser.build;
    expect(answer.headers.get('ratelimit-policy')).toBe(`"build";q=${limit};w=60`);
    expect(answer.headers.get('ratelimit')).toBe(`"build";r=${limit - 1};t=1`);
    const statuses: number[] = [];
    for (let n = 0; n < limit + 20; n += 1) statuses.push((await ask()).status);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
    const refused = await ask();
    if (refused.status === 429) expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    // Reading goes on.
    const read = await send('GET', '/api/auth/me', { headers });
    expect(read.headers.get('ratelimit')).toMatch(/^"read";r=\d+;t=\d+$/);
    await expectJson(read, 200);
  });
});
