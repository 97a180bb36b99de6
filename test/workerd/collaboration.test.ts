import { evictDurableObject } from 'cloudflare:test';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Asset } from '../../src/contract/assets.ts';
import type { Comment } from '../../src/contract/comments.ts';
import { newId } from '../../src/contract/ids.ts';
import { png } from '../support/media.ts';
import { call, expectJson, expectProblem, makeWorld, roomStub, uploadAsset, type World } from './support.ts';
import { type Ear, listen, openSocket, until, YjsClient } from './yjs-client.ts';

let world: World;
let base: string;
const path = 'notes.txt';
beforeAll(async () => {
  world = await makeWorld({ [path]: 'one two three\n', 'a.scene.json': '{"nodes":{"n":{"hp":1}}}' });
  base = `/api/projects/${world.projectId}`;
});

const event = (ear: Ear, type: string) =>
  ear.messages.find((message) => message.type === 'event' && message.event.type === type);

const remark = async (json: object, as = world.viewer): Promise<Comment> =>
  (await expectJson<{ comment: Comment }>(await call('POST', `${base}/comments`, { as, json }), 201)).comment;

describe('Chat', () => {
  it('is said by HTTP and on the channel, heard by all, and kept', async () => {
    const ear = await listen(world.owner, world.projectId);
    await expectJson(
      await call('POST', `${base}/chat`, { as: world.viewer, json: { body: 'hi', mentions: [world.owner.id] } }),
      201,
    );
    ear.socket.send(JSON.stringify({ type: 'chat', body: 'hello', ref: 'x' }));
    await until(() => ear.messages.some(({ type }) => type === 'posted') && event(ear, 'chat') !== undefined);
    await evictDurableObject(roomStub(world.projectId));
    const list = `${base}/chat?limit=1`;
    const first = await expectJson<{ messages: { body: string }[]; nextCursor: string }>(
      await call('GET', list, { as: world.editor }),
      200,
    );
    expect(first.messages).toMatchObject([{ body: 'hello', author: { userId: world.owner.id } }]);
    const second = await call('GET', `${list}&before=${first.nextCursor}`, { as: world.editor });
    expect(await expectJson(second, 200)).toMatchObject({
      messages: [{ body: 'hi', author: { username: world.viewer.username }, mentions: [{ userId: world.owner.id }] }],
      nextCursor: null,
    });
    const stranger = { as: world.viewer, json: { body: 'x', mentions: [world.stranger.id] } };
    expect(await expectProblem(await call('POST', `${base}/chat`, stranger), 422)).toBe('validation_failed');
    ear.socket.close();
  });
});

describe('Comments', () => {
  it('[R13] of a viewer follow what an editor types, and go with export, import and duplicate', async () => {
    const comment = await remark({ path, anchor: { kind: 'text', from: 4, to: 13 }, body: 'why?' });
    expect(comment).toMatchObject({ quote: 'two three', author: { userId: world.viewer.id }, orphaned: false });
    const reply = await call('POST', `${base}/comments/${comment.id}/replies`, {
      as: world.owner,
      json: { body: 'so' },
    });
    await expectJson(reply, 201);
    const resolved = await call('PATCH', `${base}/comments/${comment.id}`, {
      as: world.editor,
      json: { resolved: true },
    });
    await expectJson(resolved, 200);
    const editor = await YjsClient.open(world.editor, world.projectId, `${path}`);
    editor.text.insert(0, 'zero ');
    const get = async (of = base) =>
      (await expectJson<{ comments: Comment[] }>(await call('GET', `${of}/comments`, { as: world.owner }), 200))
        .comments;
    await until(
      async () =>
        (await get())[0]?.anchor?.kind === 'text' && JSON.stringify((await get())[0]?.anchor).includes('"from":9'),
    );
    editor.close();

    const duplicate = await call('POST', `${base}/duplicate`, { as: world.owner, json: {} });
    const copy = (await expectJson<{ project: { id: string } }>(duplicate, 201)).project;
    const exported = await call('GET', `${base}/export`, { as: world.viewer });
    const zip = await exported.arrayBuffer();
    const imported = await call('POST', '/api/projects/import', {
      as: world.owner,
      body: zip,
      headers: { 'content-type': 'application/zip' },
    });
    const other = (await expectJson<{ project: { id: string } }>(imported, 201)).project;
    const plain = ({ anchor, seq: _, ...rest }: Comment) => ({
      ...rest,
      anchor: anchor && { ...anchor, start: null, end: null },
    });
    const here = (await get()).map(plain);
    expect((await get(`/api/projects/${copy.id}`)).map(plain)).toEqual(here);
    // Names came with the archive; that these people said it, nobody can prove.
    const nameless = JSON.parse(JSON.stringify(here), (key, value: unknown) =>
      key === 'userId' ? null : value,
    ) as unknown;
    expect((await get(`/api/projects/${other.id}`)).map(plain)).toEqual(nameless);
    const again = await call('GET', `/api/projects/${other.id}/export`, { as: world.owner });
    expect(await again.arrayBuffer()).toEqual(zip);
  });

  it('are not deleted or changed by others, and found under their own project only', async () => {
    const comment = await remark({ path, body: 'mine' }, world.editor);
    const at = `${base}/comments/${comment.id}`;
    expect(await expectProblem(await call('DELETE', at, { as: world.viewer }), 403)).toBe('forbidden');
    expect(await expectProblem(await call('PATCH', at, { as: world.owner, json: { body: 'x' } }), 403)).toBe(
      'forbidden',
    );
    const own = await call('POST', '/api/projects', { as: world.editor, json: { name: 'Own' } });
    const { project } = await expectJson<{ project: { id: string } }>(own, 201);
    const mixed = await call('GET', `/api/projects/${project.id}/comments/${comment.id}`, { as: world.editor });
    expect(await expectProblem(mixed, 404)).toBe('not_found');
    expect((await call('DELETE', at, { as: world.owner })).status).toBe(204);
    expect(await expectProblem(await call('GET', at, { as: world.editor }), 404)).toBe('not_found');
  });

  it('hang on nodes of a scene', async () => {
    const anchor = { kind: 'node', node: 'n', pointer: '/hp' };
    expect(await remark({ path: 'a.scene.json', anchor, body: 'x' })).toMatchObject({ anchor, orphaned: false });
    const missing = { path: 'a.scene.json', anchor: { kind: 'node', node: 'none' }, body: 'x' };
    expect(await expectProblem(await call('POST', `${base}/comments`, { as: world.viewer, json: missing }), 422)).toBe(
      'validation_failed',
    );
  });
});

describe('[R22] A scene', () => {
  it('is a shared map on the socket, JSON over HTTP, and tells what does not fit', async () => {
    const ear = await listen(world.viewer, world.projectId);
    const client = await YjsClient.open(world.editor, world.projectId, 'a.scene.json');
    const root = client.doc.getMap('root');
    expect(root.toJSON()).toEqual({ nodes: { n: { hp: 1 } } });
    const put = { as: world.owner, json: { content: '{"nodes":{"n":{"hp":1,"parent":7}}}' } };
    await expectJson(await call('PUT', `${base}/files/a.scene.json`, put), 200);
    await until(() => JSON.stringify(root).includes('"parent":7') && event(ear, 'document.checked') !== undefined);
    expect(await expectJson(await call('GET', `${base}/problems`, { as: world.viewer }), 200)).toMatchObject({
      documents: [{ path: 'a.scene.json', form: 'scene', issues: [{ pointer: '/nodes/n/parent' }] }],
    });
    client.close();
    ear.socket.close();
  });
});

describe('Sockets', () => {
  it('[R11] of a session that is revoked end at once, and at the next frame when nobody told the room', async () => {
    const [one, two] = [await listen(world.editor, world.projectId), await listen(world.viewer, world.projectId)];
    await roomStub(world.projectId).endSockets(world.editor.id, null);
    await until(() => one.closed !== null);
    expect([one.closed, two.closed]).toEqual([4401, null]);
    two.socket.close();
  });

  it('[R12] #62 that do not answer what they are asked are dropped, and the others go on', async () => {
    const big = 'big.txt';
    await expectJson(await call('PUT', `${base}/files/${big}`, { as: world.owner, json: { content: '' } }), 201);
    const [writer, reader] = [
      await YjsClient.open(world.editor, world.projectId, big),
      await YjsClient.open(world.viewer, world.projectId, big),
    ];
    const deaf = await openSocket(world.viewer, world.projectId, `docs/${big}`);
    let closed: number | null = null;
    deaf.addEventListener('close', ({ code }) => {
      closed = code;
    });
    deaf.accept();
    for (let n = 0; n < 40 && closed === null; n += 1) {
      writer.doc.transact(() => {
        writer.text.delete(0, writer.text.length);
        writer.text.insert(0, `${n}`.repeat(150_000));
      });
      await until(() => reader.text.toString().startsWith(`${n}`) || reader.closed !== null);
    }
    await until(() => closed !== null);
    expect([closed, reader.closed, writer.closed]).toEqual([4430, null, null]);
    writer.close();
    reader.close();
  });

  it('#61 that send 500 mutated frames end with a code, and an honest one sees no gap', async () => {
    const honest = await YjsClient.open(world.owner, world.projectId, path);
    let bad = await YjsClient.open(world.editor, world.projectId, path);
    let state = 61;
    const random = (below: number): number => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return state % below;
    };
    const codes = new Set<number>();
    for (let n = 0; n < 500; n += 1) {
      const frame = Uint8Array.from(
        [0, 2, 12, 1, 1, 5, 0, 4, 1, 1, 97, 3, 120, 121, 122, 0].map((byte) => (random(4) === 0 ? random(256) : byte)),
      );
      bad.socket.send(frame.subarray(0, 1 + random(frame.length)));
      if (n % 20 === 19) await new Promise((resolve) => setTimeout(resolve, 20));
      if (bad.closed === null) continue;
      codes.add(bad.closed);
      bad = await YjsClient.open(world.editor, world.projectId, path);
    }
    expect([...codes].filter((code) => ![1003, 4413].includes(code))).toEqual([]);
    expect(codes.size).toBeGreaterThan(0);
    honest.text.insert(0, 'calm ');
    const read = async () =>
      (
        await expectJson<{ file: { content: string } }>(
          await call('GET', `${base}/files/${path}`, { as: world.owner }),
          200,
        )
      ).file.content;
    await until(async () => (await read()) === honest.text.toString());
    expect(honest.closed).toBeNull();
    honest.close();
    bad.close();
  });
});

describe('[R13] Comments on assets', () => {
  const stored = (name: string, at = world.projectId, as = world.editor): Promise<Asset> =>
    uploadAsset(as, at, name, png(40, 20));
  const on = ({ id }: Asset) => ({ kind: 'asset', asset: id, x: 0.25, y: 0.5, width: 0.5, height: 0.25 });
  const list = async (query = '', of = base, as = world.viewer): Promise<Comment[]> =>
    (await expectJson<{ comments: Comment[] }>(await call('GET', `${of}/comments${query}`, { as }), 200)).comments;
  const get = async ({ id }: Comment): Promise<Comment> =>
    (await expectJson<{ comment: Comment }>(await call('GET', `${base}/comments/${id}`, { as: world.viewer }), 200))
      .comment;

  it('stay with the asset by whatever name and version, and say when it is gone', async () => {
    const ear = await listen(world.owner, world.projectId);
    const [hero, other] = [await stored('hero.png'), await stored('other.png')];
    const comment = await remark({ anchor: on(hero), body: 'longer arms?' });
    expect(comment).toMatchObject({
      path: 'assets/hero.png',
      anchor: on(hero),
      quote: 'hero.png',
      orphaned: false,
      author: { userId: world.viewer.id },
    });
    await remark({ anchor: on(other), body: 'another' });
    await until(() => event(ear, 'comment.created') !== undefined);
    ear.socket.close();
    expect((await list(`?asset=${hero.id}`)).map(({ id }) => id)).toEqual([comment.id]);

    const reply = { as: world.editor, json: { body: 'why not' } };
    await expectJson(await call('POST', `${base}/comments/${comment.id}/replies`, reply), 201);
    // A file that comes to the path of the asset does not take its comments over.
    await expectJson(
      await call('PUT', `${base}/files/assets/hero.png`, { as: world.editor, json: { content: 'not the picture' } }),
      201,
    );
    await stored('hero.png');
    const renamed = { as: world.editor, json: { name: 'knight.png' } };
    await expectJson(await call('PATCH', `/api/assets/${hero.id}`, renamed), 200);
    await evictDurableObject(roomStub(world.projectId));
    expect(await get(comment)).toMatchObject({
      path: 'assets/knight.png',
      anchor: on(hero),
      orphaned: false,
      replies: [{ body: 'why not' }],
    });
    expect(await list('?path=assets/hero.png')).toEqual([]);

    await expectJson(await call('DELETE', `/api/assets/${hero.id}`, { as: world.editor }), 204);
    expect(await get(comment)).toMatchObject({ orphaned: true });
    const resolved = { as: world.editor, json: { resolved: true } };
    const done = await call('PATCH', `${base}/comments/${comment.id}`, resolved);
    expect(await expectJson(done, 200)).toMatchObject({ comment: { orphaned: true, resolvedBy: {} } });
    await expectJson(await call('POST', `/api/assets/${hero.id}/restore`, { as: world.editor }), 200);
    expect(await get(comment)).toMatchObject({ path: 'assets/knight.png', orphaned: false });
  });

  it('go with the assets to copies, forks, archives and back', async () => {
    const [kept, gone] = [await stored('kept.png'), await stored('gone.png')];
    const threads = [
      await remark({ anchor: on(kept), body: 'kept' }),
      await remark({ anchor: on(gone), body: 'gone' }),
    ];
    await expectJson(await call('DELETE', `/api/assets/${gone.id}`, { as: world.editor }), 204);
    const exported = await call('GET', `${base}/export`, { as: world.viewer });
    const others = [
      await call('POST', `${base}/duplicate`, { as: world.owner, json: {} }),
      await call('POST', `${base}/duplicate`, { as: world.owner, json: { fork: true } }),
      await call('POST', '/api/projects/import', {
        as: world.owner,
        body: await exported.arrayBuffer(),
        headers: { 'content-type': 'application/zip' },
      }),
    ];
    for (const answer of others) {
      const { project } = await expectJson<{ project: { id: string } }>(answer, 201);
      const { assets } = await expectJson<{ assets: Asset[] }>(
        await call('GET', `/api/projects/${project.id}/assets`, { as: world.owner }),
        200,
      );
      const copy = assets.find(({ name }) => name === 'kept.png');
      if (!copy) throw new Error('the asset went with the project');
      expect(copy.id).not.toBe(kept.id);
      const found = await list('', `/api/projects/${project.id}`, world.owner);
      const [there, lost] = threads.map(({ id }) => found.find((one) => one.id === id));
      expect(there).toMatchObject({ anchor: on(copy), path: 'assets/kept.png', orphaned: false, body: 'kept' });
      expect(lost).toMatchObject({ path: 'assets/gone.png', orphaned: true, body: 'gone' });
    }
  });

  it('#26 are on assets of this project, by those who may comment, and within the picture', async () => {
    const asset = await stored('mine.png');
    const made = await call('POST', '/api/projects', { as: world.stranger, json: { name: 'Theirs' } });
    const { project } = await expectJson<{ project: { id: string } }>(made, 201);
    const foreign = await stored('theirs.png', project.id, world.stranger);
    const trashed = await stored('trashed.png');
    await expectJson(await call('DELETE', `/api/assets/${trashed.id}`, { as: world.editor }), 204);
    const post = (json: object, as = world.viewer): Promise<Response> =>
      call('POST', `${base}/comments`, { as, json: { body: 'x', ...json } });
    for (const anchor of [on(foreign), on(trashed), { ...on(asset), asset: newId() }])
      expect(await expectProblem(await post({ anchor }), 404)).toBe('not_found');
    expect(await expectProblem(await post({ anchor: on(asset) }, world.stranger), 404)).toBe('not_found');
    expect(await expectProblem(await post({ anchor: on(foreign) }, world.stranger), 404)).toBe('not_found');
    for (const json of [
      { anchor: { ...on(asset), x: 1.1 } },
      { anchor: { ...on(asset), width: -1 } },
      { anchor: { ...on(asset), asset: 'mine.png' } },
      { anchor: { ...on(asset), kind: 'region' } },
      { anchor: on(asset), path },
      { anchor: { kind: 'text', from: 0, to: 1 } },
      {},
    ])
      expect(await expectProblem(await post(json), 422), JSON.stringify(json)).toBe('validation_failed');
    expect(await list(`?asset=${asset.id}`)).toEqual([]);
    expect(await list(`?asset=${foreign.id}`)).toEqual([]);
  });
});
