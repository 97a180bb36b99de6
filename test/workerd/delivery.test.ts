import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Asset } from '../../src/contract/assets.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { configOf } from '../../src/core/config.ts';
import { readMetadata } from '../../src/core/media/index.ts';
import { signToken } from '../../src/core/tokens.ts';
import { hostileSvgs } from '../support/hostile-svg.ts';
import { gif, png, textBytes, wav } from '../support/media.ts';
import { call, expectJson, expectProblem, makeWorld, uploadAsset, type World } from './support.ts';

let world: World;
let openProject: string;
beforeAll(async () => {
  world = await makeWorld({});
  const json = { name: 'Open', isPublic: true };
  const made = await call('POST', '/api/projects', { as: world.owner, json });
  openProject = (await expectJson<{ project: { id: string } }>(made, 201)).project.id;
});

const stored = (name: string, data: Uint8Array<ArrayBuffer>, projectId = world.projectId): Promise<Asset> =>
  uploadAsset(world.owner, projectId, name, data);

const get = (url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> => {
  const { host, pathname, search } = new URL(url);
  return call(method, pathname + search, { host, headers });
};

async function bytesOf(answer: Response): Promise<Uint8Array> {
  if (answer.status >= 300) throw new Error(`${answer.status} ${await answer.text()}`);
  return new Uint8Array(await answer.arrayBuffer());
}

describe('an asset at its address', () => {
  it('is its bytes, for whoever has the link, on a host of the content', async () => {
    const data = png(9, 9);
    const asset = await stored('hero ä.png', data);
    expect(asset.url).toMatch(
      new RegExp(`^http://cdn\\.play\\.test/cdn/${asset.id}/1/hero%20%C3%A4\\.png\\?token=[\\w.-]+$`),
    );
    const answer = await get(asset.url);
    expect(answer.headers.get('content-type')).toBe('image/png');
    expect(answer.headers.get('content-disposition')).toBe('inline');
    expect(answer.headers.get('cache-control')).toMatch(/^private, max-age=\d+, immutable$/);
    expect(answer.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/);
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(await bytesOf(answer)).toEqual(data);
    // The same link for everybody, so that a browser's cache knows it.
    const again = await call('GET', `/api/assets/${asset.id}`, { as: world.viewer });
    expect((await expectJson<{ asset: Asset }>(again, 200)).asset.url).toBe(asset.url);
  });

  it('is served in parts, by its tag, without a body for HEAD', async () => {
    const data = png(30, 30);
    const { url } = await stored('parts.png', data);
    for (const _time of ['fresh', 'perhaps kept']) {
      const part = await get(url, { range: 'bytes=1-3' });
      expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 1-3/${data.length}`]);
      expect(await bytesOf(part)).toEqual(data.slice(1, 4));
      const whole = await get(url);
      const tag = whole.headers.get('etag') ?? '';
      expect(await bytesOf(whole)).toEqual(data);
      expect((await get(url, { 'if-none-match': tag })).status).toBe(304);
      expect(await expectProblem(await get(url, { range: 'bytes=99999-' }), 416)).toBe('range_not_satisfiable');
      const head = await get(url, {}, 'HEAD');
      expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, `${data.length}`, '']);
      expect(await expectProblem(await get(url, {}, 'POST'), 405)).toBe('method_not_allowed');
    }
  });

  it('is kept near its readers by its content, whole and in parts, whatever the link', async () => {
    const data = png(31, 31);
    const { url } = await stored('kept.png', data, openProject);
    expect(url).not.toContain('token');
    const first = await get(url);
    expect(first.headers.get('x-kiln-cache')).toBe('miss');
    await bytesOf(first);
    await expect
      .poll(async () => {
        const next = await get(`${url}?x=${newId()}`);
        expect(await bytesOf(next)).toEqual(data);
        return next.headers.get('x-kiln-cache');
      })
      .toBe('hit');
    const part = await get(url, { range: 'bytes=5-9' });
    expect([part.status, part.headers.get('x-kiln-cache')]).toEqual([206, 'hit']);
    expect(await bytesOf(part)).toEqual(data.slice(5, 10));
    expect(part.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  });

  it('#54 of a private project is nobody else’s, kept or not, however the link is bent', async () => {
    const asset = await stored('private.png', png(32, 32));
    const other = await stored('other.png', png(33, 33));
    await bytesOf(await get(asset.url));
    await bytesOf(await get(asset.url));
    const [bare = '', token = ''] = asset.url.split('?token=');
    const config = configOf(env);
    const expired = await signToken(config, 'cdn', { sub: asset.id }, 1000, { at: Date.now() - 3_600_000, id: 'x' });
    for (const url of [
      bare,
      `${bare}?token=`,
      `${bare}?token=${token.slice(0, -4)}AAAA`,
      `${bare}?token=${expired}`,
      `${bare}?token=${other.url.split('?token=')[1]}`,
      `${bare}?token=${world.owner.token}`,
      `${bare}/x.css?token=${token}`,
      `${bare};.js?token=${token}`,
      `${bare}%0a.png`,
      `${bare}%2f..%2fx.css`,
      `${bare.toUpperCase().replace('HTTP://CDN.PLAY.TEST/CDN', 'http://cdn.play.test/cdn')}`,
      `${bare}?x=1`,
      `${bare}?w=64`,
      bare.replace('/cdn/', '/CDN/'),
      bare.replace('cdn.play.test/cdn/', 'cdn.play.test//cdn/'),
      `http://cdn.play.test/kept/${asset.hash}`,
      `${bare.replace(/\/1\//, '/2/')}?token=${token}`,
      `${bare.replace(/\/1\//, '/01/')}?token=${token}`,
    ])
      expect(await expectProblem(await get(url), 404), url).toBe('not_found');
    const download = await call('GET', `/api/assets/${asset.id}/download`, { as: world.owner });
    await download.body?.cancel();
    expect(download.headers.get('cache-control')).toBe('private, no-store');
    await expectProblem(await call('GET', `/api/assets/${asset.id}/download`), 401);
  });

  it('#54 nothing private that somebody was answered is answered to another, under no name that a cache would keep', async () => {
    const asset = await stored('secret.png', png(36, 36));
    const project = `/api/projects/${world.projectId}`;
    const json = { content: 'secret words' };
    await expectJson(await call('PUT', `${project}/files/secret.txt`, { as: world.owner, json }), 201);
    for (const path of [
      '/api/auth/me',
      project,
      `${project}/assets`,
      `${project}/files/secret.txt`,
      `${project}/files/secret.txt?raw=1`,
      `/api/assets/${asset.id}`,
      `/api/assets/${asset.id}/download`,
    ]) {
      const [route = '', query] = path.split('?');
      for (const bent of [
        path,
        `${path}${query === undefined ? '?' : '&'}x=${newId()}`,
        ...['/x.css', ';.js', '%0a.png', '.css'].map(
          (end) => `${route}${end}${query === undefined ? '' : `?${query}`}`,
        ),
        path.replace('/api/', '/API/'),
      ]) {
        const mine = await call('GET', bent, { as: world.owner });
        expect(mine.headers.get('cache-control') ?? '', bent).toMatch(/no-store/);
        await mine.body?.cancel();
        // The same again, by nobody, by somebody else, and by whoever has only the address.
        for (const as of [undefined, world.stranger]) {
          const other = await call('GET', bent, as ? { as } : {});
          const text = await other.text();
          if (!path.startsWith('/api/auth/'))
            expect([400, 401, 404, 422], `${bent} ${other.status}`).toContain(other.status);
          expect(text, bent).not.toMatch(new RegExp(`secret words|PNG|${world.owner.username}`));
          expect(other.headers.get('cache-control') ?? '', bent).toMatch(/no-store/);
        }
      }
    }
  });

  it('of a project that was closed, or that was deleted, is gone', async () => {
    const asset = await stored('soon.png', png(34, 34), openProject);
    await expectJson(await call('DELETE', `/api/assets/${asset.id}`, { as: world.owner }), 204);
    expect(await expectProblem(await get(asset.url), 404)).toBe('not_found');
    const signed = await stored('signed.png', png(35, 35));
    await expectJson(await call('DELETE', `/api/assets/${signed.id}`, { as: world.owner }), 204);
    expect(await expectProblem(await get(signed.url), 404)).toBe('not_found');
  });
});

describe('#50 an SVG document', () => {
  it('is shown as a copy that does nothing, and only as a picture; the original is a download', async () => {
    for (const [name, source] of Object.entries(hostileSvgs)) {
      if (!source.startsWith('<svg')) continue;
      const asset = await stored(`${name}.svg`, textBytes(source));
      for (const [dest, disposition] of [
        ['image', 'inline'],
        ['document', 'attachment'],
        ['', 'attachment'],
      ] as const)
        for (const _time of [1, 2]) {
          const answer = await get(asset.url, dest ? { 'sec-fetch-dest': dest } : {});
          expect(answer.headers.get('content-disposition'), name).toMatch(new RegExp(`^${disposition}`));
          expect(answer.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/);
          expect(answer.headers.get('vary')).toBe('sec-fetch-dest');
          expect(await answer.text(), name).not.toMatch(/<script|alert|evil\.example| on\w+=/);
        }
      const original = await call('GET', `/api/assets/${asset.id}/download`, { as: world.owner });
      expect(original.headers.get('content-disposition')).toMatch(/^attachment/);
      expect(await original.text()).toBe(source);
    }
  });

  it('that cannot be read, or is too large to be, is a download that no browser knows what to do with', async () => {
    const open = '<svg xmlns="http://www.w3.org/2000/svg">';
    for (const [name, source] of [
      ['broken.svg', `${open}<g>`],
      ['large.svg', `${open}<title>${'x'.repeat(limits.asset.svgBytes)}</title></svg>`],
    ] as const) {
      const answer = await get((await stored(name, textBytes(source))).url, { 'sec-fetch-dest': 'image' });
      expect(answer.headers.get('content-type')).toBe('application/octet-stream');
      expect(answer.headers.get('content-disposition')).toMatch(/^attachment/);
      expect(await answer.text()).toBe(source);
    }
  });
});

describe('#51 what a browser could take for a page', () => {
  it.each([
    ['page.txt', textBytes('<!doctype html><script>alert(1)</script>')],
    [
      'sheet.xml',
      textBytes(
        '<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#"?><html xmlns="http://www.w3.org/1999/xhtml"/>',
      ),
    ],
    ['noname', textBytes('<html><script>alert(1)</script></html>')],
    ['level.json', textBytes('{"a":"<script>alert(1)</script>"}')],
    [
      'xhtml',
      textBytes('<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>'),
    ],
    [
      'transformed.xml',
      textBytes(
        '<?xml-stylesheet type="text/xsl" href="data:text/xsl,x"?><xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/>',
      ),
    ],
    ['readme.md', textBytes('<script>alert(1)</script>')],
    [
      'house.dae',
      textBytes('<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>'),
    ],
    ['words.vtt', textBytes('WEBVTT\n\n<script>alert(1)</script>')],
    ['scan.ply', textBytes('ply\ncomment <script>alert(1)</script>\n')],
    ['cube.stl', textBytes('<!doctype html><script>alert(1)</script>')],
  ])('%s is a download of the type that it has, and never sniffed', async (name, data) => {
    const asset = await stored(name, data);
    const download = await call('GET', `/api/assets/${asset.id}/download`, { as: world.viewer });
    for (const answer of [await get(asset.url), await get(asset.url, { 'sec-fetch-dest': 'document' }), download]) {
      expect(answer.headers.get('content-type')).not.toMatch(/html|xhtml|javascript|pdf/);
      expect(answer.headers.get('content-disposition')).toMatch(/^attachment/);
      expect(answer.headers.get('content-security-policy')).toMatch(/^sandbox/);
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(await bytesOf(answer)).toEqual(data);
    }
  });

  it('#43 a picture that is a script, too, stays a picture', async () => {
    const answer = await get((await stored('both.gif', gif('/*<script>alert(1)</script>*/'))).url);
    expect(answer.headers.get('content-type')).toBe('image/gif');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    await answer.body?.cancel();
  });
});

describe('a picture of another size', () => {
  const madeOf = async (answer: Response) => {
    const mimeType = answer.headers.get('content-type') ?? '';
    const data = await bytesOf(answer);
    const source = { size: data.length, read: async (start: number, end: number) => data.slice(start, end) };
    const { width, height } = await readMetadata(source, { type: 'image', mimeType });
    return { mimeType, width, height };
  };
  const variants = async (asset: Asset) => {
    const { objects } = await env.ASSETS.list({ prefix: `variant/${asset.hash}/` });
    return objects.map(({ key }) => key.split('/')[2]);
  };
  const withQuery = (url: string, query: string) => `${url}${url.includes('?') ? '&' : '?'}${query}`;

  it('is made once, of the widths and formats on the list, and never larger than the picture', async () => {
    const asset = await stored('large.png', png(700, 350), openProject);
    expect(asset.thumbnailUrl).toBe(`${asset.url}?w=256&format=webp`);
    const first = await get(asset.thumbnailUrl ?? '');
    expect(first.headers.get('x-kiln-cache')).toBe('miss');
    expect(first.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/);
    expect(first.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    const tag = first.headers.get('etag') ?? '';
    expect(await madeOf(first)).toEqual({ mimeType: 'image/webp', width: 256, height: 128 });
    const again = await get(asset.thumbnailUrl ?? '');
    expect(again.headers.get('x-kiln-cache')).toBe('hit');
    await again.body?.cancel();
    expect((await get(asset.thumbnailUrl ?? '', { 'if-none-match': tag })).status).toBe(304);
    expect(await variants(asset)).toEqual(['v1-256-webp']);
    expect(await madeOf(await get(`${asset.url}?w=64`))).toEqual({ mimeType: 'image/png', width: 64, height: 32 });
    expect(await madeOf(await get(`${asset.url}?w=1024&format=jpeg`))).toEqual({
      mimeType: 'image/jpeg',
      width: 700,
      height: 350,
    });
    expect((await madeOf(await get(`${asset.url}?format=webp`))).width).toBe(700);
    const part = await get(`${asset.url}?w=64`, { range: 'bytes=1-3' });
    expect([part.status, await part.text()]).toEqual([206, 'PNG']);
  });

  it('#48 is of no other width or format: nobody has any number of them made', async () => {
    const asset = await stored('few.png', png(300, 300), openProject);
    for (const query of [
      'w=65',
      'w=0',
      'w=-64',
      'w=64.5',
      'w=1e9',
      'w=',
      'w=64px',
      'format=gif',
      'format=svg',
      'format=',
      'w=64&format=tiff',
    ])
      expect(await expectProblem(await get(`${asset.url}?${query}`), 422), query).toBe('validation_failed');
    expect(await variants(asset)).toEqual([]);
    // The same one, however it is written.
    for (const query of ['w=64&format=webp', 'format=webp&w=64', 'w=064&format=webp', 'w=64&format=webp&x=1'])
      await bytesOf(await get(`${asset.url}?${query}`));
    expect(await variants(asset)).toEqual(['v1-64-webp']);
  });

  it('#48 of 65000×65000 pixels, of many frames, or that is broken, is not decoded', async () => {
    const sized = (width: number, height: number, more: { type: string; data: Uint8Array }[] = []) => {
      const data = png(1, 1, [0, 0, 0], more);
      new DataView(data.buffer).setUint32(16, width);
      new DataView(data.buffer).setUint32(20, height);
      return data;
    };
    const frames = new Uint8Array([0, 0, 0x10, 0, 0, 0, 0, 0]);
    for (const [name, data] of [
      ['bomb.png', sized(65_000, 65_000)],
      ['long.png', sized(1, 65_000)],
      ['many.apng', sized(1000, 1000, [{ type: 'acTL', data: frames }])],
    ] as const) {
      const asset = await stored(name, data, openProject);
      expect(asset.thumbnailUrl, name).toBeNull();
      expect(await expectProblem(await get(`${asset.url}?w=64`), 413), name).toBe('payload_too_large');
      // The file itself is served as any other.
      expect(await bytesOf(await get(asset.url))).toEqual(data);
    }
    for (const [name, data] of [
      ['cut.png', png(40, 40).slice(0, 50)],
      ['headless.png', png(40, 40).slice(0, 20)],
      ['lying.png', sized(500, 500)],
    ] as const) {
      const asset = await stored(name, data, openProject);
      const answer = await get(`${asset.url}?w=64`);
      expect(await expectProblem(answer, 415), name).toBe('unsupported_media_type');
      expect(await variants(asset)).toEqual([]);
    }
  });

  it('is not made of what is no picture; what browsers show by itself is its own thumbnail', async () => {
    const sound = await stored('a.wav', wav(1), openProject);
    expect(sound.thumbnailUrl).toBeNull();
    expect(await expectProblem(await get(`${sound.url}?w=64`), 415)).toBe('unsupported_media_type');
    const drawing = await stored('a.svg', textBytes('<svg xmlns="http://www.w3.org/2000/svg"/>'), openProject);
    expect(drawing.thumbnailUrl).toBe(drawing.url);
    expect(await expectProblem(await get(`${drawing.url}?w=64`), 415)).toBe('unsupported_media_type');
  });

  it('#54 of a private project is behind its gate, kept or not', async () => {
    const asset = await stored('private-small.png', png(90, 90));
    const small = withQuery(asset.url, 'w=64&format=webp');
    expect(asset.thumbnailUrl).toBe(withQuery(asset.url, 'w=256&format=webp'));
    const bare = small.replace(/token=[^&]+&/, '');
    expect(await expectProblem(await get(bare), 404)).toBe('not_found');
    expect(await variants(asset)).toEqual([]);
    const answer = await get(small);
    expect(answer.headers.get('cache-control')).toMatch(/^private/);
    expect(await madeOf(answer)).toMatchObject({ width: 64 });
    for (const url of [bare, small.replace(/token=[^&]+/, 'token=x'), bare.replace('w=64', 'w=65')])
      expect(await expectProblem(await get(url), 404)).toBe('not_found');
  });
});
