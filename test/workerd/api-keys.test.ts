import { beforeAll, describe, expect, it } from 'vitest';
import type { ApiKey, SecurityEvent } from '../../src/contract/accounts.ts';
import type { Endpoint } from '../../src/contract/endpoint.ts';
import { endpoints } from '../../src/contract/endpoints.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { Scope } from '../../src/contract/scopes.ts';
import { newApiKey } from '../../src/core/api-keys.ts';
import { call, database, expectJson, expectProblem, makeWorld, signUp, type World } from './support.ts';

let world: World;
/** Another project of the same owner. */
let other: string;
beforeAll(async () => {
  world = await makeWorld({ 'index.html': '<p>hi</p>' });
  const made = await call('POST', '/api/projects', { as: world.owner, json: { name: 'Other' } });
  other = (await expectJson<{ project: { id: string } }>(made, 201)).project.id;
});

interface Made {
  readonly apiKey: ApiKey;
  readonly secret: string;
}

const make = async (scopes: readonly Scope[], more: object = {}, as = world.owner): Promise<Made> =>
  await expectJson<Made>(
    await call('POST', '/api/auth/api-keys', { as, json: { name: 'a key', scopes, ...more } }),
    201,
  );

const by = (secret: string, method: string, path: string, json?: unknown): Promise<Response> =>
  call(method, path, { json, headers: { authorization: `Bearer ${secret}` } });

const codeOf = async (response: Response): Promise<string> =>
  response.ok ? 'ok' : (await response.json<{ code: string }>()).code;

describe('API keys', () => {
  it('are shown once, listed without their secret, and stored as a hash', async () => {
    const owner = await signUp();
    const { apiKey, secret } = await make(['builds:read'], {}, owner);
    expect(apiKey).toMatchObject({ scopes: ['builds:read'], projectId: null, expiresAt: null, lastUsedAt: null });
    expect(secret.startsWith(apiKey.prefix)).toBe(true);
    const list = await (await call('GET', '/api/auth/api-keys', { as: owner })).text();
    expect(JSON.parse(list)).toEqual({ apiKeys: [apiKey], nextCursor: null });
    expect(list).not.toContain(secret);
    const row = await database.prepare('SELECT * FROM api_keys WHERE id = ?').bind(apiKey.id).first();
    expect(JSON.stringify(row)).not.toContain(secret);
  });

  it('do what their scope says, in projects that their owner may reach', async () => {
    const { secret } = await make(['projects:read']);
    const at = `/api/projects/${world.projectId}`;
    await expectJson(await by(secret, 'GET', `${at}/files/index.html`), 200);
    await expectJson(await by(secret, 'GET', '/api/projects'), 200);
    expect(await expectProblem(await by(secret, 'PUT', `${at}/files/a.txt`, { content: 'x' }), 403)).toBe(
      'insufficient_scope',
    );
    expect(await expectProblem(await by(secret, 'GET', `/api/projects/${newId()}`), 404)).toBe('not_found');
    const ofStranger = await make(['projects:read'], {}, world.stranger);
    expect(await expectProblem(await by(ofStranger.secret, 'GET', at), 404)).toBe('not_found');
    const ofViewer = await make(['projects:write'], {}, world.viewer);
    expect(await expectProblem(await by(ofViewer.secret, 'PUT', `${at}/files/a.txt`, { content: 'x' }), 403)).toBe(
      'forbidden',
    );
  });

  it('#25 reach exactly the operations whose rule names one of their scopes', async () => {
    const asked = Object.entries(endpoints as Readonly<Record<string, Endpoint>>).filter(
      ([, { access }]) => 'scope' in access,
    );
    const secrets = new Map<Scope, string>();
    for (const scope of Scope.options) secrets.set(scope, (await make([scope])).secret);
    for (const [name, { method, path, access }] of asked) {
      const needed = 'scope' in access ? access.scope : null;
      for (const [scope, secret] of secrets) {
        if (scope === needed) continue;
        const url = path.replace('{id}', newId()).replace(/\{\w+\}/g, 'x');
        const code = await codeOf(await by(secret, method, url, method === 'GET' ? undefined : {}));
        expect(code, `${name} with ${scope}`).toBe(
          // What a path names is looked at first only where it can name nothing at all.
          'insufficient_scope',
        );
      }
    }
    expect(asked.filter(([, { access }]) => 'scope' in access && access.scope === null).length).toBeGreaterThan(15);
  });

  it('that are bound to a project open that one, and make no others', async () => {
    const { secret } = await make(['projects:read', 'projects:write'], { projectId: world.projectId });
    await expectJson(await by(secret, 'GET', `/api/projects/${world.projectId}`), 200);
    for (const [method, path, json] of [
      ['GET', `/api/projects/${other}`],
      ['GET', `/api/projects/${newId()}`],
      ['GET', '/api/projects'],
      ['POST', '/api/projects', { name: 'New' }],
      ['POST', `/api/projects/${world.projectId}/duplicate`, {}],
      ['POST', `/api/projects/${world.projectId}/merge`, { from: other, preview: true }],
    ] as const)
      expect(await expectProblem(await by(secret, method, path, json), 403), `${method} ${path}`).toBe(
        'insufficient_scope',
      );
  });

  it('bound to a project do not tell whether another one has a build', async () => {
    const { secret } = await make(['builds:read'], { projectId: world.projectId });
    const { build } = await expectJson<{ build: { id: string } }>(
      await call('POST', '/api/builds', { as: world.owner, json: { projectId: other } }),
      202,
    );
    expect(await expectProblem(await by(secret, 'GET', `/api/builds/${build.id}`), 404)).toBe('not_found');
    expect(await expectProblem(await by(secret, 'GET', `/api/builds/${newId()}`), 404)).toBe('not_found');
  });

  it('are bound to no project that their owner cannot see', async () => {
    const json = { name: 'k', scopes: ['projects:read'], projectId: world.projectId };
    expect(await expectProblem(await call('POST', '/api/auth/api-keys', { as: world.stranger, json }), 404)).toBe(
      'not_found',
    );
  });

  it('stop with their revocation and at their end', async () => {
    const { apiKey, secret } = await make(['projects:read']);
    await expectJson(await by(secret, 'GET', '/api/projects'), 200);
    expect((await call('DELETE', `/api/auth/api-keys/${apiKey.id}`, { as: world.owner })).status).toBe(204);
    expect(await expectProblem(await by(secret, 'GET', '/api/projects'), 401)).toBe('unauthenticated');
    expect(await expectProblem(await call('DELETE', `/api/auth/api-keys/${apiKey.id}`, { as: world.owner }), 404)).toBe(
      'not_found',
    );
    const expiresAt = new Date(Date.now() + 1500).toISOString();
    const short = await make(['projects:read'], { expiresAt });
    await expectJson(await by(short.secret, 'GET', '/api/projects'), 200);
    await new Promise((resolve) => setTimeout(resolve, 1600));
    expect(await expectProblem(await by(short.secret, 'GET', '/api/projects'), 401)).toBe('unauthenticated');
  });

  it('that nobody made are refused, however well they are spelt', async () => {
    for (const secret of [newApiKey(world.owner.id).secret, newApiKey(newId()).secret, 'kiln_x', 'kiln_'])
      expect(await expectProblem(await by(secret, 'GET', '/api/projects'), 401)).toBe('unauthenticated');
  });

  it('say when they were last used, and their first use is on record', async () => {
    const owner = await signUp();
    const { apiKey, secret } = await make(['projects:read'], {}, owner);
    for (let n = 0; n < 3; n += 1) await expectJson(await by(secret, 'GET', '/api/projects'), 200);
    await expect
      .poll(async () => {
        const { apiKeys } = await expectJson<{ apiKeys: ApiKey[] }>(
          await call('GET', '/api/auth/api-keys', { as: owner }),
          200,
        );
        return apiKeys[0]?.lastUsedAt ?? null;
      })
      .not.toBeNull();
    const { events } = await expectJson<{ events: SecurityEvent[] }>(
      await call('GET', '/api/auth/activity', { as: owner }),
      200,
    );
    const ofKey = events.filter(({ subject }) => subject === `api-key:${apiKey.id}`);
    expect(ofKey.map(({ action }) => action)).toEqual(['auth.api_key_first_used', 'auth.api_key_created']);
  });

  it('are so many at most, and end within the longest time that there is', async () => {
    const owner = await signUp();
    const json = { name: 'k', scopes: ['projects:read'] };
    for (const expiresAt of [new Date(Date.now() - 1), new Date(Date.now() + limits.apiKey.ttlMax + 60_000)])
      expect(
        await expectProblem(
          await call('POST', '/api/auth/api-keys', {
            as: owner,
            json: { ...json, expiresAt: expiresAt.toISOString() },
          }),
          422,
        ),
      ).toBe('validation_failed');
    const made = await Promise.all(
      Array.from({ length: limits.apiKey.perUser + 3 }, () => call('POST', '/api/auth/api-keys', { as: owner, json })),
    );
    expect(made.filter(({ status }) => status === 201)).toHaveLength(limits.apiKey.perUser);
    for (const answer of made.filter(({ status }) => status !== 201))
      expect(await expectProblem(answer, 413)).toBe('quota_exceeded');
  });
});
