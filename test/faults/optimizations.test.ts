import { Document, NodeIO } from '@gltf-transform/core';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { System } from '../../scripts/lib/system.ts';
import { type KilnClient, uploadAsset } from '../../src/client/index.ts';
import type { Asset } from '../../src/contract/assets.ts';
import { sha256 } from '../../src/core/tree.ts';
import { type Studio, startStudio } from '../support/studio.ts';

let studio: Studio;
let system: System;
let ada: KilnClient;
let projectId: string;

beforeAll(async () => {
  studio = await startStudio('optimizations');
  ({ system, ada, projectId } = studio);
});

afterAll(() => studio?.end());

/** A model whose texture takes seconds to be written better. */
async function slowModel(): Promise<File> {
  const [width, height] = [2048, 2048];
  const pixels = Buffer.from(Array.from({ length: width * height * 4 }, (_, at) => ((at >> 7) * (at % 251)) & 255));
  const image = await sharp(pixels, { raw: { width, height, channels: 4 } })
    .png({ compressionLevel: 1 })
    .toBuffer();
  const document = new Document();
  const texture = document.createTexture('skin').setImage(new Uint8Array(image)).setMimeType('image/png');
  document.createMaterial('painted').setBaseColorTexture(texture);
  document.createBuffer();
  return new File([await new NodeIO().writeBinary(document)], 'slow.glb');
}

const howIs = (asset: Asset) => ada.call('getOptimization', { params: { id: asset.id } });

it('fault 4: kill -9 of the runner while it makes a model smaller: another attempt does it, once', async () => {
  const file = await slowModel();
  const asset = await uploadAsset(ada, { projectId, file });
  const asked = await ada.call('optimizeAsset', { params: { id: asset.id }, body: {} });
  expect(asked).toMatchObject({ optimization: { status: 'queued' } });
  await expect.poll(async () => (await howIs(asset)).optimization?.status).toBe('running');
  await system.killRunner();
  expect((await howIs(asset)).optimization?.status).toBe('running');
  // Its lease has to end, and the minutely sweep to see that.
  await expect
    .poll(async () => (await howIs(asset)).optimization?.status, { timeout: 300_000, interval: 1000 })
    .toBe('done');
  const now = await howIs(asset);
  expect(now.optimization?.savedBytes).toBeGreaterThan(0);
  const { versions } = await ada.call('listAssetVersions', { params: { id: asset.id } });
  expect(versions.map(({ version }) => version)).toEqual([2, 1]);
  const read = await ada.raw('downloadAsset', { params: { id: asset.id } });
  const bytes = new Uint8Array(await read.arrayBuffer());
  expect(sha256(bytes)).toBe(now.asset.hash);
  expect((await new NodeIO().readBinary(bytes)).getRoot().listTextures()[0]?.getName()).toBe('skin');
});
