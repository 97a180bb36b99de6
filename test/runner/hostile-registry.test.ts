import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
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

it('#68 of scripts, .npmrc, tool configurations and plugins of a project none is executed, read or asked', async () => {
  const base = `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`;
  const mark = join(runner.dir, 'executed');
  // Whatever runs it, as a module, a script or a shell command, leaves a mark or asks the server.
  const code = `require('node:fs').writeFileSync(${JSON.stringify(mark)}, 'x'); fetch('${base}executed');`;
  const module_ = `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(mark)}, 'x'); fetch('${base}executed'); export default {};`;
  const command = `touch ${mark}; curl ${base}executed`;
  const names = [
    'preinstall',
    'install',
    'postinstall',
    'prepare',
    'prepublish',
    'prebuild',
    'build',
    'postbuild',
    'test',
  ];
  const build = await runner.run(
    await platform.build({
      'src/main.ts': "import value from 'has-scripts'; import './style.css'; console.info(value);",
      'src/style.css': '@tailwind base; p { color: red }',
      'package.json': JSON.stringify({
        scripts: Object.fromEntries(names.map((name) => [name, command])),
        dependencies: { 'has-scripts': '1.0.0' },
        esbuild: { plugins: ['./plugin.mjs'] },
        postcss: { plugins: { './plugin.cjs': {} } },
        babel: { plugins: ['./plugin.cjs'] },
        browserslist: 'extends ./plugin.cjs',
        packageManager: `npm@${base}npm.tgz`,
      }),
      // A registry, a proxy, a shell and a script of its own.
      '.npmrc': `registry=${base}other/\nproxy=${base}\nscript-shell=${mark}\nnode-options=--require ./plugin.cjs\nignore-scripts=false\n`,
      '.yarnrc.yml': 'yarnPath: ./plugin.cjs\n',
      '.pnpmfile.cjs': code,
      'vite.config.ts': module_,
      'vite.config.js': module_,
      'webpack.config.js': code,
      'rollup.config.mjs': module_,
      'esbuild.config.mjs': module_,
      'postcss.config.js': code,
      'postcss.config.mjs': module_,
      'tailwind.config.js': code,
      'babel.config.js': code,
      'svgo.config.js': code,
      'plugin.cjs': code,
      'plugin.mjs': module_,
      'tsconfig.json': '{"compilerOptions":{"plugins":[{"name":"./plugin.cjs"}]}}',
    }),
  );
  const scripts = [...(await build.site()).values()].join();
  expect(scripts).toContain('42');
  await expect(access(mark)).rejects.toThrow();
  expect(asked).toEqual([]);
});

it.each(['git', 'http', 'file'])('#68 a dependency of the project by %s is neither fetched nor read', async (kind) => {
  const base = `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`;
  const spec = { git: `git+${base}trap.git`, http: `${base}trap.tgz`, file: 'file:../../secret' }[kind] ?? '';
  const build = await runner.run(
    await platform.build({
      'src/main.ts': "import 'x';",
      'package.json': JSON.stringify({ dependencies: { x: spec } }),
    }),
  );
  expect(await build.failure()).toMatchObject({ kind: 'user', code: 'dependency_failed' });
  expect(asked).toEqual([]);
});

it('#68 a package whose bytes are not those of the lock is refused: hashes are pinned', async () => {
  const integrity = `sha512-${createHash('sha512').update('other bytes').digest('base64')}`;
  const entry = {
    version: '1.0.0',
    resolved: 'https://registry.npmjs.org/has-scripts/-/has-scripts-1.0.0.tgz',
    integrity,
  };
  const dependencies = { 'has-scripts': '1.0.0' };
  const build = await runner.run(
    await platform.build({
      'src/main.ts': "import value from 'has-scripts'; console.info(value);",
      'package.json': JSON.stringify({ dependencies }),
      'package-lock.json': JSON.stringify({
        lockfileVersion: 3,
        packages: { '': { dependencies }, 'node_modules/has-scripts': entry },
      }),
    }),
  );
  expect(await build.failure()).toMatchObject({ code: 'dependency_failed' });
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
