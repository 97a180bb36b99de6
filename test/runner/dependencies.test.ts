import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { RunnerProcess } from './support/runner-process.ts';
import { RunnerWorld } from './support/world.ts';

/** These tests fetch a few small packages from the real registry. */
const world = new RunnerWorld();

const game = {
  'src/main.ts':
    "import isNumber from 'is-number';\nimport { customAlphabet } from 'nanoid/non-secure';\nconsole.info(isNumber(7), customAlphabet('ab', 3)());\n",
  'package.json': JSON.stringify({
    name: 'game',
    dependencies: { 'is-number': '^7.0.0', nanoid: '5.1.5' },
    devDependencies: { vite: '^8.0.0' },
  }),
};

const brokenRegistry = async (): Promise<{ url: string; stop: () => void }> => {
  const server = createServer((_request, response) => response.writeHead(503).end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, stop: () => server.close() };
};

/** Provenance names the build, all else is the same whenever it is built. */
const isSame = ({ name }: { name: string }): boolean => name !== 'provenance.json';

const trees = async (): Promise<string[]> => await readdir(join(world.runner.dir, 'trees'));

it('installs from the registry once, returns the exact lock, and reuses the tree for it', async () => {
  const cold = await world.build(game);
  const outcome = await cold.outcome.promise;
  if (outcome.type !== 'success') throw new Error(outcome.message);
  const lock = JSON.parse(outcome.lock ?? '{}') as { packages: Record<string, { version: string; integrity: string }> };
  expect(Object.keys(lock.packages).sort()).toEqual(['', 'node_modules/is-number', 'node_modules/nanoid']);
  expect(lock.packages['node_modules/nanoid']).toMatchObject({
    version: '5.1.5',
    integrity: expect.stringMatching(/^sha512-/),
  });
  const code = [...(await cold.site())].find(([path]) => path.endsWith('.js'))?.[1] ?? '';
  expect(code).toContain('// node_modules/is-number/index.js');
  expect(await trees()).toHaveLength(1);
  const sbom = (await cold.outputs()).find(({ name }) => name === 'sbom.cdx.json');
  expect(sbom?.role).toBe('report');
  expect(JSON.parse(sbom?.bytes.toString() ?? '')).toMatchObject({
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    components: [
      {
        purl: expect.stringMatching(/^pkg:npm\/is-number@7/),
        licenses: [{ expression: 'MIT' }],
        hashes: [{ alg: 'SHA-512' }],
      },
      { purl: 'pkg:npm/nanoid@5.1.5' },
    ],
  });

  // A registry that is gone shows that nothing is fetched the second time.
  const broken = await brokenRegistry();
  await world.restart({ NPM_REGISTRY: broken.url });
  try {
    const first = await world.build(game, { lock: outcome.lock });
    const warm = await world.build(game, { lock: outcome.lock });
    expect(warm.logs.map(({ message }) => message)).toContain('The packages of this lock are installed already.');
    for (const build of [first, warm]) {
      const end = await build.outcome.promise;
      expect(end).toMatchObject({ type: 'success', lock: outcome.lock });
      expect(end.type === 'success' && end.outputs.filter(isSame)).toEqual(outcome.outputs.filter(isSame));
    }
    expect(await trees()).toHaveLength(1);
  } finally {
    await world.restart();
    broken.stop();
  }
});

it('prefers the lock that the project brings', async () => {
  const first = await (
    await world.build({
      ...game,
      'package.json': JSON.stringify({ dependencies: { nanoid: '5.1.4', 'is-number': '7.0.0' } }),
    })
  ).outcome.promise;
  if (first.type !== 'success') throw new Error(first.message);
  const ranges = JSON.stringify({ dependencies: { nanoid: '^5.0.0', 'is-number': '7.0.0' } });
  const build = await world.build(
    { ...game, 'package.json': ranges, 'package-lock.json': first.lock ?? '' },
    { lock: '{}' },
  );
  const outcome = await build.outcome.promise;
  expect(outcome).toMatchObject({ type: 'success', lock: expect.stringContaining('nanoid-5.1.4.tgz') });
});

it.each<[string, Record<string, string>, string]>([
  ['that does not exist', { '@kiln-test-nobody/has-this-name-0f3a': '1.0.0' }, 'E404'],
  ['in a version that does not exist', { 'is-number': '99.0.0' }, 'ETARGET'],
])('a package %s is the project’s fault', async (_title, dependencies, code) => {
  const build = await world.build({ ...game, 'package.json': JSON.stringify({ dependencies }) });
  const failure = await build.failure();
  expect(failure).toMatchObject({ kind: 'user', code: 'dependency_failed' });
  expect(build.logs.filter(({ level }) => level === 'error')).toEqual([
    expect.objectContaining({
      step: 'dependencies',
      file: 'package.json',
      line: 1,
      column: '{"dependencies":{'.length + JSON.stringify(Object.keys(dependencies)[0]).length + 1,
      message: failure.message,
    }),
  ]);
  expect(failure.message).toContain(code);
  expect(failure.message).not.toContain(world.runner.dir);
});

it('a tarball with other bytes than the lock says is refused', async () => {
  const lock = {
    lockfileVersion: 3,
    packages: {
      '': {},
      'node_modules/is-odd': {
        version: '3.0.1',
        resolved: 'https://registry.npmjs.org/is-odd/-/is-odd-3.0.1.tgz',
        integrity: `sha512-${Buffer.alloc(64, 7).toString('base64')}`,
      },
    },
  };
  const build = await world.build({
    'src/main.ts': "import 'is-odd';",
    'package.json': JSON.stringify({ dependencies: { 'is-odd': '3.0.1' } }),
    'package-lock.json': JSON.stringify(lock),
  });
  expect(await build.failure()).toMatchObject({
    kind: 'user',
    code: 'dependency_failed',
    message: expect.stringContaining('EINTEGRITY'),
  });
});

it('a registry that is away is nobody’s fault', async () => {
  const broken = await brokenRegistry();
  const other = await RunnerProcess.start({ platformUrl: world.platform.url, env: { NPM_REGISTRY: broken.url } });
  try {
    const build = await other.run(await world.platform.build(game));
    expect(await build.failure()).toMatchObject({ kind: 'infra', code: 'unavailable' });
  } finally {
    await other.dispose();
    broken.stop();
  }
});
