import { env } from 'cloudflare:workers';
import { Buffer } from 'node:buffer';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import type { Publication } from '../../src/contract/publications.ts';
import { configOf } from '../../src/core/config.ts';
import { keyParameter } from '../../src/core/links.ts';
import { type Purpose, signToken } from '../../src/core/tokens.ts';
import { finishedBuild, page, queuedBuild } from './built.ts';
import { type Account, call, expectJson, expectProblem, makeWorld, signUp, type World } from './support.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld({ 'index.html': '<p>game</p>' });
});

const unique = (): string => `slug-${newId().slice(-8)}`;
/** A project holds few slugs, so the tests of one share these. */
const own = [unique(), unique(), unique()] as const;
let turn = 0;
const fresh = (): string => {
  turn += 1;
  return own[turn % own.length] ?? own[0];
};

const script = {
  name: 'assets/main-ABCDEFGH.js',
  mimeType: 'text/javascript',
  content: `// ${'the same again, '.repeat(400)}\ndocument.title = 'game';\n`,
};
const picture = { name: 'hero.png', mimeType: 'image/png', content: 'x'.repeat(5000) };

const game = (content = `<h1>${newId()}</h1>`, { projectId, owner } = world) =>
  finishedBuild(owner, projectId, [page(content), script, picture]);

const publish = async (buildId: string, json: object = {}, as: Account = world.editor): Promise<Publication> =>
  (
    await expectJson<{ publication: Publication }>(
      await call('POST', `/api/builds/${buildId}/publish`, { as, json }),
      200,
    )
  ).publication;

const shown = async (as: Account = world.viewer, projectId = world.projectId): Promise<Publication | null> =>
  (
    await expectJson<{ publication: Publication | null }>(
      await call('GET', `/api/projects/${projectId}/publication`, { as }),
      200,
    )
  ).publication;

const at = (slug: string, path = '/', headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
  call(method, path, { host: `${slug}.play.test`, headers });

async function ownProject(as: Account, name = 'Another'): Promise<string> {
  const made = await call('POST', '/api/projects', { as, json: { name } });
  return (await expectJson<{ project: { id: string } }>(made, 201)).project.id;
}

describe('publishing', () => {
  it('shows a build at a slug, moves it at once, and ends', async () => {
    const [first, second] = [await game('<h1>one</h1>'), await game('<h1>two</h1>')];
    const slug = fresh();
    expect(await publish(first.id, { slug })).toMatchObject({
      slug,
      url: `http://${slug}.play.test/`,
      buildId: first.id,
      access: 'public',
      crossOriginIsolated: false,
      createdBy: world.editor.id,
    });
    expect(await (await at(slug)).text()).toBe('<h1>one</h1>');
    await publish(second.id);
    expect(await (await at(slug)).text()).toBe('<h1>two</h1>');
    expect(await shown()).toMatchObject({ slug, buildId: second.id });

    const other = fresh();
    await publish(second.id, { slug: other });
    expect((await at(slug)).status).toBe(404);
    expect(await (await at(other)).text()).toBe('<h1>two</h1>');

    const path = `/api/projects/${world.projectId}/publication`;
    for (const _again of ['ends', 'has ended'])
      expect((await call('DELETE', path, { as: world.editor })).status).toBe(204);
    expect(await shown()).toBeNull();
    expect((await at(other)).status).toBe(404);
  });

  it('takes down at once what a browser was just given, the files within seconds', async () => {
    const { slug } = await publish((await game()).id, { slug: fresh(), access: 'public' });
    for (const path of ['/', '/hero.png']) expect((await at(slug, path)).status).toBe(200);
    await call('DELETE', `/api/projects/${world.projectId}/publication`, { as: world.editor });
    for (const path of ['/hero.png', '/', '/hero.png', '/index.html']) expect((await at(slug, path)).status).toBe(404);
  });

  it('is told to the room, and to the activity of the project', async () => {
    const { id } = await game();
    const { slug } = await publish(id, { slug: fresh() });
    await call('DELETE', `/api/projects/${world.projectId}/publication`, { as: world.owner });
    const { events } = await expectJson<{ events: { type: string; by: string; data: { slug: string } }[] }>(
      await call('GET', `/api/projects/${world.projectId}/events?since=0`, { as: world.viewer }),
      200,
    );
    const told = events.filter(({ type, data }) => type.includes('published') && data.slug === slug);
    expect(told.slice(-2)).toMatchObject([
      { type: 'project.published', by: world.editor.id, data: { slug, buildId: id } },
      { type: 'project.unpublished', by: world.owner.id },
    ]);
    const { activity } = await expectJson<{ activity: { action: string; data: object }[] }>(
      await call('GET', `/api/projects/${world.projectId}/activity?action=project`, { as: world.viewer }),
      200,
    );
    expect(activity.slice(0, 2)).toMatchObject([
      { action: 'project.unpublished' },
      { action: 'project.published', data: { slug } },
    ]);
  });

  it('takes a finished web build and nothing else', async () => {
    const queued = await queuedBuild(world.owner, world.projectId);
    const packed = await finishedBuild(world.owner, world.projectId, [], 'electron');
    for (const { id } of [queued, packed]) {
      const answer = await call('POST', `/api/builds/${id}/publish`, { as: world.owner, json: {} });
      expect(await expectProblem(answer, 409)).toBe('not_publishable');
    }
  });

  it.each(['cdn', 'www', 'api', 'preview', 'preview-me', 'Upper', 'a.b', '-a', 'xn--e', newId(), 'a'.repeat(64)])(
    '#52 refuses the slug %s',
    async (slug) => {
      const answer = await call('POST', `/api/builds/${(await firstGame()).id}/publish`, {
        as: world.owner,
        json: { slug },
      });
      expect(await expectProblem(answer, 422)).toBe('validation_failed');
    },
  );

  let made: ReturnType<typeof game> | undefined;
  const firstGame = () => {
    made ??= game();
    return made;
  };

  it('of a slug that another project has is refused', async () => {
    const slug = fresh();
    await publish((await firstGame()).id, { slug });
    const projectId = await ownProject(world.stranger);
    const { id } = await finishedBuild(world.stranger, projectId, [page('theirs')]);
    const answer = await call('POST', `/api/builds/${id}/publish`, { as: world.stranger, json: { slug } });
    expect(await expectProblem(answer, 409)).toBe('slug_taken');
    expect(await (await at(slug)).text()).not.toBe('theirs');
  });

  it('is for editors, and a build that is published is not deleted', async () => {
    const { id } = await firstGame();
    const { slug } = await publish(id);
    for (const [method, path] of [
      ['POST', `/api/builds/${id}/publish`],
      ['DELETE', `/api/projects/${world.projectId}/publication`],
      ['POST', `/api/projects/${world.projectId}/publication/links`],
    ] as const) {
      const json = method === 'POST' ? {} : undefined;
      expect(await expectProblem(await call(method, path, { as: world.viewer, json }), 403)).toBe('forbidden');
      expect(await expectProblem(await call(method, path, { as: world.stranger, json }), 404)).toBe('not_found');
      expect(await expectProblem(await call(method, path, { json }), 401)).toBe('unauthenticated');
    }
    expect(await expectProblem(await call('DELETE', `/api/builds/${id}`, { as: world.owner }), 409)).toBe(
      'build_published',
    );
    expect((await at(slug)).status).toBe(200);
  });
});

describe('what is published', () => {
  it('is gone at once with its project in the trash, back with it, and gone for good when it is erased', async () => {
    const projectId = await ownProject(world.owner, 'Comes and goes');
    const { id } = await finishedBuild(world.owner, projectId, [page('here')]);
    const { slug } = await publish(id, {}, world.owner);
    expect(slug).toBe('comes-and-goes');
    // The play URL of each build, published or not, is one that people pass on as well.
    const statuses = async (): Promise<number[]> => [(await at(slug)).status, (await at(id)).status];
    expect(await statuses()).toEqual([200, 200]);
    const path = `/api/projects/${projectId}`;
    expect((await call('DELETE', path, { as: world.owner })).status).toBe(204);
    expect(await statuses()).toEqual([404, 404]);
    await expectJson(await call('POST', `${path}/restore`, { as: world.owner }), 200);
    expect(await (await at(slug)).text()).toBe('here');
    expect(await (await at(id)).text()).toBe('here');
    expect((await call('DELETE', `${path}?permanent=true`, { as: world.owner })).status).toBe(204);
    expect(await statuses()).toEqual([404, 404]);
  });

  it('stays when the project gets another owner', async () => {
    const { id } = await game('<h1>kept</h1>', await withWorld());
    const { slug } = await publish(id, { slug: unique() }, moved.owner);
    const path = `/api/projects/${moved.projectId}/transfer`;
    await expectJson(await call('POST', path, { as: moved.owner, json: { userId: moved.editor.id } }), 200);
    expect(await (await at(slug)).text()).toBe('<h1>kept</h1>');
    expect(await shown(moved.editor, moved.projectId)).toMatchObject({ slug });
  });

  let moved: World;
  const withWorld = async (): Promise<World> => {
    moved = await makeWorld();
    return moved;
  };

  it('has the headers of a site of its own', async () => {
    const { slug } = await publish((await game()).id, { slug: fresh(), access: 'public', crossOriginIsolated: false });
    const answer = await at(slug);
    const headers = (name: string) => answer.headers.get(name);
    expect(headers('content-security-policy')).toContain("frame-ancestors 'self' http://kiln.test");
    expect(headers('x-content-type-options')).toBe('nosniff');
    expect(headers('origin-agent-cluster')).toBe('?1');
    expect(headers('referrer-policy')).toBe('no-referrer');
    expect(headers('cross-origin-embedder-policy')).toBeNull();
    expect(headers('set-cookie')).toBeNull();
    expect(headers('access-control-allow-origin')).toBeNull();
    expect(await expectProblem(await at(slug, '/', {}, 'POST'), 405)).toBe('method_not_allowed');
    for (const path of ['/nothing', '/api/projects', '/..%2findex.html', '/%2e%2e%2fx'])
      expect([404, 422], path).toContain((await at(slug, path)).status);
    expect((await at(slug, '/favicon.ico')).status).toBe(204);
  });

  it('is isolated from other origins where that is asked for, so that it has shared memory', async () => {
    const { slug } = await publish((await game()).id, { slug: fresh(), crossOriginIsolated: true });
    const { headers } = await at(slug);
    expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(headers.get('cross-origin-embedder-policy')).toBe('require-corp');
    await publish((await game()).id, { crossOriginIsolated: false });
    expect((await at(slug)).headers.get('cross-origin-opener-policy')).toBeNull();
  });

  it('is kept for ever by browsers at the origin of a build, and asked for again at a slug', async () => {
    const build = await game();
    const { slug } = await publish(build.id, { slug: fresh(), access: 'public' });
    const caching = async (label: string, path: string) => (await at(label, path)).headers.get('cache-control');
    const forever = 'public, max-age=31536000, immutable';
    expect(await Promise.all(['/', `/${script.name}`, '/hero.png'].map((path) => caching(build.id, path)))).toEqual([
      'no-cache',
      forever,
      forever,
    ]);
    const day = `public, max-age=${limits.publication.hashedAge / 1000}`;
    expect(await Promise.all(['/', `/${script.name}`, '/hero.png'].map((path) => caching(slug, path)))).toEqual([
      'public, no-cache',
      day,
      'public, no-cache',
    ]);
    const tag = (await at(slug)).headers.get('etag') ?? '';
    expect((await at(slug, '/', { 'if-none-match': tag })).status).toBe(304);
  });

  it('comes compressed for who takes it so, once made and then kept, and in plain parts', async () => {
    const { slug } = await publish((await game()).id, { slug: fresh() });
    const path = `/${script.name}`;
    const tags = new Set<string | null>();
    for (const [accepted, coding, open] of [
      ['gzip, deflate, br, zstd', 'br', brotliDecompressSync],
      ['gzip', 'gzip', gunzipSync],
      ['br;q=0, gzip;q=0.5', 'gzip', gunzipSync],
      ['identity', null, (bytes: Uint8Array) => bytes],
    ] as const)
      for (const _time of ['made', 'kept']) {
        const answer = await at(slug, path, { 'accept-encoding': accepted });
        expect(answer.headers.get('content-encoding'), accepted).toBe(coding);
        expect(answer.headers.get('vary')).toBe('accept-encoding');
        const bytes = new Uint8Array(await answer.arrayBuffer());
        const plain = bytes.length < script.content.length ? open(bytes) : bytes;
        expect(Buffer.from(plain).toString()).toBe(script.content);
        tags.add(answer.headers.get('etag'));
        const again = { 'accept-encoding': accepted, 'if-none-match': answer.headers.get('etag') ?? '' };
        expect((await at(slug, path, again)).status).toBe(304);
      }
    expect(tags.size).toBe(3);
    const part = await at(slug, path, { 'accept-encoding': 'br', range: 'bytes=0-9' });
    expect([part.status, part.headers.get('content-encoding'), await part.text()]).toEqual([
      206,
      null,
      script.content.slice(0, 10),
    ]);
    const head = await at(slug, path, { 'accept-encoding': 'br' }, 'HEAD');
    expect([head.status, head.headers.get('content-encoding'), await head.text()]).toEqual([200, 'br', '']);
    expect((await at(slug, '/hero.png', { 'accept-encoding': 'br' })).headers.get('content-encoding')).toBeNull();
  });
});

describe('a publication for whoever has a link', () => {
  const link = async (expiresIn?: number): Promise<{ url: string; expiresAt: string }> =>
    await expectJson(
      await call('POST', `/api/projects/${world.projectId}/publication/links`, {
        as: world.editor,
        json: expiresIn === undefined ? {} : { expiresIn },
      }),
      201,
    );
  const follow = (url: string): Promise<Response> => {
    const { host, pathname, search } = new URL(url);
    return call('GET', pathname + search, { host });
  };
  const cookieOf = (answer: Response): string => (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '';

  it('opens by the link, which becomes a cookie of that origin and leaves the address', async () => {
    const { slug } = await publish((await game('<h1>secret</h1>')).id, { slug: fresh(), access: 'link' });
    expect(await expectProblem(await at(slug), 404)).toBe('not_found');
    const { url, expiresAt } = await link(3600);
    expect(Math.round((Date.parse(expiresAt) - Date.now()) / 60_000)).toBe(60);
    const entering = await follow(url);
    expect([entering.status, entering.headers.get('location')]).toEqual([303, '/']);
    expect(entering.headers.get('cache-control')).toBe('no-store');
    const set = entering.headers.get('set-cookie') ?? '';
    expect(set).toMatch(/^__Host-kiln-key=/);
    for (const attribute of ['HttpOnly', 'Secure', 'SameSite=None', 'Partitioned', 'Path=/'])
      expect(set).toContain(attribute);
    expect(set).not.toContain('Domain');
    const inside = await at(slug, '/', { cookie: cookieOf(entering) });
    expect(await inside.text()).toBe('<h1>secret</h1>');
    expect(inside.headers.get('cache-control')).toBe('private, no-cache');
    expect(inside.headers.get('cross-origin-resource-policy')).toBe('same-origin');
    expect((await at(slug, '/hero.png')).status).toBe(404);
  });

  it('is closed to a link of another game, of another purpose, of an earlier publication and of yesterday', async () => {
    const build = await game('<h1>secret</h1>');
    const { slug, createdAt } = await publish(build.id, { slug: fresh(), access: 'link' });
    const tried = async (purpose: Purpose, claims: { sub: string; since: number }, ttl = 60_000) => {
      const all = {
        ...claims,
        sid: 's',
        project: 'p',
        projectId: 'p',
        username: 'u',
        name: 'n',
        attempt: 1,
        device: 'd',
      };
      const token = await signToken(configOf(env), purpose, all, ttl);
      return (await at(slug, `/?${keyParameter}=${token}`)).status;
    };
    const since = Date.parse(createdAt);
    expect(await tried('play', { sub: world.projectId, since })).toBe(303);
    expect(await tried('play', { sub: newId(), since })).toBe(404);
    expect(await tried('play', { sub: world.projectId, since: since - 1 })).toBe(404);
    expect(await tried('play', { sub: world.projectId, since }, -3_600_000)).toBe(404);
    for (const purpose of ['access', 'cdn', 'build', 'room', 'upload'] as const)
      expect(await tried(purpose, { sub: world.projectId, since }), purpose).toBe(404);
    const { url } = await link();
    await call('DELETE', `/api/projects/${world.projectId}/publication`, { as: world.owner });
    await publish(build.id, { slug, access: 'link' });
    expect((await follow(url)).status).toBe(404);
  });

  it('needs a link only while it is so', async () => {
    await publish((await game()).id, { slug: fresh(), access: 'public' });
    const path = `/api/projects/${world.projectId}/publication/links`;
    expect(await expectProblem(await call('POST', path, { as: world.editor, json: {} }), 409)).toBe('conflict');
    const json = { expiresIn: limits.publication.linkTtlMax / 1000 + 1 };
    expect(await expectProblem(await call('POST', path, { as: world.editor, json }), 422)).toBe('validation_failed');
  });
});

describe('API keys', () => {
  it('publish with the scope of builds', async () => {
    const owner = await signUp('keeper');
    const projectId = await ownProject(owner);
    const { id } = await finishedBuild(owner, projectId, [page('by key')]);
    const key = async (scopes: string[]): Promise<Account> => {
      const json = { name: 'ci', scopes, projectId };
      const made = await call('POST', '/api/auth/api-keys', { as: owner, json });
      return { ...owner, token: (await expectJson<{ secret: string }>(made, 201)).secret };
    };
    const reading = await key(['builds:read']);
    const refused = await call('POST', `/api/builds/${id}/publish`, { as: reading, json: {} });
    expect(await expectProblem(refused, 403)).toBe('insufficient_scope');
    expect(await publish(id, { slug: unique() }, await key(['builds:read', 'builds:write']))).toMatchObject({
      buildId: id,
    });
  });
});
