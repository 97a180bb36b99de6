import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Asset, AssetVersion } from '../../src/contract/assets.ts';
import { sha256 } from '../../src/core/tree.ts';
import { png, wav } from '../support/media.ts';
import { type Account, call, expectJson, expectProblem, makeWorld, uploadAsset, type World } from './support.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld({});
});

const stored = (name: string, data: Uint8Array<ArrayBuffer>): Promise<Asset> =>
  uploadAsset(world.editor, world.projectId, name, data);

/** A picture that is stored badly: its text is most of it. */
const fat = (width: number, height: number): Uint8Array<ArrayBuffer> =>
  png(width, height, [9, 90, 200], [{ type: 'tEXt', data: new Uint8Array(50_000).fill(65) }]);

const optimize = (id: string, json: Record<string, unknown> = {}, as: Account = world.editor): Promise<Response> =>
  call('PUT', `/api/assets/${id}/optimize`, { as, json });

const optimized = async (id: string, json: Record<string, unknown> = {}) =>
  await expectJson<{ asset: Asset; savedBytes: number }>(await optimize(id, json), 200);

const versions = async (id: string): Promise<AssetVersion[]> =>
  (
    await expectJson<{ versions: AssetVersion[] }>(
      await call('GET', `/api/assets/${id}/versions`, { as: world.viewer }),
      200,
    )
  ).versions;

describe('a picture that is made smaller', () => {
  it('is a new version in its own format; what it was stays, and the same request again changes nothing', async () => {
    const data = fat(200, 100);
    const before = await stored('fat.png', data);
    const first = await optimized(before.id);
    expect(first.savedBytes).toBeGreaterThan(40_000);
    expect(first.asset).toMatchObject({ name: 'fat.png', mimeType: 'image/png', version: 2 });
    expect(first.asset.size).toBe(before.size - first.savedBytes);
    expect(first.asset.metadata).toMatchObject({ width: 200, height: 100 });
    expect(await optimized(before.id)).toMatchObject({ savedBytes: 0, asset: { version: 2 } });
    const [newest, oldest] = await versions(before.id);
    expect(newest?.changes).toHaveProperty('size', { from: before.size, to: first.asset.size });
    expect(oldest?.hash).toBe(before.hash);
    const original = await call('GET', `/api/assets/${before.id}/download?version=1`, { as: world.viewer });
    expect(sha256(new Uint8Array(await original.arrayBuffer()))).toBe(before.hash);
  });

  it('fits into a box in its proportions, also as another format, and its name follows', async () => {
    const before = await stored('box.png', fat(200, 100));
    const { asset } = await optimized(before.id, { format: 'webp', maxWidth: 50, maxHeight: 50, quality: 60 });
    expect(asset).toMatchObject({ id: before.id, name: 'box.webp', mimeType: 'image/webp', version: 2 });
    expect(asset.metadata).toMatchObject({
      width: 50,
      height: 25,
      optimized: { format: 'webp', quality: 60, maxWidth: 50, maxHeight: 50 },
    });
    // The name that it had is free.
    expect(await stored('box.png', png(1, 1))).toMatchObject({ version: 1 });
    const back = await call('POST', `/api/assets/${before.id}/versions/1/restore`, { as: world.editor });
    expect((await expectJson<{ asset: Asset }>(back, 201)).asset).toMatchObject({ version: 3, hash: before.hash });
  });

  it('takes no name that another has, and changes nothing then', async () => {
    const before = await stored('taken.png', fat(30, 30));
    const webp = await optimized((await stored('other.png', fat(31, 30))).id, { format: 'webp' });
    await expectJson(
      await call('PATCH', `/api/assets/${webp.asset.id}`, { as: world.editor, json: { name: 'taken.webp' } }),
      200,
    );
    expect(await expectProblem(await optimize(before.id, { format: 'webp' }), 409)).toBe('path_conflict');
    const now = await call('GET', `/api/assets/${before.id}`, { as: world.viewer });
    expect((await expectJson<{ asset: Asset }>(now, 200)).asset).toMatchObject({ name: 'taken.png', version: 1 });
  });

  it('is none where nothing is gained', async () => {
    const small = await optimized((await stored('small.png', fat(20, 20))).id);
    const again = await optimized(small.asset.id, { quality: 79 });
    expect(again).toMatchObject({ savedBytes: 0, asset: { version: 2, hash: small.asset.hash } });
  });

  it('is made once by those who race', async () => {
    const before = await stored('race.png', fat(120, 120));
    const answers = await Promise.all([optimize(before.id), optimize(before.id), optimize(before.id)]);
    expect(answers.map(({ status }) => status).sort()[0]).toBe(200);
    for (const answer of answers) expect([200, 409]).toContain(answer.status);
    expect(await versions(before.id)).toHaveLength(2);
  });

  it('is refused by type: what is no picture, what moves, and what is too large', async () => {
    const bomb = png(1, 1);
    new DataView(bomb.buffer).setUint32(16, 65_000);
    new DataView(bomb.buffer).setUint32(20, 65_000);
    const moving = png(9, 9, [0, 0, 0], [{ type: 'acTL', data: new Uint8Array([0, 0, 0, 4, 0, 0, 0, 0]) }]);
    for (const [name, data, status, code] of [
      ['a.wav', wav(1), 415, 'unsupported_media_type'],
      ['a.apng', moving, 415, 'unsupported_media_type'],
      ['cut.png', png(40, 40).slice(0, 50), 415, 'unsupported_media_type'],
      ['bomb.png', bomb, 413, 'payload_too_large'],
    ] as const)
      expect(await expectProblem(await optimize((await stored(name, data)).id), status), name).toBe(code);
    const { id } = await stored('fields.png', png(5, 5));
    for (const json of [
      { format: 'gif' },
      { quality: 0 },
      { quality: 101 },
      { maxWidth: 0 },
      { maxWidth: 1e9 },
      { id: 'x' },
      { compressMeshes: true },
    ])
      expect(await expectProblem(await optimize(id, json), 422)).toBe('validation_failed');
    expect(await expectProblem(await optimize(id, {}, world.viewer), 403)).toBe('forbidden');
    expect(await expectProblem(await optimize(id, {}, world.stranger), 404)).toBe('not_found');
    expect((await env.ASSETS.list({ prefix: 'intake/' })).objects).toEqual([]);
  });
});

describe('pictures that are packed', () => {
  const pack = (json: Record<string, unknown>, as: Account = world.editor): Promise<Response> =>
    call('POST', `/api/projects/${world.projectId}/assets/pack`, { as, json });

  it('are one picture and one atlas, and the next versions of these when they are packed again', async () => {
    const one = await stored('walk1.png', png(20, 30, [250, 0, 0]));
    const two = await stored('walk2.png', png(10, 40, [0, 250, 0]));
    const assetIds = [one.id, two.id, one.id];
    const made = await expectJson<{ image: Asset; atlas: Asset }>(await pack({ assetIds, name: 'walk' }), 201);
    expect(made.image).toMatchObject({ name: 'walk.png', type: 'image', metadata: { alpha: true }, version: 1 });
    expect(made.atlas).toMatchObject({ name: 'walk.json', mimeType: 'application/json', version: 1 });
    const answer = await call('GET', `/api/assets/${made.atlas.id}/download`, { as: world.viewer });
    const atlas = (await answer.json()) as { frames: Record<string, { frame: { w: number; h: number } }> };
    expect(Object.entries(atlas.frames).map(([name, { frame }]) => [name, frame.w, frame.h])).toEqual([
      ['walk1.png', 20, 30],
      ['walk2.png', 10, 40],
    ]);
    const again = await expectJson<{ image: Asset }>(await pack({ assetIds, name: 'walk.png', padding: 0 }), 201);
    expect(again.image).toMatchObject({ id: made.image.id, version: 2 });
  });

  it('#26 #48 are pictures of this project that are not too large, together neither', async () => {
    const made = await call('POST', '/api/projects', { as: world.stranger, json: { name: 'Other' } });
    const { project } = await expectJson<{ project: { id: string } }>(made, 201);
    const form = new FormData();
    form.set('projectId', project.id);
    form.set('file', new File([png(2, 2)], 'foreign.png'));
    const sent = await call('POST', '/api/assets/upload', { as: world.stranger, body: form });
    const foreign = (await expectJson<{ asset: Asset }>(sent, 201)).asset;
    const own = await stored('own.png', png(30, 30));
    const sound = await stored('sound.wav', wav(1));
    const bomb = png(1, 1);
    new DataView(bomb.buffer).setUint32(16, 65_000);
    const huge = await stored('huge.png', bomb);
    const lying = png(3, 3);
    new DataView(lying.buffer).setUint32(16, 300);
    const liar = await stored('liar.png', lying);
    for (const [assetIds, more, status, code] of [
      [[own.id, foreign.id], {}, 404, 'not_found'],
      [[own.id, sound.id], {}, 415, 'unsupported_media_type'],
      [[huge.id], {}, 413, 'payload_too_large'],
      [[liar.id], {}, 415, 'unsupported_media_type'],
      [[own.id], { maxSize: 16 }, 413, 'payload_too_large'],
      [[own.id], { maxSize: 4096 }, 422, 'validation_failed'],
      [[], {}, 422, 'validation_failed'],
      [[own.id], { name: 'a/b' }, 422, 'invalid_path'],
    ] as const) {
      const answer = await pack({ assetIds, name: 'sheet', ...more });
      expect(await expectProblem(answer, status)).toBe(code);
    }
    expect(await expectProblem(await pack({ assetIds: [own.id], name: 'x' }, world.viewer), 403)).toBe('forbidden');
  });
});

describe('old versions', () => {
  const clean = (json: Record<string, unknown>, as: Account = world.owner): Promise<Response> =>
    call('POST', `/api/projects/${world.projectId}/assets/cleanup`, { as, json });

  it('go when the owner says so, and are only reported before', async () => {
    const { id } = await stored('old.png', png(3, 1));
    for (const height of [2, 3, 4]) await stored('old.png', png(3, height));
    const nothing = await expectJson<{ count: number }>(await clean({}), 200);
    expect(nothing).toMatchObject({ dryRun: true, count: 0, bytes: 0 });
    const asked = { keep: 2, olderThanDays: 0 };
    const report = await expectJson<{ versions: { assetId: string; version: number }[] }>(await clean(asked), 200);
    const mine = report.versions.filter(({ assetId }) => assetId === id).map(({ version }) => version);
    expect(mine.sort()).toEqual([1, 2]);
    expect(await versions(id)).toHaveLength(4);
    expect(await expectProblem(await clean({ ...asked, dryRun: false }, world.editor), 403)).toBe('forbidden');
    expect(await expectProblem(await clean({ keep: 0 }), 422)).toBe('validation_failed');
    expect(await expectJson(await clean({ ...asked, dryRun: false }), 200)).toEqual({ ...report, dryRun: false });
    expect((await versions(id)).map(({ version }) => version)).toEqual([4, 3]);
    expect(await expectJson(await clean(asked), 200)).toMatchObject({ count: 0 });
  });
});
