import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchContent } from '../../scripts/lib/content.ts';
import { ensureSecrets } from '../../scripts/lib/setup.ts';
import { System } from '../../scripts/lib/system.ts';
import { type KilnClient, uploadAsset, watchBuild } from '../../src/client/index.ts';
import type { Asset } from '../../src/contract/assets.ts';
import type { Build } from '../../src/contract/builds.ts';
import { limits } from '../../src/contract/limits.ts';
import { png } from '../support/media.ts';
import { signUp, until } from '../support/people.ts';
import { freePort } from '../support/ports.ts';
import { QueueApi } from '../support/queue-api.ts';
import { configWithoutImages } from '../support/without-images.ts';

const token = 'account-token-5d20';
const state = mkdtempSync(join(tmpdir(), 'kiln-pull-'));
let queue: QueueApi;
let system: System;
let ada: KilnClient;

/**
 * Locally a queue has no HTTP pull consumer. A Worker beside Kiln's consumes the real queue, and hands every message
 * on to a server that speaks as Cloudflare's API does.
 */
function carrier(sendUrl: string): string {
  writeFileSync(
    join(state, 'carrier.js'),
    `export default {
       async queue(batch) {
         for (const message of batch.messages)
           await fetch('${sendUrl}', { method: 'POST', body: JSON.stringify(message.body) });
       },
     };`,
  );
  const config = join(state, 'wrangler.toml');
  writeFileSync(
    config,
    `name = "carrier"
     main = "carrier.js"
     compatibility_date = "2026-10-01"
     [[queues.consumers]]
     queue = "builds-pull"
     max_batch_size = 1
     max_batch_timeout = 0`,
  );
  return config;
}

beforeAll(async () => {
  queue = await QueueApi.start(token);
  await ensureSecrets();
  system = new System({
    config: configWithoutImages(state),
    port: await freePort(),
    runnerPort: await freePort(),
    state,
    vars: { BUILD_DELIVERY: 'pull' },
    workers: [carrier(queue.sendUrl)],
    runner: {
      JOB_SOURCE: 'queue-pull',
      QUEUE_API: queue.url,
      QUEUE_ACCOUNT: 'studio',
      QUEUE_ID: 'jobs',
      QUEUE_TOKEN: token,
    },
  });
  await system.start();
  ada = await signUp(system.origin);
});

afterAll(async () => {
  await system?.kill();
  await queue?.stop();
  rmSync(state, { recursive: true, force: true });
});

let games = 0;
async function newBuild(): Promise<Build> {
  games += 1;
  const { project } = await ada.call('createProject', { body: { name: `Game ${games}` } });
  const content = `document.title = 'game ${games}';\n`;
  await ada.call('putFile', { params: { id: project.id, path: 'src/main.ts' }, body: { content } });
  return (await ada.call('createBuild', { body: { projectId: project.id } })).build;
}

const show = async (id: string): Promise<Build> => (await ada.call('getBuild', { params: { id } })).build;

async function ended(id: string): Promise<{ build: Build; lines: string[] }> {
  const lines: string[] = [];
  await watchBuild(ada, id, { log: (line) => lines.push(line.message) }, AbortSignal.timeout(300_000));
  return { build: await show(id), lines };
}

describe('a build for runners that pull', () => {
  it('goes from the Worker through the queue to a runner, and succeeds', async () => {
    const { build, lines } = await ended((await newBuild()).id);
    expect(build, `${build.errorCode}: ${build.errorMessage}`).toMatchObject({ status: 'success', attempt: 1 });
    expect(lines).toContain('Waiting for a build runner to fetch the job.');
    await until(async () => queue.size === 0);
  });

  it('waits for a runner longer than a lease, and is then built by the same message', async () => {
    await system.removeRunner();
    const { id } = await newBuild();
    await until(async () => queue.size === 1);
    // Past the lease of a build that a runner has.
    await new Promise((resolve) => setTimeout(resolve, limits.build.lease + 3000));
    expect(await show(id)).toMatchObject({ status: 'building', step: null, attempt: 1 });
    expect(queue.size).toBe(1);
    system.startRunner();
    const { build } = await ended(id);
    expect(build).toMatchObject({ status: 'success', attempt: 1 });
    expect(build.timings.queued).toBeGreaterThan(limits.build.lease);
    await until(async () => queue.size === 0);
  });

  it('[72] is not built for a message that comes after it was cancelled', async () => {
    await system.removeRunner();
    const { id } = await newBuild();
    await until(async () => queue.size === 1);
    await ada.call('deleteBuild', { params: { id } });
    system.startRunner();
    await until(async () => queue.size === 0);
    expect(await show(id)).toMatchObject({ status: 'cancelled', startedAt: expect.any(String) });
    expect((await ada.call('getBuildLogs', { params: { id } })).logs.map(({ step }) => step)).not.toContain('bundle');
  });

  it('fault 4: a runner that is killed costs one attempt, whose message does no harm when it comes again', async () => {
    const ids = await Promise.all([newBuild(), newBuild()].map(async (one) => (await one).id));
    await until(async () => (await Promise.all(ids.map(show))).some(({ step }) => step !== null));
    await system.killRunner();
    for (const id of ids) {
      const { build } = await ended(id);
      expect(build, `${build.errorCode}: ${build.errorMessage}`).toMatchObject({ status: 'success' });
    }
    // What the dead runner had pulled becomes visible again, and is asked about and dropped.
    queue.expireLeases();
    await until(async () => queue.size === 0);
    for (const id of ids) expect((await show(id)).status).toBe('success');
  });
});

describe('a thumbnail for runners that pull', () => {
  it('is the picture itself until one of them has made it, and then what it made', async () => {
    const { project } = await ada.call('createProject', { body: { name: 'Pictures' } });
    const file = new File([png(300, 200)], 'hero.png');
    const { thumbnailUrl } = await uploadAsset(ada, { projectId: project.id, file });
    const look = async () => await fetchContent(thumbnailUrl ?? '');
    expect((await look()).headers).toMatchObject({ 'content-type': 'image/png', 'x-kiln-picture': 'original' });
    await until(async () => (await look()).headers['x-kiln-picture'] === undefined);
    const made = await look();
    expect(made.headers['content-type']).toBe('image/webp');
    expect(await sharp(made.body).metadata()).toMatchObject({ format: 'webp', width: 256, height: 171 });
    await until(async () => queue.size === 0);
    expect(queue.dead).toEqual([]);
  });
});

describe('an asset for runners that pull', () => {
  const drawing = (): string =>
    `<svg xmlns="http://www.w3.org/2000/svg"><!-- ${'of no use '.repeat(50)} --><rect id="r" width="9" height="9"/></svg>`;
  const state = async (id: string) => await ada.call('getOptimization', { params: { id } });

  async function asked(): Promise<{ asset: Asset; id: string }> {
    const { project } = await ada.call('createProject', { body: { name: 'Drawings' } });
    const file = new File([drawing()], 'drawing.svg');
    const asset = await uploadAsset(ada, { projectId: project.id, file });
    const answer = await ada.call('optimizeAsset', { params: { id: asset.id }, body: {} });
    if (!('optimization' in answer)) throw new Error('a runner has to do it');
    return { asset, id: answer.optimization.id };
  }

  it('goes from the Worker through the queue to a runner, whose result is the next version and whose message is over', async () => {
    const { asset, id } = await asked();
    await until(async () => (await state(asset.id)).optimization?.status === 'done');
    const now = await state(asset.id);
    expect(now.optimization).toMatchObject({ id, errorCode: null, savedBytes: asset.size - now.asset.size });
    expect(now.asset).toMatchObject({ version: 2, name: 'drawing.svg', mimeType: 'image/svg+xml' });
    expect(now.asset.size).toBeLessThan(asset.size / 2);
    await until(async () => queue.size === 0);
  });

  it('fault 4: waits for a runner, and a message that comes again after a runner was killed changes nothing', async () => {
    await system.removeRunner();
    const { asset } = await asked();
    await until(async () => queue.size === 1);
    expect((await state(asset.id)).optimization).toMatchObject({ status: 'queued' });
    system.startRunner();
    await until(async () => (await state(asset.id)).optimization?.status === 'done');
    await system.killRunner();
    queue.expireLeases();
    await until(async () => queue.size === 0);
    const { versions } = await ada.call('listAssetVersions', { params: { id: asset.id } });
    expect(versions.map(({ version }) => version)).toEqual([2, 1]);
    expect((await state(asset.id)).optimization).toMatchObject({ status: 'done' });
  });
});
