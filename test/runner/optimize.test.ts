import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Document, NodeIO } from '@gltf-transform/core';
import { EXTMeshoptCompression } from '@gltf-transform/extensions';
import { MeshoptDecoder } from 'meshoptimizer';
import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import type { FakeBuild, Files } from './support/fake-platform.ts';
import { RunnerWorld } from './support/world.ts';

const world = new RunnerWorld();
let files: Record<string, string | Uint8Array>;

/** Pixels with some structure, as `[0, 255]` of position and channel. */
const pixels = (width: number, height: number): Buffer =>
  Buffer.from(
    Array.from({ length: width * height * 4 }, (_, at) => {
      const [pixel, channel] = [at >> 2, at & 3];
      // Fully transparent ones keep their colour: shaders read it.
      return channel === 3 ? (pixel % 7 === 0 ? 0 : 255) : ((pixel >> (4 + channel)) * 29) & 255;
    }),
  );
const picture = (width = 96, height = 64): Sharp =>
  sharp(pixels(width, height), { raw: { width, height, channels: 4 } });
const decoded = async (png: Uint8Array): Promise<Buffer> => await sharp(png).ensureAlpha().raw().toBuffer();

const positions = new Float32Array(Array.from({ length: 900 }, (_, i) => Math.sin(i) * 3));
const model = async (): Promise<Uint8Array> => {
  const document = new Document();
  const buffer = document.createBuffer();
  const scene = document.createScene('scene');
  const texture = document.createTexture('skin').setImage(await picture().png({ compressionLevel: 0 }).toBuffer());
  const material = document.createMaterial('painted').setBaseColorTexture(texture.setMimeType('image/png'));
  for (const name of ['left', 'right']) {
    const accessor = document.createAccessor().setType('VEC3').setArray(positions).setBuffer(buffer);
    const primitive = document.createPrimitive().setAttribute('POSITION', accessor).setMaterial(material);
    scene.addChild(document.createNode(name).setMesh(document.createMesh(name).addPrimitive(primitive)));
  }
  return await new NodeIO().writeBinary(document);
};

beforeAll(async () => {
  files = {
    'src/main.ts': "import url from './hero.png'; console.info(url);",
    'src/hero.png': await picture().png({ compressionLevel: 0 }).toBuffer(),
    'public/indexed.png': await picture().png({ palette: true, compressionLevel: 0 }).toBuffer(),
    'public/deep.png': await picture().toColourspace('rgb16').png({ compressionLevel: 0 }).toBuffer(),
    'public/profile.png': await picture().withIccProfile('p3').png({ compressionLevel: 0 }).toBuffer(),
    'public/logo.svg':
      '<?xml version="1.0"?>\n<!-- made with a pencil -->\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">\n  <g id="keep">\n    <path d="M 0 0 L 10 0 L 10 10 Z"/>\n  </g>\n</svg>\n',
    'public/bomb.svg':
      '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><svg xmlns="http://www.w3.org/2000/svg">&b;</svg>',
    'public/model.glb': await model(),
    'public/strange.glb': withExtension(await model()),
    'public/broken.png': Buffer.concat([(await picture().png().toBuffer()).subarray(0, 300)]),
    'public/text.png': 'no picture',
    'public/broken.glb': 'glTF',
    'public/broken.svg': '<svg><',
    'public/photo.jpg': await picture().jpeg().toBuffer(),
  };
});

/** The same model with an extension that nobody knows, in a head of the same length. */
const withExtension = (glb: Uint8Array): Uint8Array => {
  const length = Buffer.from(glb).readUInt32LE(12);
  const json = JSON.parse(Buffer.from(glb.subarray(20, 20 + length)).toString()) as { asset: { generator?: string } };
  delete json.asset.generator;
  const text = JSON.stringify({ ...json, extensionsUsed: ['X_own'] });
  return Buffer.concat([glb.subarray(0, 20), Buffer.from(text.padEnd(length)), glb.subarray(20 + length)]);
};

const options = { minify: true, optimizeAssets: true };
const run = async (
  source: Files = files,
  projectId = newId(),
  more: { compressMeshes?: boolean } = {},
): Promise<FakeBuild> => await world.build(source, { projectId, options: { ...options, ...more } });
const bytesOf = async (build: FakeBuild, pattern: RegExp): Promise<Buffer> => {
  const found = (await build.outputs()).find(({ name, role }) => role === 'site' && pattern.test(name));
  if (found === undefined) throw new Error(`no ${pattern}`);
  return found.bytes;
};
const source = (name: string): Uint8Array => Buffer.from(files[name] ?? '');
const hashes = async (build: FakeBuild): Promise<string[]> =>
  (await build.outputs()).filter(({ role }) => role !== 'report').map(({ name, sha256 }) => `${name} ${sha256}`);

describe('optimizeAssets', () => {
  let build: FakeBuild;
  const projectId = newId();
  beforeAll(async () => {
    build = await run(files, projectId);
  });

  it('stores pictures in fewer bytes with the same pixels', async () => {
    for (const [name, pattern] of [
      ['src/hero.png', /hero-\w+\.png$/],
      ['public/indexed.png', /indexed\.png$/],
    ] as const) {
      const smaller = await bytesOf(build, pattern);
      expect(smaller.length, name).toBeLessThan(source(name).length);
      expect(await decoded(smaller), name).toEqual(await decoded(source(name)));
    }
  });

  it('leaves alone what it could harm', async () => {
    for (const name of ['deep.png', 'profile.png', 'bomb.svg', 'strange.glb', 'photo.jpg'])
      expect(Buffer.compare(await bytesOf(build, new RegExp(`^${name}$`)), source(`public/${name}`)), name).toBe(0);
  });

  it('shortens drawings without touching what scripts look for', async () => {
    const drawing = (await bytesOf(build, /logo\.svg$/)).toString();
    expect(drawing).not.toContain('pencil');
    expect(drawing).toContain('id="keep"');
    expect(drawing).toContain('viewBox="0 0 10 10"');
  });

  it('stores equal parts of models once, names and numbers as they were', async () => {
    const smaller = await bytesOf(build, /model\.glb$/);
    expect(smaller.length).toBeLessThan(source('public/model.glb').length * 0.6);
    const root = (await new NodeIO().readBinary(smaller)).getRoot();
    expect(root.listNodes().map((node) => node.getName())).toEqual(['left', 'right']);
    expect(root.listMeshes()[1]?.listPrimitives()[0]?.getAttribute('POSITION')?.getArray()).toEqual(positions);
    const skin = root.listTextures()[0]?.getImage() ?? new Uint8Array();
    expect(await decoded(skin)).toEqual(pixels(96, 64));
  });

  it('warns of what cannot be read, and leaves it as it is', async () => {
    const broken = ['broken.glb', 'broken.png', 'broken.svg', 'text.png'];
    const warned = build.logs.filter(({ level }) => level === 'warn').map(({ step, file }) => `${step} ${file}`);
    expect(warned.sort()).toEqual(broken.map((name) => `assets public/${name}`));
    for (const name of broken)
      expect(Buffer.compare(await bytesOf(build, new RegExp(`^${name}$`)), source(`public/${name}`)), name).toBe(0);
  });

  it('says how many bytes it saved', async () => {
    const line = build.logs.find(({ step, level }) => step === 'assets' && level === 'info')?.message ?? '';
    const [, smaller, all, saved] = /^(\d+) of (\d+) assets made smaller: (\d+) of \d+ bytes saved/.exec(line) ?? [];
    expect([smaller, all]).toEqual(['4', '12']);
    expect(Number(saved)).toBeGreaterThan(20_000);
    expect((await build.outcome.promise).timings.assets).toBeGreaterThan(0);
  });

  it('gives the same bytes again, from its cache and without', async () => {
    const kept = (await readdir(join(world.runner.dir, 'assets', projectId))).length;
    expect(kept).toBe(8);
    expect(await hashes(await run(files, projectId))).toEqual(await hashes(build));
    expect(await hashes(await run(files))).toEqual(await hashes(build));
    expect(await readdir(join(world.runner.dir, 'assets', projectId))).toHaveLength(kept);
  });

  it('compresses meshes when asked to, without rounding', async () => {
    const plain = await bytesOf(build, /model\.glb$/);
    const smaller = await bytesOf(await run(files, projectId, { compressMeshes: true }), /model\.glb$/);
    await MeshoptDecoder.ready;
    const io = new NodeIO()
      .registerExtensions([EXTMeshoptCompression])
      .registerDependencies({ 'meshopt.decoder': MeshoptDecoder });
    const root = (await io.readBinary(smaller)).getRoot();
    expect(root.listExtensionsRequired().map(({ extensionName }) => extensionName)).toEqual([
      'EXT_meshopt_compression',
    ]);
    expect(root.listMeshes()[0]?.listPrimitives()[0]?.getAttribute('POSITION')?.getArray()).toEqual(positions);
    expect(Buffer.compare(plain, smaller)).not.toBe(0);
  });
});
