import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, stop } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundle } from '../../src/bundler/bundle.ts';
import { Prebundle, prebundleIndex } from '../../src/contract/prebundle.ts';
import { stillMeant } from '../../src/core/game/packages.ts';
import type { FakeBuild } from './support/fake-platform.ts';
import { sha256 } from './support/fake-platform.ts';
import { RunnerWorld } from './support/world.ts';

/** These tests fetch a few packages from the real registry. */
const world = new RunnerWorld({ capacity: 3 });
let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'kiln-prebundle-'));
});

afterAll(async () => {
  await stop();
  await rm(root, { recursive: true, force: true });
});

const manifest = JSON.stringify({
  name: 'game',
  dependencies: { react: '19.1.0', nanoid: '5.1.5', 'normalize.css': '8.0.1', leaflet: '1.9.4', 'is-number': '7.0.0' },
});

/** CommonJS by name and as a whole, an ES module by two names, JSX that nobody wrote down, styles, a picture. */
const files = {
  'package.json': manifest,
  'src/main.tsx': `import React, { createElement, version } from 'react';
import { customAlphabet } from 'nanoid/non-secure';
import isNumber from 'is-number';
import sameNumber from 'is-number/index.js';
import 'normalize.css';
import './style.css';
import icon from 'leaflet/dist/images/marker-icon.png';
const element = <b />;
export const result = {
  version, whole: React.version, isElement: createElement('i').type, jsx: element.type,
  id: customAlphabet('a', 3)(), same: isNumber === sameNumber && isNumber(7), icon,
};
(globalThis as any).result = result;
const later = await import('react');
(globalThis as any).later = later.default.version;
`,
  'src/style.css': "@import 'normalize.css/normalize.css';\nbody { color: red }",
};

async function prebundleOf(build: FakeBuild): Promise<{ index: Prebundle; files: Map<string, Buffer>; key: string }> {
  const outputs = (await build.outputs()).filter(({ role }) => role === 'prebundle');
  const all = new Map(outputs.map(({ name, bytes }) => [name, bytes]));
  const index = all.get(prebundleIndex);
  if (!index) throw new Error(`no list: ${JSON.stringify(build.logs.map(({ message }) => message))}`);
  return { index: Prebundle.parse(JSON.parse(index.toString())), files: all, key: sha256(index) };
}

it('makes modules of the packages that the sources name, which previews map their imports to', async () => {
  const made = await prebundleOf(await world.build(files));
  const { entries } = made.index;
  expect(Object.keys(entries)).toEqual([
    'is-number',
    'is-number/index.js',
    'leaflet/dist/images/marker-icon.png',
    'nanoid/non-secure',
    'normalize.css',
    'normalize.css/normalize.css',
    'react',
    'react/jsx-runtime',
  ]);
  expect(entries.react).toMatchObject({ format: 'value', hasDefault: true });
  expect(entries['nanoid/non-secure']).toMatchObject({ format: 'module', hasDefault: false });
  expect(entries['normalize.css']).toMatchObject({ style: expect.stringMatching(/\.css$/) });
  expect(made.index.declared.react).toBe('19.1.0');
  const react = made.files.get(entries.react?.script ?? '')?.toString() ?? '';
  expect(react).not.toContain('process.env');

  const preview = await bundle(
    {
      paths: Object.keys(files),
      sources: files,
      want: { kind: 'page', title: 'Game' },
      packages: { base: '_kiln/npm/key', ...stillMeant(made.index, { manifest, lockFile: null }) },
    },
    build,
  );
  if (!preview.ok) throw new Error(JSON.stringify(preview));
  // As the content host serves it.
  const site = join(root, 'site');
  const put = async (path: string, content: string | Buffer) => {
    await mkdir(dirname(join(site, path)), { recursive: true });
    await writeFile(join(site, path), content);
  };
  await put('package.json', '{"type":"module"}');
  for (const { path, text } of preview.files) await put(path, text);
  for (const [path, bytes] of made.files) await put(`_kiln/npm/key/${path}`, bytes);
  const script = preview.files.find(({ path }) => path.endsWith('.js'))?.path ?? '';
  const css = preview.files.find(({ path }) => path.endsWith('.css'))?.text ?? '';
  expect(css).toMatch(/@import\s*"\.\.\/_kiln\/npm\/key\/assets\/p\d-normalize-css-[A-Z0-9]{8}\.css"/);

  const links: unknown[] = [];
  Object.assign(globalThis, {
    document: { createElement: () => ({}), head: { append: (one: unknown) => links.push(one) } },
  });
  await import(/* @vite-ignore */ pathToFileURL(join(site, script)).href);
  const { result, later } = globalThis as unknown as { result: { icon: string }; later: string };
  expect(result).toMatchObject({
    version: '19.1.0',
    whole: '19.1.0',
    isElement: 'i',
    jsx: 'b',
    id: 'aaa',
    same: true,
  });
  expect(result.icon).toMatch(/_kiln\/npm\/key\/assets\/marker-icon-[A-Z0-9]{8}\.png$/);
  expect(later).toBe('19.1.0');
  expect(links).toEqual([
    { rel: 'stylesheet', href: expect.stringMatching(/_kiln\/npm\/key\/assets\/p\d-normalize-css-[A-Z0-9]{8}\.css$/) },
  ]);
});

it('makes the same files of the same packages, for any target, and none where there are no packages', async () => {
  const [web, cordova, none] = await Promise.all([
    world.build(files),
    world.build(files, { target: 'cordova' }),
    world.build({ 'src/main.ts': 'console.log(1);' }),
  ]);
  const keys = await Promise.all([web, cordova].map(async (one) => (await prebundleOf(one)).key));
  expect(keys[0]).toBe(keys[1]);
  expect((await none.outputs()).filter(({ role }) => role === 'prebundle')).toEqual([]);
});

it('is asked for again when package.json or the lock says something else', async () => {
  const index = Prebundle.parse({
    v: 1,
    lock: null,
    toolchain: 't',
    declared: { react: '19.1.0', three: '1' },
    lockFile: null,
    entries: {
      react: { format: 'value', hasDefault: true },
      'three/addons/x.js': { format: 'module', hasDefault: false },
      hoisted: { format: 'module', hasDefault: false },
    },
    configs: {},
  });
  const meant = (text: string, lockFile: string | null = null) =>
    Object.keys(stillMeant(index, { manifest: text, lockFile }).entries);
  expect(meant('{"dependencies":{"react":"19.1.0","three":"1"}}')).toEqual(['react', 'three/addons/x.js', 'hoisted']);
  expect(meant('{"dependencies":{"react":"19.2.0","three":"1"}}')).toEqual(['three/addons/x.js', 'hoisted']);
  expect(meant('{"dependencies":{"three":"1"}}')).toEqual(['three/addons/x.js', 'hoisted']);
  expect(meant('{"dependencies":{"react":"19.1.0","three":"1"}}', 'a'.repeat(64))).toEqual([]);
});
