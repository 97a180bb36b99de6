import { createExecutionContext, createMessageBatch, getQueueResult, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Asset, type Optimization, PictureOrder } from '../../src/contract/assets.ts';
import { newId } from '../../src/contract/ids.ts';
import { AssetJob, PictureTicket } from '../../src/contract/jobs.ts';
import { limits } from '../../src/contract/limits.ts';
import { configOf } from '../../src/core/config.ts';
import { signToken, verifyToken } from '../../src/core/tokens.ts';
import { sha256 } from '../../src/core/tree.ts';
import { variantKey } from '../../src/data/objects.ts';
import { openDatabase } from '../../src/data/open.ts';
import { offerOptimization } from '../../src/data/optimizations.ts';
import worker from '../../src/worker/index.ts';
import { png, textBytes } from '../support/media.ts';
import { call, expectJson, expectProblem, makeWorld, uploadAsset, type World } from './support.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld({});
});

/** The Worker of an account without Cloudflare Images. */
async function fetchWithout(path: string, init: RequestInit = {}, host = 'kiln.test', vars = {}): Promise<Response> {
  const { IMAGES: _, ...others } = env;
  const rest = { ...others, ...vars };
  const context = createExecutionContext();
  const request = new Request(`http://${host}${path}`, init);
  const answer = await worker.fetch(request as Request<unknown, IncomingRequestCfProperties>, rest as Env, context);
  const bytes = await answer.arrayBuffer();
  await waitOnExecutionContext(context);
  return new Response([204, 304].includes(answer.status) ? null : bytes, answer);
}

const stored = (name: string, data: Uint8Array<ArrayBuffer>): Promise<Asset> =>
  uploadAsset(world.editor, world.projectId, name, data);

/** A picture that is stored badly: its text is most of it. */
const fat = (width: number, height: number): Uint8Array<ArrayBuffer> =>
  png(width, height, [9, 90, 200], [{ type: 'tEXt', data: new Uint8Array(5000).fill(65) }]);

const ask = (id: string, json: Record<string, unknown> = {}): Promise<Response> =>
  fetchWithout(`/api/assets/${id}/optimize`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${world.editor.token}`, 'content-type': 'application/json' },
    body: JSON.stringify(json),
  });

const queued = async (id: string, json: Record<string, unknown> = {}): Promise<Optimization> =>
  (await expectJson<{ optimization: Optimization }>(await ask(id, json), 202)).optimization;

const state = async (id: string) =>
  await expectJson<{ asset: Asset; optimization: Optimization | null }>(
    await call('GET', `/api/assets/${id}/optimize`, { as: world.viewer }),
    200,
  );

/** A runner that has begun. */
async function begun(id: string) {
  const row = await offerOptimization(openDatabase(env), id, Date.now(), limits.optimize.offered);
  const claims = { sub: id, projectId: world.projectId, attempt: row?.attempt ?? 0 };
  const headers = { authorization: `Bearer ${await signToken(configOf(env), 'optimize', claims, 60_000)}` };
  const path = `/api/runner/optimizations/${id}`;
  const answer = await call('POST', `${path}/start`, { headers, json: { execution: newId() } });
  return {
    job: AssetJob.parse(await expectJson(answer, 200)),
    result: (body: BodyInit) => call('PUT', `${path}/result`, { headers, body }),
  };
}

describe('a picture that is made smaller where Cloudflare Images is not bound', () => {
  it('is a job for a runner, whose result is the next version; the same request again changes nothing', async () => {
    const asset = await stored('hero.png', fat(40, 20));
    const json = { maxWidth: 10, quality: 70 };
    const { id, status } = await queued(asset.id, json);
    expect(status).toBe('queued');
    expect((await queued(asset.id, json)).id).toBe(id);
    const { job, result } = await begun(id);
    const picture = { format: 'png', quality: 70, maxWidth: 10, maxHeight: null };
    expect(job).toMatchObject({ picture, size: asset.size, hash: asset.hash });
    const small = png(10, 5);
    await expectJson(await result(small), 200);
    const now = await state(asset.id);
    expect(now.asset).toMatchObject({ version: 2, name: 'hero.png', hash: sha256(small), size: small.length });
    expect(now.asset.metadata).toMatchObject({
      width: 10,
      height: 5,
      optimized: { ...picture, savedBytes: asset.size - small.length },
    });
    expect(now.optimization).toMatchObject({ status: 'done', savedBytes: asset.size - small.length });
    expect(await expectJson(await ask(asset.id, json), 200)).toMatchObject({ savedBytes: 0, asset: { version: 2 } });
    const original = await call('GET', `/api/assets/${asset.id}/download?version=1`, { as: world.viewer });
    expect(sha256(new Uint8Array(await original.arrayBuffer()))).toBe(asset.hash);
  });

  it('takes the extension of its new format, also where that is larger', async () => {
    const tiny = png(3, 3);
    const asset = await stored('tiny.png', tiny);
    const { id } = await queued(asset.id, { format: 'jpeg' });
    const { result } = await begun(id);
    expect(await expectProblem(await result(png(3, 3)), 422)).toBe('type_mismatch');
    expect(await expectProblem(await result(textBytes('<html></html>')), 422)).toBe('type_mismatch');
    const jpeg = Uint8Array.from(atob(jpegOfOnePixel), (char) => char.charCodeAt(0));
    await expectJson(await result(jpeg), 200);
    const now = await state(asset.id);
    expect(now.asset).toMatchObject({ name: 'tiny.jpg', mimeType: 'image/jpeg', version: 2 });
    expect(now.optimization?.savedBytes).toBe(asset.size - jpeg.length);
  });

  it('stays as it is where nothing is gained, and is not tried again', async () => {
    const asset = await stored('small.png', png(6, 6));
    const { id } = await queued(asset.id);
    const { result } = await begun(id);
    await expectJson(await result(fat(6, 6)), 200);
    expect(await state(asset.id)).toMatchObject({
      optimization: { id, status: 'done', savedBytes: 0 },
      asset: { version: 1 },
    });
    expect(await expectJson(await ask(asset.id), 200)).toMatchObject({ savedBytes: 0 });
    // In another way it may be worth it.
    expect((await queued(asset.id, { format: 'webp' })).id).not.toBe(id);
  });

  it('#71 is no larger than was asked for, whatever a runner brings', async () => {
    const asset = await stored('box.png', fat(50, 50));
    const { result } = await begun((await queued(asset.id, { maxWidth: 20, maxHeight: 20 })).id);
    expect(await expectProblem(await result(png(21, 5)), 422)).toBe('validation_failed');
    expect(await expectProblem(await result(png(5, 21)), 422)).toBe('validation_failed');
    expect(await expectProblem(await result(''), 422)).toBe('validation_failed');
    await expectJson(await result(png(20, 20)), 200);
  });

  it('#48 is refused as by Cloudflare Images, before any runner hears of it', async () => {
    const bomb = png(1, 1);
    new DataView(bomb.buffer).setUint32(16, 65_000);
    expect(await expectProblem(await ask((await stored('bomb.png', bomb)).id), 413)).toBe('payload_too_large');
    const moving = png(9, 9, [0, 0, 0], [{ type: 'acTL', data: new Uint8Array([0, 0, 0, 4, 0, 0, 0, 0]) }]);
    expect(await expectProblem(await ask((await stored('a.apng', moving)).id), 415)).toBe('unsupported_media_type');
    const { id } = await stored('fields.png', png(5, 5));
    expect(await expectProblem(await ask(id, { compressMeshes: true }), 422)).toBe('validation_failed');
    expect((await state(id)).optimization).toBeNull();
  });
});

describe('another size of a picture where Cloudflare Images is not bound', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** What the runner is asked, and what it answers. */
  const runner = (answer: (body: Uint8Array) => Response | Error) => {
    const asked: { path: string; order: PictureOrder; hash: string; size: number }[] = [];
    vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
      const request = new Request(input, init);
      const token = request.headers.get('authorization')?.slice('Bearer '.length) ?? '';
      const claims = await verifyToken(configOf(env), 'picture', token);
      if (!claims) throw new Error('no token of this purpose');
      const body = new Uint8Array(await request.arrayBuffer());
      asked.push({
        path: new URL(request.url).pathname,
        order: PictureOrder.parse(JSON.parse(claims.order)),
        hash: claims.sub,
        size: claims.size,
      });
      expect(sha256(body)).toBe(claims.sub);
      const made = answer(body);
      if (made instanceof Error) throw made;
      return made;
    });
    return asked;
  };

  const show = (asset: Asset, query: string, vars = {}): Promise<Response> => {
    const { host, pathname, search } = new URL(asset.url);
    return fetchWithout(`${pathname}${search}&${query}`, {}, host, vars);
  };

  const webp = Uint8Array.from(atob(webpOfOnePixel), (char) => char.charCodeAt(0));

  it('is asked of a runner once, stored as Cloudflare Images’ would be, and kept', async () => {
    const asset = await stored('once.png', png(21, 21));
    const asked = runner(() => new Response(webp));
    const first = await show(asset, 'w=64&format=webp');
    expect([first.status, first.headers.get('content-type')]).toEqual([200, 'image/webp']);
    expect(new Uint8Array(await first.arrayBuffer())).toEqual(webp);
    const order = { format: 'webp', quality: limits.variant.quality, maxWidth: 64, maxHeight: null };
    expect(asked).toEqual([{ path: '/pictures', order, hash: asset.hash, size: asset.size }]);
    const { objects } = await env.ASSETS.list({ prefix: `variant/${asset.hash}` });
    expect(objects.map(({ key }) => key)).toEqual([variantKey(asset.hash, 'v1-64-webp')]);
    for (let time = 0; time < 3; time += 1) await show(asset, 'w=64&format=webp');
    // The same in a deployment that has Images since.
    const { host, pathname, search } = new URL(asset.url);
    const bound = await call('GET', `${pathname}${search}&w=64&format=webp`, { host });
    expect(new Uint8Array(await bound.arrayBuffer())).toEqual(webp);
    expect(asked).toHaveLength(1);
  });

  it('#54 is asked for behind the gate, and in no other sizes than there are', async () => {
    const asset = await stored('gate.png', png(22, 22));
    const asked = runner(() => new Response(webp));
    for (const query of ['w=65', 'w=64&format=gif', 'format=', 'w=1e3', 'w=-64'])
      expect(await expectProblem(await show(asset, query), 422), query).toBe('validation_failed');
    const { host, pathname } = new URL(asset.url);
    const bare = await fetchWithout(`${pathname}?w=64&format=webp`, {}, host);
    expect(await expectProblem(bare, 404)).toBe('not_found');
    const drawing = await stored('drawing.svg', textBytes('<svg xmlns="http://www.w3.org/2000/svg"/>'));
    expect(await expectProblem(await show(drawing, 'w=64'), 415)).toBe('unsupported_media_type');
    expect(asked).toEqual([]);
  });

  let cases = 0;
  it.each([
    ['nobody answers', () => new Error('connection refused')],
    ['the runner is full', () => new Response('{}', { status: 503 })],
    ['the runner is older', () => new Response('{}', { status: 404 })],
    ['what comes is another format', () => new Response(png(3, 3))],
    ['what comes is a page', () => new Response('<script>alert(1)</script>')],
    ['nothing comes', () => new Response('')],
  ])('#71 is the picture itself for this once while %s', async (_, answer) => {
    cases += 1;
    const data = png(23, 23, [cases, 2, 3]);
    const asset = await stored('meanwhile.png', data);
    runner(answer);
    const shown = await show(asset, 'w=64&format=webp');
    expect([shown.status, shown.headers.get('content-type')]).toEqual([200, 'image/png']);
    expect(shown.headers.get('cache-control')).toBe('no-store');
    expect(shown.headers.get('x-kiln-picture')).toBe('original');
    expect(new Uint8Array(await shown.arrayBuffer())).toEqual(data);
    expect((await env.ASSETS.list({ prefix: `variant/${asset.hash}` })).objects).toEqual([]);
    vi.restoreAllMocks();
    runner(() => new Response(webp));
    expect((await show(asset, 'w=64&format=webp')).headers.get('content-type')).toBe('image/webp');
  });

  describe('by runners that pull', () => {
    /** What is put into their queue. */
    const queue = () => {
      const tickets: PictureTicket[] = [];
      const send = async (body: unknown) => void tickets.push(PictureTicket.parse(body));
      return { tickets, vars: { BUILD_DELIVERY: 'pull', BUILD_PULL_QUEUE: { send } } };
    };
    const tell = (method: string, { pictureHash, token }: PictureTicket, what: string, body?: BodyInit) =>
      fetchWithout(`/api/runner/pictures/${pictureHash}/${what}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(typeof body === 'string' && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body }),
      });

    it('is offered once, the picture itself meanwhile, and from then on what one of them brings', async () => {
      const data = png(24, 24);
      const asset = await stored('pulled.png', data);
      const asked = runner(() => new Response(webp));
      const { tickets, vars } = queue();
      for (let time = 0; time < 3; time += 1) {
        const meanwhile = await show(asset, 'w=64&format=webp', vars);
        expect(meanwhile.headers.get('x-kiln-picture')).toBe('original');
        expect(meanwhile.headers.get('cache-control')).toBe('no-store');
      }
      expect(tickets).toMatchObject([{ v: 1, pictureHash: asset.hash }]);
      expect(asked).toEqual([]);
      const [ticket] = tickets as [PictureTicket];
      const source = await tell('GET', ticket, 'source');
      expect(new Uint8Array(await source.arrayBuffer())).toEqual(data);
      for (let time = 0; time < 2; time += 1) expect((await tell('PUT', ticket, 'result', webp)).status).toBe(200);
      const shown = await show(asset, 'w=64&format=webp', vars);
      expect([shown.headers.get('content-type'), shown.headers.get('x-kiln-picture')]).toEqual(['image/webp', null]);
      expect(new Uint8Array(await shown.arrayBuffer())).toEqual(webp);
      // Another one with the same offer does nothing.
      expect(await expectProblem(await tell('GET', ticket, 'source'), 409)).toBe('conflict');
      await show(asset, 'w=128&format=webp', vars);
      expect(tickets).toHaveLength(2);
    });

    it('#71 is nothing but what was ordered, and opens nothing else', async () => {
      const asset = await stored('ordered.png', png(26, 26));
      const other = await stored('other.png', png(27, 27));
      const { tickets, vars } = queue();
      await show(asset, 'w=64&format=webp', vars);
      const [ticket] = tickets as [PictureTicket];
      expect(await expectProblem(await tell('PUT', ticket, 'result', png(3, 3)), 422)).toBe('type_mismatch');
      expect((await tell('PUT', ticket, 'result', '<script>alert(1)</script>')).status).toBeGreaterThanOrEqual(400);
      expect((await env.ASSETS.list({ prefix: `variant/${asset.hash}` })).objects).toEqual([]);
      const order = { format: 'webp', quality: 80, maxWidth: 64, maxHeight: null };
      const sign = (purpose: 'cdn' | 'optimize', ttl = 60_000) =>
        signToken(configOf(env), purpose, { sub: asset.hash, attempt: 1, projectId: newId() }, ttl);
      const expired = await signToken(
        configOf(env),
        'picture',
        { sub: asset.hash, size: asset.size, order: JSON.stringify(order) },
        1000,
        { at: Date.now() - 3_600_000, id: 'x' },
      );
      for (const forged of [
        { ...ticket, pictureHash: other.hash },
        { ...ticket, token: await sign('cdn') },
        { ...ticket, token: await sign('optimize') },
        { ...ticket, token: expired },
        { ...ticket, token: world.owner.token },
        { ...ticket, token: '' },
      ])
        for (const [method, what, body] of [
          ['GET', 'source', undefined],
          ['PUT', 'result', webp],
          ['POST', 'end', '{"code":"asset_broken"}'],
        ] as const)
          expect((await tell(method, forged, what, body)).status).toBe(401);
    });

    it('#48 that none of them can decode is refused, and not offered with each look at it', async () => {
      const asset = await stored('broken.png', png(28, 28));
      const { tickets, vars } = queue();
      await show(asset, 'w=64&format=webp', vars);
      const [ticket] = tickets as [PictureTicket];
      expect((await tell('POST', ticket, 'end', '{"code":"asset_broken"}')).status).toBe(200);
      for (const query of ['w=64&format=webp', 'w=128'])
        expect(await expectProblem(await show(asset, query, vars), 415)).toBe('unsupported_media_type');
      expect(tickets).toHaveLength(1);
    });

    it('is nobody’s loss where no runner took the offer', async () => {
      const body = { v: 1, pictureHash: 'a'.repeat(64), token: 'x' };
      const batch = createMessageBatch('builds-dead', [{ id: 'dead', timestamp: new Date(), attempts: 10, body }]);
      const context = createExecutionContext();
      await worker.queue(batch, env);
      expect((await getQueueResult(batch, context)).explicitAcks).toEqual(['dead']);
    });

    it('is offered again where the queue does not take it', async () => {
      const asset = await stored('unqueued.png', png(29, 29));
      const { tickets, vars } = queue();
      const away = { send: () => Promise.reject(new Error('the queue is away')) };
      const shown = await show(asset, 'w=64', { ...vars, BUILD_PULL_QUEUE: away });
      expect(shown.headers.get('x-kiln-picture')).toBe('original');
      await show(asset, 'w=64', vars);
      expect(tickets).toHaveLength(1);
    });
  });

  it('says when to come back where the picture is too large to stand in for it', async () => {
    const text = [{ type: 'tEXt', data: new Uint8Array(limits.variant.standInBytes).fill(65) }];
    const asset = await stored('heavy.png', png(25, 25, [0, 0, 0], text));
    runner(() => new Error('connection refused'));
    const answer = await show(asset, 'w=64');
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await expectProblem(answer, 503)).toBe('unavailable');
  });

  it('#48 that nobody can decode is not tried with each look at it', async () => {
    const asset = await stored('cut.png', png(40, 40).slice(0, 55));
    const asked = runner(() => new Response('{}', { status: 422 }));
    for (const query of ['w=64', 'w=64', 'w=128', 'format=webp'])
      expect(await expectProblem(await show(asset, query), 415)).toBe('unsupported_media_type');
    expect(asked).toHaveLength(1);
    vi.restoreAllMocks();
    const slow = await stored('slow.png', png(41, 41));
    const again = runner(() => new Response('{}', { status: 413 }));
    for (const query of ['format=avif', 'format=avif', 'w=64'])
      expect(await expectProblem(await show(slow, query), 413)).toBe('payload_too_large');
    expect(again).toHaveLength(2);
  });
});

const jpegOfOnePixel =
  '/9j/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71////m8H////6/+b9//j/2wBDASstLTw1PHZBQXb4pYyl+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj/wAARCAABAAEDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAP/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFAEBAAAAAAAAAAAAAAAAAAAABP/EABQRAQAAAAAAAAAAAAAAAAAAAAD/2gAMAwEAAhEDEQA/AJgHgP/Z';

const webpOfOnePixel = 'UklGRjQAAABXRUJQVlA4ICgAAACwAQCdASoBAAEABUB8JaACdLoABGaAAP7Qyv7gzPq7aV/4DdfFsvgA';
