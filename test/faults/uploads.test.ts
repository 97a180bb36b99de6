import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { System } from '../../scripts/lib/system.ts';
import { eachAsset, hashFile, type KilnClient, uploadAsset } from '../../src/client/index.ts';
import type { Asset } from '../../src/contract/assets.ts';
import { limits } from '../../src/contract/limits.ts';
import { sha256 } from '../../src/core/tree.ts';
import { type Studio, startStudio } from '../support/studio.ts';

const rounds = 2;
const { partSize } = limits.upload;

let studio: Studio;
let system: System;
let ada: KilnClient;
let projectId: string;

beforeAll(async () => {
  studio = await startStudio('uploads');
  ({ system, ada, projectId } = studio);
});

afterAll(() => studio?.end());

const noise = (size: number, name: string): File => new File([new Uint8Array(randomBytes(size))], name);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const named = async (name: string): Promise<Asset[]> => {
  const found: Asset[] = [];
  for await (const asset of eachAsset(ada, projectId, { q: name })) found.push(asset);
  return found;
};

/** That an asset is there whole, in one version. */
async function expectWhole(file: File): Promise<void> {
  const found = await named(file.name);
  expect(found).toMatchObject([{ name: file.name, size: file.size, version: 1, hash: await hashFile(file) }]);
  const read = await ada.raw('downloadAsset', { params: { id: found[0]?.id ?? '' } });
  expect(sha256(new Uint8Array(await read.arrayBuffer()))).toBe(found[0]?.hash);
}

it(`fault 3: kill -9 at any moment of an upload in parts, ${rounds} times, and the same call goes on to a whole asset`, async () => {
  const started = performance.now();
  await uploadAsset(ada, { projectId, file: noise(4 * partSize, 'undisturbed.bin') });
  const usual = performance.now() - started;
  /** How often it was in time; a machine whose speed changes needs more rounds. */
  let interrupted = 0;
  for (let round = 0; round < rounds || interrupted === 0; round += 1) {
    const file = noise(4 * partSize, `round-${round}.bin`);
    const uploading = uploadAsset(ada, { projectId, file, onInterrupted: () => (interrupted += 1) });
    // Handled below: meanwhile it must not count as nobody's.
    uploading.catch(() => undefined);
    // The second half of the way has the parts, the last of it the end.
    await pause((usual * ((round % rounds) + 0.5 + Math.random() / 2)) / rounds);
    await system.kill();
    await system.start();
    const asset = await uploading;
    expect(asset).toMatchObject({ name: file.name, version: 1 });
    await expectWhole(file);
  }
  expect((await ada.call('listUploads', { params: { id: projectId } })).uploads).toEqual([]);
});

it('fault 3: kill -9 as an upload is completed leaves an asset that is whole, or an upload that can be completed', async () => {
  for (let round = 0; round < rounds; round += 1) {
    const file = noise(2 * partSize, `end-${round}.bin`);
    const begun = await ada.call('createUpload', { body: { projectId, name: file.name, size: file.size } });
    if (!('upload' in begun)) throw new Error('nobody has these bytes');
    const { id, parts } = begun.upload;
    const tags: { number: number; etag: string }[] = [];
    for (const { number, url, size } of parts) {
      const from = (number - 1) * partSize;
      const answer = await fetch(url, { method: 'PUT', body: file.slice(from, from + size) });
      tags.push({ number, etag: answer.headers.get('etag') ?? '' });
    }
    const ending = ada.call('completeUpload', { params: { id }, body: { parts: tags } }).catch(() => undefined);
    await pause(round * 60 * Math.random());
    await system.kill();
    await ending;
    await system.start();
    const found = await named(file.name);
    if (found.length > 0) await expectWhole(file);
    // It answers as the first time would have, whichever it was.
    const again = await ada.call('completeUpload', { params: { id }, body: { parts: tags } });
    expect(again).toMatchObject({ asset: { name: file.name, version: 1 } });
    await expectWhole(file);
  }
});

it('fault 3: kill -9 during a form leaves an asset that is whole, or none; the same key tries again', async () => {
  for (let round = 0; round < rounds; round += 1) {
    const file = noise(6 * 1024 * 1024, `form-${round}.bin`);
    const uploading = uploadAsset(ada, { projectId, file });
    uploading.catch(() => undefined);
    await pause(round * 80 * Math.random());
    await system.kill();
    await system.start();
    await uploading.catch(() => undefined);
    const found = await named(file.name);
    // A key that was claimed by a request that died says so; then the bytes are sent as another request.
    if (found.length === 0) await uploadAsset(ada, { projectId, file });
    await expectWhole(file);
  }
});

it('a file of 130 MiB and more is verified behind the answer, also where the system is killed meanwhile', async () => {
  const file = noise(limits.upload.verifyNow + 3 * 1024 * 1024, 'large.bin');
  const hash = await hashFile(file);
  const phases: string[] = [];
  const uploading = uploadAsset(ada, { projectId, file, hash, onProgress: ({ phase }) => phases.push(phase) });
  uploading.catch(() => undefined);
  await expect
    .poll(async () =>
      (await ada.call('listUploads', { params: { id: projectId } })).uploads.map(({ status }) => status),
    )
    .toEqual(['pending']);
  expect(await named('large.bin')).toEqual([]);
  await system.kill();
  await system.start();
  await system.runCron();
  const asset = await uploading;
  expect(asset).toMatchObject({ size: file.size, hash, version: 1 });
  expect(phases).toContain('verifying');
  const read = await ada.raw('downloadAsset', { params: { id: asset.id } });
  expect(await hashFile(await read.blob())).toBe(hash);
});
