import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { AssetMetadata } from '../../src/contract/assets.ts';
import { limits } from '../../src/contract/limits.ts';
import { assetKind } from '../../src/core/asset-types.ts';
import { type MediaSource, readMetadata } from '../../src/core/media/index.ts';
import { png, textBytes, wav } from '../support/media.ts';

const folder = join(import.meta.dirname, '../support/media');
const fixtures = readdirSync(folder);
const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(join(folder, name)));

/** Bytes in memory, and how many of them were read. */
function sourceOf(data: Uint8Array): MediaSource & { readonly taken: { bytes: number; reads: number } } {
  const taken = { bytes: 0, reads: 0 };
  return {
    size: data.length,
    taken,
    read: async (start, end) => {
      expect(start >= 0 && start < end && end <= data.length).toBe(true);
      taken.bytes += end - start;
      taken.reads += 1;
      return data.slice(start, end);
    },
  };
}

const kindOf = (name: string, data: Uint8Array) => assetKind(name, data.subarray(0, limits.asset.headBytes));
const metadataOf = async (name: string, data: Uint8Array): Promise<AssetMetadata> =>
  await readMetadata(sourceOf(data), await kindOf(name, data));

const svg = (attributes: string): Uint8Array =>
  textBytes(`<svg xmlns="http://www.w3.org/2000/svg" ${attributes}><g/></svg>`);

const gltf = {
  asset: { version: '2.0' },
  scenes: [{ nodes: [0] }],
  nodes: [{ mesh: 0 }, { mesh: 0 }],
  materials: [{}],
  textures: [{}, {}],
  animations: [{ channels: [], samplers: [] }],
  extensionsRequired: ['KHR_draco_mesh_compression'],
  accessors: [{ count: 24 }, { count: 36 }],
  meshes: [
    {
      primitives: [
        { attributes: { POSITION: 0 }, indices: 1 },
        { attributes: { POSITION: 0 }, mode: 5 },
      ],
    },
  ],
};

const glb = (json: unknown): Uint8Array => {
  const text = textBytes(JSON.stringify(json));
  const data = new Uint8Array(20 + text.length);
  const view = new DataView(data.buffer);
  for (const [at, value] of [0x46546c67, 2, data.length, text.length, 0x4e4f534a].entries())
    view.setUint32(at * 4, value, true);
  data.set(text, 20);
  return data;
};

describe('what bytes say of themselves', () => {
  it.each<[string, Uint8Array, AssetMetadata]>([
    ['a.png', png(30, 20), { width: 30, height: 20, alpha: false, frames: 1 }],
    [
      'b.png',
      png(3, 2, [0, 0, 0], [{ type: 'tRNS', data: new Uint8Array(6) }]),
      { width: 3, height: 2, alpha: true, frames: 1 },
    ],
    ['turn.apng', fixture('turn.apng'), { width: 16, height: 12, alpha: false, frames: 5 }],
    ['turn.gif', fixture('turn.gif'), { width: 16, height: 12, frames: 5, alpha: true }],
    ['turn.webp', fixture('turn.webp'), { width: 16, height: 12, frames: 5, alpha: false }],
    ['tone.mp3', fixture('tone.mp3'), { audioCodec: 'mp3', channels: 2, sampleRate: 44_100, duration: 2.038 }],
    ['tone.ogg', fixture('tone.ogg'), { audioCodec: 'vorbis', channels: 1, sampleRate: 22_050, duration: 2 }],
    ['tone.flac', fixture('tone.flac'), { audioCodec: 'flac', channels: 1, sampleRate: 8000, duration: 1 }],
    ['tone.m4a', fixture('tone.m4a'), { audioCodec: 'aac', channels: 1, sampleRate: 22_050, duration: 1 }],
    ['a.wav', wav(3), { audioCodec: 'pcm-u8', channels: 1, sampleRate: 8000, duration: 3 }],
    [
      'clip.mp4',
      fixture('clip.mp4'),
      { width: 64, height: 48, videoCodec: 'avc', audioCodec: 'aac', channels: 1, sampleRate: 44_100, duration: 2 },
    ],
    [
      'clip.webm',
      fixture('clip.webm'),
      {
        width: 64,
        height: 48,
        videoCodec: 'vp9',
        audioCodec: 'opus',
        channels: 1,
        sampleRate: 48_000,
        duration: 2.008,
      },
    ],
    ['letters.ttf', fixture('letters.ttf'), { family: 'DejaVu Sans', style: 'Bold', glyphs: 5 }],
    ['letters.woff', fixture('letters.woff'), { family: 'DejaVu Sans', style: 'Bold', glyphs: 5 }],
    ['letters.woff2', fixture('letters.woff2'), { family: 'DejaVu Sans', style: 'Bold', glyphs: 5 }],
    ['a.svg', svg('width="40px" height="30.4"'), { width: 40, height: 30 }],
    ['b.svg', svg('width="100%" viewBox="0 0 24,12"'), { width: 24, height: 12 }],
    ['c.svg', svg(''), {}],
    ['a.json', textBytes('{"width": 5}'), {}],
    ...(['a.gltf', 'a.glb'] as const).map((name): [string, Uint8Array, AssetMetadata] => [
      name,
      name === 'a.glb' ? glb(gltf) : textBytes(JSON.stringify(gltf)),
      {
        scenes: 1,
        nodes: 2,
        meshes: 1,
        materials: 1,
        textures: 2,
        animations: 1,
        skins: 0,
        vertices: 24,
        triangles: 12 + 22,
        extensions: ['KHR_draco_mesh_compression'],
      },
    ]),
  ])('is read from %s', async (name, data, expected) => {
    expect(await metadataOf(name, data)).toEqual(expected);
  });

  it.each([
    ['webp', { alpha: true }],
    ['avif', { alpha: true }],
    ['jpeg', { alpha: false }],
  ] as const)('is read from %s, with transparency and without', async (format, { alpha }) => {
    const picture = (channels: 3 | 4) =>
      sharp({ create: { width: 50, height: 40, channels, background: { r: 9, g: 9, b: 9, alpha: 0.5 } } });
    const clear = new Uint8Array(await picture(4).toFormat(format).toBuffer());
    expect(await metadataOf(`a.${format}`, clear)).toMatchObject({ width: 50, height: 40, alpha });
    const full = new Uint8Array(await picture(3).toFormat(format).toBuffer());
    expect(await metadataOf(`a.${format}`, full)).toMatchObject({ width: 50, height: 40, alpha: false });
    const lossless = new Uint8Array(await picture(4).webp({ lossless: true }).toBuffer());
    expect(await metadataOf('a.webp', lossless)).toEqual({ width: 50, height: 40, alpha: true, frames: 1 });
  });

  it('is the size of a turned photograph as it is shown, behind a large profile', async () => {
    const photo = await sharp({ create: { width: 60, height: 20, channels: 3, background: 'red' } })
      .withExif({ IFD0: { Copyright: 'x'.repeat(60_000) } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    expect(await metadataOf('a.jpg', new Uint8Array(photo))).toMatchObject({ width: 20, height: 60 });
  });

  it('is what was found before a file broke off', async () => {
    const data = fixture('turn.gif');
    expect(await metadataOf('turn.gif', data.slice(0, 600))).toEqual({ width: 16, height: 12 });
    expect(await metadataOf('a.png', png(3, 2).slice(0, 40))).toEqual({ width: 3, height: 2, alpha: false, frames: 1 });
  });

  it('is nothing where the bytes cannot be had, or do not come', async () => {
    const kind = { type: 'image', mimeType: 'image/png' } as const;
    expect(await readMetadata({ size: 100, read: () => Promise.reject(new Error('away')) }, kind)).toEqual({});
    expect(await readMetadata({ size: 0, read: async () => new Uint8Array() }, kind)).toEqual({});
  });
});

describe('#48 bytes that mean harm', async () => {
  /** Everything that is read of a file, and that nothing is thrown. */
  const judged = async (name: string, data: Uint8Array, kind: Parameters<typeof readMetadata>[1]) => {
    const source = sourceOf(data);
    const found = await readMetadata(source, kind);
    expect(source.taken.bytes, name).toBeLessThanOrEqual(limits.media.bytes);
    expect(source.taken.reads, name).toBeLessThanOrEqual(limits.media.reads);
    return found;
  };

  const seeds: [string, Uint8Array][] = [
    ...fixtures.map((name): [string, Uint8Array] => [name, fixture(name)]),
    ['a.png', png(30, 20)],
    ['a.svg', svg('width="40" height="30"')],
    ['a.wav', wav(1)],
    ['a.glb', glb(gltf)],
    ['a.gltf', textBytes(JSON.stringify(gltf))],
    ...(await Promise.all(
      (['jpeg', 'avif'] as const).map(async (format): Promise<[string, Uint8Array]> => {
        const picture = sharp({ create: { width: 50, height: 40, channels: 3, background: 'red' } });
        return [`a.${format}`, new Uint8Array(await picture.toFormat(format).toBuffer())];
      }),
    )),
  ];

  it.each(seeds)(
    '%s, changed anywhere, cut off and repeated, is read to an end within the limits',
    async (name, data) => {
      const kind = await kindOf(name, data);
      const head = fc.integer({ min: 0, max: Math.min(data.length, 400) - 1 });
      const place = fc.oneof(head, fc.integer({ min: 0, max: data.length - 1 }));
      const value = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255));
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(place, value, fc.constantFrom(1, 2, 4, 8)), { maxLength: 6 }),
          fc.option(place, { nil: undefined }),
          fc.boolean(),
          async (changes, cut, twice) => {
            const bytes = new Uint8Array(twice ? data.length * 2 : data.length);
            bytes.set(data);
            if (twice) bytes.set(data, data.length);
            for (const [at, byte, length] of changes) bytes.fill(byte, at, at + length);
            await judged(name, cut === undefined ? bytes : bytes.slice(0, cut + 1), kind);
          },
        ),
        { numRuns: 150 },
      );
    },
  );

  it('noise behind the first bytes of every format is read to an end', async () => {
    for (const [name, data] of seeds) {
      const kind = await kindOf(name, data);
      for (const seed of [1, 2, 3]) {
        const noise = new Uint8Array(300_000);
        let state = seed * 2654435761;
        for (let at = 0; at < noise.length; at += 1) {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          noise[at] = state >>> 24;
        }
        noise.set(data.subarray(0, 24 * seed));
        await judged(name, noise, kind);
      }
    }
  });

  it('a picture of 65000×65000 is told by its header, without its pixels', async () => {
    const data = png(1, 1);
    new DataView(data.buffer).setUint32(16, 65_000);
    new DataView(data.buffer).setUint32(20, 65_000);
    expect(await judged('a.png', data, { type: 'image', mimeType: 'image/png' })).toMatchObject({
      width: 65_000,
      height: 65_000,
    });
  });

  it('a huge text chunk, a huge tag and a million tiny blocks cost no more than the limits', async () => {
    const text = png(2, 2, [0, 0, 0], [{ type: 'tEXt', data: new Uint8Array(20 * 1024 * 1024) }]);
    const source = sourceOf(text);
    expect(await readMetadata(source, { type: 'image', mimeType: 'image/png' })).toMatchObject({ width: 2, height: 2 });
    // It is stepped over, not read.
    expect(source.taken.bytes).toBeLessThanOrEqual(4 * limits.media.window);

    const tag = new Uint8Array(24 * 1024 * 1024);
    tag.set([0x49, 0x44, 0x33, 3, 0, 0, 0x0b, 0x7f, 0x7f, 0x7f]);
    await judged('tag.mp3', tag, { type: 'audio', mimeType: 'audio/mpeg' });

    const blocks = new Uint8Array(24 * 1024 * 1024).fill(1);
    blocks.set(fixture('turn.gif').subarray(0, 13));
    blocks[10] = 0;
    blocks[13] = 0x2c;
    const found = await judged('blocks.gif', blocks, { type: 'image', mimeType: 'image/gif' });
    expect(found).toEqual({ width: 16, height: 12 });
  });

  it('a font that unpacks to gigabytes, or whose tables lie elsewhere, has no names', async () => {
    const packed = fixture('letters.woff');
    const view = new DataView(packed.buffer);
    for (let at = 44; at < 44 + view.getUint16(12) * 20; at += 20) view.setUint32(at + 12, 0xffff_ffff);
    expect(await judged('a.woff', packed, { type: 'font', mimeType: 'font/woff' })).not.toHaveProperty('width');
    const broken = fixture('letters.ttf');
    const tables = new DataView(broken.buffer);
    for (let at = 12; at < 12 + tables.getUint16(4) * 16; at += 16) tables.setUint32(at + 8, 0xffff_fff0);
    expect(await judged('a.ttf', broken, { type: 'font', mimeType: 'font/ttf' })).toEqual({});
  });

  it('a model of absurd numbers, or nested without end, has none', async () => {
    const deep = textBytes(`{"nodes":${'['.repeat(100_000)}${']'.repeat(100_000)}}`);
    await judged('deep.gltf', deep, { type: 'model', mimeType: 'model/gltf+json' });
    const absurd = textBytes(JSON.stringify({ ...gltf, accessors: [{ count: 1e300 }, { count: -5 }] }));
    const found = await judged('absurd.gltf', absurd, { type: 'model', mimeType: 'model/gltf+json' });
    expect(found).toMatchObject({ nodes: 2, vertices: 0 });
  });
});
