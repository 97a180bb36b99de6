import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { createApp } from '../../src/worker/app.ts';
import { call, database, expectJson, makeWorld, type World } from './support.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld({ 'a.txt': 'text' });
});

const app = createApp();

/** The real bindings, except that some calls of some of them fail as the platform's do. */
async function callWith(
  bindings: Partial<Env>,
  method: string,
  path: string,
  token: string,
  json?: unknown,
): Promise<Response> {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(json !== undefined && { 'content-type': 'application/json' }),
  };
  const init = { method, headers, ...(json !== undefined && { body: JSON.stringify(json) }) };
  return await app.request(`http://kiln.test${path}`, init, { ...env, ...bindings }, createExecutionContext());
}

/** A database whose statements fail on every `nth` one, before they are done. */
function failingDatabase(nth: number): D1Database {
  let count = 0;
  const fail = (): void => {
    count += 1;
    if (count % nth === 0) throw new Error('D1_ERROR: Network connection lost.');
  };
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(object, name) {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (name === 'withSession') return wrap(value.apply(object, args) as object);
          if (name === 'batch' || name === 'raw') {
            try {
              fail();
            } catch (error) {
              return Promise.reject(error);
            }
          }
          const result: unknown = value.apply(object, name === 'batch' ? [(args[0] as object[]).map(unwrapped)] : args);
          return name === 'prepare' || name === 'bind' ? wrapStatement(result as object) : result;
        };
      },
    });
  const originals = new WeakMap<object, object>();
  const wrapStatement = (statement: object): object => {
    const wrapped = wrap(statement);
    originals.set(wrapped, statement);
    return wrapped;
  };
  const unwrapped = (statement: object): object => originals.get(statement) ?? statement;
  return wrap(database);
}

describe('fault 7: a store that fails', () => {
  it('the database on every n-th statement: 503 to be tried again, or all of it', async () => {
    for (const nth of [1, 2, 3, 4, 5]) {
      for (let attempt = 0; attempt < 4; attempt += 1) {
        const name = `Fault ${newId()}`;
        const answer = await callWith({ DB: failingDatabase(nth) }, 'POST', '/api/projects', world.owner.token, {
          name,
        });
        const listed = async (): Promise<unknown[]> =>
          (
            await expectJson<{ projects: unknown[] }>(
              await call('GET', `/api/projects?q=${encodeURIComponent(name)}`, { as: world.owner }),
              200,
            )
          ).projects;
        if (answer.status === 201) expect(await listed()).toHaveLength(1);
        else {
          expect(answer.headers.get('retry-after')).toBe('1');
          expect(await expectJson<{ code: string }>(answer, 503)).toMatchObject({ code: 'unavailable' });
        }
      }
    }
  });

  it('the database: no gate is skipped, for strangers and for members', async () => {
    for (const [method, path, json] of [
      ['GET', '/api/projects', undefined],
      ['GET', `/api/projects/${world.projectId}/builds`, undefined],
      ['GET', `/api/builds/${newId()}`, undefined],
      ['POST', `/api/projects/${world.projectId}/collaborators`, { userId: world.stranger.id, role: 'editor' }],
    ] as const) {
      const answer = await callWith({ DB: failingDatabase(1) }, method, path, world.stranger.token, json);
      expect([403, 404, 503], `${method} ${path}`).toContain(answer.status);
    }
    const members = await expectJson<{ collaborators: { userId: string }[] }>(
      await call('GET', `/api/projects/${world.projectId}/collaborators`, { as: world.owner }),
      200,
    );
    expect(members.collaborators.map((member) => member.userId)).not.toContain(world.stranger.id);
  });

  it('the object store refuses a put: 503, and no tree names what is not stored', async () => {
    const broken = new Proxy(env.ASSETS, {
      get: (bucket, name) =>
        name === 'put'
          ? () => Promise.reject(new Error('put: We encountered an internal error. Please try again. (10001)'))
          : Reflect.get(bucket, name, bucket).bind(bucket),
    });
    const path = `/api/projects/${world.projectId}/files/picture.png`;
    const content = btoa(String.fromCharCode(0, 1, 2, 3));
    const answer = await callWith({ ASSETS: broken }, 'PUT', path, world.editor.token, { content, encoding: 'base64' });
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(await expectJson<{ code: string }>(answer, 503)).toMatchObject({ code: 'unavailable' });
    expect((await call('GET', path, { as: world.editor })).status).toBe(404);
    await expectJson(await call('PUT', path, { as: world.editor, json: { content, encoding: 'base64' } }), 201);
  });

  it('the cache is gone: only readiness says so', async () => {
    const broken = new Proxy(env.CACHE, { get: () => () => Promise.reject(new Error('KV GET failed: 500')) });
    const ready = await callWith({ CACHE: broken }, 'GET', '/health/ready', world.owner.token);
    const body = await expectJson<{ status: string; checks: Record<string, { ok: boolean }> }>(ready, 503);
    expect([body.status, body.checks.cache?.ok, body.checks.database?.ok]).toEqual(['unready', false, true]);
    expect(
      (await callWith({ CACHE: broken }, 'GET', `/api/projects/${world.projectId}/files/a.txt`, world.viewer.token))
        .status,
    ).toBe(200);
  });
});
