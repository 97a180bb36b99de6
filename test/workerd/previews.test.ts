import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Build } from '../../src/contract/builds.ts';
import { newId } from '../../src/contract/ids.ts';
import type { OutputFile } from '../../src/contract/jobs.ts';
import { limits } from '../../src/contract/limits.ts';
import type { Prebundle } from '../../src/contract/prebundle.ts';
import type { BundleOrder, BundleResult, Preview } from '../../src/contract/preview.ts';
import { configOf } from '../../src/core/config.ts';
import { verifyToken } from '../../src/core/tokens.ts';
import { sha256 } from '../../src/core/tree.ts';
import worker from '../../src/worker/index.ts';
import { loadsByPath } from '../support/loaded-by-path.ts';
import { png } from '../support/media.ts';
import { claim, runnerIn } from './built.ts';
import { type Account, call, expectJson, expectProblem, makeWorld, signUp, type World } from './support.ts';
import { YjsClient } from './yjs-client.ts';

const files = {
  'index.html': '<!doctype html><body><script type="module" src="/src/main.ts"></script></body>',
  'src/main.ts': "import { size } from './size.ts';\nconst n: number = size;\ndocument.title = 'size ' + n;\n",
  'src/size.ts': 'export const size = 41;\n',
  'src/worker.ts': 'const n: number = 7;\npostMessage(n);\n',
  'public/level.txt': 'level one',
};

let world: World;
beforeAll(async () => {
  world = await makeWorld(files);
});

const put = async (path: string, content: string, { projectId, owner } = world): Promise<void> => {
  const answer = await call('PUT', `/api/projects/${projectId}/files/${path}`, { as: owner, json: { content } });
  if (answer.status >= 300) throw new Error(await answer.text());
};

const preview = async (as: Account = world.editor, projectId = world.projectId): Promise<Preview> =>
  (await expectJson<{ preview: Preview }>(await call('POST', `/api/projects/${projectId}/preview`, { as }), 200))
    .preview;

/** A browser that follows the link and keeps the cookie. */
async function visitor(url: string) {
  const { host, pathname, search } = new URL(url);
  const entering = await call('GET', pathname + search, { host });
  const cookie = (entering.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  expect(entering.status).toBe(303);
  expect(entering.headers.get('location')).toBe(pathname);
  return {
    cookie,
    get: (path: string, headers: Record<string, string> = {}) =>
      call('GET', path.startsWith('/') ? path : pathname + path, { host, headers: { cookie, ...headers } }),
  };
}

/** More text than the edge bundles. */
async function enlarge(of: World): Promise<void> {
  const part = 'x'.repeat(Math.min(limits.file.textMax, limits.preview.sourceBytes) - 100);
  for (let n = 0; n * part.length < limits.preview.sourceBytes; n += 1)
    await put(`src/large-${n}.js`, `export const x = '${part}';`, of);
}

const scriptOf = (html: string): string => /src="\.\/([^"]+)"/.exec(html)?.[1] ?? 'no script';

describe('a preview', () => {
  it('shows the newest state on an origin of its own, what is typed at the moment included', async () => {
    const first = await preview();
    expect(first).toMatchObject({ ready: true, reason: null, problems: [], projectId: world.projectId });
    expect(new URL(first.url).host).toBe(`preview-${world.projectId}.play.test`);
    const { get } = await visitor(first.url);
    const html = await (await get('')).text();
    expect(await (await get(scriptOf(html))).text()).toContain('41');

    const editor = await YjsClient.open(world.editor, world.projectId, 'src/size.ts');
    editor.text.delete(0, editor.text.length);
    editor.text.insert(0, 'export const size = 42;\n');
    await expect.poll(async () => (await preview()).sourceHash).not.toBe(first.sourceHash);
    editor.close();
    await expect.poll(async () => await (await get(scriptOf(await (await get('')).text()))).text()).toContain('42');
    // The same sources are the same preview.
    expect((await preview()).sourceHash).toBe((await preview(world.viewer)).sourceHash);
  });

  it('serves what is not bundled where it is, and at the root of its origin', async () => {
    const { get } = await visitor((await preview()).url);
    for (const path of ['level.txt', '/level.txt', 'public/level.txt'])
      expect(await (await get(path)).text(), path).toBe('level one');
    const part = await get('level.txt', { range: 'bytes=0-4' });
    expect([part.status, await part.text()]).toEqual([206, 'level']);
    const worker = await get('src/worker.ts', { 'sec-fetch-dest': 'worker' });
    expect(worker.headers.get('content-type')).toContain('text/javascript');
    expect(await worker.text()).toContain('postMessage(n)');
    for (const path of ['nothing.txt', '/api/projects', '..%2f..%2fx'])
      expect([404, 422]).toContain((await get(path)).status);
  });

  it.each(loadsByPath)('serves what a build has, too: $title', async ({ files: own, finds }) => {
    const { owner } = world;
    const made = await call('POST', '/api/projects', { as: owner, json: { name: 'Loads by path' } });
    const projectId = (await expectJson<{ project: { id: string } }>(made, 201)).project.id;
    for (const [path, text] of Object.entries(own)) await put(path, text, { ...world, projectId });
    const { get } = await visitor((await preview(owner, projectId)).url);
    for (const [place, path] of Object.entries(finds)) expect(await (await get(place)).text(), place).toBe(own[path]);
  });

  it('has the assets of the project, and changes with them', async () => {
    const before = await preview();
    const body = new FormData();
    body.set('projectId', world.projectId);
    body.set('file', new File([png(5, 5)], 'hero.png'));
    await expectJson(await call('POST', '/api/assets/upload', { as: world.owner, body }), 201);
    const after = await preview();
    expect(after.sourceHash).not.toBe(before.sourceHash);
    const { get } = await visitor(after.url);
    expect((await get('')).status).toBe(200);
    expect(new Uint8Array(await (await get('assets/hero.png')).arrayBuffer())).toEqual(png(5, 5));
  });

  it('says where a mistake is, on its page as text, and is back with the next change', async () => {
    const other = await makeWorld({ ...files, 'src/size.ts': 'export const size = <b>;\n' });
    const broken = await preview(other.editor, other.projectId);
    expect(broken).toMatchObject({ ready: false, reason: 'errors', problems: [{ file: 'src/size.ts', line: 1 }] });
    const { get } = await visitor(broken.url);
    const page = await get('');
    expect(page.status).toBe(422);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const text = await page.text();
    expect(text).toContain('src/size.ts:1:');
    expect(text).not.toContain('<b>;');
    await put('src/size.ts', 'export const size = 1;\n', other);
    expect(await preview(other.editor, other.projectId)).toMatchObject({ ready: true, problems: [] });
    expect((await get('')).status).toBe(200);
  });

  it('asks for a build where packages are needed, and for one instead of it where the project is too large', async () => {
    const other = await makeWorld({
      'package.json': '{"dependencies":{"phaser":"3.90.0"}}',
      'src/main.js': "import Phaser from 'phaser'; console.log(Phaser);",
    });
    expect(await preview(other.viewer, other.projectId)).toMatchObject({
      ready: false,
      reason: 'needs_packages',
      problems: [{ message: expect.stringContaining('"phaser"') }],
    });
    await enlarge(other);
    const large = await preview(other.viewer, other.projectId);
    // Nobody listens at RUNNER_URL.
    expect(large).toMatchObject({
      ready: false,
      reason: 'no_runner',
      bundledBy: 'runner',
      problems: [{ message: expect.stringContaining('none answers') }],
    });
    expect(await (await (await visitor(large.url)).get('')).text()).toContain('Load it again in a moment');
  });

  it('has the packages that the last build prepared, and asks for a build when the project asks for others', async () => {
    const manifest = (version: string) => JSON.stringify({ dependencies: { engine: version, other: '1' } });
    const other = await makeWorld({
      'package.json': manifest('1.0.0'),
      'src/main.js': "import { name } from 'engine'; document.title = name;",
    });
    const before = await preview(other.editor, other.projectId);
    expect(before).toMatchObject({ ready: false, reason: 'needs_packages' });

    const { build } = await expectJson<{ build: Build }>(
      await call('POST', '/api/builds', { as: other.owner, json: { projectId: other.projectId } }),
      202,
    );
    const { attempt } = await claim(build.id);
    const runner = await runnerIn(other.projectId, build.id, attempt);
    const entry = { script: 'assets/p0-engine-ABCDEFGH.js', format: 'module' as const, hasDefault: false };
    const list: Prebundle = {
      v: 1,
      lock: null,
      toolchain: 'test',
      declared: { engine: '1.0.0' },
      lockFile: null,
      entries: { engine: entry },
      configs: {},
    };
    const contents = { 'index.json': JSON.stringify(list), [entry.script]: "export const name = 'the engine';" };
    const outputs: OutputFile[] = Object.entries(contents).map(([name, text]) => ({
      name,
      size: text.length,
      sha256: sha256(text),
      mimeType: name.endsWith('.js') ? 'text/javascript' : 'application/json',
      role: 'prebundle',
    }));
    for (const body of Object.values(contents)) await runner.output(sha256(body), body);
    await expectJson(await runner.events([{ type: 'success', outputs, timings: {} }]), 200);

    const after = await preview(other.editor, other.projectId);
    expect(after).toMatchObject({ ready: true, problems: [] });
    expect(after.sourceHash).not.toBe(before.sourceHash);
    const { get } = await visitor(after.url);
    const script = await (await get(scriptOf(await (await get('')).text()))).text();
    const address = /"\.\.\/(_kiln\/npm\/[^"]+)"/.exec(script)?.[1] ?? 'no address';
    const module = await get(address);
    expect(await module.text()).toContain('the engine');
    expect(module.headers.get('content-type')).toContain('text/javascript');
    expect(module.headers.get('cache-control')).toBe('private, max-age=31536000, immutable');
    // Behind the same gate, and by no other name.
    const { host, pathname } = new URL(after.url);
    expect((await call('GET', pathname + address, { host })).status).toBe(404);
    expect((await get(address.replace(/npm\/./, 'npm/x'))).status).toBe(404);
    expect((await get(address.replace('engine', 'engines'))).status).toBe(404);
    // Nobody takes it for an artifact.
    const { artifacts } = await expectJson<{ artifacts: unknown[] }>(
      await call('GET', `/api/builds/${build.id}/artifacts`, { as: other.owner }),
      200,
    );
    expect(artifacts).toEqual([]);

    await put('package.json', manifest('2.0.0'), other);
    expect(await preview(other.editor, other.projectId)).toMatchObject({
      reason: 'needs_packages',
      problems: [{ message: expect.stringContaining('"engine"') }],
    });
    await put('package.json', manifest('1.0.0'), other);
    expect((await preview(other.editor, other.projectId)).ready).toBe(true);
    expect((await call('DELETE', `/api/builds/${build.id}`, { as: other.owner })).status).toBe(204);
    expect(await preview(other.editor, other.projectId)).toMatchObject({ ready: false, reason: 'needs_packages' });
  });

  it('#66 finds nothing outside the project', async () => {
    const other = await makeWorld({ 'src/main.js': "import x from '../../../../etc/passwd?raw'; console.log(x);" });
    expect(await preview(other.editor, other.projectId)).toMatchObject({
      ready: false,
      reason: 'errors',
      problems: [
        { message: expect.stringContaining('There is no file "../../../../etc/passwd?raw".'), file: 'src/main.js' },
      ],
    });
  });
});

describe('the gate of a preview', () => {
  it('lets in members by a link of their own, and nobody else', async () => {
    const path = `/api/projects/${world.projectId}/preview`;
    expect(await expectProblem(await call('POST', path), 401)).toBe('unauthenticated');
    expect(await expectProblem(await call('POST', path, { as: world.stranger }), 404)).toBe('not_found');
    const host = `preview-${world.projectId}.play.test`;
    for (const at of ['/', `/preview/${world.projectId}/`, '/src/main.ts', '/level.txt', '/?kiln-key=x'])
      expect((await call('GET', at, { host })).status, at).toBe(404);
    for (const label of ['preview-', `preview-${newId()}`, 'preview-x'])
      expect((await call('GET', '/', { host: `${label}.play.test` })).status).toBe(404);
    // A link into one project opens no other.
    const other = await makeWorld({ 'src/main.js': '' });
    const { cookie } = await visitor((await preview(other.owner, other.projectId)).url);
    expect((await call('GET', '/', { host, headers: { cookie } })).status).toBe(404);
  });

  it('closes to who is removed, to who signs out, and with the project', async () => {
    const other = await makeWorld(files);
    const visit = async (as: Account) => await visitor((await preview(as, other.projectId)).url);
    const [editor, owner] = [await visit(other.editor), await visit(other.owner)];
    for (const { get } of [editor, owner]) expect((await get('')).status).toBe(200);
    const member = `/api/projects/${other.projectId}/collaborators/${other.editor.id}`;
    expect((await call('DELETE', member, { as: other.owner })).status).toBe(204);
    expect((await editor.get('')).status).toBe(404);
    const guest = await signUp('guest');
    const json = { userId: guest.id, role: 'viewer' };
    const members = `/api/projects/${other.projectId}/collaborators`;
    await expectJson(await call('POST', members, { as: other.owner, json }), 201);
    const viewer = await visit(guest);
    expect((await viewer.get('')).status).toBe(200);
    const out = { refreshToken: guest.refreshToken };
    expect((await call('POST', '/api/auth/logout', { as: guest, json: out })).status).toBe(204);
    expect((await viewer.get('')).status).toBe(404);
    expect((await call('DELETE', `/api/projects/${other.projectId}?permanent=true`, { as: other.owner })).status).toBe(
      204,
    );
    expect((await owner.get('')).status).toBe(404);
  });
});

describe('a preview that is too large for the edge', () => {
  /** A runner as the platform sees one: what it was sent, and what it says. */
  function runner(answer: (order: BundleOrder) => Response | Promise<Response>) {
    const asked: { order: BundleOrder; token: string | null; digest: string }[] = [];
    const real = globalThis.fetch;
    vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
      const request = new Request(input as RequestInfo, init as RequestInit);
      if (!request.url.endsWith('/previews')) return await real(input as RequestInfo, init as RequestInit);
      const body = await request.text();
      const order = JSON.parse(body) as BundleOrder;
      asked.push({ order, token: request.headers.get('authorization'), digest: sha256(body) });
      return await answer(order);
    });
    return asked;
  }
  afterEach(() => {
    vi.restoreAllMocks();
  });
  const page = (script: string): BundleResult => ({
    ok: true,
    warnings: [],
    files: [
      {
        path: 'index.html',
        mimeType: 'text/html; charset=utf-8',
        text: `<script src="./_kiln/a-ABCDEFGH.js"></script>`,
      },
      { path: '_kiln/a-ABCDEFGH.js', mimeType: 'text/javascript; charset=utf-8', text: script },
    ],
  });

  it('is bundled by a runner at the same address, once for the same sources', async () => {
    const large = await makeWorld(files);
    expect(await preview(large.editor, large.projectId)).toMatchObject({ ready: true, bundledBy: 'edge' });
    await enlarge(large);
    const asked = runner(() => Response.json(page("document.title = 'by a runner';")));
    const first = await preview(large.editor, large.projectId);
    expect(first).toMatchObject({ ready: true, bundledBy: 'runner', problems: [] });
    expect(asked).toHaveLength(1);
    expect(asked[0]?.order.want).toEqual({ kind: 'page', title: 'Game' });
    expect(asked[0]?.order.sources['src/main.ts']).toBe(files['src/main.ts']);
    // Signed for these bytes and no others.
    const token = asked[0]?.token?.replace('Bearer ', '') ?? '';
    expect(await verifyToken(configOf(env), 'bundle', token)).toMatchObject({
      sub: large.projectId,
      order: asked[0]?.digest,
    });
    const { get } = await visitor(first.url);
    expect(await (await get(scriptOf(await (await get('')).text()))).text()).toContain('by a runner');
    expect((await preview(large.viewer, large.projectId)).sourceHash).toBe(first.sourceHash);
    expect(asked).toHaveLength(1);

    // Kept for isolates that know nothing of it.
    const kept = await env.BUILDS.list({ prefix: `preview/${large.projectId}/` });
    expect(kept.objects).toHaveLength(1);
    // One for a project, however often it is saved.
    await put('src/size.ts', 'export const size = 43;\n', large);
    expect((await preview(large.editor, large.projectId)).ready).toBe(true);
    expect(asked).toHaveLength(2);
    expect((await env.BUILDS.list({ prefix: `preview/${large.projectId}/` })).objects).toHaveLength(1);
    await call('DELETE', `/api/projects/${large.projectId}?permanent=true`, { as: large.owner });
    expect((await env.BUILDS.list({ prefix: `preview/${large.projectId}/` })).objects).toEqual([]);
  });

  it.each<[string, () => Response]>([
    ['is full', () => new Response(null, { status: 503 })],
    ['dies on the way', () => new Response('{"ok":true,"files":[{"path":"index')],
    [
      'says what makes no sense',
      () => Response.json({ ok: true, files: [{ path: 'x', mimeType: 'text/x', text: '' }] }),
    ],
    [
      'is gone',
      () => {
        throw new TypeError('connection refused');
      },
    ],
  ])('says so where the runner %s, and tries again when it is asked again', async (_, answer) => {
    const large = await makeWorld(files);
    await enlarge(large);
    runner(answer);
    expect(await preview(large.editor, large.projectId)).toMatchObject({
      ready: false,
      reason: 'no_runner',
      problems: [{ message: 'A project of this size needs a build runner, and none answers. Try again, or build it.' }],
    });
    vi.restoreAllMocks();
    runner(() => Response.json(page('1')));
    expect(await preview(large.editor, large.projectId)).toMatchObject({ ready: true, bundledBy: 'runner' });
  });

  it('says that it takes a build where runners fetch their jobs, asks nobody, and counts nothing', async () => {
    const large = await makeWorld(files);
    await enlarge(large);
    const asked = runner(() => Response.json(page('1')));
    const policy = vi.spyOn(limits.preview.runner as { rate: { limit: number; window: number } }, 'rate', 'get');
    policy.mockReturnValue({ limit: 0, window: 60_000 });
    const request = new Request(`http://kiln.test/api/projects/${large.projectId}/preview`, {
      method: 'POST',
      headers: { authorization: `Bearer ${large.editor.token}` },
    }) as Request<unknown, IncomingRequestCfProperties>;
    const context = createExecutionContext();
    const answer = await worker.fetch(request, { ...env, BUILD_DELIVERY: 'pull' } as Env, context);
    await waitOnExecutionContext(context);
    expect((await expectJson<{ preview: Preview }>(answer, 200)).preview).toMatchObject({
      ready: false,
      reason: 'needs_build',
      bundledBy: 'runner',
      problems: [{ message: expect.stringContaining('only take builds') }],
    });
    expect(asked).toEqual([]);
    vi.restoreAllMocks();
    runner(() => Response.json(page('1')));
    expect(await preview(large.editor, large.projectId)).toMatchObject({ ready: true, bundledBy: 'runner' });
  });

  it('has a rate of its own, which what was bundled before does not count against', async () => {
    const large = await makeWorld(files);
    await enlarge(large);
    const asked = runner(() => Response.json(page('1')));
    const policy = vi.spyOn(limits.preview.runner as { rate: { limit: number; window: number } }, 'rate', 'get');
    policy.mockReturnValue({ limit: 2 / configOf(env).rateScale, window: 60_000 });
    const path = `/api/projects/${large.projectId}/preview`;
    for (let n = 0; n < 2; n += 1) {
      await put('src/size.ts', `export const size = ${n};\n`, large);
      for (const _ of [1, 2]) expect((await preview(large.owner, large.projectId)).ready).toBe(true);
    }
    expect(asked).toHaveLength(2);
    await put('src/size.ts', 'export const size = 3;\n', large);
    const refused = await call('POST', path, { as: large.owner });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await expectProblem(refused, 429)).toBe('rate_limited');
    expect(asked).toHaveLength(2);
    // Somebody else's are their own.
    expect((await preview(large.editor, large.projectId)).ready).toBe(true);
  });

  it('is refused where a runner would not take it either, without asking', async () => {
    const large = await makeWorld(files);
    const asked = runner(() => Response.json(page('1')));
    const operations = Array.from({ length: limits.preview.runner.sources }, (_, n) => ({
      op: 'create' as const,
      path: `src/m${n}.ts`,
      content: '',
    }));
    for (let at = 0; at < operations.length; at += limits.batch.operationsMax)
      await expectJson(
        await call('POST', `/api/projects/${large.projectId}/files/batch`, {
          as: large.owner,
          json: { operations: operations.slice(at, at + limits.batch.operationsMax) },
        }),
        200,
      );
    expect(await preview(large.editor, large.projectId)).toMatchObject({
      reason: 'too_large',
      problems: [{ message: expect.stringContaining(`a preview takes ${limits.preview.runner.sources}`) }],
    });
    expect(asked).toEqual([]);
  });
});
