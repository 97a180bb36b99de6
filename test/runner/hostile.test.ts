import { access, mkdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FakeBuild, Files } from './support/fake-platform.ts';
import { RunnerWorld } from './support/world.ts';

const secret = 'planted-secret-4f1c9a';

const world = new RunnerWorld({ env: { PLANTED: secret } });
/** A server that no build may ever reach. */
let trap: Server;
const trapped: string[] = [];

beforeAll(async () => {
  trap = createServer((request, response) => {
    trapped.push(request.url ?? '');
    response.end('{}');
  }).listen(0, '127.0.0.1');
});

afterAll(async () => {
  trap?.close();
});

beforeEach(async () => {
  trapped.length = 0;
  // On every level above the project, where `..` could lead; and one that every user may read.
  const levels = [
    world.runner.dir,
    join(world.runner.dir, 'work'),
    join(world.runner.dir, 'work', String(world.runner.process.pid)),
  ];
  for (const level of levels) {
    await mkdir(level, { recursive: true });
    for (const name of ['secret.txt', 'secret.ts', 'secret.css', 'x.map', 'secret.json', 'broken.ts'])
      await writeFile(join(level, name), contents(name));
    await writeFile(join(level, 'package.json'), `{ "name": "${secret}" }`);
    await writeFile(join(level, 'tsconfig.json'), `{ "compilerOptions": { "jsxImportSource": "${secret}" } }`);
    await mkdir(join(level, 'node_modules', 'above'), { recursive: true });
    await writeFile(join(level, 'node_modules', 'above', 'index.js'), `export default '${secret}';`);
  }
});

afterEach(() => {
  expect(trapped).toEqual([]);
});

const contents = (name: string): string => {
  if (name.endsWith('.txt')) return secret;
  if (name === 'broken.ts') return `const const ${secret};`;
  if (name.endsWith('.css')) return `p::before { content: "${secret}" }`;
  if (name.endsWith('.ts')) return `export default '${secret}';`;
  return JSON.stringify({
    version: 3,
    sources: [secret],
    sourcesContent: [secret],
    mappings: 'AAAA',
    names: [],
    password: secret,
  });
};

const run = async (files: Files, overrides: Record<string, unknown> = {}): Promise<FakeBuild> => {
  const options = { sourcemap: true, ...overrides };
  return await world.build(files, { options });
};

/** Nothing that the runner said or stored holds the secret, the place where it lies, or a path of this machine. */
const expectSilence = (build: FakeBuild): void => {
  const everything = build.everything();
  expect(everything).not.toContain(secret);
  expect(everything).not.toContain(world.runner.dir);
  expect(everything).not.toContain('root:x:0');
};

const deep = '../'.repeat(30);

describe('[66] sources that reach outside', () => {
  it.each<[string, Files]>([
    ['a relative import', { 'src/main.ts': "import s from '../../../secret.txt'; console.info(s);" }],
    ['a relative import of code', { 'src/main.ts': "import s from '../../secret'; console.info(s);" }],
    ['an absolute import', { 'src/main.ts': "import s from '/etc/passwd'; console.info(s);" }],
    ['an absolute JSON import', { 'src/main.ts': "import s from '/proc/../etc/x.json'; console.info(s);" }],
    [
      'the environment of the process',
      { 'src/main.ts': "import s from '/proc/self/environ' with { type: 'text' }; console.info(s);" },
    ],
    [
      'the environment, from the root up',
      { 'src/main.ts': `import s from '${deep}proc/self/environ?raw'; console.info(s);` },
    ],
    ['a glob', { 'src/main.ts': 'const n = location.hash; void import(`../../../${n}.txt`);' }],
    [
      'a glob of a literal and a variable',
      { 'src/main.ts': "const n = location.hash; void import('../../' + n + '.json');" },
    ],
    [
      'a glob with an escaped dot',
      { 'src/main.ts': 'const n = location.hash; void import(/* a */ `\\x2e\\x2e/\\x2e\\x2e/${n}.txt`);' },
    ],
    [
      'a glob that matches nothing',
      { 'src/main.ts': 'const n = location.hash; void import(`../../../${n}.nothing`);' },
    ],
    ['require of a glob', { 'src/main.js': 'const n = location.hash; console.info(require(`../../../${n}.txt`));' }],
    ['?raw', { 'src/main.ts': "import s from '../../secret.txt?raw'; console.info(s);" }],
    ['?url', { 'src/main.ts': "import s from '../../secret.txt?url'; console.info(s);" }],
    ['?worker', { 'src/main.ts': "import S from '../../secret.ts?worker'; new S();" }],
    ['require', { 'src/main.js': "console.info(require('../../secret.json'));" }],
    ['a package path with dots', { 'src/main.ts': "import s from 'x/../../../secret.txt'; console.info(s);" }],
    ['a package above the project', { 'src/main.ts': "import s from 'above'; console.info(s);" }],
    ['a file URL', { 'src/main.ts': "import s from 'file:///etc/passwd'; console.info(s);" }],
    [
      'a data URL that imports',
      { 'src/main.ts': 'import \'data:text/javascript,import s from "/etc/passwd"; console.info(s)\';' },
    ],
    ['CSS @import', { 'src/main.ts': "import './a.css';", 'src/a.css': '@import "../../secret.css";' }],
    [
      'CSS @import with an escape',
      { 'src/main.ts': "import './a.css';", 'src/a.css': '@import "\\2e\\2e/\\2e\\2e/secret.css";' },
    ],
    [
      'CSS @import of an absolute path',
      { 'src/main.ts': "import './a.css';", 'src/a.css': '@import url(/etc/passwd);' },
    ],
    ['CSS url()', { 'src/main.ts': "import './a.css';", 'src/a.css': 'p { background: url(../../secret.txt) }' }],
    [
      'CSS modules',
      { 'src/main.ts': "import './a.module.css';", 'src/a.module.css': '.a { composes: b from "../../secret.css" }' },
    ],
    ['tsconfig extends', { 'src/main.ts': 'console.info(1)', 'tsconfig.json': '{"extends":"../../secret.json"}' }],
    ['tsconfig extends, absolute', { 'src/main.ts': 'console.info(1)', 'tsconfig.json': '{"extends":"/etc/passwd"}' }],
    [
      'tsconfig paths',
      {
        'src/main.ts': "import s from '@/secret.txt'; console.info(s);",
        'tsconfig.json': '{"compilerOptions":{"paths":{"@/*":["../../*"]}}}',
      },
    ],
    [
      'tsconfig baseUrl',
      {
        'src/main.ts': "import s from 'secret.txt'; console.info(s);",
        'tsconfig.json': '{"compilerOptions":{"baseUrl":"../../"}}',
      },
    ],
    [
      'package.json imports',
      {
        'src/main.ts': "import s from '#s'; console.info(s);",
        'package.json': '{"name":"x","imports":{"#s":"../../secret.txt"}}',
      },
    ],
    [
      'package.json browser',
      {
        'src/main.ts': "import s from './a.ts'; console.info(s);",
        'src/a.ts': 'export default 1',
        'package.json': '{"browser":{"./src/a.ts":"../../secret.ts"}}',
      },
    ],
    ['kiln.json entry', { 'kiln.json': '{"entry":"../../secret.ts"}', 'src/main.ts': '1' }],
    [
      'JSX import source',
      {
        'src/main.tsx': 'export const a = <a />;',
        'tsconfig.json': '{"compilerOptions":{"jsx":"react-jsx","jsxImportSource":"../../../secret"}}',
      },
    ],
    ['a jsx pragma', { 'src/main.tsx': '/** @jsxImportSource /etc */ export const a = <a />;' }],
    // Yarn's virtual folders: esbuild drops as many folders as the number says when it opens a file.
    ['a virtual folder', { 'src/main.ts': "import s from './__virtual__/a/3/secret'; console.info(s);" }],
    ['an older virtual folder', { 'src/main.ts': "import s from './$$virtual/a/3/secret.ts'; console.info(s);" }],
    ['JSON in a virtual folder', { 'src/main.ts': "import s from './__virtual__/a/3/secret.json'; console.info(s);" }],
    ['text in a virtual folder', { 'src/main.ts': "import s from './__virtual__/a/3/secret.txt'; console.info(s);" }],
    [
      'a virtual folder, as text',
      { 'src/main.ts': "import s from './__virtual__/a/3/secret.ts' with { type: 'text' }; console.info(s);" },
    ],
    ['what is wrong in a virtual folder', { 'src/main.ts': "import './__virtual__/a/3/broken.ts';" }],
    ['a glob of a virtual folder', { 'src/main.ts': 'void import(`./__virtual__/a/3/${location.hash}.ts`);' }],
    [
      'CSS of a virtual folder',
      { 'src/main.ts': "import './a.css';", 'src/a.css': '@import "./__virtual__/a/3/secret.css";' },
    ],
    [
      'tsconfig paths to a virtual folder',
      {
        'src/main.ts': "import s from '@/secret'; console.info(s);",
        'tsconfig.json': '{"compilerOptions":{"paths":{"@/*":["./src/__virtual__/a/3/*"]}}}',
      },
    ],
    [
      'package.json imports of a virtual folder',
      {
        'src/main.ts': "import s from '#s'; console.info(s);",
        'package.json': '{"name":"x","imports":{"#s":"./src/__virtual__/a/3/secret.ts"}}',
      },
    ],
    ['a virtual entry', { 'kiln.json': '{"entry":"src/__virtual__/a/3/secret.ts"}', 'src/main.ts': '1' }],
    [
      'a map of Yarn',
      {
        'src/main.ts': "import s from 'x/secret'; console.info(s);",
        '.pnp.data.json': JSON.stringify({
          packageRegistryData: [
            [null, [[null, { packageLocation: './', packageDependencies: [['x', 'npm:1.0.0']], linkType: 'SOFT' }]]],
            ['x', [['npm:1.0.0', { packageLocation: '../../', packageDependencies: [], linkType: 'HARD' }]]],
          ],
          dependencyTreeRoots: [{ name: 'y', reference: 'workspace:.' }],
          ignorePatternData: null,
          enableTopLevelFallback: true,
          fallbackPool: [],
          fallbackExclusionList: [],
        }),
      },
    ],
    [
      'an inline script',
      { 'index.html': "<script type=module>import s from '../../secret.txt'; console.info(s)</script>" },
    ],
    ['an inline style', { 'index.html': '<script type=module>1</script><style>@import "../../secret.css";</style>' }],
    ['a worker', { 'src/main.ts': "new Worker(new URL('../../secret.ts', import.meta.url));" }],
  ])('%s: fails neutrally', async (_title, files) => {
    const build = await run(files);
    expect(await build.failure()).toMatchObject({ kind: 'user' });
    expectSilence(build);
  });

  it.each<[string, Files]>([
    ['a source map comment', { 'src/main.ts': 'console.info(1);\n//# sourceMappingURL=../../x.map' }],
    [
      'a source map comment in CSS',
      { 'src/main.ts': "import './a.css';", 'src/a.css': 'p { color: red }\n/*# sourceMappingURL=../../../x.map */' },
    ],
    [
      'a source map comment in an inline script',
      { 'index.html': '<script type=module>console.info(1);\n//# sourceMappingURL=../../x.map\n</script>' },
    ],
    [
      'a source map comment in an inline style',
      {
        'index.html':
          '<script type=module>1</script><style>@import "./a.css";\n/*# sourceMappingURL=../../x.map */</style>',
        'a.css': 'p { color: red }',
      },
    ],
    [
      'a source map comment that is virtual',
      { 'src/main.ts': 'console.info(1);\n//# sourceMappingURL=__virtual__/a/3/x.map' },
    ],
    [
      'source map comments of many files',
      {
        'src/main.ts': Array.from({ length: 70 }, (_, n) => `import './m${n}.ts';`).join('\n'),
        ...Object.fromEntries(
          Array.from({ length: 70 }, (_, n) => [
            `src/m${n}.ts`,
            `console.info(${n});\n//# sourceMappingURL=../../../x.map`,
          ]),
        ),
      },
    ],
    [
      'a source map comment of a large file',
      { 'src/main.ts': `console.info(1);\n// ${'x'.repeat(300_000)}\n//# sourceMappingURL=../../../x.map` },
    ],
    [
      'a page that names files',
      {
        'index.html':
          '<script type=module>1</script><img src="../../secret.txt"><script src="/../../secret.ts"></script><link rel=stylesheet href="../../secret.css"><link rel=icon href="/etc/passwd">',
      },
    ],
    ['require.resolve', { 'src/main.js': "console.info(require.resolve('../../secret.json'));" }],
    [
      'new URL()',
      {
        'src/main.ts': "console.info(new URL('../../secret.txt', import.meta.url));",
      },
    ],
  ])('%s: takes nothing in', async (_title, files) => {
    const build = await run(files);
    await build.outputs();
    expectSilence(build);
  });

  it('says the same whether something is there or not', async () => {
    const there = await run({ 'src/main.ts': "import s from '../../secret.txt'; console.info(s);" });
    const absent = await run({ 'src/main.ts': "import s from '../../nobody.txt'; console.info(s);" });
    expect((await there.failure()).message.replace('secret', 'nobody')).toBe((await absent.failure()).message);
  });
});

describe('[68] projects that bring things to execute', () => {
  it('scripts and configuration files are not executed', async () => {
    const touch = `require('fs').writeFileSync(${JSON.stringify(join(world.runner.dir, 'executed'))}, '1'); fetch('http://127.0.0.1:${(trap.address() as AddressInfo).port}/executed')`;
    const build = await run({
      'src/main.ts': 'console.info(1);',
      'package.json': JSON.stringify({
        scripts: { preinstall: `node -e "${touch}"`, build: 'false', postinstall: 'false', prepare: 'false' },
        workspaces: ['packages/*'],
        dependencies: {},
      }),
      '.npmrc': `registry=http://127.0.0.1:${(trap.address() as AddressInfo).port}/\nscript-shell=/bin/false\n`,
      'vite.config.ts': touch,
      'webpack.config.js': touch,
      'postcss.config.js': touch,
      'esbuild.config.js': touch,
      '.babelrc.js': touch,
      '.npm-extension.js': touch,
      'tsconfig.json': '{"compilerOptions":{"plugins":[{"name":"./postcss.config.js"}]}}',
    });
    await build.outputs();
    await expect(access(join(world.runner.dir, 'executed'))).rejects.toThrow();
  });

  const trapUrl = (path: string): string => `http://127.0.0.1:${(trap.address() as AddressInfo).port}/${path}`;
  it.each<[string, () => string]>([
    ['git', () => `git+${trapUrl('x.git')}`],
    ['git over ssh', () => 'git+ssh://git@127.0.0.1/x.git'],
    ['a GitHub shorthand', () => 'someone/something'],
    ['http', () => trapUrl('x.tgz')],
    ['file', () => 'file:../../secret'],
    ['link', () => 'link:../../secret'],
    ['workspace', () => 'workspace:*'],
    ['a folder', () => '../../'],
    ['an absolute folder', () => '/etc'],
    ['an alias to git', () => 'npm:git+ssh://git@127.0.0.1/x.git'],
    ['no text', () => `${' '.repeat(3)}\u0000`],
  ])('a dependency by %s is refused', async (_title, spec) => {
    for (const section of ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies']) {
      const build = await run({
        'src/main.ts': "import 'x';",
        'package.json': JSON.stringify({ [section]: { x: spec() } }),
      });
      expect(await build.failure()).toMatchObject({ kind: 'user', code: 'dependency_failed' });
      expectSilence(build);
    }
  });

  it.each<[string, (url: string) => object]>([
    [
      'a tarball elsewhere',
      (url) => ({ 'node_modules/is-number': { version: '7.0.0', resolved: `${url}is-number.tgz` } }),
    ],
    ['git', () => ({ 'node_modules/is-number': { version: '7.0.0', resolved: 'git+ssh://git@127.0.0.1/x.git#abc' } })],
    ['a link', () => ({ 'node_modules/is-number': { resolved: '../..', link: true } })],
    ['a folder outside', () => ({ '../../secret': { version: '1.0.0' } })],
    ['a path out of node_modules', () => ({ 'node_modules/../../secret': { version: '1.0.0' } })],
    [
      'a nested package elsewhere',
      (url) => ({ 'node_modules/is-number/node_modules/y': { version: '1.0.0', resolved: `${url}y.tgz` } }),
    ],
    [
      'the registry with a password',
      () => ({
        'node_modules/is-number': {
          version: '7.0.0',
          resolved: 'https://a:b@registry.npmjs.org/is-number/-/is-number-7.0.0.tgz',
        },
      }),
    ],
  ])('a lock that names %s is refused', async (_title, packages) => {
    const lock = JSON.stringify({ lockfileVersion: 3, packages: { '': {}, ...packages(trapUrl('')) } });
    const manifest = JSON.stringify({ dependencies: { 'is-number': '7.0.0' } });
    const build = await run({
      'src/main.ts': "import 'is-number';",
      'package.json': manifest,
      'package-lock.json': lock,
    });
    expect(await build.failure()).toMatchObject({ kind: 'user', code: 'dependency_failed' });
  });

  it('overrides cannot lead elsewhere', async () => {
    const manifest = JSON.stringify({
      dependencies: { 'is-number': '7.0.0' },
      overrides: { 'is-number': { y: trapUrl('y.tgz') } },
    });
    const build = await run({ 'src/main.ts': "import 'is-number';", 'package.json': manifest });
    expect(await build.failure()).toMatchObject({ kind: 'user', code: 'dependency_failed' });
  });

  it('its own node_modules is left out', async () => {
    const build = await run({
      'src/main.ts': "import s from 'mine'; console.info(s);",
      'node_modules/mine/index.js': `export default '${secret}'`,
    });
    expect((await build.failure()).message).toContain('There is no package "mine" here');
    expectSilence(build);
  });
});

describe('[70] a build that reaches out', () => {
  it('finds no network in its process, nor in those that it starts', async () => {
    const listening = world.runner.lines.find((line) => line.includes('runner.listening')) ?? '{}';
    expect(JSON.parse(listening)).toMatchObject({ isolation: { network: true } });
    const own = await readlink(`/proc/${world.runner.process.pid}/ns/net`);
    const networkOf = async (pid: number): Promise<string> => {
      const isOwn = (await readlink(`/proc/${pid}/ns/net`)) === own;
      const devices = (await readFile(`/proc/${pid}/net/dev`, 'utf8')).split('\n').slice(2, -1);
      return `${isOwn ? 'the runner’s' : 'another'}: ${devices.map((line) => line.split(':')[0]?.trim()).join(' ')}`;
    };
    // One that is done goes while it is looked at, and another one comes.
    const networks = async () => new Set(await Promise.all((await world.runner.children()).map(networkOf)));
    await expect.poll(networks).toEqual(new Set(['another: lo']));
  });

  it('is not followed by the runner to addresses that its sources name', async () => {
    const port = (trap.address() as AddressInfo).port;
    const build = await run({
      'index.html': `<script type="module" src="http://127.0.0.1:${port}/a.js"></script><link rel="stylesheet" href="http://127.0.0.1:${port}/a.css"><script type="module" src="/main.ts"></script>`,
      'main.ts': `import 'http://169.254.169.254/latest/meta-data/'; import './a.css'; fetch('http://127.0.0.1:${port}/b');`,
      'a.css': `@import url(http://127.0.0.1:${port}/c.css); p { background: url(http://127.0.0.1:${port}/d.png) }`,
    });
    await build.outputs();
    expect(trapped).toEqual([]);
  });
});

describe('[71] what is said', () => {
  it('is plain text without the token, capped', async () => {
    const build = await world.platform.build({ 'src/main.ts': '' });
    const source = `import '\u001b[31m${build.job.token}\u001b[0m';\nimport './${'x'.repeat(20_000)}';`;
    const again = await world.platform.build(
      { 'src/main.ts': source },
      { buildId: build.job.buildId, projectId: build.job.projectId, token: build.job.token },
    );
    await world.runner.run(again);
    const failure = await again.failure();
    expect(failure.message.length).toBeLessThanOrEqual(2000);
    expect(JSON.stringify(again.events)).not.toContain(build.job.token);
    expect(JSON.stringify(again.events)).not.toContain('\\u001b');
    for (const { message } of again.logs) expect(Buffer.byteLength(message)).toBeLessThanOrEqual(8192);
  });
});
