import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import { hostilePaths } from '../support/hostile-paths.ts';
import { call, expectJson, expectProblem, makeWorld, type World } from './support.ts';

let world: World;
const url = (path: string): string => `/api/projects/${world.projectId}/files/${path}`;
/** Of all buckets, in their order. */
async function everyKey(): Promise<string[]> {
  const keys: string[] = [];
  for (const bucket of [env.ASSETS, env.BUILDS, env.EXPORTS])
    for (let cursor: string | undefined, more = true; more; ) {
      const page: R2Objects = await bucket.list(cursor === undefined ? {} : { cursor });
      keys.push(...page.objects.map(({ key }) => key));
      more = page.truncated;
      cursor = page.truncated ? page.cursor : undefined;
    }
  return keys;
}
const treeHash = async (): Promise<string> =>
  (
    await expectJson<{ hash: string }>(
      await call('GET', `/api/projects/${world.projectId}/tree`, { as: world.owner }),
      200,
    )
  ).hash;

interface FileBody {
  file: {
    path: string;
    hash: string;
    size: number;
    content?: string;
    encoding?: string;
    isText: boolean;
    mimeType: string;
  };
}

beforeAll(async () => {
  world = await makeWorld({ 'src/main.ts': 'console.log(1);\n', 'README.md': '# Hi\n' });
});

describe('files', () => {
  it('are written and read as JSON and as bytes', async () => {
    const { file } = await expectJson<FileBody>(
      await call('PUT', url('notes/größe.txt'), { as: world.editor, json: { content: 'héllo' } }),
      201,
    );
    expect(file).toMatchObject({ path: 'notes/größe.txt', size: 6, isText: true, mimeType: 'text/plain' });
    const read = await expectJson<FileBody>(
      await call('GET', url('notes/gr%C3%B6%C3%9Fe.txt'), { as: world.viewer }),
      200,
    );
    expect(read.file).toMatchObject({ content: 'héllo', encoding: 'utf-8', hash: file.hash });
    const raw = await call('GET', `${url('notes/gr%C3%B6%C3%9Fe.txt')}?raw=1`, { as: world.viewer });
    expect(new TextDecoder().decode(await raw.arrayBuffer())).toBe('héllo');
    expect(raw.headers.get('etag')).toBe(`"${file.hash}"`);
    expect(raw.headers.get('x-content-type-options')).toBe('nosniff');
    expect(raw.headers.get('content-disposition')).toContain('attachment');
  });

  it('keep binary bytes exactly, and serve ranges of them', async () => {
    const bytes = new Uint8Array(300_000).map((_, index) => (index * 31) % 256);
    await expectJson(
      await call('PUT', url('sprite.png'), { as: world.editor, body: bytes, headers: { 'content-type': 'image/png' } }),
      201,
    );
    const whole = await call('GET', url('sprite.png'), {
      as: world.viewer,
      headers: { accept: 'application/octet-stream' },
    });
    expect(new Uint8Array(await whole.arrayBuffer())).toEqual(bytes);
    const part = await call('GET', `${url('sprite.png')}?raw=1`, {
      as: world.viewer,
      headers: { range: 'bytes=10-19' },
    });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe('bytes 10-19/300000');
    expect(new Uint8Array(await part.arrayBuffer())).toEqual(bytes.slice(10, 20));
    const beyond = await call('GET', `${url('sprite.png')}?raw=1`, {
      as: world.viewer,
      headers: { range: 'bytes=300000-' },
    });
    expect(await expectProblem(beyond, 416)).toBe('range_not_satisfiable');
    const json = await expectJson<FileBody>(await call('GET', url('sprite.png'), { as: world.viewer }), 200);
    expect(json.file).toMatchObject({ isText: false, encoding: 'base64' });
    expect(Uint8Array.from(atob(json.file.content ?? ''), (character) => character.charCodeAt(0))).toEqual(bytes);
  });

  it('are created once by POST and by If-None-Match: *', async () => {
    await expectJson(await call('POST', url('once.txt'), { as: world.editor, json: { content: '1' } }), 201);
    expect(
      await expectProblem(await call('POST', url('once.txt'), { as: world.editor, json: { content: '2' } }), 409),
    ).toBe('file_exists');
    expect(
      await expectProblem(
        await call('PUT', url('once.txt'), {
          as: world.editor,
          json: { content: '2' },
          headers: { 'if-none-match': '*' },
        }),
        409,
      ),
    ).toBe('file_exists');
    expect(
      (await expectJson<FileBody>(await call('GET', url('once.txt'), { as: world.editor }), 200)).file.content,
    ).toBe('1');
  });

  it('honour If-Match: the second of two writers that read one version is refused', async () => {
    const { file } = await expectJson<FileBody>(
      await call('PUT', url('race.txt'), { as: world.editor, json: { content: 'a' } }),
      201,
    );
    const headers = { 'if-match': `"${file.hash}"` };
    const answers = await Promise.all(
      ['b', 'c'].map((content) => call('PUT', url('race.txt'), { as: world.editor, json: { content }, headers })),
    );
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 412]);
    expect(
      (
        await call('GET', url('race.txt'), {
          as: world.editor,
          headers: { 'if-none-match': answers.find((answer) => answer.ok)?.headers.get('etag') ?? '' },
        })
      ).status,
    ).toBe(304);
  });

  it('are deleted, and then gone', async () => {
    await expectJson(await call('PUT', url('gone.txt'), { as: world.editor, json: { content: 'x' } }), 201);
    expect((await call('DELETE', url('gone.txt'), { as: world.editor })).status).toBe(204);
    expect(await expectProblem(await call('GET', url('gone.txt'), { as: world.editor }), 404)).toBe('not_found');
    expect(await expectProblem(await call('DELETE', url('gone.txt'), { as: world.editor }), 404)).toBe('not_found');
  });

  it('cannot stand where a directory stands, nor beside a twin in another case', async () => {
    for (const path of ['src', 'SRC/other.ts', 'src/Main.ts', 'README.md/x', 'readme.MD'])
      expect(await expectProblem(await call('PUT', url(path), { as: world.editor, json: { content: 'x' } }), 409)).toBe(
        'path_conflict',
      );
  });

  it('appear in the list and in the tree, whose hash names their content', async () => {
    const before = await treeHash();
    await expectJson(await call('PUT', url('tree.txt'), { as: world.editor, json: { content: '1' } }), 201);
    const after = await treeHash();
    expect(after).not.toBe(before);
    await call('DELETE', url('tree.txt'), { as: world.editor });
    expect(await treeHash()).toBe(before);
    const { files } = await expectJson<{ files: { path: string }[] }>(
      await call('GET', `/api/projects/${world.projectId}/files?prefix=src/`, { as: world.viewer }),
      200,
    );
    expect(files.map((file) => file.path)).toEqual(['src/main.ts']);
  });

  it('over the limit of one PUT are refused, whatever their length claims', async () => {
    const tooLarge = new Uint8Array(25 * 1024 * 1024 + 1);
    expect(await expectProblem(await call('PUT', url('big.bin'), { as: world.editor, body: tooLarge }), 413)).toBe(
      'payload_too_large',
    );
    expect(await expectProblem(await call('GET', url('big.bin'), { as: world.editor }), 404)).toBe('not_found');
  });

  it('give typed errors for content that is not what it says', async () => {
    expect(
      await expectProblem(
        await call('PUT', url('x.bin'), { as: world.editor, json: { content: '%%%', encoding: 'base64' } }),
        422,
      ),
    ).toBe('validation_failed');
    expect(
      await expectProblem(await call('PUT', url('x.txt'), { as: world.editor, json: { content: '\ud800' } }), 422),
    ).toBe('validation_failed');
    expect(
      await expectProblem(
        await call('PUT', url('x.txt'), { as: world.editor, json: { content: 'x', hash: 'y' } }),
        422,
      ),
    ).toBe('validation_failed');
  });
});

describe('#37 #39 hostile paths', () => {
  it(`change nothing: all ${hostilePaths.length} answer 422 or 400`, async () => {
    const before = await treeHash();
    const keys = await everyKey();
    for (const path of hostilePaths) {
      for (const [method, body] of [
        ['PUT', { content: 'owned' }],
        ['POST', { content: 'owned' }],
        ['DELETE', undefined],
        ['GET', undefined],
      ] as const) {
        const answer = await call(method, url(path), { as: world.owner, json: body });
        expect([400, 422], `${method} ${path.slice(0, 60)} answered ${answer.status}`).toContain(answer.status);
        await answer.body?.cancel();
      }
    }
    expect(await treeHash()).toBe(before);
    // Nor is anything stored where others keep what is theirs.
    expect(await everyKey()).toEqual(keys);
  });

  it('lead into no other project, with dots that somebody on the way resolves', async () => {
    const made = await call('POST', '/api/projects', { as: world.stranger, json: { name: 'Theirs' } });
    const { project } = await expectJson<{ project: { id: string } }>(made, 201);
    const theirs = `/api/projects/${project.id}/files`;
    const own = await call('PUT', `${theirs}/own.txt`, { as: world.stranger, json: { content: 'theirs' } });
    await expectJson(own, 201);
    for (const path of [`%2e%2e/%2e%2e/${project.id}/files/own.txt`, `../../${project.id}/files/own.txt`])
      for (const [method, json] of [
        ['PUT', { content: 'owned' }],
        ['DELETE', undefined],
        ['GET', undefined],
      ] as const)
        expect(await expectProblem(await call(method, url(path), { as: world.owner, json }), 404), path).toBe(
          'not_found',
        );
    const { file: kept } = await expectJson<FileBody>(
      await call('GET', `${theirs}/own.txt`, { as: world.stranger }),
      200,
    );
    expect(kept.content).toBe('theirs');
  });

  it('names with meaning to runtimes are plain names', async () => {
    for (const path of [
      '__proto__',
      'constructor',
      '.git/config',
      'node_modules/x',
      '.npmrc',
      `${'a/b/c/d/'.repeat(20)}deep`,
      // Two hundred folders.
      `${'a/'.repeat(200)}deep`,
    ]) {
      await expectJson(await call('PUT', url(path), { as: world.owner, json: { content: path } }), 201);
      expect((await expectJson<FileBody>(await call('GET', url(path), { as: world.owner }), 200)).file.content).toBe(
        path,
      );
      expect((await call('DELETE', url(path), { as: world.owner })).status).toBe(204);
    }
  });
});
