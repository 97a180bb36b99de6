import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FakePlatform } from './support/fake-platform.ts';
import { RunnerProcess } from './support/runner-process.ts';

/** [68] A registry whose packages are hostile: anybody can publish one. */
let platform: FakePlatform;
let registry: Server;
let runner: RunnerProcess;
const asked: string[] = [];

/** One entry of a tar file (POSIX ustar). */
const tarEntry = (name: string, options: { content?: string; linkTo?: string; type: '0' | '1' | '2' }): Buffer => {
  const content = Buffer.from(options.content ?? '');
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0'.repeat(2), 108);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write(' '.repeat(8), 148);
  header.write(options.type, 156);
  header.write(options.linkTo ?? '', 157);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
};

const up = '../'.repeat(20);

const packages = (base: string): Record<string, { manifest: object; entries: Buffer[] }> => ({
  'asks-git': { manifest: { dependencies: { inner: `git+${base}trap.git` } }, entries: [] },
  'asks-http': { manifest: { dependencies: { inner: `${base}trap.tgz` } }, entries: [] },
  'asks-file': { manifest: { dependencies: { inner: 'file:../../../secret' } }, entries: [] },
  'has-scripts': {
    manifest: {
      scripts: { preinstall: `curl ${base}trap`, install: `curl ${base}trap`, postinstall: `curl ${base}trap` },
      bin: { node: './index.js' },
    },
    entries: [tarEntry('package/index.js', { content: 'export default 42;', type: '0' })],
  },
  'has-links': {
    manifest: {},
    entries: [
      tarEntry('package/index.js', { content: "export { default } from './link.json';", type: '0' }),
      tarEntry('package/link.json', { linkTo: '/etc/passwd', type: '2' }),
      tarEntry('package/up', { linkTo: '../../../../..', type: '2' }),
      tarEntry('../../../../../escaped.txt', { content: 'escaped', type: '0' }),
    ],
  },
  'points-out': {
    manifest: { main: `${up}etc/passwd`, browser: { './a.js': `${up}etc/passwd` } },
    entries: [tarEntry('package/a.js', { content: 'export default 1;', type: '0' })],
  },
});

beforeAll(async () => {
  platform = await FakePlatform.start();
  registry = createServer((request, response) => {
    const base = `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`;
    const path = decodeURIComponent(request.url ?? '').slice(1);
    const name = path.replace(/\.tgz$/, '');
    const found = packages(base)[name];
    if (found === undefined) {
      asked.push(path);
      response.writeHead(404).end('{}');
      return;
    }
    const manifest = { name, version: '1.0.0', type: 'module', ...found.manifest };
    const own = tarEntry('package/package.json', { content: JSON.stringify(manifest), type: '0' });
    const tarball = gzipSync(Buffer.concat([own, ...found.entries, Buffer.alloc(1024)]));
    if (path.endsWith('.tgz')) {
      response.end(tarball);
      return;
    }
    const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
    const version = { ...manifest, dist: { tarball: `${base}${name}.tgz`, integrity } };
    response.end(JSON.stringify({ name, 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': version } }));
  }).listen(0, '127.0.0.1');
  await once(registry, 'listening');
  const url = `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`;
  runner = await RunnerProcess.start({ platformUrl: platform.url, env: { NPM_REGISTRY: url } });
});

afterAll(async () => {
  await runner?.dispose();
  await platform?.stop();
  registry?.close();
});

const run = async (name: string, source = `import value from '${name}'; console.info(value);`) =>
  await runner.run(
    await platform.build({
      'src/main.ts': source,
      'package.json': JSON.stringify({ dependencies: { [name]: '1.0.0' } }),
    }),
  );

it.each(['asks-git', 'asks-http', 'asks-file'])(
  'a package that %s is refused, and nothing is fetched',
  async (name) => {
    const build = await run(name);
    expect(await build.failure()).toMatchObject({
      kind: 'user',
      code: 'dependency_failed',
      message: expect.stringContaining('not on the registry'),
    });
    expect(asked).toEqual([]);
  },
);

it('scripts of a package do not run', async () => {
  const build = await run('has-scripts');
  expect([...(await build.site()).values()].join()).toContain('42');
  expect(asked).toEqual([]);
});

it.each([
  ['has-links', "import value from 'has-links'; console.info(value);"],
  ['has-links', "import value from 'has-links/link.json'; console.info(value);"],
  ['has-links', "import value from 'has-links/up/etc/passwd?raw'; console.info(value);"],
  ['points-out', "import value from 'points-out'; console.info(value);"],
  ['points-out', "import value from 'points-out/a.js'; console.info(value);"],
])('a package whose files lead out (%s) gives nothing away', async (name, source) => {
  const build = await run(name, source);
  expect(await build.failure()).toMatchObject({ kind: 'user' });
  expect(build.everything()).not.toContain('root:x:0');
  expect(build.everything()).not.toContain(runner.dir);
});
