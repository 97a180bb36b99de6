import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { System } from '../../scripts/lib/system.ts';
import type { KilnClient } from '../../src/client/index.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { signUp } from '../support/people.ts';
import { newSystem } from '../support/system.ts';
import { zipOf } from '../support/zip.ts';

const rounds = 4;
const partRounds = 2;
const files = 300;

const state = mkdtempSync(join(tmpdir(), 'kiln-imports-'));
let system: System;
let ada: KilnClient;

beforeAll(async () => {
  system = await newSystem({ state });
  await system.start();
  ada = await signUp(system.origin, 'ada');
});

afterAll(async () => {
  await system.kill();
  rmSync(state, { recursive: true, force: true });
});

/** An archive whose contents nobody has stored before. */
const archive = (): Uint8Array<ArrayBuffer> => {
  const mark = newId();
  return zipOf([
    ...Array.from({ length: files - 1 }, (_, index) => ({ name: `src/${index}.ts`, content: `// ${mark} ${index}` })),
    { name: 'large.bin', content: new Uint8Array(4_000_000).map((_, index) => index * mark.charCodeAt(35)), method: 0 },
  ]);
};

it(`fault 2: kill -9 at any moment of an import, ${rounds} times, leaves all of a project or nothing`, async () => {
  const started = performance.now();
  await ada.call('importProject', { query: { name: 'Undisturbed' }, body: archive(), idempotencyKey: newId() });
  const usual = performance.now() - started;
  /** How often it was in time; a machine whose speed changes needs more rounds. */
  let cut = 0;
  for (let round = 0; round < rounds || cut === 0; round += 1) {
    const name = `Round ${round}`;
    const bytes = archive();
    const importing = ada.call('importProject', { query: { name }, body: bytes }).then(
      () => true,
      () => false,
    );
    await new Promise((resolve) => setTimeout(resolve, (usual * ((round % rounds) + Math.random())) / rounds));
    await system.kill();
    if (!(await importing)) cut += 1;
    await system.start();

    const find = async () => (await ada.call('listProjects', { query: { q: name } })).projects;
    if ((await find()).length === 0)
      await ada.call('importProject', { query: { name }, body: bytes, idempotencyKey: newId() });
    const found = await find();
    expect(found.map((project) => project.name)).toEqual([name]);
    const id = found[0]?.id ?? '';
    const listed = await ada.call('listFiles', { params: { id } });
    expect(listed.files).toHaveLength(files);
    // Every byte is there: what a tree names is stored.
    const exported = await ada.raw('exportProject', { params: { id } });
    const whole = new Uint8Array(await exported.arrayBuffer());
    const again = await ada.call('importProject', {
      query: { name: `${name}, again` },
      body: whole,
      idempotencyKey: newId(),
    });
    const tree = await ada.call('getTree', { params: { id } });
    expect((await ada.call('getTree', { params: { id: again.project.id } })).hash).toBe(tree.hash);
  }
});

it(`fault 2: kill -9 at any moment of an import in parts, ${partRounds} times: asked for again, the same upload is one project`, async () => {
  const { partSize } = limits.upload;
  const begin = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> => {
    const { upload } = await ada.call('createArchiveUpload', { body: { size: bytes.length, name: 'game.zip' } });
    for (const { number, url } of upload.parts)
      await fetch(url, { method: 'PUT', body: bytes.slice((number - 1) * partSize, number * partSize) });
    return upload.id;
  };
  const large = (): Uint8Array<ArrayBuffer> => {
    const mark = newId().charCodeAt(35);
    return zipOf([
      ...Array.from({ length: files - 1 }, (_, index) => ({ name: `src/${index}.ts`, content: `// ${newId()}` })),
      { name: 'large.bin', content: new Uint8Array(12_000_000).map((_, index) => index * mark), method: 0 },
    ]);
  };
  const undisturbed = await begin(large());
  const started = performance.now();
  await ada.call('importProject', { query: { name: 'In parts' }, body: { uploadId: undisturbed } });
  const usual = performance.now() - started;
  /** How often it was in time; a machine whose speed changes needs more rounds. */
  let cut = 0;
  for (let round = 0; round < partRounds || cut === 0; round += 1) {
    const query = { name: `Parts ${round}` };
    const body = { uploadId: await begin(large()) };
    const importing = ada.call('importProject', { query, body }).then(
      () => true,
      () => false,
    );
    await new Promise((resolve) => setTimeout(resolve, (usual * ((round % partRounds) + Math.random())) / partRounds));
    await system.kill();
    if (!(await importing)) cut += 1;
    await system.start();

    const found = async () => (await ada.call('listProjects', { query: { q: query.name } })).projects;
    // Whether it is there or not: a request that died while it made the project keeps its key for some seconds, then the same one does it.
    await expect.poll(() => ada.call('importProject', { query, body }).then(() => 'imported', String)).toBe('imported');
    const [project, ...more] = await found();
    expect(more).toEqual([]);
    const listed = await ada.call('listFiles', { params: { id: project?.id ?? '' } });
    expect(listed.files).toHaveLength(files);
  }
});
