import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { exportJWK, generateKeyPair } from 'jose';
import { describe, expect, it } from 'vitest';
import { endpoints } from '../../src/contract/endpoints.ts';
import { errorCodes } from '../../src/contract/errors.ts';
import { newId } from '../../src/contract/ids.ts';
import { createApp } from '../../src/worker/app.ts';
import { call, expectJson } from './support.ts';

interface OpenApi {
  openapi: string;
  paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown> }>>;
}

/** Pages about the API, and of development; everything else that the router knows is an endpoint of the contract. */
const pages = ['GET /openapi.json', 'GET /docs', 'GET /docs/errors', 'GET /dev/mail'];

describe('the contract', () => {
  it('lists exactly the routes that the router has, below /api and below /api/v1', () => {
    const mounted = new Set(
      createApp()
        .routes.filter((route) => route.method !== 'ALL')
        .map((route) => `${route.method} ${route.path}`),
    );
    const declared = new Set(
      Object.values(endpoints).flatMap((endpoint) => {
        const path = endpoint.path.replaceAll(/\{(\w+)\}/g, ':$1') + ('catchAll' in endpoint ? '{.+}' : '');
        return path.startsWith('/api/')
          ? [`${endpoint.method} ${path}`, `${endpoint.method} ${path.replace('/api/', '/api/v1/')}`]
          : [`${endpoint.method} ${path}`];
      }),
    );
    expect([...mounted].filter((route) => !pages.includes(route)).sort()).toEqual([...declared].sort());
  });

  it('is what /openapi.json says', async () => {
    const document = await expectJson<OpenApi>(await call('GET', '/openapi.json'), 200);
    expect(document.openapi).toBe('3.1.0');
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual(
      Object.values(endpoints)
        .map((endpoint) => `${endpoint.method} ${endpoint.path}`)
        .sort(),
    );
  });

  it('has a page entry for every error code, where problem documents link to', async () => {
    const page = await (await call('GET', '/docs/errors')).text();
    for (const code of errorCodes) expect(page).toContain(`id="${code}"`);
    const problem = await expectJson<{ type: string; code: string }>(await call('GET', '/api/projects'), 401);
    expect(problem.type).toBe('http://kiln.test/docs/errors#unauthenticated');
  });
});

describe('every answer', () => {
  it('carries a request id: the sane one that the client sent, or a fresh one', async () => {
    expect(
      (await call('GET', '/health', { headers: { 'x-request-id': 'trace-1234.abc' } })).headers.get('x-request-id'),
    ).toBe('trace-1234.abc');
    const fresh = (await call('GET', '/api/projects', { headers: { 'x-request-id': 'a b\tc' } })).headers;
    expect(fresh.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(fresh.get('api-version')).toBe('1');
  });

  it('of the API is kept by no cache', async () => {
    for (const path of ['/api/projects', '/api/projects/x.css', '/api/nothing'])
      expect((await call('GET', path)).headers.get('cache-control')).toMatch(/no-store/);
  });
});

describe('configuration', () => {
  it('#36 without what production needs, or with what only development may have, serves nothing', async () => {
    const app = createApp();
    const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
    const good = {
      ...env,
      KILN_ENV: 'production',
      APP_ORIGIN: 'https://kiln.example',
      CONTENT_HOST: 'kiln-play.example',
      AUTH_KEYS: JSON.stringify([{ ...(await exportJWK(privateKey)), kid: newId() }]),
      OAUTH_GITHUB_URL: 'https://github.test',
      OAUTH_GITHUB_API_URL: 'https://api.github.test',
      OAUTH_GOOGLE_ISSUER: 'https://google.test',
    };
    const ask = async (path: string, change: object): Promise<[number, string]> => {
      const init = path.endsWith('login') ? { method: 'POST', body: '{}' } : {};
      const changed = { ...good, ...change } as Env;
      const answer = await app.request(`https://kiln.example${path}`, init, changed, createExecutionContext());
      return [answer.status, await answer.text()];
    };
    expect((await ask('/health', {}))[0]).toBe(200);
    for (const change of [
      { AUTH_KEYS: undefined },
      { AUTH_KEYS: '' },
      { AUTH_KEYS: '[]' },
      { AUTH_KEYS: 'secret' },
      // Made for development, as its name says.
      { AUTH_KEYS: env.AUTH_KEYS },
      { APP_ORIGIN: 'http://kiln.example' },
      { CONTENT_HOST: 'play.kiln.example' },
      { OAUTH_GOOGLE_ISSUER: 'http://google.test' },
    ])
      for (const path of ['/health', '/api/projects', '/.well-known/jwks.json', '/api/auth/login']) {
        const [status, text] = await ask(path, change);
        expect(status, `${JSON.stringify(Object.keys(change))} ${path}`).toBe(500);
        expect(text).not.toMatch(/AUTH_KEYS|google\.test/);
      }
  });
});
