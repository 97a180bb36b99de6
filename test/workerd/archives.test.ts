import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { sha256 } from '../../src/core/tree.ts';
import { importKey, importPrefix } from '../../src/data/objects.ts';
import { arriving } from '../../src/worker/archive/upload.ts';
import { sweep } from '../../src/worker/scheduled.ts';
import { madeBy } from '../support/archives.ts';
import { zipOf } from '../support/zip.ts';
import { type Account, call, database, expectJson, expectProblem, makeWorld, signUp, type World } from './support.ts';

interface Imported {
  project: { id: string; name: string; description: string; settings: unknown; fileCount: number; totalSize: number };
  imported: { files: number; assets: number; bytes: number; skipped: number };
}

const zipType = { 'content-type': 'application/zip' };
const game = zipOf([
  { name: 'index.html', content: '<p>hi' },
  { name: 'src/main.ts', content: 'let x = 1;\n' },
]);

let world: World;
let owner: Account;
beforeAll(async () => {
  world = await makeWorld({ 'index.html': '<p>hi', 'src/main.ts': 'let x = 1;' });
  owner = world.owner;
});

const send = (body: BodyInit, query = '', headers: Record<string, string> = {}, as = owner): Promise<Response> =>
  call('POST', `/api/projects/import${query}`, { as, body, headers: { ...zipType, ...headers } });
const importing = async (body: BodyInit, query = '', headers = {}): Promise<Imported> =>
  await expectJson<Imported>(await send(body, query, headers), 201);
const treeHash = async (id: string): Promise<string> =>
  (await expectJson<{ hash: string }>(await call('GET', `/api/projects/${id}/tree`, { as: owner }), 200)).hash;
const exporting = (id: string, headers = {}, as = owner): Promise<Response> =>
  call('GET', `/api/projects/${id}/export`, { as, headers });
const bytesOf = async (answer: Response): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await answer.arrayBuffer());

/** Whatever an import may leave: projects in any state, temporary archives, contents. */
async function traces(): Promise<{ projects: unknown; archives: number; contents: number }> {
  let contents = 0;
  let cursor: string | undefined;
  do {
    const page = await env.ASSETS.list(cursor === undefined ? {} : { cursor });
    contents += page.objects.length;
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return {
    projects: await database.prepare('SELECT count(*) AS n FROM projects').first('n'),
    archives: (await env.EXPORTS.list({ prefix: importPrefix })).objects.length,
    contents,
  };
}

describe('an export', () => {
  it('goes round: tree hash, contents, name, description, settings', async () => {
    const about = {
      name: 'Zip & Zap: "ä" 日本',
      description: 'two\nlines',
      settings: { grid: 8, z: { a: [1, null] } },
    };
    const created = await call('POST', '/api/projects', { as: owner, json: about });
    const { project } = await expectJson<{ project: { id: string } }>(created, 201);
    const noise = new Uint8Array(2_500_000).map((_, index) => (index * 2654435761) >>> 11);
    const files: [string, string | Uint8Array<ArrayBuffer>][] = [
      ['kiln.json', '{"mine":true}'],
      ['assets/hero.bin', noise],
      ['.git/HEAD', 'ref: refs/heads/main'],
      ['src/%C3%A4.ts', 'export {};'],
      ['empty.txt', ''],
    ];
    for (const [path, body] of files)
      expect((await call('PUT', `/api/projects/${project.id}/files/${path}`, { as: owner, body })).status).toBe(201);
    const answer = await exporting(project.id);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/zip');
    expect(answer.headers.get('content-disposition')).toBe(
      `attachment; filename="Zip & Zap- -_- __.zip"; filename*=UTF-8''Zip%20%26%20Zap-%20-%C3%A4-%20%E6%97%A5%E6%9C%AC.zip`,
    );
    expect(answer.headers.get('cache-control')).toBe('private, no-store');
    const bytes = await bytesOf(answer);
    const copy = await importing(bytes);
    expect(copy.project).toMatchObject({ ...about, fileCount: 5 });
    expect(copy.imported).toEqual({ files: 5, assets: 0, bytes: copy.project.totalSize, skipped: 0 });
    expect(await treeHash(copy.project.id)).toBe(await treeHash(project.id));
    const hero = await call('GET', `/api/projects/${copy.project.id}/files/assets/hero.bin?raw=1`, { as: owner });
    expect(sha256(await bytesOf(hero))).toBe(sha256(noise));
    expect(sha256(await bytesOf(await exporting(copy.project.id)))).toBe(sha256(bytes));
  }, 30_000);

  it('is asked for by its ETag, which follows tree, name and settings', async () => {
    const { project } = await importing(game);
    const tag = async (): Promise<string> => {
      const answer = await exporting(project.id);
      await answer.body?.cancel();
      return answer.headers.get('etag') ?? '';
    };
    const first = await tag();
    expect(first).toContain(await treeHash(project.id));
    const same = await exporting(project.id, { 'if-none-match': first });
    expect([same.status, same.headers.get('etag')]).toEqual([304, first]);
    const head = await call('HEAD', `/api/projects/${project.id}/export`, { as: owner });
    expect([head.status, head.headers.get('etag'), head.body]).toEqual([200, first, null]);
    const changes = [
      () => call('PATCH', `/api/projects/${project.id}`, { as: owner, json: { name: 'Renamed' } }),
      () => call('PATCH', `/api/projects/${project.id}`, { as: owner, json: { settings: { a: 1 } } }),
      () => call('PUT', `/api/projects/${project.id}/files/new.txt`, { as: owner, json: { content: 'x' } }),
    ];
    const seen = new Set([first]);
    for (const change of changes) {
      await change();
      const next = await tag();
      expect(seen.has(next)).toBe(false);
      seen.add(next);
    }
  });

  it('is for whoever may read: viewers, and strangers of a public project', async () => {
    const tree = await treeHash(world.projectId);
    const copy = await expectJson<Imported>(
      await send(await bytesOf(await exporting(world.projectId, {}, world.viewer)), '', {}, world.stranger),
      201,
    );
    const copied = await call('GET', `/api/projects/${copy.project.id}/tree`, { as: world.stranger });
    expect((await expectJson<{ hash: string }>(copied, 200)).hash).toBe(tree);
    expect(await expectProblem(await exporting(world.projectId, {}, world.stranger), 404)).toBe('not_found');
    await call('PATCH', `/api/projects/${world.projectId}`, { as: owner, json: { isPublic: true } });
    expect((await bytesOf(await exporting(world.projectId, {}, world.stranger))).length).toBeGreaterThan(100);
    await call('PATCH', `/api/projects/${world.projectId}`, { as: owner, json: { isPublic: false } });
  });

  it('of an empty project is one, and comes back empty', async () => {
    const created = await call('POST', '/api/projects', { as: owner, json: { name: 'Empty' } });
    const { project } = await expectJson<{ project: { id: string } }>(created, 201);
    const copy = await importing(await bytesOf(await exporting(project.id)));
    expect(copy).toMatchObject({ project: { name: 'Empty', fileCount: 0 }, imported: { files: 0, bytes: 0 } });
  });

  it('breaks off when a blob cannot be read, and what came is no archive', async () => {
    const content = new Uint8Array(1_500_000).map((_, index) => index * 31);
    const { project } = await importing(
      zipOf([
        { name: 'a.txt', content: `unique ${newId()}` },
        { name: 'b.bin', content, method: 0 },
      ]),
    );
    const listed = await call('GET', `/api/projects/${project.id}/files`, { as: owner });
    const { files } = await expectJson<{ files: { hash: string }[] }>(listed, 200);
    await env.ASSETS.delete(`blob/${files[1]?.hash}`);
    const answer = await exporting(project.id);
    expect(answer.status).toBe(200);
    await expect(answer.arrayBuffer()).rejects.toThrow();
  });

  it('ends quietly when nobody wants the rest', async () => {
    const content = new Uint8Array(3_000_000);
    const { project } = await importing(zipOf([{ name: 'a.bin', content, method: 0 }, { name: 'b.txt' }]));
    const reader = (await exporting(project.id)).body?.getReader();
    await reader?.read();
    await reader?.cancel();
    expect((await bytesOf(await exporting(project.id))).length).toBeGreaterThan(3_000_000);
  }, 30_000);
});

describe('an import', () => {
  it('takes raw bytes, and the part `file` of a form', async () => {
    const form = new FormData();
    form.set('name', 'not this');
    form.set('thumbnail', new File(['x'], 'x.png'));
    form.set('file', new File([madeBy('infozip')], 'Mein Spiel.zip', { type: 'application/zip' }));
    const answer = await call('POST', '/api/v1/projects/import', { as: owner, body: form });
    const fromForm = await expectJson<Imported>(answer, 201);
    expect(fromForm).toMatchObject({
      project: { name: 'Mein Spiel', fileCount: 6 },
      imported: { files: 6, bytes: 301 },
    });
    // A part `file` is the file, also where a client gives it no name.
    const bare = `--x\r\ncontent-disposition: form-data; name="file"\r\ncontent-type: application/zip\r\n\r\n`;
    const unnamed = new Blob([bare, madeBy('infozip'), '\r\n--x--\r\n']);
    const third = await call('POST', '/api/projects/import', {
      as: owner,
      body: await unnamed.arrayBuffer(),
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
    });
    expect(await expectJson<Imported>(third, 201)).toMatchObject({ project: { name: 'game' }, imported: { files: 6 } });
    const fromBytes = await importing(madeBy('infozip'), '', { 'content-type': 'application/octet-stream' });
    expect(await treeHash(fromBytes.project.id)).toBe(await treeHash(fromForm.project.id));
  });

  it('is called as asked, else as the archive says, its file, its folder, or anything', async () => {
    const named = async (bytes: Uint8Array<ArrayBuffer>, query = '', fileName?: string): Promise<string> => {
      if (fileName === undefined) return (await importing(bytes, query)).project.name;
      const form = new FormData();
      form.set('file', new File([bytes], fileName));
      const answer = await call('POST', `/api/projects/import${query}`, { as: owner, body: form });
      return (await expectJson<Imported>(answer, 201)).project.name;
    };
    const ours = await bytesOf(await exporting(world.projectId));
    expect(await named(ours, '?name=%20Asked%20', 'file.zip')).toBe('Asked');
    expect(await named(ours, '', 'file.zip')).toBe('World');
    expect(await named(madeBy('git'), '', 'file.ZIP')).toBe('file');
    expect(await named(madeBy('git'))).toBe('game-1.0');
    expect(await named(game)).toBe('Imported project');
    expect(await expectProblem(await send(game, `?name=${'x'.repeat(121)}`), 422)).toBe('validation_failed');
  });

  it('stores text for live editing, and the bytes of everything else', async () => {
    const { project } = await importing(
      zipOf([
        { name: 'a.ts', content: 'text' },
        { name: 'b.png', content: new Uint8Array([137, 80, 78, 71, 0]) },
        { name: 'c.json', content: 'x'.repeat(limits.file.textMax + 1) },
      ]),
    );
    const listed = await call('GET', `/api/projects/${project.id}/files`, { as: owner });
    const { files } = await expectJson<{ files: { path: string; isText: boolean }[] }>(listed, 200);
    expect(files.map(({ path, isText }) => [path, isText])).toEqual([
      ['a.ts', true],
      ['b.png', false],
      ['c.json', false],
    ]);
    const put = { as: owner, json: { content: 'text, edited' } };
    expect((await call('PUT', `/api/projects/${project.id}/files/a.ts`, put)).status).toBe(200);
  });

  it('takes an archive of several parts', async () => {
    const content = new Uint8Array(6 * 1024 * 1024 + 5).map((_, index) => (index * 2654435761) >>> 9);
    const bytes = zipOf([
      { name: 'big/a.bin', content, method: 0 },
      { name: 'big/b.bin', content: content.subarray(1), method: 0 },
    ]);
    const { project, imported } = await importing(bytes);
    expect(imported).toEqual({ files: 2, assets: 0, bytes: content.length * 2 - 1, skipped: 0 });
    const read = await call('GET', `/api/projects/${project.id}/files/a.bin?raw=1`, { as: owner });
    expect(sha256(await bytesOf(read))).toBe(sha256(content));
  }, 30_000);

  it('refuses other types and bodies that are none', async () => {
    const wrong = await send(game, '', { 'content-type': 'application/x-tar' });
    expect(await expectProblem(wrong, 415)).toBe('unsupported_media_type');
    const json = await call('POST', '/api/projects/import', { as: owner, json: { url: 'http://169.254.169.254/' } });
    expect(await expectProblem(json, 422)).toBe('validation_failed');
    const none = await call('POST', '/api/projects/import', { as: owner, headers: zipType });
    expect(await expectProblem(none, 400)).toBe('malformed_request');
    expect(await expectProblem(await send(''), 422)).toBe('invalid_archive');
    const form = new FormData();
    form.set('archive', new File([game], 'a.zip'));
    const unnamed = await call('POST', '/api/projects/import', { as: owner, body: form });
    expect(await expectProblem(unnamed, 400)).toBe('malformed_request');
    const multipart = 'multipart/form-data; boundary=x';
    for (const body of [
      '',
      '--x--\r\n',
      '--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nPK',
      'x',
    ])
      expect(await expectProblem(await send(body, '', { 'content-type': multipart }), 400), body).toBe(
        'malformed_request',
      );
    const bare = await send(game, '', { 'content-type': 'multipart/form-data' });
    expect(await expectProblem(bare, 400)).toBe('malformed_request');
    const twice = new FormData();
    twice.append('file', new File([game], 'a.zip'));
    twice.append('file', new File([game], 'b.zip'));
    const two = await call('POST', '/api/projects/import', { as: owner, body: twice });
    expect(await expectProblem(two, 400)).toBe('malformed_request');
    expect(await expectProblem(await call('POST', '/api/projects/import', { body: game, headers: zipType }), 401)).toBe(
      'unauthenticated',
    );
  });
});

describe('#41 #42 a refused archive', () => {
  const honest = { name: 'index.html', content: `<p>${'honest '.repeat(500)}` };
  it.each<[string, Uint8Array<ArrayBuffer>, number, string]>([
    ['zip slip', zipOf([honest, { name: '../../x', content: 'x' }]), 422, 'invalid_entry'],
    ['absolute', zipOf([honest, { name: '/etc/cron.d/x', content: 'x' }]), 422, 'invalid_entry'],
    ['backslashes', zipOf([honest, { name: '..\\..\\x', content: 'x' }]), 422, 'invalid_entry'],
    ['symlink', madeBy('symlink'), 422, 'invalid_entry'],
    ['encrypted', madeBy('encrypted'), 422, 'invalid_entry'],
    ['unknown method', madeBy('bzip2'), 422, 'invalid_entry'],
    ['duplicate', zipOf([honest, honest]), 422, 'invalid_entry'],
    ['by case', zipOf([honest, { name: 'INDEX.html' }]), 422, 'invalid_entry'],
    ['too large', zipOf([honest, { name: 'x', content: new Uint8Array(26_214_401) }]), 413, 'payload_too_large'],
    ['lying size', zipOf([honest, { name: 'x', content: new Uint8Array(9_000_000), size: 9 }]), 422, 'invalid_entry'],
    [
      'lying checksum, after an honest file',
      zipOf([honest, { name: 'x', content: 'x', crc: 9 }]),
      422,
      'invalid_entry',
    ],
    ['overlap', zipOf([honest, { name: 'x', content: 'x', offset: 0 }]), 422, 'invalid_archive'],
    ['no archive', Uint8Array.from(new TextEncoder().encode('no archive')), 422, 'invalid_archive'],
    ['cut off', game.slice(0, -30), 422, 'invalid_archive'],
  ])('%s: leaves no project, no temporary object and no content', async (_what, bytes, status, code) => {
    const before = await traces();
    const answer = await send(bytes);
    expect(await expectProblem(answer, status)).toBe(code);
    expect(await traces()).toEqual(before);
  });

  it('names the entry, and nothing of the host', async () => {
    const answer = await send(zipOf([{ name: 'a/../../x' }]));
    const problem = await expectJson<{ issues: unknown }>(answer, 422);
    expect(problem.issues).toEqual([{ path: 'a/../../x', message: 'leads outside the archive' }]);
    expect(JSON.stringify(problem)).not.toMatch(/import\/|EXPORTS|blob/);
  });
});

describe('#45 a body', () => {
  /** A body of so many MiB, of which nobody knows the length. */
  const endless = (chunks: number, then: 'end' | 'fail' = 'end'): ReadableStream<Uint8Array> => {
    let sent = 0;
    return new ReadableStream({
      pull(controller) {
        if (sent < chunks) controller.enqueue(new Uint8Array(1024 * 1024));
        else if (then === 'fail') controller.error(new Error('the connection is gone'));
        else controller.close();
        sent += 1;
      },
    });
  };

  it('of more than 100 MiB is refused by what it is, whatever its length claims', async () => {
    const before = await traces();
    const claimed = await send(game, '', { 'content-length': String(limits.archive.uploadBytes + 1) });
    expect(await expectProblem(claimed, 413)).toBe('payload_too_large');
    for (const headers of [{}, { 'content-length': '5' }] as Record<string, string>[])
      expect(await expectProblem(await send(endless(101), '', headers), 413)).toBe('payload_too_large');
    expect(await traces()).toEqual(before);
  }, 60_000);

  it('that breaks off leaves nothing, before and after its first part is stored', async () => {
    const before = await traces();
    // Inside one process a broken stream may look like one that ended: then its end is missing.
    for (const chunks of [0, 2, 7])
      expect([400, 422], `${chunks} MiB`).toContain((await send(endless(chunks, 'fail'))).status);
    expect(await traces()).toEqual(before);
    const read = async (): Promise<void> => {
      for await (const _chunk of arriving(endless(2, 'fail'), 9_000_000, 60_000));
    };
    await expect(read()).rejects.toMatchObject({ code: 'malformed_request' });
  }, 30_000);

  it('that comes too slowly is cut off, while it waits and between two bytes', async () => {
    let cancelled = 0;
    const drop = (delay: number): ReadableStream<Uint8Array> =>
      new ReadableStream({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, delay));
          if (cancelled === 0) controller.enqueue(new Uint8Array(1));
        },
        cancel() {
          cancelled += 1;
        },
      });
    for (const delay of [5, 1_000_000]) {
      cancelled = 0;
      const read = async (): Promise<void> => {
        for await (const chunk of arriving(drop(delay), 1000, 100)) expect(chunk).toHaveLength(1);
      };
      await expect(read()).rejects.toMatchObject({ code: 'request_timeout' });
      expect(cancelled).toBe(1);
    }
  });
});

describe('Idempotency-Key of an import', () => {
  it('replays the first answer to the same archive, and refuses another one', async () => {
    const headers = { 'idempotency-key': newId() };
    const first = await importing(game, '', headers);
    const again = await send(game, '', headers);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect((await expectJson<Imported>(again, 201)).project.id).toBe(first.project.id);
    // The same file, as a form this time: what is imported is the same.
    const form = new FormData();
    form.set('file', new File([game], 'game.zip'));
    const formed = await call('POST', '/api/projects/import', { as: owner, body: form, headers });
    expect((await expectJson<Imported>(formed, 201)).project.id).toBe(first.project.id);
    for (const other of [await send(madeBy('git'), '', headers), await send(game, '?name=Other', headers)])
      expect(await expectProblem(other, 422)).toBe('idempotency_key_reused');
    expect(await expectProblem(await send('not an archive', '', headers), 422)).toBe('idempotency_key_reused');
  });

  it('lets one of several at once do it, and is free again after a refusal', async () => {
    const headers = { 'idempotency-key': newId() };
    expect(await expectProblem(await send(madeBy('symlink'), '', headers), 422)).toBe('invalid_entry');
    const account = await signUp('burst');
    const answers = await Promise.all(Array.from({ length: 5 }, () => send(game, '', headers, account)));
    expect(answers.every(({ status }) => status === 201 || status === 409)).toBe(true);
    const mine = await call('GET', '/api/projects', { as: account });
    expect((await expectJson<{ projects: unknown[] }>(mine, 200)).projects).toHaveLength(1);
    expect((await traces()).archives).toBe(0);
    await importing(game, '', headers);
  });
});

describe('an import that dies (faults.md #2)', () => {
  it('while it reads: the temporary object is swept when it is old, and no sooner', async () => {
    const key = importKey(newId());
    await env.EXPORTS.put(key, game);
    await env.EXPORTS.put('backup/sets/not-mine', 'x');
    await sweep(env, Date.now());
    expect(await env.EXPORTS.head(key)).not.toBeNull();
    await sweep(env, Date.now() + limits.archive.uploadTtl + 60_000);
    expect(await env.EXPORTS.head(key)).toBeNull();
    expect(await env.EXPORTS.head('backup/sets/not-mine')).not.toBeNull();
    await env.EXPORTS.delete('backup/sets/not-mine');
  });

  it('between its row, its tree and its last word: nobody sees it, the sweep erases it, and it can be sent again', async () => {
    const headers = { 'idempotency-key': newId() };
    const before = await traces();
    const content = `unique ${newId()}`;
    const bytes = zipOf([{ name: 'a.txt', content }]);
    await database
      .prepare("CREATE TRIGGER dies BEFORE UPDATE OF state ON projects BEGIN SELECT RAISE(FAIL, 'gone'); END")
      .run();
    const died = await send(bytes, '', headers);
    await database.prepare('DROP TRIGGER dies').run();
    expect(died.status).toBeGreaterThanOrEqual(500);
    await died.body?.cancel();
    const row = await database.prepare("SELECT id FROM projects WHERE state = 'creating'").first<{ id: string }>();
    expect((await call('GET', `/api/projects/${row?.id}`, { as: owner })).status).toBe(404);
    expect(await traces()).toMatchObject({ archives: 0, projects: Number(before.projects) + 1 });
    await sweep(env, Date.now() + limits.project.transitionTimeout + 60_000);
    // A content that nothing names waits for the collector.
    expect(await traces()).toEqual({ ...before, contents: before.contents + 1 });
    const { project } = await importing(bytes, '', headers);
    const read = await call('GET', `/api/projects/${project.id}/files/a.txt`, { as: owner });
    expect((await expectJson<{ file: { content: string } }>(read, 200)).file.content).toBe(content);
  });
});
