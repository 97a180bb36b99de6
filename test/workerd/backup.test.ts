import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { BuildOptions } from '../../src/contract/builds.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import type { Job } from '../../src/contract/maintenance.ts';
import { configOf } from '../../src/core/config.ts';
import { signToken } from '../../src/core/tokens.ts';
import { sha256 } from '../../src/core/tree.ts';
import { projectBuild, projectionOf } from '../../src/data/build-turns.ts';
import { createBuild } from '../../src/data/builds.ts';
import { tables } from '../../src/data/dump.ts';
import { getBlob, putBlob } from '../../src/data/objects.ts';
import { openDatabase } from '../../src/data/open.ts';
import { settleOutbox } from '../../src/data/outbox.ts';
import { getManifest, getPart } from '../../src/data/vault.ts';
import { BackupWork, firstState as firstOfBackup } from '../../src/durable-objects/maintenance/backup.ts';
import { firstState, GcWork } from '../../src/durable-objects/maintenance/gc.ts';
import { maintenance } from '../../src/durable-objects/stubs.ts';
import { finishedBuild, page } from './built.ts';
import { stores } from './maintenance-stores.ts';
import { type Account, call, database, expectJson, expectProblem, makeWorld, roomStub, type World } from './support.ts';
import { listen, openSocket, until, YjsClient } from './yjs-client.ts';

let token: string;
beforeAll(async () => {
  token = await signToken(configOf(env), 'system', { sub: 'operator' }, 600_000);
});

const operate = (method: string, path: string, json?: unknown): Promise<Response> =>
  call(method, `/api/system/${path}`, { headers: { authorization: `Bearer ${token}` }, json });

/** A job from its start to its end. */
async function finish(started: Response): Promise<Job> {
  let { job } = await expectJson<{ job: Job }>(started, 202);
  await until(async () => {
    ({ job } = await expectJson<{ job: Job }>(await operate('GET', `jobs/${job.id}`), 200));
    return job.status !== 'running';
  });
  return job;
}

async function backUp(): Promise<Job> {
  const job = await finish(await operate('POST', 'backups', {}));
  expect(job, JSON.stringify(job)).toMatchObject({ status: 'done' });
  return job;
}

const restore = async (from: string, force = false): Promise<Job> =>
  await finish(await operate('POST', 'restore', { from, force }));

async function emptyBucket(bucket: R2Bucket): Promise<void> {
  for (;;) {
    const { objects } = await bucket.list();
    if (objects.length === 0) return;
    await bucket.delete(objects.map(({ key }) => key));
  }
}

/** The database, the working buckets and every room: all but EXPORTS. */
async function wipe(projectIds: readonly string[]): Promise<void> {
  for (const { name } of tables) await database.prepare(`DELETE FROM ${name}`).run();
  await emptyBucket(env.ASSETS);
  await emptyBucket(env.BUILDS);
  for (const id of projectIds) await expectOk(roomStub(id).erase());
}

async function expectOk(pending: PromiseLike<{ ok: boolean }>): Promise<void> {
  expect((await pending).ok).toBe(true);
}

const treeOf = async (world: World, as: Account): Promise<string> =>
  (await expectJson<{ hash: string }>(await call('GET', `/api/projects/${world.projectId}/tree`, { as }), 200)).hash;

/** Text with every event of the room, and one binary file. */
async function makeProject(): Promise<World> {
  const world = await makeWorld({ 'src/main.ts': 'let x = 1;\n', 'notes.md': 'notes' });
  await expectJson(
    await call('PUT', `/api/projects/${world.projectId}/files/image.bin`, {
      as: world.owner,
      body: new Uint8Array([0, 1, 2, 255, 254]),
    }),
    201,
  );
  const client = await YjsClient.open(world.owner, world.projectId, 'notes.md');
  client.text.insert(0, 'typed ');
  await until(
    async () =>
      (
        await expectJson<{ file: { content: string } }>(
          await call('GET', `/api/projects/${world.projectId}/files/notes.md`, { as: world.owner }),
          200,
        )
      ).file.content === 'typed notes',
  );
  client.close();
  return world;
}

/** A game of the project at a slug; `text` is what players get there. */
async function publishGame({ projectId, owner }: World) {
  const content = `<h1>${newId()}</h1>`;
  const { id } = await finishedBuild(owner, projectId, [page(content)]);
  const published = await call('POST', `/api/builds/${id}/publish`, { as: owner, json: {} });
  const { slug } = (await expectJson<{ publication: { slug: string } }>(published, 200)).publication;
  const text = async () => await (await call('GET', '/', { host: `${slug}.play.test` })).text();
  expect(await text()).toBe(content);
  return { content, text };
}

async function login(account: Account): Promise<Account> {
  const session = await expectJson<{ accessToken: string }>(
    await call('POST', '/api/auth/login', {
      json: { email: account.email, password: `correct horse ${account.username}` },
    }),
    200,
  );
  return { ...account, token: session.accessToken };
}

describe('the routes of the operator', () => {
  it('take a system token and nothing else', async () => {
    const { owner } = await makeWorld();
    for (const [method, path, json] of [
      ['POST', 'backups', {}],
      ['GET', 'backups', undefined],
      ['POST', 'restore', { from: 'latest' }],
      ['POST', 'gc', {}],
      ['GET', `jobs/${newId()}`, undefined],
    ] as const) {
      expect(await expectProblem(await call(method, `/api/system/${path}`, { json }), 401)).toBe('unauthenticated');
      expect(await expectProblem(await call(method, `/api/system/${path}`, { json, as: owner }), 401)).toBe(
        'unauthenticated',
      );
    }
    const access = await call('GET', '/api/auth/me', { headers: { authorization: `Bearer ${token}` } });
    expect(await expectProblem(access, 401)).toBe('unauthenticated');
    expect(await expectProblem(await operate('GET', `jobs/${newId()}`), 404)).toBe('not_found');
    expect(await expectProblem(await operate('POST', 'restore', { from: '20260101T000000Z-00000000' }), 404)).toBe(
      'not_found',
    );
  });
});

describe('backup and restore', () => {
  it('fault 13: after everything but EXPORTS was wiped: people log in; trees, documents, events and bytes are equal', async () => {
    const world = await makeProject();
    const game = await publishGame(world);
    const before = {
      tree: await treeOf(world, world.owner),
      events: await (await call('GET', `/api/projects/${world.projectId}/events?since=0`, { as: world.owner })).text(),
    };
    const backup = await backUp();
    expect(backup.report).toMatchObject({ missingCount: 0 });
    const name = String(backup.report.name);
    const manifest = await getManifest(env.EXPORTS, name);

    await wipe([world.projectId]);
    expect((await call('GET', `/api/projects/${world.projectId}`, { as: world.owner })).status).toBe(404);
    const job = await restore('latest');
    expect(job, JSON.stringify(job)).toMatchObject({
      status: 'done',
      report: { name, rooms: { newer: 0, gone: 0, different: [] }, objectsMissing: [], younger: {} },
    });
    // The index of the trees is written anew from the rooms, and follows them, not the rows of the backup.
    for (const { name: table, rows } of (manifest?.tables ?? []).filter(({ name: one }) => one !== 'project_files'))
      expect(await database.prepare(`SELECT count(*) AS n FROM ${table}`).first('n'), table).toBe(rows);

    const owner = await login(world.owner);
    expect(await treeOf(world, owner)).toBe(before.tree);
    expect(await (await call('GET', `/api/projects/${world.projectId}/events?since=0`, { as: owner })).text()).toBe(
      before.events,
    );
    const bytes = await call('GET', `/api/projects/${world.projectId}/files/image.bin?raw=1`, { as: owner });
    expect(new Uint8Array(await bytes.arrayBuffer())).toEqual(new Uint8Array([0, 1, 2, 255, 254]));
    for (const [path, content] of [
      ['notes.md', 'typed notes'],
      ['src/main.ts', 'let x = 1;\n'],
    ]) {
      const read = await call('GET', `/api/projects/${world.projectId}/files/${path}`, { as: owner });
      expect((await expectJson<{ file: { content: string } }>(read, 200)).file.content).toBe(content);
    }
    expect(await game.text()).toBe(game.content);
    // The document, with its history: somebody joins it and types on.
    const client = await YjsClient.open(owner, world.projectId, 'notes.md');
    expect(client.text.toString()).toBe('typed notes');
    client.text.insert(0, 'again ');
    await until(async () => (await treeOf(world, owner)) !== before.tree);
    client.close();
  });

  it('[R13] [R22] [R23] brings back what people said and what the room found: chat, threads with their anchors, problems', async () => {
    const world = await makeProject();
    const at = `/api/projects/${world.projectId}`;
    const post = async <T>(path: string, json: object, as = world.owner): Promise<T> =>
      await expectJson<T>(await call('POST', `${at}/${path}`, { as, json }), 201);
    await call('PUT', `${at}/files/a.scene.json`, {
      as: world.owner,
      json: { content: '{"nodes":{"n":{"parent":7}}}' },
    });
    const client = await YjsClient.open(world.editor, world.projectId, 'notes.md');
    for (const body of ['hello', 'who is there?'])
      await post('chat', { body, mentions: [world.editor.id] }, world.viewer);
    const { comment } = await post<{ comment: { id: string } }>('comments', {
      path: 'notes.md',
      body: 'why?',
      anchor: { kind: 'text', from: 6, to: 11 },
    });
    await post(`comments/${comment.id}/replies`, { body: 'because' }, world.viewer);
    const node = { path: 'a.scene.json', body: 'this one', anchor: { kind: 'node', node: 'n', pointer: '' } };
    const { comment: done } = await post<{ comment: { id: string } }>('comments', node);
    const resolved = await call('PATCH', `${at}/comments/${done.id}`, { as: world.owner, json: { resolved: true } });
    await expectJson(resolved, 200);
    await post('comments', { path: 'src/main.ts', body: 'of a file that nobody ever opened' }, world.editor);
    // The passage has moved since it was marked: its offsets are not those of the comment any more.
    client.text.insert(0, 'more ');
    await until(async () => (await said(world.owner)).comments.includes('"from":11'));
    client.close();

    async function said(as: Account): Promise<{ chat: string; comments: string; problems: string }> {
      const get = async (path: string): Promise<string> => {
        const answer = await call('GET', `${at}/${path}`, { as });
        expect(answer.status).toBe(200);
        return await answer.text();
      };
      return { chat: await get('chat'), comments: await get('comments'), problems: await get('problems') };
    }
    const before = await said(world.owner);
    expect(before.problems).toContain('/nodes/n/parent');
    await backUp();
    await wipe([world.projectId]);
    expect(await restore('latest')).toMatchObject({ status: 'done', report: { rooms: { newer: 0, different: [] } } });
    const owner = await login(world.owner);
    expect(await said(owner)).toEqual(before);

    // All of it is alive: the passage follows what is typed, threads and the chat go on.
    const again = await YjsClient.open(owner, world.projectId, 'notes.md');
    again.text.insert(0, 'even ');
    await until(async () => (await said(owner)).comments.includes('"from":16'));
    again.close();
    await post(`comments/${comment.id}/replies`, { body: 'still because' }, owner);
    await post('chat', { body: 'back again' }, owner);
    const { messages } = JSON.parse((await said(owner)).chat) as { messages: { body: string }[] };
    expect(messages.map(({ body }) => body).sort()).toEqual(['back again', 'hello', 'who is there?']);
    await call('PUT', `${at}/files/a.scene.json`, { as: owner, json: { content: '{"nodes":{"n":{"parent":null}}}' } });
    expect(JSON.parse((await said(owner)).problems)).toMatchObject({ documents: [] });
  });

  it('keeps a room whose state it restored under the same hash, and copies nothing twice', async () => {
    const world = await makeProject();
    const first = await backUp();
    const stateOf = async (job: Job): Promise<{ rooms: string[]; keys: number }> => ({
      rooms: (await getManifest(env.EXPORTS, String(job.report.name)))?.rooms.map(({ sha256: hash }) => hash) ?? [],
      keys: (await env.EXPORTS.list({ prefix: 'backup/rooms/' })).objects.length,
    });
    const before = await stateOf(first);
    const second = await backUp();
    expect(await stateOf(second)).toEqual(before);
    await wipe([world.projectId]);
    const job = await restore(String(second.report.name));
    expect(job, JSON.stringify(job)).toMatchObject({ status: 'done' });
    await evictDurableObject(roomStub(world.projectId));
    const again = await roomStub(world.projectId).backup();
    const [line] = await roomLines(String(second.report.name), world.projectId);
    expect(again.ok && again.value?.hash).toBe(line?.hash);
  });

  const roomLines = async (name: string, projectId: string): Promise<{ projectId: string; hash: string }[]> => {
    const manifest = await getManifest(env.EXPORTS, name);
    const lines = (await Promise.all((manifest?.rooms ?? []).map((part) => getPart(env.EXPORTS, part)))).flat();
    return lines.map((line) => JSON.parse(line)).filter((line) => line.projectId === projectId);
  };

  /** Holds up a room's restore at its second look at a document of the backup: the first only sees to it that all are there. */
  async function holdRestore(projectId: string) {
    const hold = { isReached: false, isOver: false };
    const spied = await runInDurableObject(roomStub(projectId), (room) => {
      const { EXPORTS } = (room as unknown as { env: Env }).env;
      const get = EXPORTS.get.bind(EXPORTS) as (key: string) => Promise<R2ObjectBody | null>;
      const seen = new Set<string>();
      return vi.spyOn(EXPORTS, 'get').mockImplementation((async (key: string) => {
        if (seen.has(key) && key.includes('documents')) {
          hold.isReached = true;
          while (!hold.isOver) await new Promise((resolve) => setTimeout(resolve, 5));
        }
        seen.add(key);
        return await get(key);
      }) as typeof EXPORTS.get);
    });
    return { hold, spied };
  }

  it('takes the place of a room with people in it: whoever leaves or asks meanwhile finds no room, and what was there goes', async () => {
    const { projectId, owner, viewer } = await makeProject();
    const [line] = await roomLines(String((await backUp()).report.name), projectId);
    const hash = line?.hash ?? '';
    const files = `/api/projects/${projectId}/files`;
    const contentOf = async (path: string) =>
      (await expectJson<{ file: { content: string } }>(await call('GET', `${files}/${path}`, { as: owner }), 200)).file
        .content;

    // Another room at the same place, whose files have the numbers of those that come back.
    await expectOk(roomStub(projectId).erase());
    const others = ['one.txt', 'two.txt', 'three.txt'];
    for (const path of others)
      await expectJson(await call('PUT', `${files}/${path}`, { as: owner, json: { content: `other ${path}` } }), 201);
    const clients = await Promise.all(others.map((path) => YjsClient.open(owner, projectId, path)));
    const ear = await listen(viewer, projectId);
    const { hold, spied } = await holdRestore(projectId);
    const restored = roomStub(projectId).restoreState(hash);
    await until(() => hold.isReached);
    // They leave, type, ask and come while the state is read; alarms ring, and notices come.
    await until(() => clients.every(({ closed }) => closed !== null) && ear.closed !== null);
    expect(clients.map(({ closed }) => closed)).toEqual([1012, 1012, 1012]);
    expect((await call('GET', `${files}/one.txt`, { as: owner })).status).toBe(503);
    expect((await call('PUT', `${files}/one.txt`, { as: owner, json: { content: 'lost' } })).status).toBe(503);
    expect(await roomStub(projectId).membersChanged()).toMatchObject({ ok: false, code: 'unavailable' });
    expect(await roomStub(projectId).restoreState(hash)).toMatchObject({ ok: false, code: 'unavailable' });
    await expect(openSocket(owner, projectId, 'docs/one.txt')).rejects.toThrow('503');
    await runDurableObjectAlarm(roomStub(projectId));
    hold.isOver = true;
    const answer = await restored;
    spied.mockRestore();

    expect(answer).toMatchObject({ ok: true, value: { outcome: 'restored' } });
    const rows = await runInDurableObject(roomStub(projectId), (_room, { storage }) =>
      ['document_log', 'dirty', 'revisions'].map((table) =>
        Number(storage.sql.exec(`SELECT count(*) AS n FROM ${table}`).one().n),
      ),
    );
    expect(rows).toEqual([0, 0, 0]);
    expect(await contentOf('notes.md')).toBe('typed notes');
    expect((await call('GET', `${files}/one.txt`, { as: owner })).status).toBe(404);
    for (const [path, text] of [
      ['notes.md', 'typed notes'],
      ['src/main.ts', 'let x = 1;\n'],
    ] as const) {
      const client = await YjsClient.open(owner, projectId, path);
      expect(client.text.toString()).toBe(text);
      client.close();
    }
    // Nobody of before is among those who are there.
    const late = await listen(viewer, projectId);
    const [hello] = late.messages;
    expect(hello?.type === 'hello' && hello.users.map(({ userId }) => userId)).toEqual([viewer.id]);
    late.socket.close(1000);
  });

  it('refuses a system that is in use, and by force names what is younger instead of losing it', async () => {
    const world = await makeProject();
    const name = String((await backUp()).report.name);
    expect(await expectProblem(await operate('POST', 'restore', { from: name }), 409)).toBe('conflict');
    const { project } = await expectJson<{ project: { id: string } }>(
      await call('POST', '/api/projects', { as: world.owner, json: { name: 'Younger' } }),
      201,
    );
    await expectJson(
      await call('PUT', `/api/projects/${world.projectId}/files/later.txt`, {
        as: world.owner,
        json: { content: 'x' },
      }),
      201,
    );
    const tree = await treeOf(world, world.owner);
    const job = await restore(name, true);
    expect(job, JSON.stringify(job)).toMatchObject({ status: 'done' });
    const report = job.report as unknown as { younger: Record<string, { names: string[] }> };
    expect(report.younger.projects?.names).toContain(project.id);
    expect(report.younger.rooms?.names.join()).toContain(world.projectId);
    expect(await treeOf(world, world.owner)).toBe(tree);
    expect((await call('GET', `/api/projects/${project.id}`, { as: world.owner })).status).toBe(200);
  });

  it('refuses a damaged part by its checksum before anything is written', async () => {
    const world = await makeProject();
    const name = String((await backUp()).report.name);
    const manifest = await getManifest(env.EXPORTS, name);
    const part = manifest?.tables.find((table) => table.name === 'users')?.parts[0];
    const data = new Uint8Array(await ((await env.EXPORTS.get(part?.key ?? ''))?.arrayBuffer() ?? new ArrayBuffer(0)));
    data[data.length >> 1] = (data[data.length >> 1] ?? 0) ^ 1;
    await env.EXPORTS.put(part?.key ?? '', data);
    await wipe([world.projectId]);
    const job = await restore(name);
    expect(job.status).toBe('failed');
    expect(job.error).toContain('users.0');
    for (const { name: table } of tables)
      expect(await database.prepare(`SELECT count(*) AS n FROM ${table}`).first('n'), table).toBe(0);
    expect((await env.ASSETS.list()).objects).toEqual([]);
    // With the part as it was, it goes.
    data[data.length >> 1] = (data[data.length >> 1] ?? 0) ^ 1;
    await env.EXPORTS.put(part?.key ?? '', data);
    expect(await restore(name)).toMatchObject({ status: 'done' });
    await login(world.owner);
  });

  it('goes on where it was after the object died at any step', async () => {
    const world = await makeProject();
    const tree = await treeOf(world, world.owner);
    const object = env.MAINTENANCE.getByName('maintenance');
    const dying = async (started: Response): Promise<Job> => {
      let { job } = await expectJson<{ job: Job }>(started, 202);
      await until(async () => {
        await evictDurableObject(object);
        ({ job } = await expectJson<{ job: Job }>(await operate('GET', `jobs/${job.id}`), 200));
        return job.status !== 'running';
      });
      return job;
    };
    const backup = await dying(await operate('POST', 'backups', {}));
    expect(backup, JSON.stringify(backup)).toMatchObject({ status: 'done' });
    await wipe([world.projectId]);
    const job = await dying(await operate('POST', 'restore', { from: 'latest' }));
    expect(job, JSON.stringify(job)).toMatchObject({ status: 'done', report: { name: backup.report.name } });
    expect(await treeOf(world, await login(world.owner))).toBe(tree);
  });
});

describe('the daily run', () => {
  it('does nothing in a system that is empty: there all would look unused; else it backs up, then collects', async () => {
    const daily = () => maintenance(env).daily();
    for (const { name } of tables) await database.prepare(`DELETE FROM ${name}`).run();
    expect(await daily()).toEqual({ ok: true, value: null });
    await makeWorld();
    const started = await daily();
    if (!started.ok || !started.value) throw new Error('not started');
    expect(started.value.kind).toBe('backup');
    const kinds = (): Promise<unknown[]> =>
      runInDurableObject(env.MAINTENANCE.getByName('maintenance'), (_object, state) =>
        [...state.storage.sql.exec<{ json: string }>('SELECT json FROM jobs ORDER BY id DESC LIMIT 2')].map(
          ({ json }) => {
            const { kind, status } = JSON.parse(json) as Job;
            return { kind, status };
          },
        ),
      );
    const wanted = [
      { kind: 'gc', status: 'done' },
      { kind: 'backup', status: 'done' },
    ];
    await until(async () => JSON.stringify(await kinds()) === JSON.stringify(wanted));
  });
});

describe('the dump of D1', () => {
  /** Session `n` moves to a new id, and its token with it: in one batch, so no reader ever sees one without the other. */
  async function move(from: string, to: string): Promise<void> {
    await database.batch([
      database
        .prepare(
          'INSERT INTO sessions (id, user_id, user_agent, created_at, last_used_at, expires_at) VALUES (?, ?, ?, 1, 1, 1)',
        )
        .bind(to, 'u', 'a'),
      database
        .prepare('INSERT INTO refresh_tokens (hash, session_id, created_at, expires_at) VALUES (?, ?, 1, 1)')
        .bind(`t-${to}`, to),
      database.prepare('DELETE FROM refresh_tokens WHERE session_id = ?').bind(from),
      database.prepare('DELETE FROM sessions WHERE id = ?').bind(from),
    ]);
  }

  it('of the whole job is one moment, over rounds of catching up, and is restored as that', async () => {
    for (const { name } of tables) await database.prepare(`DELETE FROM ${name}`).run();
    const ids = Array.from({ length: 50 }, (_, n) => `m-${n}-0`);
    for (const id of ids) await move('none', id);
    let moves = 0;
    const disturb = async (): Promise<void> => {
      for (let n = 0; n < 60; n += 1) {
        moves += 1;
        const at = (moves * 17) % ids.length;
        const to = `${String.fromCharCode(97 + (moves % 26))}-${at}-${moves}`;
        await move(ids[at] ?? '', to);
        ids[at] = to;
      }
    };
    const report = await runInDurableObject(env.MAINTENANCE.getByName('disturbed'), async (_object, state) => {
      const work = new BackupWork(stores(state));
      let now = firstOfBackup('20260101T000000Z-00000001');
      let rounds = 0;
      while (now.stage !== 'done') {
        const { stage } = now;
        now = await work.step(now);
        if (stage === 'changes') rounds += 1;
        // As many as there are between two of the first tables: more than one round catches up with.
        if (now.stage === 'tables' && now.table % 5 === 0) await disturb();
        if (now.stage === 'release') await disturb();
      }
      return { rounds, changedMeanwhile: now.report.changedMeanwhile };
    });
    expect(report.rounds).toBeGreaterThan(1);
    expect(report.changedMeanwhile).toBeGreaterThan(50);

    for (const { name } of tables) await database.prepare(`DELETE FROM ${name}`).run();
    expect(await restore('20260101T000000Z-00000001')).toMatchObject({ status: 'done' });
    const count = async (sql: string): Promise<unknown> => await database.prepare(sql).first('n');
    expect(await count('SELECT count(*) AS n FROM sessions')).toBe(50);
    expect(await count('SELECT count(*) AS n FROM refresh_tokens')).toBe(50);
    expect(
      await count(
        'SELECT count(*) AS n FROM refresh_tokens LEFT JOIN sessions ON sessions.id = session_id WHERE sessions.id IS NULL',
      ),
    ).toBe(0);
  });
});

describe('the garbage collector', () => {
  // What the clock does in two days, the run is told.
  const later = async (days: number, dryRun = false): Promise<Job> => {
    return await runInDurableObject(env.MAINTENANCE.getByName('collector'), async (_object, state) => {
      const work = new GcWork(stores(state));
      let now = firstState(dryRun, Date.now() + days * 86_400_000);
      while (now.stage !== 'done') now = await work.step(now);
      return now as unknown as Job;
    });
  };

  it('sets aside, then deletes, what nothing names; keeps what a room, a row or a tree names', async () => {
    for (const bucket of [env.ASSETS, env.BUILDS]) await emptyBucket(bucket);
    const world = await makeProject();
    const orphan = new Uint8Array([0, 9, 255]);
    const hash = sha256(orphan);
    await putBlob(env.ASSETS, hash, orphan);
    const gc = async (dryRun = false): Promise<Job> => {
      const job = await finish(await operate('POST', 'gc', { dryRun }));
      expect(job, JSON.stringify(job)).toMatchObject({ status: 'done' });
      return job;
    };
    // Everything is young: nothing happens.
    expect((await gc()).report).toMatchObject({ setAside: 0, deleted: 0 });
    expect(await env.ASSETS.head(`blob/${hash}`)).not.toBeNull();

    expect((await later(3)).report).toMatchObject({ setAside: 1, deleted: 0 });
    expect(await env.ASSETS.head(`blob/${hash}`)).toBeNull();
    // Readers do not notice.
    expect(new Uint8Array((await (await getBlob(env.ASSETS, hash))?.arrayBuffer()) ?? [])).toEqual(orphan);
    // Named after all: it comes back.
    await expectJson(
      await call('PUT', `/api/projects/${world.projectId}/files/orphan.bin`, { as: world.owner, body: orphan }),
      201,
    );
    await env.ASSETS.delete(`blob/${hash}`);
    expect((await later(3)).report).toMatchObject({ putBack: 1, deleted: 0 });
    expect(await env.ASSETS.head(`blob/${hash}`)).not.toBeNull();
    // Not any more: aside, and after another grace period gone.
    await call('DELETE', `/api/projects/${world.projectId}/files/orphan.bin`, { as: world.owner });
    await roomStub(world.projectId).flushIndex();
    expect((await later(3)).report).toMatchObject({ setAside: 1 });
    expect((await later(6)).report).toMatchObject({ deleted: 1 });
    expect(await getBlob(env.ASSETS, hash)).toBeNull();
    const image = await call('GET', `/api/projects/${world.projectId}/files/image.bin?raw=1`, { as: world.owner });
    expect(image.status).toBe(200);
  });

  it('removes old versions of assets that nobody uploads any more, in every project; a dry run only counts them', async () => {
    const worlds = [await makeWorld(), await makeWorld()];
    const { versionsSpared } = limits.asset;
    const ids: string[] = [];
    for (const { projectId, owner } of worlds) {
      const body = new FormData();
      body.set('projectId', projectId);
      for (let n = 0; n < versionsSpared + 2; n += 1) body.append('files', new File([`${n}`], 'notes.txt'));
      const answer = await call('POST', '/api/assets/batch-upload', { as: owner, body });
      const { assets } = await expectJson<{ assets: { id: string }[] }>(answer, 201);
      ids.push(assets[0]?.id ?? '');
    }
    const kept = () =>
      Promise.all(
        ids.map(async (id, at) => {
          const answer = await call('GET', `/api/assets/${id}/versions`, { as: worlds[at]?.owner });
          const { versions } = await expectJson<{ versions: { version: number }[] }>(answer, 200);
          return [versions.length, versions.at(-1)?.version];
        }),
      );
    const all = [versionsSpared + 2, 1];
    expect((await later(89)).report).toMatchObject({ versions: 0, versionBytes: 0 });
    expect((await later(91, true)).report).toMatchObject({ versions: 4, versionBytes: 4 });
    expect(await kept()).toEqual([all, all]);
    expect((await later(91)).report).toMatchObject({ versions: 4, versionBytes: 4 });
    expect(await kept()).toEqual([
      [versionsSpared, 3],
      [versionsSpared, 3],
    ]);
    // Told in the project, and not again.
    expect((await later(91)).report).toMatchObject({ versions: 0 });
    const entries = await database
      .prepare(
        "SELECT count(*) AS n FROM audit_log WHERE action = 'asset.cleaned' AND actor_id IS NULL AND project_id = ?",
      )
      .bind(worlds[0]?.projectId)
      .first('n');
    expect(entries).toBe(1);
  });

  it('a dry run counts the old builds that the daily removal would take', async () => {
    const { projectId, owner } = await makeWorld();
    const db = openDatabase(env);
    const { newest } = limits.build.retention;
    for (let n = 0; n < newest + 2; n += 1) {
      const now = Date.now();
      const order = {
        id: newId(),
        projectId,
        userId: owner.id,
        target: 'web',
        options: BuildOptions.parse({}),
        key: newId(),
        treeHash: '',
        checkpointId: null,
        lockHash: null,
        now,
      } as const;
      const message = { id: newId(), queue: 'builds', body: {} };
      const row = await createBuild(db, order, message, { actorId: owner.id, now });
      await settleOutbox(db, message.id);
      const done = { status: 'success', outputOf: row.id, outputBytes: 100, completedAt: now, seq: 1 } as const;
      await projectBuild(db, row.id, projectionOf({ ...row, ...done }));
    }
    const before = (await later(29, true)).report as { builds: number; buildBytes: number };
    const after = (await later(31, true)).report as { builds: number; buildBytes: number };
    expect([after.builds - before.builds, after.buildBytes - before.buildBytes]).toEqual([2, 200]);
    expect((await later(31)).report).toMatchObject({ builds: 0, buildBytes: 0 });
    const left = await database
      .prepare('SELECT count(*) AS n FROM builds WHERE project_id = ?')
      .bind(projectId)
      .first('n');
    expect(left).toBe(newest + 2);
  });

  it('leaves a published game whole', async () => {
    const world = await makeProject();
    const game = await publishGame(world);
    for (const days of [3, 6, 9]) await later(days);
    expect(await game.text()).toBe(game.content);
  });
});
