import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { FakeBuild, Files } from './support/fake-platform.ts';
import { RunnerWorld } from './support/world.ts';

const secret = 'planted-secret-77aa';
const world = new RunnerWorld();
const run = async (files: Files, typecheck = true): Promise<FakeBuild> =>
  await world.build(files, {
    options: { typecheck },
  });

const wrong = {
  'src/main.ts': "import { n } from '@/n';\nconst text: string = n;\nconsole.info(text);\n",
  'src/n.ts': 'export const n = 7;\n',
  'tsconfig.json': '{"compilerOptions":{"strict":true,"baseUrl":".","paths":{"@/*":["src/*"]}}}',
};

it('type errors fail the build when asked to, with their place', async () => {
  const build = await run(wrong);
  expect(await build.failure()).toMatchObject({
    kind: 'user',
    code: 'build_failed',
    message: "src/main.ts:2:6: TS2322: Type 'number' is not assignable to type 'string'.",
  });
  expect(build.logs).toContainEqual(
    expect.objectContaining({ level: 'error', step: 'typecheck', file: 'src/main.ts', line: 2, column: 6 }),
  );
});

it('type errors are nobody’s business otherwise', async () => {
  expect((await (await run(wrong, false)).outcome.promise).type).toBe('success');
});

it('a right project passes, with what Vite knows', async () => {
  const build = await run({
    'src/main.ts':
      "import hero from './hero.png';\nimport raw from './hero.png?raw';\nimport './a.css';\nimport data from './d.json';\nconst mode: string = import.meta.env.MODE;\nconsole.info(hero.length, raw, data.level + 1, mode);\n",
    'src/hero.png': 'png',
    'src/a.css': 'p {}',
    'src/d.json': '{"level":1}',
    'tsconfig.json': '{"compilerOptions":{"strict":true,"noUncheckedSideEffectImports":true,"types":["vite/client"]}}',
  });
  expect(await build.outcome.promise).toMatchObject({ type: 'success' });
});

it('a wrong option of tsconfig.json is told', async () => {
  const build = await run({
    'src/main.ts': 'export {};',
    'tsconfig.json': '{"compilerOptions":{"noSuchOption":true}}',
  });
  expect((await build.failure()).message).toMatch(/^TS5023: .*noSuchOption/);
});

it('says the same whether a reference leads somewhere or not', async () => {
  const messages = [];
  await writeFile(join(world.runner.dir, 'there.d.ts'), 'export {};');
  for (const path of ['/etc/passwd', '/etc/nothing-here', '../../../../../there.d.ts', '../../../../../absent.d.ts']) {
    for (const source of [`/// <reference path="${path}" />`, `import type {} from '${path}';`]) {
      messages.push((await (await run({ 'src/main.ts': `${source}\nexport {};` })).failure()).message);
    }
  }
  expect(new Set(messages)).toEqual(new Set(['"A reference of the type checker" is not a file of this project.']));
});

it.each<[string, string]>([
  ['an import', "import s from '../../secret.json'; const n: number = s; export { n };"],
  ['a type import', "import type { x } from '../../secret'; export const n: number = null as unknown as x;"],
  ['a reference', '/// <reference path="../../secret.d.ts" />\nexport const n: number = planted;'],
  ['an inline type', "export const n: number = null as unknown as import('../../secret').x;"],
])('%s outside gives nothing away', async (_title, source) => {
  const level = join(world.runner.dir, 'work', String(world.runner.process.pid));
  await mkdir(level, { recursive: true });
  for (const folder of [level, world.runner.dir]) {
    await writeFile(join(folder, 'secret.json'), JSON.stringify({ [secret]: secret }));
    await writeFile(join(folder, 'secret.ts'), `export type x = '${secret}';`);
    await writeFile(join(folder, 'secret.d.ts'), `declare const planted: '${secret}';`);
  }
  for (const from of ['src/main.ts', 'src/a/b/main.ts']) {
    const build = await run({
      [from]: source.replaceAll('../../', from === 'src/main.ts' ? '../../../' : '../../../../../'),
      'kiln.json': JSON.stringify({ entry: from }),
    });
    expect(await build.failure()).toMatchObject({ kind: 'user' });
    expect(build.everything()).not.toContain(secret);
    expect(build.everything()).not.toContain(world.runner.dir);
  }
});
