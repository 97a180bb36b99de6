import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchContent } from '../../scripts/lib/content.ts';
import { ensureSecrets } from '../../scripts/lib/setup.ts';
import type { System } from '../../scripts/lib/system.ts';
import { type KilnClient, uploadAsset } from '../../src/client/index.ts';
import type { Asset } from '../../src/contract/assets.ts';
import { signUp, until } from '../support/people.ts';
import { newSystem } from '../support/system.ts';
import { configWithoutImages } from '../support/without-images.ts';

const state = mkdtempSync(join(tmpdir(), 'kiln-pictures-'));
let system: System;
let ada: KilnClient;
let projectId: string;

beforeAll(async () => {
  await ensureSecrets();
  system = await newSystem({ state, config: configWithoutImages(state) });
  await system.start();
  ada = await signUp(system.origin);
  projectId = (await ada.call('createProject', { body: { name: 'Pictures' } })).project.id;
});

afterAll(async () => {
  await system?.kill();
  rmSync(state, { recursive: true, force: true });
});

async function stored(name: string, width: number, height: number): Promise<Asset> {
  const pixels = Buffer.from(Array.from({ length: width * height * 3 }, (_, n) => (n * 7 + ((n * n) >> 9)) & 255));
  const bytes = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 0 })
    .toBuffer();
  return await uploadAsset(ada, { projectId, file: new File([new Uint8Array(bytes)], name) });
}

const variant = async (asset: Asset, query: string) =>
  await fetchContent(`${asset.url}${asset.url.includes('?') ? '&' : '?'}${query}`);

const optimization = async ({ id }: Asset) => await ada.call('getOptimization', { params: { id } });

describe('a deployment without Cloudflare Images', () => {
  it('has thumbnails and other sizes by its runner, which are kept', async () => {
    const asset = await stored('hero.png', 600, 300);
    expect(asset.thumbnailUrl).toContain('w=256&format=webp');
    const first = await variant(asset, 'w=256&format=webp');
    expect(first.headers).toMatchObject({ 'content-type': 'image/webp', 'x-kiln-cache': 'miss' });
    expect(await sharp(first.body).metadata()).toMatchObject({ format: 'webp', width: 256, height: 128 });
    const [jpeg, avif] = await Promise.all([variant(asset, 'w=64&format=jpeg'), variant(asset, 'format=avif')]);
    expect(await sharp(jpeg.body).metadata()).toMatchObject({ format: 'jpeg', width: 64, height: 32 });
    expect(await sharp(avif.body).metadata()).toMatchObject({ format: 'heif', width: 600 });

    await system.removeRunner();
    const again = await variant(asset, 'w=256&format=webp');
    expect(again.headers['x-kiln-cache']).toBe('hit');
    expect(again.body).toEqual(first.body);
    // One that is not there yet: the picture itself stands for it, and for nobody after that.
    const meanwhile = await variant(asset, 'w=512');
    expect(meanwhile.headers).toMatchObject({ 'cache-control': 'no-store', 'x-kiln-picture': 'original' });
    expect(await sharp(meanwhile.body).metadata()).toMatchObject({ format: 'png', width: 600 });
    system.startRunner();
    await until(async () => (await variant(asset, 'w=512')).headers['x-kiln-picture'] === undefined);
    expect(await sharp((await variant(asset, 'w=512')).body).metadata()).toMatchObject({ width: 512 });
  });

  it('makes pictures smaller by its runner: a version, bytes saved, once', async () => {
    const asset = await stored('large.png', 500, 250);
    const body = { format: 'webp', maxWidth: 100 } as const;
    const asked = await ada.call('optimizeAsset', { params: { id: asset.id }, body });
    expect(asked).toMatchObject({ savedBytes: 0, optimization: { assetId: asset.id, version: 1 } });
    await until(async () => (await optimization(asset)).optimization?.status === 'done');
    const now = await optimization(asset);
    expect(now.asset).toMatchObject({ version: 2, name: 'large.webp', mimeType: 'image/webp' });
    expect(now.asset.metadata).toMatchObject({ width: 100, height: 50 });
    expect(now.optimization?.savedBytes).toBe(asset.size - now.asset.size);
    expect(now.optimization?.savedBytes).toBeGreaterThan(0);
    const again = await ada.call('optimizeAsset', { params: { id: asset.id }, body });
    expect(again).toMatchObject({ savedBytes: 0, asset: { version: 2 } });
    expect('optimization' in again).toBe(false);
    const { versions } = await ada.call('listAssetVersions', { params: { id: asset.id } });
    expect(versions.map(({ hash }) => hash)).toEqual([now.asset.hash, asset.hash]);
  });

  it('packs a sheet', async () => {
    const [one, two] = [await stored('one.png', 20, 30), await stored('two.png', 10, 40)];
    const body = { assetIds: [one.id, two.id], name: 'sheet' };
    const { image } = await ada.call('packAssets', { params: { id: projectId }, body });
    expect(image).toMatchObject({ name: 'sheet.png', mimeType: 'image/png' });
  });
});
