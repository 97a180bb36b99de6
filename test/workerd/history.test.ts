import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Build } from '../../src/contract/builds.ts';
import type { Checkpoint, CheckpointFile } from '../../src/contract/checkpoints.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { hashTree, sha256 } from '../../src/core/tree.ts';
import { claim, runnerIn } from './built.ts';
import {
  batch,
  contents,
  history,
  keep,
  list,
  newProject,
  peopleOfHistory,
  put,
  restore,
  treeOf,
  world,
} from './history-setup.ts';
import { call, expectJson, expectProblem, roomStub } from './support.ts';
import { until, YjsClient } from './yjs-client.ts';

peopleOfHistory();

describe('Checkpoints', () => {
  it('are made, read, listed, named and deleted', async () => {
    const id = await newProject({ 'src/main.ts': 'let a = 1;\n', 'notes.md': '# Notes\n' });
    const { hash, seq } = await treeOf(id);
    const made = await keep(id, { name: '  Before the boss fight ', message: 'It works.' });
    expect(made).toEqual({
      id: expect.any(String),
      seq,
      treeHash: hash,
      name: 'Before the boss fight',
      message: 'It works.',
      kind: 'manual',
      author: world.editor.id,
      fileCount: 2,
      totalSize: 19,
      assetCount: 0,
      assetSize: 0,
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    const plain = await keep(id);
    expect(await list(id)).toEqual({ checkpoints: [plain, made], nextCursor: null });
    const { checkpoint } = await expectJson<{ checkpoint: Checkpoint & { files: CheckpointFile[] } }>(
      await call('GET', history(id, `/${made.id}`), { as: world.viewer }),
      200,
    );
    expect(checkpoint).toEqual({
      ...made,
      files: [
        { path: 'notes.md', size: 8, hash: sha256('# Notes\n'), isText: true, mimeType: 'text/markdown' },
        { path: 'src/main.ts', size: 11, hash: sha256('let a = 1;\n'), isText: true, mimeType: 'text/typescript' },
      ],
      assets: [],
    });
    const renamed = await call('PATCH', history(id, `/${plain.id}`), { as: world.editor, json: { name: 'Named' } });
    expect(await expectJson(renamed, 200)).toEqual({ checkpoint: { ...plain, name: 'Named' } });
    const unnamed = await call('PATCH', history(id, `/${plain.id}`), {
      as: world.owner,
      json: { name: null, message: 'why' },
    });
    expect(await expectJson(unnamed, 200)).toEqual({ checkpoint: { ...plain, name: null, message: 'why' } });
    expect((await call('DELETE', history(id, `/${made.id}`), { as: world.editor })).status).toBe(204);
    expect(await expectProblem(await call('GET', history(id, `/${made.id}`), { as: world.viewer }), 404)).toBe(
      'not_found',
    );
    expect((await list(id)).checkpoints.map((one) => one.id)).toEqual([plain.id]);
    const { events } = await expectJson<{ events: { type: string; by: string }[] }>(
      await call('GET', `/api/projects/${id}/events?since=${seq}`, { as: world.viewer }),
      200,
    );
    expect(events.map(({ type, by }) => [type, by])).toEqual([
      ['checkpoint.created', world.editor.id],
      ['checkpoint.created', world.editor.id],
      ['checkpoint.updated', world.editor.id],
      ['checkpoint.updated', world.owner.id],
      ['checkpoint.deleted', world.editor.id],
    ]);
  });

  it('show each file as it was then: text, bytes, ranges, not changed', async () => {
    const bytes = btoa('\0\x01\xff bytes');
    const id = await newProject({ 'größe.txt': 'then' });
    await batch(id, [{ op: 'put', path: 'image.png', content: bytes, encoding: 'base64' }]);
    const { id: then } = await keep(id);
    await batch(id, [put('größe.txt', 'now'), { op: 'delete', path: 'image.png' }]);
    await evictDurableObject(roomStub(id));
    const file = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
      call('GET', history(id, `/${then}/files/${path}`), { as: world.viewer, headers });
    const text = await file('gr%C3%B6%C3%9Fe.txt');
    const tag = text.headers.get('etag') ?? '';
    expect(tag).toBe(`"${sha256('then')}"`);
    expect(await expectJson(text, 200)).toEqual({
      file: {
        path: 'größe.txt',
        size: 4,
        hash: sha256('then'),
        isText: true,
        mimeType: 'text/plain',
        content: 'then',
        encoding: 'utf-8',
      },
    });
    expect((await file('gr%C3%B6%C3%9Fe.txt', { 'if-none-match': tag })).status).toBe(304);
    const image = await expectJson<{ file: object }>(await file('image.png'), 200);
    expect(image.file).toMatchObject({ isText: false, content: bytes, encoding: 'base64' });
    const raw = await file('image.png?raw=1', { range: 'bytes=1-2' });
    expect([raw.status, raw.headers.get('content-range')]).toEqual([206, 'bytes 1-2/9']);
    expect(new Uint8Array(await raw.arrayBuffer())).toEqual(new Uint8Array([1, 255]));
    expect(raw.headers.get('x-content-type-options')).toBe('nosniff');
    expect(raw.headers.get('content-disposition')).toContain('attachment');
    const whole = await file('gr%C3%B6%C3%9Fe.txt', { accept: 'application/octet-stream' });
    expect(await whole.text()).toBe('then');
    expect((await file('image.png?raw=1', { range: 'bytes=99-' })).status).toBe(416);
    expect(await expectProblem(await file('nothing.txt'), 404)).toBe('not_found');
    expect(await expectProblem(await file('..%2fsecret'), 422)).toBe('invalid_path');
  });

  it('are listed page by page and by kind', async () => {
    const id = await newProject({ a: '0' });
    const made: string[] = [];
    for (let n = 0; n < 5; n += 1) made.unshift((await keep(id)).id);
    await expectJson(await call('POST', '/api/builds', { as: world.viewer, json: { projectId: id } }), 202);
    const seen: string[] = [];
    let query = '?limit=2';
    for (let page = 0; page < 3; page += 1) {
      const { checkpoints, nextCursor } = await list(id, query);
      seen.push(...checkpoints.map((one) => one.id));
      query = `?limit=2&cursor=${encodeURIComponent(nextCursor ?? '')}`;
      expect(nextCursor === null).toBe(page === 2);
    }
    // The build found the newest, which has its state already.
    expect(seen).toEqual(made);
    await batch(id, [put('a', '1')]);
    await expectJson(await call('POST', '/api/builds', { as: world.viewer, json: { projectId: id } }), 202);
    expect((await list(id, '?kind=build')).checkpoints).toMatchObject([{ kind: 'build', author: world.viewer.id }]);
    expect((await list(id, '?kind=auto')).checkpoints).toEqual([]);
    for (const wrong of ['?limit=0', '?limit=201', '?kind=other', '?cursor=x', `?cursor=${btoa('["x"]')}`])
      expect(await expectProblem(await call('GET', history(id, wrong), { as: world.viewer }), 422), wrong).toBe(
        'validation_failed',
      );
  });

  it('take no name that is none, no field that they do not know', async () => {
    const id = await newProject({});
    for (const json of [
      { name: '' },
      { name: '   ' },
      { name: 'x'.repeat(limits.checkpoint.nameMax + 1) },
      { message: 'x'.repeat(limits.checkpoint.messageMax + 1) },
      { name: null },
      { kind: 'auto' },
      { id: newId() },
      [],
    ])
      expect(
        await expectProblem(await call('POST', history(id), { as: world.editor, json }), 422),
        JSON.stringify(json),
      ).toBe('validation_failed');
    expect((await list(id)).checkpoints).toEqual([]);
    // Where nothing is to be said, saying nothing will do.
    await expectJson(await call('POST', history(id), { as: world.editor }), 201);
  });

  it('are made once under one Idempotency-Key', async () => {
    const id = await newProject({ a: '1' });
    const headers = { 'idempotency-key': newId() };
    const make = (json: object): Promise<Response> => call('POST', history(id), { as: world.editor, json, headers });
    const first = await expectJson<{ checkpoint: Checkpoint }>(await make({ name: 'once' }), 201);
    await batch(id, [put('a', '2')]);
    const again = await make({ name: 'once' });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await expectJson(again, 201)).toEqual(first);
    expect(await expectProblem(await make({ name: 'other' }), 422)).toBe('idempotency_key_reused');
    expect((await list(id)).checkpoints).toHaveLength(1);
  });

  it('are made on their own when work has gone on for so long', async () => {
    const id = await newProject({ a: '1' });
    await runInDurableObject(roomStub(id), (_room, state) => {
      state.storage.sql.exec('UPDATE events SET at = at - ?', limits.checkpoint.automaticAfter);
    });
    await evictDurableObject(roomStub(id));
    expect(await runDurableObjectAlarm(roomStub(id))).toBe(true);
    const { checkpoints } = await list(id);
    expect(checkpoints).toMatchObject([{ kind: 'auto', author: null, treeHash: (await treeOf(id)).hash }]);
    expect(await env.ASSETS.head(`tree/${checkpoints[0]?.treeHash}`)).not.toBeNull();
  });
});

describe('Who may see and make history', () => {
  let id: string;
  let checkpoint: string;
  beforeAll(async () => {
    id = await newProject({ a: '1' }, { isPublic: true });
    checkpoint = (await keep(id)).id;
  });

  const reads = (): string[] => ['', `/${checkpoint}`, `/${checkpoint}/files/a`, `/${checkpoint}/diff`];
  const writes = (): [string, string, object?][] => [
    ['POST', ''],
    ['PATCH', `/${checkpoint}`, { name: 'x' }],
    ['DELETE', `/${checkpoint}`],
    ['POST', `/${checkpoint}/restore`],
  ];

  it('#27 viewers read it; to strangers of a public project it is closed; to others it does not exist', async () => {
    const closed = await newProject({ a: '1' });
    const there = (await keep(closed)).id;
    for (const path of reads()) {
      expect((await call('GET', history(id, path), { as: world.viewer })).status, path).toBe(200);
      expect(await expectProblem(await call('GET', history(id, path), { as: world.stranger }), 403)).toBe('forbidden');
      const hidden = history(closed, path.replace(checkpoint, there));
      expect(await expectProblem(await call('GET', hidden, { as: world.stranger }), 404)).toBe('not_found');
      expect(await expectProblem(await call('GET', hidden), 401)).toBe('unauthenticated');
    }
    const before = await list(id);
    for (const [method, path, json] of writes()) {
      for (const as of [world.viewer, world.stranger])
        expect(await expectProblem(await call(method, history(id, path), { as, json }), 403), path).toBe('forbidden');
      const hidden = history(closed, path.replace(checkpoint, there));
      expect(await expectProblem(await call(method, hidden, { as: world.stranger, json }), 404)).toBe('not_found');
    }
    expect(await list(id)).toEqual(before);
  });

  it('#26 a checkpoint of another project is not found, nor what is no id', async () => {
    const foreign = (await keep(await newProject({ secret: 's' }))).id;
    for (const other of [foreign, newId(), 'x', 'head', '..%2f..']) {
      for (const path of reads())
        if (path)
          expect((await call('GET', history(id, path.replace(checkpoint, other)), { as: world.owner })).status).toBe(
            404,
          );
      for (const [method, path, json] of writes())
        if (path)
          expect(
            (await call(method, history(id, path.replace(checkpoint, other)), { as: world.owner, json })).status,
          ).toBe(404);
    }
    const against = await call('GET', history(id, `/${checkpoint}/diff?against=${foreign}`), { as: world.owner });
    expect(await expectProblem(against, 404)).toBe('not_found');
    const build = { projectId: id, checkpointId: foreign };
    expect(await expectProblem(await call('POST', '/api/builds', { as: world.owner, json: build }), 404)).toBe(
      'not_found',
    );
  });
});

describe('A diff', () => {
  it('says what was added, removed and changed, against the newest state or another checkpoint', async () => {
    const id = await newProject({ same: 's', changed: 'one\ntwo\n', removed: 'r', kind: 'text' });
    const first = await keep(id);
    await batch(id, [
      put('changed', 'one\n2\n'),
      put('added', 'a'),
      { op: 'delete', path: 'removed' },
      { op: 'put', path: 'kind', content: btoa('\0bytes'), encoding: 'base64' },
    ]);
    const second = await keep(id);
    const diff = async (query: string) =>
      await expectJson<{
        added: CheckpointFile[];
        removed: CheckpointFile[];
        modified: { path: string; before: CheckpointFile; after: CheckpointFile; patch?: string }[];
        truncated: boolean;
      }>(await call('GET', history(id, query), { as: world.viewer }), 200);
    const there = await diff(`/${first.id}/diff`);
    expect(there).toEqual({
      added: [{ path: 'added', size: 1, hash: sha256('a'), isText: true, mimeType: 'text/plain' }],
      removed: [{ path: 'removed', size: 1, hash: sha256('r'), isText: true, mimeType: 'text/plain' }],
      modified: [
        {
          path: 'changed',
          before: { path: 'changed', size: 8, hash: sha256('one\ntwo\n'), isText: true, mimeType: 'text/plain' },
          after: { path: 'changed', size: 6, hash: sha256('one\n2\n'), isText: true, mimeType: 'text/plain' },
          patch: expect.stringContaining('-two\n+2\n'),
        },
        {
          path: 'kind',
          before: expect.objectContaining({ isText: true }),
          after: expect.objectContaining({ isText: false }),
        },
      ],
      truncated: false,
      assets: { added: [], removed: [], modified: [] },
    });
    expect(await diff(`/${first.id}/diff?against=${second.id}`)).toEqual(there);
    const back = await diff(`/${second.id}/diff?against=${first.id}`);
    expect([back.added, back.removed]).toEqual([there.removed, there.added]);
    expect(await diff(`/${second.id}/diff?against=head`)).toEqual({
      added: [],
      removed: [],
      modified: [],
      truncated: false,
      assets: { added: [], removed: [], modified: [] },
    });
    // What is being typed counts.
    const client = await YjsClient.open(world.editor, id, 'same');
    client.text.insert(0, 'typed ');
    await until(async () => (await diff(`/${second.id}/diff`)).modified.length === 1);
    client.close();
    expect(
      await expectProblem(await call('GET', history(id, `/${first.id}/diff?against=x`), { as: world.viewer }), 422),
    ).toBe('validation_failed');
  });
});

describe('A restore', () => {
  it('makes an old state the newest, into open documents, and keeps the state before', async () => {
    const id = await newProject({ 'a.txt': 'one two', 'gone.txt': 'g', 'Case.txt': 'c' });
    const then = await keep(id, { name: 'Then' });
    const client = await YjsClient.open(world.owner, id, 'a.txt');
    client.text.insert(3, ' and a half');
    await until(async () => (await contents(id))['a.txt'] === 'one and a half two');
    await batch(id, [
      { op: 'delete', path: 'gone.txt' },
      { op: 'move', from: 'Case.txt', to: 'case.txt' },
      put('new.txt', 'n'),
    ]);
    const before = await contents(id);
    const restored = await restore(id, then.id);
    expect(restored).toEqual({
      checkpoint: expect.objectContaining({
        kind: 'restore',
        author: world.editor.id,
        message: 'Before going back to Then',
      }),
      treeHash: then.treeHash,
      seq: (await treeOf(id)).seq,
      changed: 5,
      assets: { isPending: false, restored: 0, trashed: 0, missing: [] },
    });
    expect(await contents(id)).toEqual({ 'a.txt': 'one two', 'gone.txt': 'g', 'Case.txt': 'c' });
    await until(() => client.text.toString() === 'one two');
    client.text.insert(0, 'zero ');
    await until(async () => (await contents(id))['a.txt'] === 'zero one two');
    expect(client.closed).toBeNull();
    await restore(id, restored.checkpoint.id);
    expect(await contents(id)).toEqual(before);
    await until(() => client.text.toString() === 'one and a half two');
    client.close();
    expect((await list(id)).checkpoints.map(({ kind }) => kind)).toEqual(['restore', 'restore', 'manual']);
    const { activity } = await expectJson<{ activity: { action: string; data: object }[] }>(
      await call('GET', `/api/projects/${id}/activity?limit=1`, { as: world.owner }),
      200,
    );
    expect(activity).toMatchObject([{ action: 'checkpoint.restored', data: { changed: 5 } }]);
  });

  it('survives an eviction: texts come back from the blob store', async () => {
    const id = await newProject({ 'a.txt': 'old', 'b.txt': 'old too' });
    const then = await keep(id);
    const client = await YjsClient.open(world.owner, id, 'a.txt');
    await batch(id, [put('a.txt', 'new'), put('b.txt', 'new too')]);
    await runInDurableObject(roomStub(id), (_room, state) => {
      state.storage.sql.exec('DELETE FROM contents WHERE hash IN (?, ?)', sha256('old'), sha256('old too'));
    });
    await evictDurableObject(roomStub(id));
    await restore(id, then.id);
    await until(() => client.text.toString() === 'old');
    expect(await contents(id)).toEqual({ 'a.txt': 'old', 'b.txt': 'old too' });
    client.close();
  });

  it('is no way around the trash', async () => {
    const id = await newProject({ a: '1' });
    const { id: then } = await keep(id);
    expect((await call('DELETE', `/api/projects/${id}`, { as: world.owner })).status).toBe(204);
    for (const [method, path] of [
      ['POST', `/${then}/restore`],
      ['POST', ''],
      ['DELETE', `/${then}`],
    ] as const)
      expect(await expectProblem(await call(method, history(id, path), { as: world.owner }), 409)).toBe('conflict');
  });
});

describe('A build', () => {
  it('of a checkpoint builds the state of then', async () => {
    const id = await newProject({ 'index.html': 'then' });
    const then = await keep(id);
    await batch(id, [put('index.html', 'now')]);
    const { build } = await expectJson<{ build: Build }>(
      await call('POST', '/api/builds', { as: world.viewer, json: { projectId: id, checkpointId: then.id } }),
      202,
    );
    expect(build).toMatchObject({ checkpointId: then.id, treeHash: then.treeHash });
    const { attempt } = await claim(build.id);
    const runner = await runnerIn(id, build.id, attempt);
    const { files } = await expectJson<{ files: { path: string; hash: string }[] }>(await runner.manifest(), 200);
    expect(files).toMatchObject([{ path: 'index.html', hash: sha256('then') }]);
    // One of the newest state keeps that as a checkpoint.
    const newest = await expectJson<{ build: Build }>(
      await call('POST', '/api/builds', { as: world.viewer, json: { projectId: id } }),
      202,
    );
    const { checkpoints } = await list(id);
    expect(checkpoints[0]).toMatchObject({ kind: 'build', id: newest.build.checkpointId, author: world.viewer.id });
    expect(newest.build.treeHash).toBe((await treeOf(id)).hash);
  });
});

describe('What history keeps in the blob store', () => {
  it('is a manifest of every kept tree, and every blob that it names', async () => {
    const id = await newProject({ a: 'a', b: 'b' });
    await keep(id);
    await batch(id, [put('a', 'changed'), { op: 'delete', path: 'b' }]);
    const { id: second } = await keep(id);
    await restore(id, second);
    for (const { treeHash } of (await list(id)).checkpoints) {
      const manifest = await env.ASSETS.get(`tree/${treeHash}`);
      const entries = (await manifest?.json()) as { path: string; hash: string; size: number; mode: number }[];
      expect(hashTree(entries)).toBe(treeHash);
      for (const { hash } of entries) expect(await env.ASSETS.head(`blob/${hash}`)).not.toBeNull();
    }
  });
});
