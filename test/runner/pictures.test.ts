import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { PictureOrder } from '../../src/contract/assets.ts';
import type { AssetOutcome } from '../../src/contract/jobs.ts';
import { limits } from '../../src/contract/limits.ts';
import { png, textBytes } from '../support/media.ts';
import { sha256 } from './support/fake-platform.ts';
import { RunnerWorld } from './support/world.ts';

const world = new RunnerWorld();

const order = (wanted: Partial<PictureOrder> = {}): PictureOrder => ({
  format: 'png',
  quality: 80,
  maxWidth: null,
  maxHeight: null,
  ...wanted,
});

/** A picture of many colours, so that encoders have something to do. */
const photo = async (width: number, height: number): Promise<Buffer> => {
  const pixels = Buffer.from(Array.from({ length: width * height * 3 }, (_, n) => (n * 7 + ((n * n) >> 9)) & 255));
  return await sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 100 })
    .toBuffer();
};

/** A picture that claims to be larger than it is. */
const claiming = (width: number, height: number): Uint8Array => {
  const bytes = png(4, 4);
  new DataView(bytes.buffer).setUint32(16, width);
  new DataView(bytes.buffer).setUint32(20, height);
  return bytes;
};

const broken = { type: 'failure', kind: 'user', code: 'asset_broken' } as const;

async function optimized(bytes: Uint8Array, picture: PictureOrder): Promise<Buffer | AssetOutcome> {
  const optimization = await world.platform.optimization(bytes, { picture });
  expect((await world.runner.post(optimization.ticket)).status).toBe(202);
  return await optimization.outcome.promise;
}

const facts = async (made: Buffer | AssetOutcome) => {
  if (!Buffer.isBuffer(made)) throw new Error(JSON.stringify(made));
  const { format, width, height, pages } = await sharp(made).metadata();
  return { format, width, height, pages };
};

describe('a picture as a job', () => {
  it('becomes what was asked for: format, box, proportions, and never larger', async () => {
    const source = await photo(400, 200);
    expect(
      await facts(await optimized(source, order({ format: 'webp', maxWidth: 100, maxHeight: 100 }))),
    ).toMatchObject({
      format: 'webp',
      width: 100,
      height: 50,
    });
    expect(await facts(await optimized(source, order({ format: 'avif', maxWidth: 4000 })))).toMatchObject({
      format: 'heif',
      width: 400,
      height: 200,
    });
    const jpeg = await optimized(source, order({ format: 'jpeg', quality: 50 }));
    expect(await facts(jpeg)).toMatchObject({ format: 'jpeg', width: 400 });
    expect((jpeg as Buffer).length).toBeLessThan(source.length);
  });

  it('keeps its pixels as a PNG, is upright, and has no black where it was clear', async () => {
    const fat = png(200, 100, [9, 90, 200], [{ type: 'tEXt', data: new Uint8Array(50_000).fill(65) }]);
    const packed = (await optimized(fat, order())) as Buffer;
    expect(packed.length).toBeLessThan(2000);
    expect((await sharp(packed).removeAlpha().raw().toBuffer()).subarray(0, 3)).toEqual(Buffer.from([9, 90, 200]));
    const turned = await sharp(await photo(60, 20))
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    expect(await facts(await optimized(turned, order({ format: 'webp' })))).toMatchObject({ width: 20, height: 60 });
    const clear = await sharp({ create: { width: 8, height: 8, channels: 4, background: '#0000' } })
      .png()
      .toBuffer();
    const onWhite = (await optimized(clear, order({ format: 'jpeg' }))) as Buffer;
    expect([...(await sharp(onWhite).raw().toBuffer()).subarray(0, 3)]).toEqual([255, 255, 255]);
    const moving = await sharp(Buffer.alloc(3 * 8 * 16, 40), {
      raw: { width: 8, height: 16, channels: 3, pageHeight: 8 },
    })
      .gif()
      .toBuffer();
    const first = await facts(await optimized(moving, order({ format: 'webp' })));
    expect(first).toMatchObject({ format: 'webp', width: 8, height: 8 });
    expect(first.pages ?? 1).toBe(1);
  });

  it('#48 #66 that is a bomb, broken, or something else ends by its type, and takes nobody with it', async () => {
    expect(await optimized(claiming(65_000, 65_000), order())).toMatchObject({ type: 'failure' });
    expect(await optimized(claiming(12_001, 10), order())).toMatchObject({ type: 'failure' });
    expect(await optimized(png(40, 40).slice(0, 60), order({ format: 'webp' }))).toEqual(broken);
    expect(await optimized(textBytes('no picture at all'), order())).toEqual(broken);
    // A decoder for it is there, and is not let at it.
    const drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';
    expect(await optimized(textBytes(drawing), order())).toEqual(broken);
    const tiff = await sharp(png(9, 9)).tiff().toBuffer();
    expect(await optimized(tiff, order())).toEqual(broken);
    expect(await world.runner.health()).toMatchObject({ status: 'ok' });
  });
});

const send = (token: string, body: BodyInit, init: RequestInit = {}): Promise<Response> =>
  fetch(`${world.runner.url}/pictures`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body,
    duplex: 'half',
    ...init,
  } as RequestInit);

const asked = async (bytes: Uint8Array<ArrayBuffer>, picture: PictureOrder): Promise<Response> =>
  await send(await world.platform.signPicture(bytes, picture), bytes);

const bytesOf = (buffer: Buffer): Uint8Array<ArrayBuffer> => new Uint8Array(buffer);

/** What was made so far. */
const made = (hash: string): number =>
  world.runner.lines.filter((line) => line.includes('"event":"picture"') && line.includes(hash)).length;

describe('a picture that somebody waits for', () => {
  it('is made in one request, once for all who ask for it meanwhile', async () => {
    const source = bytesOf(await photo(300, 150));
    const wanted = order({ format: 'webp', maxWidth: 64 });
    const answers = await Promise.all([1, 2, 3, 4].map(() => asked(source, wanted)));
    const results = await Promise.all(answers.map(async (answer) => Buffer.from(await answer.arrayBuffer())));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(await facts(results[0] ?? Buffer.alloc(0))).toMatchObject({ format: 'webp', width: 64, height: 32 });
    for (const result of results) expect(result).toEqual(results[0]);
    await expect.poll(() => made(sha256(source))).toBe(1);
    // Nothing is kept.
    expect((await asked(source, wanted)).status).toBe(200);
    await expect.poll(() => made(sha256(source))).toBe(2);
  });

  it('is made for nobody but the platform, and of these bytes only', async () => {
    const source = bytesOf(await photo(30, 30));
    const token = await world.platform.signPicture(source, order());
    expect((await send('no token', source)).status).toBe(401);
    expect((await send(await world.platform.signPicture(source, order(), { aud: 'kiln:bundle' }), source)).status).toBe(
      401,
    );
    expect((await send(await world.platform.signOrder('{}'), source)).status).toBe(401);
    expect((await send(await world.platform.signPicture(source, order(), { hash: 'x' }), source)).status).toBe(401);
    expect((await fetch(`${world.runner.url}/pictures`, { method: 'POST', body: source })).status).toBe(401);
    expect((await fetch(`${world.runner.url}/pictures`)).status).toBe(405);
    for (const other of [png(30, 30), bytesOf(Buffer.concat([source, source])), source.slice(1), new Uint8Array()])
      expect((await send(token, other)).status).toBe(503);
    expect((await send(token, source)).status).toBe(200);
  });

  it('#48 that is a bomb, broken, or something else says so', async () => {
    expect((await asked(bytesOf(Buffer.from(claiming(12_001, 10))), order())).status).toBe(413);
    expect((await asked(png(40, 40).slice(0, 60), order({ format: 'webp' }))).status).toBe(422);
    expect((await asked(textBytes('<svg xmlns="http://www.w3.org/2000/svg"/>'), order())).status).toBe(422);
    expect((await asked(png(4, 4), order())).status).toBe(200);
  });

  it('waits its turn in a line that ends, and leaves it with whoever asked', async () => {
    const gone = new AbortController();
    const source = png(5, 5);
    const { waiting } = limits.variant.runner;
    const places = (await world.runner.health()).capacity;
    // Bodies that never come keep all places, and all of the line.
    const never = () => new ReadableStream({ start: (controller) => controller.enqueue(source.slice(0, 20)) });
    const tokens = await Promise.all(
      Array.from({ length: places + waiting + 1 }, (_, n) =>
        world.platform.signPicture(source, order({ maxWidth: n + 1 })),
      ),
    );
    const answers = tokens.map((token) =>
      send(token, never(), { signal: gone.signal }).then(
        ({ status }) => status,
        () => null,
      ),
    );
    expect(await Promise.race(answers)).toBe(503);
    gone.abort();
    expect((await Promise.all(answers)).filter((status) => status !== null)).toEqual([503]);
    // The runner hears of it when the connections end there.
    await expect.poll(async () => (await asked(source, order())).status).toBe(200);
  });
});
