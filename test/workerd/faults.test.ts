import { createExecutionContext, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Asset, Upload } from '../../src/contract/assets.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import type { Job } from '../../src/contract/maintenance.ts';
import type { Readiness } from '../../src/contract/system.ts';
import { configOf } from '../../src/core/config.ts';
import { signToken } from '../../src/core/tokens.ts';
import { createApp } from '../../src/worker/app.ts';
import { png } from '../support/media.ts';
import { zipOf } from '../support/zip.ts';
import { finishedBuild, page } from './built.ts';
import { call, database, expectJson, expectProblem, makeWorld, roomStub, type World } from './support.ts';
import { until } from './yjs-client.ts';

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

/** What becomes of a call: an error that the platform names, or nothing at all. */
const fails = (message: string) => (): Promise<never> => Promise.reject(new Error(message));
const hangs = (): Promise<never> => new Promise(() => undefined);
const connectionLost = fails('D1_ERROR: Network connection lost.');

/** A database that asks `judge`, with how many statements or groups of them there were, what becomes of each. */
function judgedDatabase(judge: (count: number, run: () => Promise<unknown>) => Promise<unknown>): D1Database {
  let count = 0;
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(object, name) {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (name === 'withSession') return wrap(value.apply(object, args) as object);
          const run = (): unknown =>
            value.apply(object, name === 'batch' ? [(args[0] as object[]).map(unwrapped)] : args);
          if (name === 'batch' || name === 'raw') {
            count += 1;
            return judge(count, run as () => Promise<unknown>);
          }
          const result = run();
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

/** A database in which every `nth` statement ends like `fault`, before it is done. */
const faultyDatabase = (nth: number, fault: () => Promise<never>): D1Database =>
  judgedDatabase((count, run) => (count % nth === 0 ? fault() : run()));

/** A database as a Worker has it that dies at the `nth` statement: right before it, or right after. */
const lastStatement = (nth: number, done: boolean): D1Database =>
  judgedDatabase(async (count, run) => {
    if (count < nth || (count === nth && done)) {
      const result = await run();
      if (count < nth) return result;
    }
    return await connectionLost();
  });

async function expectAway(answer: Response): Promise<void> {
  expect(answer.headers.get('retry-after')).toBe('1');
  expect(await expectJson<{ code: string }>(answer, 503)).toMatchObject({ code: 'unavailable' });
}

const listed = async (name: string): Promise<unknown[]> =>
  (
    await expectJson<{ projects: unknown[] }>(
      await call('GET', `/api/projects?q=${encodeURIComponent(name)}`, { as: world.owner }),
      200,
    )
  ).projects;

describe('fault 2: a Worker that dies while it makes a project', () => {
  const path = (made: string): string => `/api/projects${made}`;
  type Made = readonly [what: string, path: (name: string) => string, body: () => Promise<(name: string) => BodyInit>];
  const jsonOf =
    (more: object) =>
    (name: string): BodyInit =>
      JSON.stringify({ name, ...more });
  const ways: readonly Made[] = [
    ['a new one', () => path(''), async () => jsonOf({})],
    ['a copy', () => path(`/${world.projectId}/duplicate`), async () => jsonOf({})],
    ['a fork', () => path(`/${world.projectId}/duplicate`), async () => jsonOf({ fork: true })],
    [
      'an archive',
      (name) => path(`/import?name=${encodeURIComponent(name)}`),
      async () => () => zipOf([{ name: 'index.html', content: newId() }]),
    ],
    [
      'an archive in parts',
      (name) => path(`/import?name=${encodeURIComponent(name)}`),
      async () => {
        const bytes = zipOf([{ name: 'index.html', content: newId() }]);
        const json = { size: bytes.length, name: 'game.zip' };
        const begun = await call('POST', '/api/projects/import/uploads', { as: world.owner, json });
        const { upload } = await expectJson<{ upload: Upload }>(begun, 201);
        const { pathname, search } = new URL(upload.parts[0]?.url ?? '');
        await expectJson(await call('PUT', pathname + search, { body: bytes }), 200);
        return () => JSON.stringify({ uploadId: upload.id });
      },
    ],
  ];

  it.each(ways)(
    '%s, at any statement: asked again it is one project, and the same answer at once where it was made',
    async (_what, pathOf, bodyOf) => {
      let lost = 0;
      for (const done of [false, true]) {
        for (let nth = 1, died = true; died; nth += 1) {
          const name = `Once ${newId()}`;
          const body = (await bodyOf())(name);
          const headers = {
            authorization: `Bearer ${world.owner.token}`,
            'content-type': typeof body === 'string' ? 'application/json' : 'application/zip',
            'idempotency-key': newId(),
          };
          const ask = async (DB: D1Database): Promise<Response> =>
            await app.request(
              `http://kiln.test${pathOf(name)}`,
              { method: 'POST', headers, body },
              { ...env, DB },
              createExecutionContext(),
            );
          const first = await ask(lastStatement(nth, done));
          died = first.status !== 201;
          await first.body?.cancel();
          const [made] = await listed(name);
          const again = await ask(database);
          if (made) {
            if (died) lost += 1;
            expect(again.headers.get('idempotency-replayed')).toBe('true');
            expect(await expectJson<{ project: unknown }>(again, 201)).toMatchObject({ project: made });
            continue;
          }
          if (again.status !== 201) {
            expect(await expectProblem(again, 409)).toBe('conflict');
            // As if nobody had heard of its holder for so long.
            const { idempotencyLease } = limits.http;
            await database
              .prepare('UPDATE idempotency_keys SET created_at = created_at - ?')
              .bind(idempotencyLease + 1)
              .run();
            expect((await ask(database)).status).toBe(201);
          }
          expect(await listed(name)).toHaveLength(1);
        }
      }
      expect(lost).toBe(1);
    },
  );

  it('one that only takes long keeps its key', async () => {
    vi.spyOn(limits.http, 'idempotencyRenewal', 'get').mockReturnValue(10);
    const key = newId();
    const lastHeard = () =>
      database.prepare('SELECT created_at AS at FROM idempotency_keys WHERE key = ?').bind(key).first<number>('at');
    let waited = false;
    // The first statement after the claim waits until its holder has been heard of again.
    const slow = judgedDatabase(async (_count, run) => {
      if (!waited && (await lastHeard()) !== null) {
        waited = true;
        await database.prepare('UPDATE idempotency_keys SET created_at = 0 WHERE key = ?').bind(key).run();
        await expect.poll(lastHeard).toBeGreaterThan(0);
      }
      return await run();
    });
    const init = {
      method: 'POST',
      headers: {
        authorization: `Bearer ${world.owner.token}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({ name: 'Slow' }),
    };
    const answer = await app.request(
      'http://kiln.test/api/projects',
      init,
      { ...env, DB: slow },
      createExecutionContext(),
    );
    vi.restoreAllMocks();
    await expectJson(answer, 201);
    expect(waited).toBe(true);
  });
});

describe('fault 2: a Worker that dies while it makes a build or a checkpoint', () => {
  type Made = readonly [
    what: string,
    prepare: () => Promise<void>,
    path: () => string,
    json: () => object,
    status: number,
  ];
  const builds = () => database.prepare('SELECT count(*) AS n FROM builds WHERE project_id = ?').bind(world.projectId);
  const checkpoints = async (): Promise<number> =>
    await runInDurableObject(roomStub(world.projectId), (_room, state) =>
      Number(state.storage.sql.exec("SELECT count(*) AS n FROM checkpoints WHERE kind = 'manual'").one().n),
    );
  const build = () => ({ projectId: world.projectId });
  const ways: readonly Made[] = [
    ['a build', async () => undefined, () => '/api/builds', build, 202],
    [
      'a build that repeats another',
      async () => void (await finishedBuild(world.owner, world.projectId, [page('<p>once</p>')])),
      () => '/api/builds',
      build,
      200,
    ],
    [
      'a checkpoint',
      async () => undefined,
      () => `/api/projects/${world.projectId}/checkpoints`,
      () => ({ name: 'Once' }),
      201,
    ],
  ];

  it.each(ways)(
    '%s, at any statement: asked again it is one, and the same answer where it was made',
    async (_what, prepare, pathOf, jsonOf, status) => {
      await prepare();
      const made = async (): Promise<number> => Number(await builds().first('n')) + (await checkpoints());
      let lost = 0;
      for (const done of [false, true]) {
        for (let nth = 1, died = true; died; nth += 1) {
          const before = await made();
          const headers = {
            authorization: `Bearer ${world.owner.token}`,
            'content-type': 'application/json',
            'idempotency-key': newId(),
          };
          const body = JSON.stringify(jsonOf());
          const ask = async (DB: D1Database): Promise<Response> =>
            await app.request(
              `http://kiln.test${pathOf()}`,
              { method: 'POST', headers, body },
              { ...env, DB },
              createExecutionContext(),
            );
          const first = await ask(lastStatement(nth, done));
          died = first.status !== status;
          const there = (await made()) - before;
          const answer = await first.text();
          let again = await ask(database);
          if (there > 0 && (died || again.status !== status)) lost += 1;
          if (again.status !== status) {
            expect(await expectProblem(again, 409)).toBe('conflict');
            // As if nobody had heard of its holder for so long.
            await database
              .prepare('UPDATE idempotency_keys SET created_at = created_at - ?')
              .bind(limits.http.idempotencyLease + 1)
              .run();
            again = await ask(database);
          }
          const replayed = await again.text();
          expect([again.status, replayed === '']).toEqual([status, false]);
          expect((await made()) - before).toBe(1);
          if (!died) expect(replayed).toBe(answer);
          // Once more it is the answer that was kept.
          const last = await ask(database);
          expect(last.headers.get('idempotency-replayed')).toBe('true');
          expect(await last.text()).toBe(replayed);
        }
      }
      // It was made, and the Worker died before it could say or keep so.
      expect(lost).toBeGreaterThan(0);
    },
  );
});

describe('fault 2: a Worker that dies while it stores assets', () => {
  type Sent = string | FormData;
  type Made = readonly [what: string, path: () => string, bodyOf: (name: string) => Promise<Sent>, stored: number];
  let projectId: string;
  beforeAll(async () => {
    const made = await call('POST', '/api/projects', { as: world.owner, json: { name: 'Assets' } });
    projectId = (await expectJson<{ project: { id: string } }>(made, 201)).project.id;
  });
  const form = (field: string, files: readonly File[]): FormData => {
    const body = new FormData();
    body.set('projectId', projectId);
    for (const file of files) body.append(field, file);
    return body;
  };
  const picture = (name: string, width: number): File => new File([png(width, 4)], name);
  const stored = async (file: File): Promise<Asset> => {
    const sent = await call('POST', '/api/assets/upload', { as: world.owner, body: form('file', [file]) });
    return (await expectJson<{ asset: Asset }>(sent, 201)).asset;
  };
  const ways: readonly Made[] = [
    ['a file of a form', () => '/api/assets/upload', async (name) => form('file', [picture(`${name}.png`, 5)]), 1],
    [
      'files of a form, the same name twice, and one that is refused',
      () => '/api/assets/batch-upload',
      async (name) =>
        form('files', [
          picture(`${name}.png`, 6),
          picture(`${name}-a.png`, 7),
          new File(['no picture'], `${name}-bad.png`),
          picture(`${name}.png`, 8),
        ]),
      3,
    ],
    [
      'a sheet and its atlas',
      () => `/api/projects/${projectId}/assets/pack`,
      async (name) => {
        const { id } = await stored(picture('of-a-sheet.png', 9));
        return JSON.stringify({ assetIds: [id], name: `${name}-sheet` });
      },
      2,
    ],
    [
      'bytes that are there already',
      () => '/api/assets/uploads',
      async (name) => {
        const { size, hash } = await stored(picture('known.png', 10));
        return JSON.stringify({ projectId: projectId, name: `${name}.png`, size, hash });
      },
      1,
    ],
  ];

  it.each(ways)(
    '%s, at any statement: asked again they are stored once, and the same answer where it was made',
    async (_what, pathOf, bodyOf, versions) => {
      let lost = 0;
      for (const done of [false, true]) {
        for (let nth = 1, died = true; died; nth += 1) {
          const name = newId();
          const made = async (): Promise<number> =>
            Number(
              await database
                .prepare(
                  'SELECT count(*) AS n FROM asset_versions WHERE asset_id IN (SELECT id FROM assets WHERE name LIKE ?)',
                )
                .bind(`${name}%`)
                .first('n'),
            );
          const body = await bodyOf(name);
          const headers = {
            authorization: `Bearer ${world.owner.token}`,
            ...(typeof body === 'string' && { 'content-type': 'application/json' }),
            'idempotency-key': newId(),
          };
          const ask = async (DB: D1Database): Promise<Response> =>
            await app.request(
              `http://kiln.test${pathOf()}`,
              { method: 'POST', headers, body },
              { ...env, DB },
              createExecutionContext(),
            );
          const first = await ask(lastStatement(nth, done));
          died = first.status >= 300;
          const answer = await first.text();
          const there = await made();
          let again = await ask(database);
          if (there > 0 && (died || again.status >= 300)) lost += 1;
          if (again.status >= 300) {
            expect(await expectProblem(again, 409)).toBe('conflict');
            // As if nobody had heard of its holder for so long.
            await database
              .prepare('UPDATE idempotency_keys SET created_at = created_at - ?')
              .bind(limits.http.idempotencyLease + 1)
              .run();
            again = await ask(database);
          }
          expect([again.status < 300, await made()]).toEqual([true, versions]);
          const replayed = await again.text();
          if (!died) expect(replayed).toBe(answer);
          const last = await ask(database);
          expect(last.headers.get('idempotency-replayed')).toBe('true');
          expect(await last.text()).toBe(replayed);
        }
      }
      // Something was stored, and the Worker died before it could say or keep so.
      expect(lost).toBeGreaterThan(0);
    },
  );
});

describe('fault 7: a store that fails', () => {
  it('the database on every n-th statement: 503 to be tried again, or all of it', async () => {
    for (const nth of [1, 2, 3, 4, 5]) {
      for (let attempt = 0; attempt < 4; attempt += 1) {
        const name = `Fault ${newId()}`;
        const DB = faultyDatabase(nth, connectionLost);
        const answer = await callWith({ DB }, 'POST', '/api/projects', world.owner.token, { name });
        if (answer.status === 201) expect(await listed(name)).toHaveLength(1);
        else await expectAway(answer);
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
      const answer = await callWith(
        { DB: faultyDatabase(1, connectionLost) },
        method,
        path,
        world.stranger.token,
        json,
      );
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
    await expectAway(answer);
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

describe('fault 7: a store that never answers', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** Nobody waits long in a test for what is silent; how it is waited is the same. */
  function soon<T extends object>(table: T, name: keyof T & string, ms = 500): void {
    vi.spyOn(table as Record<string, number>, name, 'get').mockReturnValue(ms);
  }

  /** Calls of this name on the real binding hang, in the Worker and in every object, until the mocks are restored. */
  function silence(bucket: R2Bucket, name: 'get' | 'put'): void {
    soon(limits.patience, 'store');
    vi.spyOn(bucket as unknown as Record<string, () => unknown>, name).mockImplementation(hangs);
  }

  const file = (path: string): string => `/api/projects/${world.projectId}/files/${path}`;
  const picture = new Uint8Array([0, 1, 2, 3, 255]);

  it('the database, at any statement: 503, a whole project or none, and the next request is served', async () => {
    soon(limits.database, 'statementTimeout');
    for (const nth of [1, 2, 3, 4, 5]) {
      const name = `Silent ${newId()}`;
      const DB = faultyDatabase(nth, hangs);
      const answer = await callWith({ DB }, 'POST', '/api/projects', world.owner.token, { name });
      if (answer.status !== 201) await expectAway(answer);
      const made = await listed(name);
      expect(made.length).toBeLessThanOrEqual(1);
      if (answer.status === 201 || made.length)
        expect(made).toEqual([expect.objectContaining({ fileCount: 0, role: 'owner' })]);
    }
    const denied = await callWith({ DB: faultyDatabase(1, hangs) }, 'GET', file('a.txt'), world.stranger.token);
    expect([404, 503]).toContain(denied.status);
  });

  it('the database, after one silence: the rest of the request does not wait again', async () => {
    soon(limits.database, 'statementTimeout');
    let asked = 0;
    const DB = faultyDatabase(1, () => {
      asked += 1;
      return hangs();
    });
    const headers = { 'idempotency-key': newId() };
    const answer = await app.request(
      'http://kiln.test/api/projects',
      {
        method: 'POST',
        headers: { ...headers, authorization: `Bearer ${world.owner.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'Once' }),
      },
      { ...env, DB },
      createExecutionContext(),
    );
    await expectAway(answer);
    expect(asked).toBe(1);
  });

  it('the object store, when it is given bytes: no tree names them, and they are taken afterwards', async () => {
    silence(env.ASSETS, 'put');
    await expectAway(await call('PUT', file('stalled.png'), { as: world.editor, body: picture }));
    vi.restoreAllMocks();
    expect((await call('GET', file('stalled.png'), { as: world.editor })).status).toBe(404);
    await expectJson(await call('PUT', file('stalled.png'), { as: world.editor, body: picture }), 201);
  });

  it('the object store, before the first byte of a file and in the middle of it', async () => {
    await call('PUT', file('stall.bin'), { as: world.editor, body: picture });
    silence(env.ASSETS, 'get');
    for (const path of ['stall.bin', 'stall.bin?raw=1'])
      await expectAway(await call('GET', file(path), { as: world.editor }));
    vi.restoreAllMocks();

    soon(limits.patience, 'store');
    const real = env.ASSETS.get.bind(env.ASSETS);
    vi.spyOn(env.ASSETS, 'get').mockImplementation((async (key: string) => {
      const object = await real(key);
      if (object) Object.defineProperty(object, 'arrayBuffer', { value: hangs, configurable: true });
      return object;
    }) as typeof env.ASSETS.get);
    await expectAway(await call('GET', file('stall.bin'), { as: world.editor }));
    vi.restoreAllMocks();
    expect((await call('GET', file('stall.bin'), { as: world.editor })).status).toBe(200);
  });

  it('the object store, when a room needs a text from there: who asks meanwhile waits together, and the room goes on', async () => {
    await expectJson(await call('PUT', file('cold.txt'), { as: world.editor, json: { content: 'cold' } }), 201);
    await expectJson(
      await call('POST', `/api/projects/${world.projectId}/checkpoints`, { as: world.owner, json: {} }),
      201,
    );
    await runInDurableObject(roomStub(world.projectId), (_room, state) => {
      state.storage.sql.exec('DELETE FROM contents');
    });
    silence(env.ASSETS, 'get');
    const read = (): Promise<Response> => call('GET', file('cold.txt'), { as: world.viewer });
    for (const answer of await Promise.all([read(), read(), read()])) await expectAway(answer);
    // What needs no object is served while the store is silent.
    expect((await call('GET', `/api/projects/${world.projectId}/tree`, { as: world.viewer })).status).toBe(200);
    await expectJson(await call('PUT', file('hot.txt'), { as: world.editor, json: { content: 'hot' } }), 201);
    vi.restoreAllMocks();
    expect((await expectJson<{ file: { content: string } }>(await read(), 200)).file.content).toBe('cold');
  });

  it('the object store, at a snapshot: the build goes on with what the room has, and no checkpoint names what nobody can read', async () => {
    const content = `snapshot ${newId()}`;
    await expectJson(await call('PUT', file('snapshot.txt'), { as: world.editor, json: { content } }), 201);
    silence(env.ASSETS, 'put');
    const answer = await call('POST', '/api/builds', { as: world.owner, json: { projectId: world.projectId } });
    const { build } = await expectJson<{ build: { checkpointId: string } }>(answer, 202);
    const checkpoints = `/api/projects/${world.projectId}/checkpoints`;
    const read = (): Promise<Response> => call('GET', `${checkpoints}/${build.checkpointId}`, { as: world.owner });
    await expectAway(await read());
    await expectAway(await call('POST', checkpoints, { as: world.owner, json: { name: 'Never' } }));
    vi.restoreAllMocks();
    const { checkpoint } = await expectJson<{ checkpoint: { files: { path: string }[] } }>(await read(), 200);
    expect(checkpoint.files.map(({ path }) => path)).toContain('snapshot.txt');
    const kept = await expectJson<{ checkpoints: { name: string | null }[] }>(
      await call('GET', checkpoints, { as: world.owner }),
      200,
    );
    expect(kept.checkpoints.map(({ name }) => name)).not.toContain('Never');
  });

  it('the queue: the build is there, and its message is left to the sweep', async () => {
    await call('PUT', file('queue.txt'), { as: world.editor, json: { content: newId() } });
    soon(limits.patience, 'store');
    const BUILD_QUEUE = new Proxy(env.BUILD_QUEUE, { get: () => hangs });
    const answer = await callWith({ BUILD_QUEUE }, 'POST', '/api/builds', world.owner.token, {
      projectId: world.projectId,
    });
    const { build } = await expectJson<{ build: { id: string } }>(answer, 202);
    const waiting = await database
      .prepare("SELECT count(*) AS n FROM outbox WHERE json_extract(body, '$.buildId') = ?")
      .bind(build.id)
      .first('n');
    expect(waiting).toBe(1);
  });

  it('a room: 503, and nothing of the project is shown', async () => {
    soon(limits.patience, 'object');
    const room = new Proxy({}, { get: (_, name) => (name === 'then' ? undefined : hangs) });
    const PROJECT_ROOM = new Proxy(env.PROJECT_ROOM, {
      get: (rooms, name) =>
        name === 'get' || name === 'getByName' ? () => room : Reflect.get(rooms, name, rooms).bind(rooms),
    });
    for (const [method, path] of [
      ['GET', `/api/projects/${world.projectId}`],
      ['GET', file('a.txt')],
      ['DELETE', file('a.txt')],
    ] as const)
      await expectAway(await callWith({ PROJECT_ROOM }, method, path, world.owner.token));
    expect((await call('GET', file('a.txt'), { as: world.owner })).status).toBe(200);
  });

  it('each of them: readiness names it and does not wait for it', async () => {
    soon(limits.http, 'readinessPatience');
    const silent = new Proxy({}, { get: () => hangs });
    for (const [binding, part] of [
      ['CACHE', 'cache'],
      ['EXPORTS', 'storage'],
      ['DB', 'database'],
    ] as const) {
      const value = binding === 'DB' ? faultyDatabase(1, hangs) : silent;
      const answer = await callWith({ [binding]: value }, 'GET', '/health/ready', world.owner.token);
      const body = await expectJson<{ checks: Record<string, { ok: boolean; detail?: string }> }>(answer, 503);
      expect(body.checks[part], part).toMatchObject({ ok: false, detail: 'does not answer' });
      expect(body.checks.rooms?.ok).toBe(true);
    }
  });

  it('the bucket of the backups: a step is tried again, and the backup ends when the bucket is back', async () => {
    const token = await signToken(configOf(env), 'system', { sub: 'operator' }, 600_000);
    const headers = { authorization: `Bearer ${token}` };
    silence(env.EXPORTS, 'put');
    soon(limits.backup, 'retryDelay', 100);
    const started = await call('POST', '/api/system/backups', { headers, json: {} });
    const { job } = await expectJson<{ job: Job }>(started, 202);
    const failures = (): Promise<number> =>
      runInDurableObject(env.MAINTENANCE.getByName('maintenance'), (_object, state) => {
        const [row] = state.storage.sql.exec<{ json: string }>('SELECT json FROM jobs WHERE id = ?', job.id);
        return (JSON.parse(row?.json ?? '{}') as { failures: number }).failures;
      });
    await until(async () => (await failures()) > 0);
    vi.restoreAllMocks();
    const look = async (): Promise<Job> =>
      (await expectJson<{ job: Job }>(await call('GET', `/api/system/jobs/${job.id}`, { headers }), 200)).job;
    await until(async () => (await look()).status !== 'running');
    expect(await look()).toMatchObject({ status: 'done', error: null });
  });
});

describe('The bundler of previews', () => {
  const readiness = async (bundler?: () => Promise<Response>) => {
    // No runner listens in this layer, so none is asked.
    const overrides = { BUILD_DELIVERY: 'pull', ...(bundler && { BUNDLER: { fetch: bundler } as unknown as Fetcher }) };
    const answer = await callWith(overrides, 'GET', '/health/ready', world.owner.token);
    const { status, checks } = (await answer.json()) as Readiness;
    return { code: answer.status, status, away: Object.keys(checks).filter((name) => checks[name]?.ok === false) };
  };

  it('is asked by the readiness check, and missed without taking the rest out', async () => {
    // Nobody takes the messages of the tests before.
    await database.prepare('DELETE FROM outbox').run();
    expect(await readiness()).toEqual({ code: 200, status: 'ready', away: [] });
    expect(await readiness(fails('no such service'))).toEqual({ code: 200, status: 'degraded', away: ['bundler'] });
    expect(await readiness(async () => new Response(null, { status: 500 }))).toMatchObject({ status: 'degraded' });
  });

  const asked = async (bundler: () => Promise<Response>): Promise<Response> => {
    const BUNDLER = { fetch: bundler } as unknown as Fetcher;
    return await callWith({ BUNDLER }, 'POST', `/api/projects/${world.projectId}/preview`, world.owner.token);
  };

  it.each([
    ['is away', fails('Worker exceeded memory limit.')],
    ['is busy', async () => new Response(null, { status: 503 })],
  ])('that %s is a part that is away, and costs nothing but the preview', async (_, bundler) => {
    const json = { content: `document.title = '${newId()}';` };
    const saved = await call('PUT', `/api/projects/${world.projectId}/files/src/main.js`, { as: world.owner, json });
    expect(saved.status).toBeLessThan(300);
    await expectAway(await asked(bundler));
    // Nothing of it is kept: the next one who asks gets what they ask for.
    const again = await call('POST', `/api/projects/${world.projectId}/preview`, { as: world.owner });
    expect(await expectJson(again, 200)).toMatchObject({ preview: { ready: true } });
  });
});
