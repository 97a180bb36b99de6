import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import type { BatchResult } from '../../src/contract/files.ts';
import { limits } from '../../src/contract/limits.ts';
import { sha256 } from '../../src/core/tree.ts';
import { hostilePaths } from '../support/hostile-paths.ts';
import { type Account, call, expectJson, expectProblem, makeWorld, type World } from './support.ts';
import { until, YjsClient } from './yjs-client.ts';

let world: World;
/** A project of the same owner, for what must not be seen from the other. */
let other: string;

beforeAll(async () => {
  world = await makeWorld();
  other = await newProject(world.owner);
});

async function newProject(as: Account): Promise<string> {
  const created = await call('POST', '/api/projects', { as, json: { name: 'Batch' } });
  return (await expectJson<{ project: { id: string } }>(created, 201)).project.id;
}

const post = (operations: unknown, as = world.editor, id = world.projectId): Promise<Response> =>
  call('POST', `/api/projects/${id}/files/batch`, { as, json: { operations } });

const batch = async (operations: unknown, id = world.projectId): Promise<{ results: BatchResult[]; seq: number }> =>
  await expectJson(await post(operations, world.owner, id), 200);

interface Refusal {
  code: string;
  issues?: { path: string; message: string }[];
}
const refused = async (operations: unknown, status: number): Promise<[string, string | undefined]> => {
  const { code, issues } = await expectJson<Refusal>(await post(operations), status);
  return [code, issues?.[0]?.path];
};

const treeOf = async (id = world.projectId): Promise<{ hash: string; seq: number }> =>
  await expectJson(await call('GET', `/api/projects/${id}/tree`, { as: world.owner }), 200);
const contentOf = async (path: string, id = world.projectId): Promise<string> =>
  (
    await expectJson<{ file: { content: string } }>(
      await call('GET', `/api/projects/${id}/files/${path}`, { as: world.owner }),
      200,
    )
  ).file.content;
const pathsOf = async (id = world.projectId): Promise<string[]> =>
  (
    await expectJson<{ files: { path: string }[] }>(
      await call('GET', `/api/projects/${id}/files`, { as: world.owner }),
      200,
    )
  ).files.map(({ path }) => path);

const upload = (hash: string, body: BodyInit, id = world.projectId, as = world.editor): Promise<Response> =>
  call('PUT', `/api/projects/${id}/blobs/${hash}`, { as, body });
const missing = async (hashes: readonly string[], id = world.projectId): Promise<string[]> =>
  (
    await expectJson<{ missing: string[] }>(
      await call('POST', `/api/projects/${id}/blobs/missing`, { as: world.editor, json: { hashes } }),
      200,
    )
  ).missing;

describe('A batch over HTTP', () => {
  it('writes, moves, copies and deletes, and answers each operation', async () => {
    const bytes = new Uint8Array([0, 1, 255]);
    const { results, seq } = await batch([
      { op: 'create', path: 'src/main.ts', content: 'let a = 1;\n' },
      { op: 'put', path: 'größe.txt', content: btoa('encoded'), encoding: 'base64' },
      { op: 'put', path: 'image.png', content: btoa(String.fromCharCode(...bytes)), encoding: 'base64' },
      { op: 'copy', from: 'src', to: 'lib' },
      { op: 'move', from: 'größe.txt', to: 'size.txt' },
      { op: 'delete', path: 'src' },
    ]);
    expect(results.map(({ op, path, files }) => [op, path, files])).toEqual([
      ['create', 'src/main.ts', 1],
      ['put', 'größe.txt', 1],
      ['put', 'image.png', 1],
      ['copy', 'lib', 1],
      ['move', 'size.txt', 1],
      ['delete', 'src', 1],
    ]);
    expect(results[0]?.file).toEqual({
      path: 'src/main.ts',
      size: 11,
      hash: sha256('let a = 1;\n'),
      mimeType: 'text/typescript',
      isText: true,
      updatedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      updatedBy: world.owner.id,
      seq: expect.any(Number),
    });
    expect(results.map(({ file }) => file?.isText ?? null)).toEqual([true, true, false, null, true, null]);
    expect(seq).toBe((await treeOf()).seq);
    expect(await pathsOf()).toEqual(['image.png', 'lib/main.ts', 'size.txt']);
    expect(await contentOf('size.txt')).toBe('encoded');
    const raw = await call('GET', `/api/projects/${world.projectId}/files/image.png?raw=1`, { as: world.viewer });
    expect(new Uint8Array(await raw.arrayBuffer())).toEqual(bytes);
    expect(
      (await call('POST', `/api/v1/projects/${world.projectId}/files/batch`, { as: world.editor, json: {} })).status,
    ).toBe(422);
  });

  it('tells what it was for, once, in the events', async () => {
    const { seq } = await treeOf();
    await expectJson(
      await call('POST', `/api/projects/${world.projectId}/files/batch`, {
        as: world.editor,
        json: { operations: [{ op: 'put', path: 'message.txt', content: 'x' }], message: 'Because' },
      }),
      200,
    );
    const { events } = await expectJson<{ events: { type: string; data: object }[] }>(
      await call('GET', `/api/projects/${world.projectId}/events?since=${seq}`, { as: world.viewer }),
      200,
    );
    expect(events).toMatchObject([
      { type: 'file.created', data: { path: 'message.txt' } },
      { type: 'files.batch', data: { message: 'Because', operations: 1 } },
    ]);
  });

  it('is all or nothing: the refusal names the operation', async () => {
    await batch([{ op: 'put', path: 'there.txt', content: 'there' }]);
    const before = await treeOf();
    const first = { op: 'put', path: 'first.txt', content: 'x' };
    const cases: [object, number, string, string][] = [
      [{ op: 'create', path: 'there.txt', content: 'x' }, 409, 'file_exists', 'body.operations.1'],
      [{ op: 'put', path: 'THERE.txt', content: 'x' }, 409, 'path_conflict', 'body.operations.1'],
      [{ op: 'put', path: 'there.txt/x', content: 'x' }, 409, 'path_conflict', 'body.operations.1'],
      [{ op: 'delete', path: 'nothing' }, 404, 'not_found', 'body.operations.1'],
      [{ op: 'move', from: 'nothing', to: 'x' }, 404, 'not_found', 'body.operations.1'],
      [{ op: 'copy', from: 'there.txt', to: 'first.txt' }, 409, 'file_exists', 'body.operations.1'],
      [
        { op: 'put', path: 'there.txt', content: 'x', ifMatch: `"${sha256('other')}"` },
        412,
        'precondition_failed',
        'body.operations.1',
      ],
      [{ op: 'delete', path: 'there.txt', ifMatch: '"x"' }, 412, 'precondition_failed', 'body.operations.1'],
      [{ op: 'put', path: 'x', hash: sha256('never uploaded') }, 422, 'validation_failed', 'body.operations.1.hash'],
      [{ op: 'put', path: 'a/../b', content: 'x' }, 422, 'invalid_path', 'body.operations.1.path'],
      [{ op: 'move', from: '../x', to: 'x' }, 422, 'invalid_path', 'body.operations.1.from'],
      [{ op: 'copy', from: 'there.txt', to: 'con' }, 422, 'invalid_path', 'body.operations.1.to'],
      [
        { op: 'put', path: 'x', content: '%%%', encoding: 'base64' },
        422,
        'validation_failed',
        'body.operations.1.content',
      ],
      [{ op: 'put', path: 'x', content: '\ud800' }, 422, 'validation_failed', 'body.operations.1.content'],
    ];
    for (const [operation, status, code, path] of cases)
      expect(await refused([first, operation], status), JSON.stringify(operation)).toEqual([code, path]);
    expect(await treeOf()).toEqual(before);
  });

  it('takes no operation that it does not know, and none by halves', async () => {
    const before = await treeOf();
    for (const operations of [
      [],
      [{ op: 'put', path: 'x' }],
      [{ op: 'put', path: 'x', content: 'x', hash: sha256('x') }],
      [{ op: 'put', path: 'x', content: 'x', mode: 0o777 }],
      [{ op: 'put', path: 'x', content: 1 }],
      [{ op: 'put', path: 'x', content: 'x', encoding: 'hex' }],
      [{ op: 'put', path: 'x', hash: 'ABC' }],
      [{ op: 'delete', path: '' }],
      [{ op: 'delete', path: 'x', from: 'y' }],
      [{ op: 'move', from: 'x' }],
      [{ op: 'chmod', path: 'x' }],
      [null],
      {},
    ])
      expect((await refused(operations, 422))[0], JSON.stringify(operations)).toBe('validation_failed');
    const tooLong = await call('POST', `/api/projects/${world.projectId}/files/batch`, {
      as: world.editor,
      json: {
        operations: [{ op: 'put', path: 'x', content: 'x' }],
        message: 'x'.repeat(limits.batch.messageMax + 1),
      },
    });
    expect(await expectProblem(tooLong, 422)).toBe('validation_failed');
    expect(await treeOf()).toEqual(before);
  });

  it('#37 takes no hostile path, as source, target or name', async () => {
    const before = await treeOf();
    const decoded = hostilePaths.flatMap((path) => {
      try {
        return [decodeURIComponent(path)];
      } catch {
        // Broken as a URL; in JSON it is a name like any other.
        return [];
      }
    });
    expect(decoded.length).toBeGreaterThan(30);
    for (const path of decoded) {
      for (const operation of [
        { op: 'put', path, content: 'owned' },
        { op: 'delete', path },
        { op: 'move', from: path, to: 'x' },
        { op: 'copy', from: 'there.txt', to: path },
      ]) {
        const answer = await post([operation]);
        expect([400, 422], `${JSON.stringify(operation).slice(0, 80)} answered ${answer.status}`).toContain(
          answer.status,
        );
        await answer.body?.cancel();
      }
    }
    expect(await treeOf()).toEqual(before);
  });

  it('#27 is for those who may write: nobody else changes or learns anything', async () => {
    const before = await treeOf();
    const operation = [{ op: 'put', path: 'x', content: btoa('\0bytes'), encoding: 'base64' }];
    expect(await expectProblem(await post(operation, world.viewer), 403)).toBe('forbidden');
    expect(await expectProblem(await post(operation, world.stranger), 404)).toBe('not_found');
    expect(
      await expectProblem(await call('POST', `/api/projects/${world.projectId}/files/batch`, { json: {} }), 401),
    ).toBe('unauthenticated');
    // Neither is told what is wrong with the input, before it is told that the project is none of theirs.
    expect(await expectProblem(await post([{ op: 'put', path: '../x', content: 'x' }], world.stranger), 404)).toBe(
      'not_found',
    );
    expect(await env.ASSETS.head(`blob/${sha256('\0bytes')}`)).toBeNull();
    expect(await treeOf()).toEqual(before);
  });

  it('has a thousand operations, text and bytes, and not one more', async () => {
    const id = await newProject(world.owner);
    const { operationsMax } = limits.batch;
    const texts = Array.from({ length: operationsMax }, (_, n) => ({
      op: 'create',
      path: `texts/${n}.txt`,
      content: `text ${n}`,
    }));
    expect((await batch(texts, id)).results).toHaveLength(operationsMax);
    const bytes = texts.map(({ content }, n) => ({
      op: 'put',
      path: `bytes/${n}.bin`,
      content: btoa(`\0${content}`),
      encoding: 'base64',
    }));
    expect((await batch(bytes, id)).results.every(({ file }) => file?.isText === false)).toBe(true);
    expect(await pathsOf(id)).toHaveLength(2 * operationsMax);
    expect(await contentOf(`bytes/${operationsMax - 1}.bin`, id)).toBe(btoa(`\0text ${operationsMax - 1}`));
    const { hash } = await treeOf(id);
    const answer = await call('POST', `/api/projects/${id}/files/batch`, {
      as: world.owner,
      json: { operations: [...texts, { op: 'delete', path: 'texts' }] },
    });
    expect(await expectProblem(answer, 422)).toBe('validation_failed');
    expect((await treeOf(id)).hash).toBe(hash);
    // One that fails at its last operation leaves nothing of the others.
    const almost = texts.map(({ path }) => ({ op: 'delete', path }));
    almost[operationsMax - 1] = { op: 'delete', path: 'nothing' };
    const refusal = await call('POST', `/api/projects/${id}/files/batch`, {
      as: world.owner,
      json: { operations: almost },
    });
    expect((await expectJson<Refusal>(refusal, 404)).issues?.[0]?.path).toBe(`body.operations.${operationsMax - 1}`);
    expect((await treeOf(id)).hash).toBe(hash);
    // Two thousand objects are stored, which a busy machine takes its time for.
  }, 180_000);

  it('[R8, R19] reaches those who type: what they typed stays, and their sockets go with the file', async () => {
    await batch([{ op: 'put', path: 'live/a.txt', content: 'one two' }]);
    const [ada, grace] = [
      await YjsClient.open(world.owner, world.projectId, 'live/a.txt'),
      await YjsClient.open(world.editor, world.projectId, 'live/a.txt'),
    ];
    ada.text.insert(3, ' and a half');
    await until(() => grace.text.toString() === 'one and a half two');
    await batch([
      { op: 'put', path: 'live/a.txt', content: 'one and a half two three' },
      { op: 'move', from: 'live', to: 'moved' },
      { op: 'copy', from: 'moved/a.txt', to: 'copy.txt' },
    ]);
    await until(() => ada.text.toString() === 'one and a half two three');
    grace.text.insert(0, 'zero ');
    await until(() => ada.text.toString() === 'zero one and a half two three');
    expect(await contentOf('moved/a.txt')).toBe('zero one and a half two three');
    expect(await contentOf('copy.txt')).toBe('one and a half two three');
    expect([ada.closed, grace.closed]).toEqual([null, null]);

    const late = await YjsClient.open(world.editor, world.projectId, 'live/a.txt');
    await until(() => late.closed !== null);
    expect(late.closed).toBe(4409);
    await batch([{ op: 'delete', path: 'moved' }]);
    await until(() => ada.closed !== null && grace.closed !== null);
    expect([ada.closed, grace.closed]).toEqual([4404, 4404]);
    const { checkpoints } = await expectJson<{ checkpoints: { id: string; kind: string }[] }>(
      await call('GET', `/api/projects/${world.projectId}/checkpoints`, { as: world.viewer }),
      200,
    );
    expect(checkpoints[0]?.kind).toBe('auto');
    const { file } = await expectJson<{ file: { content: string } }>(
      await call('GET', `/api/projects/${world.projectId}/checkpoints/${checkpoints[0]?.id}/files/moved/a.txt`, {
        as: world.viewer,
      }),
      200,
    );
    expect(file.content).toBe('zero one and a half two three');
  });
});

describe('[R17] Blobs that are uploaded first', () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  it('are asked for, uploaded once, and named in a batch, as often as one likes', async () => {
    const [text, binary] = ['uploaded text', '\0uploaded bytes'];
    const hashes = [sha256(text), sha256(binary)];
    expect(await missing(hashes)).toEqual(hashes);
    const { blob } = await expectJson<{ blob: object }>(await upload(hashes[0] ?? '', text), 200);
    expect(blob).toEqual({ hash: hashes[0], size: text.length, isText: true });
    expect(await missing(hashes)).toEqual([hashes[1]]);
    expect(await expectJson(await upload(hashes[1] ?? '', bytes(binary)), 200)).toEqual({
      blob: { hash: hashes[1], size: binary.length, isText: false },
    });
    await expectJson(await upload(hashes[1] ?? '', bytes(binary)), 200);
    const { results } = await batch([
      { op: 'put', path: 'by hash/a.txt', hash: hashes[0] },
      { op: 'create', path: 'by hash/b.txt', hash: hashes[0] },
      { op: 'put', path: 'by hash/c.bin', hash: hashes[1] },
    ]);
    expect(results.map(({ file }) => [file?.size, file?.isText])).toEqual([
      [text.length, true],
      [text.length, true],
      [binary.length, false],
    ]);
    expect(await contentOf('by%20hash/b.txt')).toBe(text);
    expect(await contentOf('by%20hash/c.bin')).toBe(btoa(binary));
    // A text that came by its hash has a document like any other.
    const client = await YjsClient.open(world.owner, world.projectId, 'by%20hash/a.txt');
    expect(client.text.toString()).toBe(text);
    await batch([{ op: 'put', path: 'by hash/a.txt', hash: sha256('encoded') }]);
    await until(() => client.text.toString() === 'encoded');
    client.close();
  });

  it('have the hash that they claim, and the size that is allowed', async () => {
    const hash = sha256('right');
    const wrong = await expectJson<Refusal>(await upload(hash, 'wrong'), 422);
    expect([wrong.code, wrong.issues?.[0]?.path]).toEqual(['validation_failed', 'body']);
    expect(await env.ASSETS.head(`blob/${hash}`)).toBeNull();
    expect(await missing([hash])).toEqual([hash]);
    const large = new Uint8Array(limits.file.sizeMax + 1);
    expect(await expectProblem(await upload(sha256(large), large), 413)).toBe('payload_too_large');
    for (const name of ['x', hash.toUpperCase(), `${hash}0`, '..%2f'])
      expect(await expectProblem(await upload(name, 'right'), 404), name).toBe('not_found');
    await expectJson(await upload(sha256(''), ''), 200);
  });

  it('#26 of another project are unknown here: knowing a hash gives nobody its bytes', async () => {
    const secret = 'what only the other project knows';
    const hash = sha256(secret);
    await expectJson(await upload(hash, secret, other, world.owner), 200);
    await batch([{ op: 'put', path: 'secret.txt', hash }], other);
    await expectJson(await call('POST', `/api/projects/${other}/checkpoints`, { as: world.owner, json: {} }), 201);
    expect(await env.ASSETS.head(`blob/${hash}`)).not.toBeNull();
    expect(await missing([hash])).toEqual([hash]);
    expect(await refused([{ op: 'put', path: 'stolen.txt', hash }], 422)).toEqual([
      'validation_failed',
      'body.operations.0.hash',
    ]);
    // Who has the bytes may bring them.
    await expectJson(await upload(hash, secret), 200);
    await batch([{ op: 'put', path: 'own.txt', hash }]);
  });

  it('are for those who may write', async () => {
    const hash = sha256('nobody may bring this');
    for (const [as, status] of [
      [world.viewer, 403],
      [world.stranger, 404],
      [undefined, 401],
    ] as const) {
      const path = `/api/projects/${world.projectId}/blobs`;
      expect((await call('PUT', `${path}/${hash}`, { as, body: 'nobody may bring this' })).status).toBe(status);
      expect((await call('POST', `${path}/missing`, { as, json: { hashes: [hash] } })).status).toBe(status);
    }
    expect(await env.ASSETS.head(`blob/${hash}`)).toBeNull();
  });

  it('are asked for in lists as long as the largest project, of hashes alone', async () => {
    const many = Array.from({ length: limits.blob.hashesMax }, (_, n) => sha256(`nobody has ${n}`));
    expect(await missing(many)).toEqual(many);
    expect(await missing([])).toEqual([]);
    const twice = [sha256('twice'), sha256('twice')];
    expect(await missing(twice)).toEqual(twice);
    for (const hashes of [[...many, sha256('one more')], ['x'], [null], 'x', undefined]) {
      const answer = await call('POST', `/api/projects/${world.projectId}/blobs/missing`, {
        as: world.editor,
        json: { hashes },
      });
      expect(await expectProblem(answer, 422)).toBe('validation_failed');
    }
  });
});
