import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Asset, Upload } from '../../src/contract/assets.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { sha256 } from '../../src/core/tree.ts';
import { uploadKey, uploadPrefix } from '../../src/data/objects.ts';
import { withDatabase } from '../../src/data/open.ts';
import { setPending, uploadById } from '../../src/data/uploads.ts';
import { assemble } from '../../src/worker/assets/verify.ts';
import { sweep } from '../../src/worker/scheduled.ts';
import { png, textBytes } from '../support/media.ts';
import { type Account, call, database, expectJson, expectProblem, makeWorld, type World } from './support.ts';

type Bytes = Uint8Array<ArrayBuffer>;
const { partSize } = limits.upload;

let world: World;
beforeAll(async () => {
  world = await makeWorld({});
});

/** A picture with so much noise behind it that nobody has stored before. */
function large(size: number): Bytes {
  const data = new Uint8Array(size);
  for (let at = 0; at < size; at += 1000) data[at] = (at / 1000) % 251;
  data.set(png(1, 1));
  data.set(textBytes(newId()), 200);
  return data;
}

const url = '/api/assets/uploads';
const begin = (json: Record<string, unknown>, as: Account = world.editor): Promise<Response> =>
  call('POST', url, { as, json: { projectId: world.projectId, ...json } });

const begun = async (name: string, data: Bytes, more: Record<string, unknown> = {}): Promise<Upload> =>
  (await expectJson<{ upload: Upload }>(await begin({ name, size: data.length, ...more }), 201)).upload;

/** As a browser sends it: no header but what the address says. */
async function send({ parts }: Upload, data: Bytes, numbers = parts.map(({ number }) => number)): Promise<void> {
  for (const number of numbers) {
    const part = parts[number - 1];
    if (!part) throw new Error('no such part');
    const { pathname, search } = new URL(part.url);
    const body = data.slice((number - 1) * partSize, number * partSize);
    await expectJson(await call('PUT', pathname + search, { body }), 200);
  }
}

const shown = async (id: string): Promise<Upload> =>
  (await expectJson<{ upload: Upload }>(await call('GET', `${url}/${id}`, { as: world.editor }), 200)).upload;

const complete = async (id: string, as: Account = world.editor): Promise<Response> => {
  const { parts } = await shown(id);
  const json = { parts: parts.flatMap(({ number, etag }) => (etag === null ? [] : [{ number, etag }])) };
  return await call('POST', `${url}/${id}/complete`, { as, json });
};

const completed = async (id: string): Promise<Asset> =>
  (await expectJson<{ asset: Asset }>(await complete(id), 201)).asset;

const download = async (id: string): Promise<string> => {
  const answer = await call('GET', `/api/assets/${id}/download`, { as: world.viewer });
  return sha256(new Uint8Array(await answer.arrayBuffer()));
};

const isThere = async (id: string): Promise<boolean> => (await env.ASSETS.head(uploadKey(id))) !== null;
const named = async (name: string): Promise<Asset[]> =>
  (
    await expectJson<{ assets: Asset[] }>(
      await call('GET', `/api/projects/${world.projectId}/assets?q=${name}`, { as: world.owner }),
      200,
    )
  ).assets;

/** How often the room was told of an asset, and by whom. */
const told = async (name: string): Promise<unknown[]> => {
  const { events } = await expectJson<{ events: { type: string; by: string; data: Record<string, unknown> }[] }>(
    await call('GET', `/api/projects/${world.projectId}/events?since=0`, { as: world.viewer }),
    200,
  );
  return events
    .filter(({ type, data }) => type === 'asset.uploaded' && data.name === name)
    .map(({ by, data }) => ({ by, version: data.version }));
};

describe('an upload in parts', () => {
  it('becomes an asset of its bytes; a part may be lost, late, and sent again', async () => {
    const data = large(partSize + 1_234_567);
    const upload = await begun('parts.png', data, { mimeType: 'image/png', hash: sha256(data) });
    expect(upload).toMatchObject({ status: 'open', partSize, size: data.length });
    expect(upload.parts.map(({ number, size, etag }) => [number, size, etag])).toEqual([
      [1, partSize, null],
      [2, 1_234_567, null],
    ]);
    await send(upload, data, [2]);
    // Whoever comes back later asks what has arrived.
    expect((await shown(upload.id)).parts.map(({ etag }) => etag !== null)).toEqual([false, true]);
    expect(await expectProblem(await complete(upload.id), 422)).toBe('validation_failed');
    await send(upload, large(data.length), [1]);
    await send(await shown(upload.id), data, [1]);
    const asset = await completed(upload.id);
    expect(asset).toMatchObject({
      name: 'parts.png',
      type: 'image',
      size: data.length,
      hash: sha256(data),
      version: 1,
    });
    expect(await download(asset.id)).toBe(asset.hash);
    expect(await isThere(upload.id)).toBe(false);
    expect(await shown(upload.id)).toMatchObject({ status: 'done', assetId: asset.id });
  });

  it('of bytes that the project has is done at once', async () => {
    const data = large(300_000);
    const first = await begun('first.png', data);
    await send(first, data);
    await completed(first.id);
    const known = { name: 'second.png', size: data.length, hash: sha256(data) };
    const { asset } = await expectJson<{ asset: Asset }>(await begin(known), 201);
    expect(asset).toMatchObject({ name: 'second.png', hash: known.hash, type: 'image' });
    expect(await download(asset.id)).toBe(known.hash);
    expect(await expectProblem(await begin({ ...known, name: 'second.mp3' }), 422)).toBe('type_mismatch');
    expect(await expectProblem(await begin({ ...known, mimeType: 'image/jpeg' }), 422)).toBe('type_mismatch');
    // Knowing a hash gives nobody the bytes of another project.
    const made = await call('POST', '/api/projects', { as: world.stranger, json: { name: 'Other' } });
    const { project } = await expectJson<{ project: { id: string } }>(made, 201);
    const other = await begin({ ...known, projectId: project.id }, world.stranger);
    expect(await expectJson(other, 201)).toHaveProperty('upload');
  });

  it('is taken up again by whoever began it, with the same bytes for the same name, and by nobody else', async () => {
    const data = large(partSize + 50);
    const hash = sha256(data);
    const upload = await begun('again.png', data, { hash });
    await send(upload, data, [1]);
    const same = { name: 'again.png', size: data.length, hash };
    const answer = await expectJson<{ upload: Upload }>(await begin(same), 200);
    expect(answer.upload.id).toBe(upload.id);
    expect(answer.upload.parts.map(({ etag }) => etag !== null)).toEqual([true, false]);
    for (const other of [
      { ...same, name: 'other.png' },
      { ...same, hash: sha256(large(900)) },
      { name: 'again.png', size: data.length },
    ])
      await expectJson(await begin(other), 201);
    await expectJson(await begin(same, world.owner), 201);
    const listed = async (as: Account) =>
      (
        await expectJson<{ uploads: Upload[] }>(
          await call('GET', `/api/projects/${world.projectId}/uploads`, { as }),
          200,
        )
      ).uploads;
    expect((await listed(world.editor)).map(({ name }) => name)).toEqual([
      'again.png',
      'other.png',
      'again.png',
      'again.png',
    ]);
    expect((await listed(world.owner)).map(({ name }) => name)).toEqual(['again.png']);
    for (const as of [world.editor, world.owner])
      for (const { id } of await listed(as)) await expectJson(await call('DELETE', `${url}/${id}`, { as }), 204);
    expect(await listed(world.editor)).toEqual([]);
  });

  it('is given up by hand, or after a day, with all its parts; its place is free again', async () => {
    const data = large(1000);
    const [one, two] = [await begun('a.png', data), await begun('b.png', data)];
    await send(one, data);
    await expectJson(await call('DELETE', `${url}/${one.id}`, { as: world.editor }), 204);
    expect(await expectProblem(await call('GET', `${url}/${one.id}`, { as: world.editor }), 404)).toBe('not_found');
    await send(two, data);
    const now = Date.now();
    await sweep(env, now + limits.upload.ttl - 60_000);
    expect((await shown(two.id)).status).toBe('open');
    await sweep(env, now + limits.upload.ttl + 60_000);
    expect(await expectProblem(await call('GET', `${url}/${two.id}`, { as: world.editor }), 404)).toBe('not_found');
    const rows = await database
      .prepare('SELECT count(*) AS n FROM upload_parts WHERE upload_id = ?')
      .bind(two.id)
      .first('n');
    expect(rows).toBe(0);
    expect((await env.ASSETS.list({ prefix: uploadPrefix })).objects).toEqual([]);
  });

  it('that is large is verified by the sweep, once', async () => {
    const [good, bad] = [large(2000), textBytes('<html>')];
    const uploads = [await begun('large-good.png', good), await begun('large-bad.png', bad)] as const;
    await send(uploads[0], good);
    await send(uploads[1], bad);
    const now = Date.now();
    await withDatabase(env, async (db) => {
      for (const { id } of uploads) {
        const found = await uploadById(db, id);
        if (!found) throw new Error('no upload');
        const parts = found.parts.map(({ number, etag }) => ({ partNumber: number, etag }));
        await assemble(env.ASSETS, found.upload, parts);
        await setPending(db, id, now);
      }
    });
    expect((await shown(uploads[0].id)).status).toBe('pending');
    await expectJson(await complete(uploads[0].id), 202);
    await Promise.all([sweep(env, now), sweep(env, now)]);
    expect(await shown(uploads[0].id)).toMatchObject({ status: 'done' });
    expect(await named('large-good')).toMatchObject([{ version: 1, hash: sha256(good) }]);
    // Whoever has the project open learns of it; a claim that runs out later tells nothing again.
    await sweep(env, now + limits.upload.verifyClaim + 1);
    expect(await told('large-good.png')).toEqual([{ by: world.editor.id, version: 1 }]);
    expect(await shown(uploads[1].id)).toMatchObject({ status: 'refused', errorCode: 'type_mismatch' });
    expect(await named('large-bad')).toEqual([]);
    expect(await told('large-bad.png')).toEqual([]);
    expect(await expectProblem(await complete(uploads[1].id), 409)).toBe('conflict');
    for (const { id } of uploads) expect(await isThere(id)).toBe(false);
  });

  it('goes on where its request died: parts put together and no row written, or all done and the object left', async () => {
    const data = large(3000);
    const upload = await begun('died.png', data);
    await send(upload, data);
    await withDatabase(env, async (db) => {
      const found = await uploadById(db, upload.id);
      if (!found) throw new Error('no upload');
      await assemble(
        env.ASSETS,
        found.upload,
        found.parts.map(({ number, etag }) => ({ partNumber: number, etag })),
      );
    });
    expect(await completed(upload.id)).toMatchObject({ version: 1, hash: sha256(data) });
    await env.ASSETS.put(uploadKey(upload.id), data);
    expect(await completed(upload.id)).toMatchObject({ version: 1 });
    await sweep(env, Date.now() + limits.upload.ttl + 60_000);
    expect(await isThere(upload.id)).toBe(false);
    expect(await named('died')).toHaveLength(1);
  });
});

describe('#46 an upload in parts', () => {
  it('is completed once: at once, and again, by the same answer', async () => {
    const data = large(4000);
    const upload = await begun('once.png', data);
    await send(upload, data);
    const { parts } = await shown(upload.id);
    const json = { parts: parts.map(({ number, etag }) => ({ number, etag })) };
    const race = await Promise.all(
      Array.from({ length: 4 }, () => call('POST', `${url}/${upload.id}/complete`, { as: world.editor, json })),
    );
    const versions = await Promise.all(
      race.map(async (answer) => (await expectJson<{ asset: Asset }>(answer, 201)).asset.version),
    );
    expect(versions).toEqual([1, 1, 1, 1]);
    expect(await completed(upload.id)).toMatchObject({ version: 1 });
    expect(await named('once')).toMatchObject([{ version: 1 }]);
    expect(await told('once.png')).toEqual([{ by: world.editor.id, version: 1 }]);
  });

  it('with a part that was swapped after its hash was promised is refused, and nothing is left', async () => {
    const data = large(5000);
    const upload = await begun('promised.png', data, { hash: sha256(data) });
    await send(upload, large(5000));
    expect(await expectProblem(await complete(upload.id), 422)).toBe('validation_failed');
    expect(await shown(upload.id)).toMatchObject({ status: 'refused', errorCode: 'validation_failed' });
    expect(await named('promised')).toEqual([]);
    expect(await isThere(upload.id)).toBe(false);
  });

  it('of other bytes than those of a hash that somebody else has brings their bytes to nobody', async () => {
    const theirs = large(4000);
    const honest = await begun('theirs.png', theirs);
    await send(honest, theirs);
    await completed(honest.id);
    const made = await call('POST', '/api/projects', { as: world.stranger, json: { name: 'Other' } });
    const { project } = await expectJson<{ project: { id: string } }>(made, 201);
    const said = { projectId: project.id, name: 'mine.png', size: theirs.length, hash: sha256(theirs) };
    const { upload } = await expectJson<{ upload: Upload }>(await begin(said, world.stranger), 201);
    await send(upload, large(4000));
    const as = world.stranger;
    const sent = await expectJson<{ upload: Upload }>(await call('GET', `${url}/${upload.id}`, { as }), 200);
    const parts = sent.upload.parts.map(({ number, etag }) => ({ number, etag }));
    const ended = await call('POST', `${url}/${upload.id}/complete`, { as, json: { parts } });
    expect(await expectProblem(ended, 422)).toBe('validation_failed');
    const list = await call('GET', `/api/projects/${project.id}/assets`, { as: world.stranger });
    expect(await expectJson(list, 200)).toMatchObject({ assets: [] });
  });

  it('takes no other order, no made-up tag and no part twice', async () => {
    const data = large(partSize + 1000);
    const upload = await begun('order.png', data);
    await send(upload, data);
    const [one, two] = (await shown(upload.id)).parts.map(({ number, etag }) => ({ number, etag: etag ?? '' }));
    if (!one || !two) throw new Error('two parts');
    for (const parts of [
      [
        { number: 1, etag: two.etag },
        { number: 2, etag: one.etag },
      ],
      [one, { number: 2, etag: 'x' }],
      [one, one],
      [one],
      [one, two, { number: 3, etag: two.etag }],
      [one, one, two],
    ]) {
      const answer = await call('POST', `${url}/${upload.id}/complete`, { as: world.editor, json: { parts } });
      expect(await expectProblem(answer, 422)).toBe('validation_failed');
    }
    // The order of the list says nothing.
    const turned = { as: world.editor, json: { parts: [two, one] } };
    const { asset } = await expectJson<{ asset: Asset }>(
      await call('POST', `${url}/${upload.id}/complete`, turned),
      201,
    );
    expect(asset.hash).toBe(sha256(data));
  });

  it('is its maker’s alone, and its addresses open nothing else', async () => {
    const data = large(6000);
    const [mine, other] = [await begun('mine.png', data), await begun('other.png', data)];
    await send(mine, data);
    for (const as of [world.owner, world.viewer, world.stranger]) {
      for (const method of ['GET', 'DELETE'])
        expect(await expectProblem(await call(method, `${url}/${mine.id}`, { as }), 404)).toBe('not_found');
      expect(await expectProblem(await complete(mine.id, as), 404)).toBe('not_found');
    }
    expect(await expectProblem(await begin({ name: 'v.png', size: 1 }, world.viewer), 403)).toBe('forbidden');
    expect(await expectProblem(await begin({ name: 'v.png', size: 1 }, world.stranger), 404)).toBe('not_found');
    const address = (path: string, token: string) => `${url}/${path}?token=${token}`;
    const token = new URL(mine.parts[0]?.url ?? '').searchParams.get('token') ?? '';
    for (const path of [
      address(`${other.id}/parts/1`, token),
      address(`${mine.id}/parts/2`, token),
      address(`${mine.id}/parts/0`, token),
      address(`${mine.id}/parts/01`, token),
      address(`${mine.id}/parts/1`, `${token.slice(0, -4)}AAAA`),
      address(`${mine.id}/parts/1`, world.editor.token),
    ])
      expect(await expectProblem(await call('PUT', path, { body: data }), 404), path).toBe('not_found');
    const short = await call('PUT', address(`${mine.id}/parts/1`, token), { body: data.slice(1) });
    expect(await expectProblem(short, 400)).toBe('malformed_request');
    const long = await call('PUT', address(`${mine.id}/parts/1`, token), { body: large(6001) });
    expect(await expectProblem(long, 413)).toBe('payload_too_large');
    // Its parts become nothing of another upload, here or in another project.
    const made = await call('POST', '/api/projects', { as: world.editor, json: { name: 'Elsewhere' } });
    const { project } = await expectJson<{ project: { id: string } }>(made, 201);
    const elsewhere = await begin({ projectId: project.id, name: 'stolen.png', size: data.length });
    const { upload: foreign } = await expectJson<{ upload: Upload }>(elsewhere, 201);
    const parts = (await shown(mine.id)).parts.map(({ number, etag }) => ({ number, etag: etag ?? '' }));
    for (const { id } of [other, foreign]) {
      const taken = await call('POST', `${url}/${id}/complete`, { as: world.editor, json: { parts } });
      expect(await expectProblem(taken, 422)).toBe('validation_failed');
    }
    const assets = await call('GET', `/api/projects/${project.id}/assets`, { as: world.editor });
    expect(await expectJson(assets, 200)).toMatchObject({ assets: [] });
    await completed(mine.id);
    const late = await call('PUT', address(`${mine.id}/parts/1`, token), { body: large(6000) });
    expect(await expectProblem(late, 409)).toBe('conflict');
    expect(sha256(data)).toBe((await named('mine'))[0]?.hash);
  });

  it('#49 keeps its place: what is open counts, until it is given up', async () => {
    const made = await call('POST', '/api/projects', { as: world.owner, json: { name: 'Full' } });
    const { project } = await expectJson<{ project: { id: string } }>(made, 201);
    const ask = (size: number) => begin({ projectId: project.id, name: `${newId()}.png`, size }, world.owner);
    const size = limits.upload.size;
    const first = await expectJson<{ upload: Upload }>(await ask(size), 201);
    const race = await Promise.all([ask(size), ask(size), ask(size)]);
    expect(race.map(({ status }) => status).sort()).toEqual([201, 413, 413]);
    await expectJson(await call('DELETE', `${url}/${first.upload.id}`, { as: world.owner }), 204);
    await expectJson(await ask(size), 201);
    expect(await expectProblem(await ask(size), 413)).toBe('quota_exceeded');
    expect(await expectProblem(await ask(size + 1), 422)).toBe('validation_failed');
  });
});
