import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Asset } from '../../src/contract/assets.ts';
import type { Build } from '../../src/contract/builds.ts';
import type { Checkpoint, CheckpointFile } from '../../src/contract/checkpoints.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import type { MergeAnswer } from '../../src/contract/merge.ts';
import type { Project } from '../../src/contract/projects.ts';
import { configOf } from '../../src/core/config.ts';
import { signToken } from '../../src/core/tokens.ts';
import { hashTree, sha256 } from '../../src/core/tree.ts';
import { getTree } from '../../src/data/objects.ts';
import { type Account, call, database, expectJson, expectProblem, makeWorld, roomStub, type World } from './support.ts';
import { until, YjsClient } from './yjs-client.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});

/** A project of the owner's with the editor and the viewer as members, and these files. */
async function newProject(files: Record<string, string>, more: Record<string, unknown> = {}): Promise<string> {
  const created = await call('POST', '/api/projects', { as: world.owner, json: { name: 'History', ...more } });
  const { id } = (await expectJson<{ project: Project }>(created, 201)).project;
  for (const [account, role] of [
    [world.editor, 'editor'],
    [world.viewer, 'viewer'],
  ] as const)
    await expectJson(
      await call('POST', `/api/projects/${id}/collaborators`, { as: world.owner, json: { userId: account.id, role } }),
      201,
    );
  if (Object.keys(files).length)
    await batch(
      id,
      Object.entries(files).map(([path, content]) => put(path, content)),
    );
  return id;
}

const put = (path: string, content: string) => ({ op: 'put', path, content });
const batch = async (id: string, operations: unknown, as = world.owner): Promise<void> => {
  await expectJson(await call('POST', `/api/projects/${id}/files/batch`, { as, json: { operations } }), 200);
};
const contents = async (id: string, as = world.owner): Promise<Record<string, string>> => {
  const { files } = await expectJson<{ files: { path: string }[] }>(
    await call('GET', `/api/projects/${id}/files`, { as }),
    200,
  );
  const found: Record<string, string> = {};
  for (const { path } of files) {
    const answer = await call('GET', `/api/projects/${id}/files/${encodeURI(path)}`, { as });
    found[path] = (await expectJson<{ file: { content: string } }>(answer, 200)).file.content;
  }
  return found;
};
const treeOf = async (id: string, as = world.owner): Promise<{ hash: string; seq: number }> =>
  await expectJson(await call('GET', `/api/projects/${id}/tree`, { as }), 200);

const history = (id: string, rest = ''): string => `/api/projects/${id}/checkpoints${rest}`;
const keep = async (id: string, json: object = {}, as = world.editor): Promise<Checkpoint> =>
  (await expectJson<{ checkpoint: Checkpoint }>(await call('POST', history(id), { as, json }), 201)).checkpoint;
const list = async (id: string, query = ''): Promise<{ checkpoints: Checkpoint[]; nextCursor: string | null }> =>
  await expectJson(await call('GET', history(id, query), { as: world.viewer }), 200);
const restore = async (id: string, checkpoint: string, as = world.editor) =>
  await expectJson<{ checkpoint: Checkpoint; treeHash: string; seq: number; changed: number; assets: object | null }>(
    await call('POST', history(id, `/${checkpoint}/restore`), { as }),
    200,
  );

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

describe('Assets of a checkpoint', () => {
  const upload = async (id: string, name: string, text: string): Promise<Asset> => {
    const body = new FormData();
    body.set('projectId', id);
    body.set('file', new File([text], name));
    const answer = await call('POST', '/api/assets/upload', { as: world.editor, body });
    return (await expectJson<{ asset: Asset }>(answer, 201)).asset;
  };
  const assetsOf = async (id: string, trashed = false): Promise<[string, number, string][]> => {
    const answer = await call('GET', `/api/projects/${id}/assets?trashed=${trashed}`, { as: world.viewer });
    const { assets } = await expectJson<{ assets: Asset[] }>(answer, 200);
    return assets.map(({ name, version, hash }) => [name, version, hash]);
  };
  const remove = async ({ id }: Asset, query = ''): Promise<void> =>
    expect((await call('DELETE', `/api/assets/${id}${query}`, { as: world.owner })).status).toBe(204);

  it('are named, compared, built, and come back with its files; the answer says what does not', async () => {
    const id = await newProject({ 'a.txt': 'then', 'index.html': '<script src="main.js"></script>', 'main.js': '1' });
    const hero = await upload(id, 'hero.txt', 'hero then');
    const gone = await upload(id, 'gone.txt', 'gone');
    const erased = await upload(id, 'erased.txt', 'erased');
    const then = await keep(id, { name: 'Then' });
    expect(then).toMatchObject({ assetCount: 3, assetSize: 19 });
    await batch(id, [put('a.txt', 'now')]);
    await upload(id, 'hero.txt', 'hero now');
    await remove(gone);
    await remove(erased, '?permanent=true');
    const since = await upload(id, 'since.txt', 'since');
    const { checkpoint } = await expectJson<{ checkpoint: { assets: object[] } }>(
      await call('GET', history(id, `/${then.id}`), { as: world.viewer }),
      200,
    );
    const named = ({ id: assetId, name, version, size, hash, mimeType }: Asset) => ({
      assetId,
      name,
      version,
      size,
      hash,
      mimeType,
    });
    const lost = { ...named(erased), size: null, hash: null, mimeType: null };
    expect(checkpoint.assets).toEqual([lost, named(gone), named(hero)]);
    const { assets: diff } = await expectJson<{ assets: object }>(
      await call('GET', history(id, `/${then.id}/diff`), { as: world.viewer }),
      200,
    );
    expect(diff).toEqual({
      added: [named(since)],
      removed: [lost, named(gone)],
      modified: [{ before: named(hero), after: { ...named(hero), version: 2, size: 8, hash: sha256('hero now') } }],
    });
    const answer = await call('POST', '/api/builds', {
      as: world.editor,
      json: { projectId: id, checkpointId: then.id },
    });
    const { build } = await expectJson<{ build: Build }>(answer, 202);
    const manifest = await getTree(env.ASSETS, build.treeHash);
    expect(manifest?.filter(({ path }) => path.startsWith('assets/')).map(({ path, hash }) => [path, hash])).toEqual([
      ['assets/gone.txt', sha256('gone')],
      ['assets/hero.txt', sha256('hero then')],
    ]);

    const before = await assetsOf(id);
    const restored = await restore(id, then.id);
    expect(restored.changed).toBe(1);
    expect(restored.assets).toEqual({
      isPending: false,
      restored: 2,
      trashed: 1,
      missing: [{ assetId: erased.id, name: 'erased.txt', version: 1 }],
    });
    expect(await assetsOf(id)).toEqual([
      ['gone.txt', 1, sha256('gone')],
      ['hero.txt', 3, sha256('hero then')],
    ]);
    expect((await assetsOf(id, true)).map(([name]) => name)).toEqual(['since.txt']);
    // The state before is one to go back to, with its assets.
    expect(restored.checkpoint).toMatchObject({ kind: 'restore', assetCount: 2 });
    await restore(id, restored.checkpoint.id);
    expect((await assetsOf(id)).map(([name, , hash]) => [name, hash])).toEqual(
      before.map(([name, , hash]) => [name, hash]),
    );
    const { activity } = await expectJson<{ activity: { action: string; data: object }[] }>(
      await call('GET', `/api/projects/${id}/activity?action=asset.reverted`, { as: world.owner }),
      200,
    );
    expect(activity.map(({ data }) => data)).toEqual([
      { restored: 2, trashed: 1, missing: 0 },
      { restored: 2, trashed: 1, missing: 1 },
    ]);
    const { events } = await expectJson<{ events: { type: string }[] }>(
      await call('GET', `/api/projects/${id}/events?since=0&type=asset.reverted`, { as: world.viewer }),
      200,
    );
    expect(events).toHaveLength(2);
  });

  it('stay while it names them, and go when it is forgotten; the report says which', async () => {
    const id = await newProject({ a: '1' });
    const first = await upload(id, 'hero.txt', 'one');
    const then = await keep(id);
    for (const text of ['two', 'three', 'four']) await upload(id, 'hero.txt', text);
    const clean = async (dryRun: boolean) =>
      await expectJson<{ versions: { version: number }[] }>(
        await call('POST', `/api/projects/${id}/assets/cleanup`, {
          as: world.owner,
          json: { keep: 1, olderThanDays: 0, dryRun },
        }),
        200,
      );
    const report = await clean(true);
    expect(report).toMatchObject({ count: 2, bytes: 8, kept: { count: 1, bytes: 3 } });
    expect(report.versions.map(({ version }) => version).sort()).toEqual([2, 3]);
    await clean(false);
    const versions = async () => {
      const answer = await call('GET', `/api/assets/${first.id}/versions`, { as: world.viewer });
      return (await expectJson<{ versions: { version: number }[] }>(answer, 200)).versions.map(
        ({ version }) => version,
      );
    };
    expect(await versions()).toEqual([4, 1]);
    expect((await call('DELETE', history(id, `/${then.id}`), { as: world.editor })).status).toBe(204);
    await runInDurableObject(roomStub(id), (_room, state) => {
      state.storage.sql.exec('UPDATE asset_marks_pending SET at = 0');
    });
    await runDurableObjectAlarm(roomStub(id));
    expect(await clean(false)).toMatchObject({ count: 1, bytes: 3, kept: { count: 0, bytes: 0 } });
    expect(await versions()).toEqual([4]);
  });

  it('of a checkpoint from before there were any are left as they are', async () => {
    const id = await newProject({ a: '1' });
    await upload(id, 'hero.txt', 'one');
    const then = await keep(id);
    await runInDurableObject(roomStub(id), (_room, state) => {
      state.storage.sql.exec('UPDATE checkpoints SET asset_state = NULL, asset_count = NULL, asset_size = NULL');
    });
    await database.prepare('DELETE FROM asset_marks WHERE checkpoint_id = ?').bind(then.id).run();
    await upload(id, 'hero.txt', 'two');
    const { checkpoint } = await expectJson<{ checkpoint: object }>(
      await call('GET', history(id, `/${then.id}`), { as: world.viewer }),
      200,
    );
    expect(checkpoint).toMatchObject({ assetCount: null, assetSize: null, assets: null });
    expect((await restore(id, then.id)).assets).toBeNull();
    expect(await assetsOf(id)).toEqual([['hero.txt', 2, sha256('two')]]);
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
    const token = await signToken(configOf(env), 'build', { sub: build.id, projectId: id, attempt: 1 }, 60_000);
    const headers = { authorization: `Bearer ${token}` };
    const stub = env.BUILD_RUN.getByName(build.id);
    await stub.claim();
    const { files } = await expectJson<{ files: { path: string; hash: string }[] }>(
      await call('GET', `/api/runner/builds/${build.id}/manifest`, { headers }),
      200,
    );
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

describe('Forks and merges', () => {
  const fork = async (id: string, as: Account, json: object = {}): Promise<Project> =>
    (
      await expectJson<{ project: Project }>(
        await call('POST', `/api/projects/${id}/duplicate`, { as, json: { fork: true, ...json } }),
        201,
      )
    ).project;
  const merge = (id: string, json: object, as: Account = world.owner): Promise<Response> =>
    call('POST', `/api/projects/${id}/merge`, { as, json });
  const merged = async (id: string, json: object, as = world.owner): Promise<MergeAnswer> =>
    await expectJson(await merge(id, json, as), 200);

  it('leave from a checkpoint, come home, and follow', async () => {
    const home = await newProject({ 'a.txt': 'a', 'b.txt': 'b', 'old name.txt': 'moved' });
    const away = await fork(home, world.owner, { name: 'Second level' });
    expect(away).toMatchObject({
      name: 'Second level',
      forkedFrom: home,
      isPublic: false,
      role: 'owner',
      fileCount: 3,
    });
    const [left] = (await list(home)).checkpoints;
    expect(left).toMatchObject({ id: away.forkedCheckpointId, kind: 'auto', message: 'A fork left from here' });
    expect((await treeOf(away.id)).hash).toBe(left?.treeHash);

    await batch(away.id, [
      put('a.txt', 'changed in the fork'),
      put('new.txt', 'new'),
      { op: 'move', from: 'old name.txt', to: 'new name.txt' },
    ]);
    await batch(home, [put('b.txt', 'changed at home')]);
    const client = await YjsClient.open(world.editor, home, 'a.txt');

    const preview = await merged(home, { from: away.id, preview: true });
    expect(preview).toMatchObject({ applied: false, conflicts: [], checkpoint: { kind: 'auto' } });
    expect(await contents(home)).toMatchObject({ 'a.txt': 'a' });
    const { build } = await expectJson<{ build: Build }>(
      await call('POST', '/api/builds', {
        as: world.owner,
        json: { projectId: home, checkpointId: preview.checkpoint?.id },
      }),
      202,
    );
    expect(build.treeHash).toBe(preview.checkpoint?.treeHash);

    const answer = await merged(home, { from: away.id, message: 'The second level' });
    expect(answer).toEqual({
      applied: true,
      conflicts: [],
      changes: [
        { op: 'move', path: 'new name.txt', from: 'old name.txt' },
        { op: 'put', path: 'a.txt' },
        { op: 'put', path: 'new.txt' },
      ],
      checkpoint: expect.objectContaining({ message: 'The second level', treeHash: preview.checkpoint?.treeHash }),
    });
    expect(await contents(home)).toEqual({
      'a.txt': 'changed in the fork',
      'b.txt': 'changed at home',
      'new.txt': 'new',
      'new name.txt': 'moved',
    });
    await until(() => client.text.toString() === 'changed in the fork');
    client.close();
    // And the other way round.
    expect(await merged(away.id, { from: home })).toMatchObject({
      applied: true,
      conflicts: [],
      changes: [{ op: 'put', path: 'b.txt' }],
    });
    expect((await treeOf(away.id)).hash).toBe((await treeOf(home)).hash);
  });

  it('ask where both have changed the same, change nothing, and take the answers', async () => {
    const home = await newProject({ 'text.txt': 'one\n', 'gone.txt': 'g', 'fine.txt': 'f' });
    const away = await fork(home, world.owner);
    await batch(home, [put('text.txt', 'at home\n'), { op: 'delete', path: 'gone.txt' }]);
    await batch(away.id, [put('text.txt', 'in the fork\n'), put('gone.txt', 'kept'), put('fine.txt', 'finer')]);
    const before = await treeOf(home);
    const asked = await merged(home, { from: away.id });
    expect(asked).toMatchObject({ applied: false, checkpoint: null, changes: [{ op: 'put', path: 'fine.txt' }] });
    const side = (content: string) => ({
      path: 'text.txt',
      hash: sha256(content),
      size: content.length,
      isText: true,
      content,
    });
    expect(asked.conflicts).toEqual([
      {
        path: 'gone.txt',
        kind: 'delete-modify',
        base: expect.objectContaining({ content: 'g' }),
        ours: null,
        theirs: expect.objectContaining({ content: 'kept' }),
      },
      {
        path: 'text.txt',
        kind: 'text',
        base: side('one\n'),
        ours: side('at home\n'),
        theirs: side('in the fork\n'),
        merged: expect.stringContaining('<<<<<<<'),
      },
    ]);
    expect(await treeOf(home)).toEqual(before);
    for (const resolutions of [
      [{ path: 'nothing.txt', take: 'ours' }],
      [{ path: 'text.txt', take: 'both' }],
      [{ path: 'text.txt', take: { content: '\ud800' } }],
      [
        { path: 'text.txt', take: 'ours' },
        { path: 'text.txt', take: 'theirs' },
      ],
    ])
      expect(await expectProblem(await merge(home, { from: away.id, resolutions }), 422)).toBe('validation_failed');
    const half = await merged(home, { from: away.id, resolutions: [{ path: 'gone.txt', take: 'ours' }] });
    expect([half.applied, half.conflicts.map(({ path }) => path)]).toEqual([false, ['text.txt']]);
    const done = await merged(home, {
      from: away.id,
      resolutions: [{ path: 'text.txt', take: { content: 'both\n' } }],
      takeAll: 'ours',
    });
    expect(done).toMatchObject({ applied: true, conflicts: [] });
    expect(await contents(home)).toEqual({ 'text.txt': 'both\n', 'fine.txt': 'finer' });
  });

  it('#27 are for who may read the one and write the other', async () => {
    const home = await newProject({ a: '1' });
    const own = await fork(home, world.viewer);
    expect(own).toMatchObject({ role: 'owner', ownerId: world.viewer.id });
    await expectJson(
      await call('PUT', `/api/projects/${own.id}/files/a`, { as: world.viewer, json: { content: '2' } }),
      200,
    );
    // A viewer may fork and follow, not bring home; nor may an owner take from a fork that is not shared with them.
    expect(await expectProblem(await merge(home, { from: own.id }, world.viewer), 403)).toBe('forbidden');
    expect(await expectProblem(await merge(home, { from: own.id }, world.owner), 404)).toBe('not_found');
    expect(await expectProblem(await merge(home, { from: own.id }, world.stranger), 404)).toBe('not_found');
    expect(await expectProblem(await merge(own.id, { from: home }, world.owner), 404)).toBe('not_found');
    await batch(home, [put('b', 'b')]);
    expect(await merged(own.id, { from: home }, world.viewer)).toMatchObject({ applied: true });
    expect(await contents(home)).toEqual({ a: '1', b: 'b' });
    expect(await contents(own.id, world.viewer)).toEqual({ a: '2', b: 'b' });
    await expectJson(
      await call('POST', `/api/projects/${own.id}/collaborators`, {
        as: world.viewer,
        json: { userId: world.owner.id, role: 'viewer' },
      }),
      201,
    );
    expect(await merged(home, { from: own.id })).toMatchObject({ applied: true });
    expect(await contents(home)).toEqual({ a: '2', b: 'b' });
  });

  it('need something in common', async () => {
    const [one, two] = [await newProject({ a: '1' }), await newProject({ a: '1' })];
    expect(await expectProblem(await merge(one, { from: two }), 409)).toBe('conflict');
    expect(await expectProblem(await merge(one, { from: one }), 422)).toBe('validation_failed');
    expect(await expectProblem(await merge(one, { from: newId() }), 404)).toBe('not_found');
    for (const json of [
      {},
      { from: 'x' },
      { from: two, preview: 'yes' },
      { from: two, takeAll: 'both' },
      { from: two, more: 1 },
    ])
      expect(await expectProblem(await merge(one, json), 422), JSON.stringify(json)).toBe('validation_failed');
    // A copy is no fork.
    const { project } = await expectJson<{ project: Project }>(
      await call('POST', `/api/projects/${one}/duplicate`, { as: world.owner, json: {} }),
      201,
    );
    expect(await expectProblem(await merge(one, { from: project.id }), 409)).toBe('conflict');
  });

  it('of a fork whose origin was erased stays itself', async () => {
    const home = await newProject({ a: 'a' });
    const away = await fork(home, world.owner);
    expect((await call('DELETE', `/api/projects/${home}?permanent=true`, { as: world.owner })).status).toBe(204);
    expect(await contents(away.id)).toEqual({ a: 'a' });
    expect(await expectProblem(await merge(away.id, { from: home }), 404)).toBe('not_found');
    const shown = await expectJson<{ project: Project }>(
      await call('GET', `/api/projects/${away.id}`, { as: world.owner }),
      200,
    );
    expect(shown.project.forkedFrom).toBe(home);
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
