import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Upload } from '../../src/contract/assets.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { sha256 } from '../../src/core/tree.ts';
import { uploadKey, uploadPrefix } from '../../src/data/objects.ts';
import { sweep } from '../../src/worker/scheduled.ts';
import { madeBy } from '../support/archives.ts';
import { zipOf } from '../support/zip.ts';
import { type Account, call, database, expectJson, expectProblem, makeWorld, signUp, type World } from './support.ts';

interface Imported {
  project: { id: string; name: string };
  imported: { files: number; assets: number; bytes: number; skipped: number };
}
type Bytes = Uint8Array<ArrayBuffer>;
const { partSize } = limits.upload;

let world: World;
let owner: Account;
beforeAll(async () => {
  world = await makeWorld({});
  owner = world.owner;
});

const begin = (size: number, as = owner, name = 'game.zip'): Promise<Response> =>
  call('POST', '/api/projects/import/uploads', { as, json: { size, name } });

/** Sends an archive in its parts, but for those that are left out. */
async function sent(archive: Bytes, as = owner, without: readonly number[] = []): Promise<Upload> {
  const { upload } = await expectJson<{ upload: Upload }>(await begin(archive.length, as), 201);
  await send(
    upload,
    archive,
    upload.parts.map(({ number }) => number).filter((number) => !without.includes(number)),
  );
  return upload;
}

async function send({ parts }: Upload, archive: Bytes, numbers: readonly number[]): Promise<void> {
  for (const number of numbers) {
    const { pathname, search } = new URL(parts[number - 1]?.url ?? '');
    const body = archive.slice((number - 1) * partSize, number * partSize);
    await expectJson(await call('PUT', pathname + search, { body }), 200);
  }
}

const importing = (uploadId: string, query = '', headers: Record<string, string> = {}, as = owner): Promise<Response> =>
  call('POST', `/api/projects/import${query}`, { as, json: { uploadId }, headers });
const imported = async (uploadId: string): Promise<Imported> =>
  await expectJson<Imported>(await importing(uploadId), 201);
const isThere = async (id: string): Promise<boolean> => (await env.ASSETS.head(uploadKey(id))) !== null;
const getUpload = (id: string, as = owner): Promise<Response> => call('GET', `/api/assets/uploads/${id}`, { as });

const noise = (size: number): Bytes => {
  const mark = newId();
  return new Uint8Array(size).map((_, at) => (at * 2654435761 * mark.charCodeAt(35)) >>> 11);
};
const small = (): Bytes => zipOf([{ name: 'index.html', content: `<p>${newId()}` }]);

/** Whatever an import may leave. */
async function traces(): Promise<unknown> {
  return {
    projects: await database.prepare('SELECT count(*) AS n FROM projects').first('n'),
    uploads: await database.prepare("SELECT count(*) AS n FROM uploads WHERE project_id = ''").first('n'),
    parts: await database.prepare('SELECT count(*) AS n FROM upload_parts').first('n'),
    objects: (await env.ASSETS.list({ prefix: uploadPrefix })).objects.length,
  };
}

describe('an archive in parts', () => {
  it('becomes a project of all that is in it, with entries across the parts, and nothing else is left', async () => {
    const large = noise(partSize + 3_000_000);
    const hero = noise(6_000_000);
    const before = await traces();
    const upload = await sent(
      zipOf([
        { name: 'game/index.html', content: '<p>hi' },
        { name: 'game/large.bin', content: large, method: 0 },
        { name: 'game/packed.txt', content: 'x'.repeat(100_000), method: 8 },
        { name: 'game/hero.bin', content: hero, method: 8 },
      ]),
    );
    expect(upload).toMatchObject({ projectId: null, status: 'open', partSize, name: 'game.zip' });
    expect(upload.parts.length).toBeGreaterThan(1);
    const { project, imported: counts } = await imported(upload.id);
    expect(project.name).toBe('game');
    expect(counts).toMatchObject({ files: 4, assets: 0, skipped: 0 });
    for (const [path, bytes] of [
      ['large.bin', large],
      ['hero.bin', hero],
    ] as const) {
      const answer = await call('GET', `/api/projects/${project.id}/files/${path}?raw=1`, { as: owner });
      expect(sha256(new Uint8Array(await answer.arrayBuffer())), path).toBe(sha256(bytes));
    }
    expect(await traces()).toEqual({ ...(before as object), projects: expect.any(Number) });
    expect(await isThere(upload.id)).toBe(false);
    expect(await expectProblem(await getUpload(upload.id), 404)).toBe('not_found');
  }, 60_000);

  it('becomes one project: whoever asks again gets the first answer, with a key, with another, or without one', async () => {
    const upload = await sent(small());
    const first = await imported(upload.id);
    for (const headers of [{}, { 'idempotency-key': newId() }] as Record<string, string>[]) {
      const again = await importing(upload.id, '', headers);
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      expect((await expectJson<Imported>(again, 201)).project.id).toBe(first.project.id);
    }
    expect(await expectProblem(await importing(upload.id, '?name=Other'), 422)).toBe('idempotency_key_reused');
  });

  it('is imported once by several at once', async () => {
    const account = await signUp('parts');
    const upload = await sent(small(), account);
    const answers = await Promise.all(Array.from({ length: 5 }, () => importing(upload.id, '', {}, account)));
    // Some find the upload gone while they read it, and are told to ask again.
    expect(answers.map(({ status }) => status).filter((status) => ![201, 404, 409, 422, 503].includes(status))).toEqual(
      [],
    );
    const mine = await call('GET', '/api/projects', { as: account });
    expect((await expectJson<{ projects: unknown[] }>(mine, 200)).projects).toHaveLength(1);
    expect((await importing(upload.id, '', {}, account)).status).toBe(201);
  });

  it('waits until all of its parts are there', async () => {
    const archive = zipOf([{ name: 'a.bin', content: noise(partSize + 1000), method: 0 }]);
    const upload = await sent(archive, owner, [2]);
    const missing = await expectJson<{ code: string; issues: unknown }>(await importing(upload.id), 422);
    expect(missing).toMatchObject({
      code: 'validation_failed',
      issues: [{ path: 'body.uploadId', message: 'lacks 1 of its parts' }],
    });
    await send(upload, archive, [2]);
    expect((await imported(upload.id)).imported.files).toBe(1);
  });

  it('is for its owner alone, is no asset, and no asset is an archive', async () => {
    const archive = small();
    const upload = await sent(archive);
    expect(await expectProblem(await importing(upload.id, '', {}, world.editor), 404)).toBe('not_found');
    expect(await expectProblem(await getUpload(upload.id, world.editor), 404)).toBe('not_found');
    const complete = await call('POST', `/api/assets/uploads/${upload.id}/complete`, {
      as: owner,
      json: { parts: [] },
    });
    expect(await expectProblem(complete, 409)).toBe('conflict');
    const json = { projectId: world.projectId, name: 'a', size: archive.length };
    const ofAsset = await call('POST', '/api/assets/uploads', { as: owner, json });
    const { upload: asset } = await expectJson<{ upload: Upload }>(ofAsset, 201);
    expect(await expectProblem(await importing(asset.id), 404)).toBe('not_found');
    expect(await expectProblem(await importing(newId()), 404)).toBe('not_found');
    for (const json of [{ uploadId: 'x' }, { uploadId: upload.id, more: 1 }, {}])
      expect(await expectProblem(await call('POST', '/api/projects/import', { as: owner, json }), 422)).toBe(
        'validation_failed',
      );
    for (const { id } of [upload, asset])
      expect((await call('DELETE', `/api/assets/uploads/${id}`, { as: owner })).status).toBe(204);
    expect(await expectProblem(await importing(upload.id), 404)).toBe('not_found');
  });

  it('may be one of four that wait, and of 1 GiB', async () => {
    const account = await signUp('waiting');
    const ids: string[] = [];
    for (let n = 0; n < limits.archive.openMax; n += 1)
      ids.push((await expectJson<{ upload: Upload }>(await begin(100, account), 201)).upload.id);
    expect(await expectProblem(await begin(100, account), 413)).toBe('quota_exceeded');
    await call('DELETE', `/api/assets/uploads/${ids[0]}`, { as: account });
    expect((await begin(limits.archive.partsBytes, account)).status).toBe(201);
    for (const size of [0, limits.archive.partsBytes + 1])
      expect(await expectProblem(await begin(size), 422)).toBe('validation_failed');
  });

  it.each([
    ['#41', 'leads outside', zipOf([{ name: '../../etc/passwd', content: 'x' }]), 422, 'invalid_entry'],
    [
      '#42',
      'is a bomb',
      zipOf([{ name: 'zeros', content: new Uint8Array(70 * 1024 * 1024), method: 8 }]),
      413,
      'payload_too_large',
    ],
    ['#41', 'has a link', madeBy('symlink'), 422, 'invalid_entry'],
    ['#41', 'is none', new TextEncoder().encode('no archive') as Bytes, 422, 'invalid_archive'],
  ] as const)(
    '%s that %s is refused as in one request, and leaves nothing',
    async (_number, _what, bytes, status, code) => {
      const before = await traces();
      const upload = await sent(bytes);
      expect(await expectProblem(await importing(upload.id), status)).toBe(code);
      expect(await traces()).toEqual(before);
      expect(await expectProblem(await importing(upload.id), 404)).toBe('not_found');
    },
  );
});

describe('an import in parts that dies (faults.md #2)', () => {
  it('before its end: the same upload is imported when it is asked for again', async () => {
    const upload = await sent(small());
    const dies = "CREATE TRIGGER dies BEFORE UPDATE OF state ON projects BEGIN SELECT RAISE(FAIL, 'gone'); END";
    await database.prepare(dies).run();
    try {
      expect((await importing(upload.id)).status).toBeGreaterThanOrEqual(500);
    } finally {
      await database.prepare('DROP TRIGGER dies').run();
    }
    expect(await isThere(upload.id)).toBe(true);
    expect((await imported(upload.id)).imported.files).toBe(1);
    expect(await isThere(upload.id)).toBe(false);
  });

  it('for good: parts and whole are removed after a day, and no sooner', async () => {
    const whole = await sent(small());
    await env.ASSETS.put(uploadKey(whole.id), 'assembled, and never read');
    const parts = await sent(zipOf([{ name: 'a.bin', content: noise(partSize + 1000), method: 0 }]), owner, [2]);
    await sweep(env, Date.now());
    expect((await getUpload(whole.id)).status).toBe(200);
    await sweep(env, Date.now() + limits.upload.ttl + 60_000);
    for (const { id } of [whole, parts]) {
      expect(await isThere(id)).toBe(false);
      expect((await getUpload(id)).status).toBe(404);
    }
  });
});
