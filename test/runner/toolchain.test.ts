import { beforeAll, describe, expect, it } from 'vitest';
import type { Files } from './support/fake-platform.ts';
import { RunnerWorld } from './support/world.ts';

const world = new RunnerWorld();

const build = async (files: Files, define: Record<string, string> = {}): Promise<Map<string, string>> => {
  const options = { sourcemap: true, define };
  return await (await world.build(files, { options })).site();
};
const scripts = (site: Map<string, string>): [name: string, text: string][] =>
  [...site].filter(([name]) => name.endsWith('.js'));

describe('the toolchain', () => {
  let site: Map<string, string>;
  let code: string;
  beforeAll(async () => {
    site = await build(
      {
        'src/main.tsx': `/** @jsxRuntime classic */ /** @jsx make */
import { used } from './tools'; import wgsl from './compute.wgsl'; import notes from './notes.txt';
import wasmUrl from './physics.wasm'; import './fonts.css';
const make = (name: string) => name;
console.info(used(), wgsl, notes, wasmUrl, <sprite />, VERSION, DEBUG.level);
void import('./one'); void import('./two');`,
        'src/tools.ts': `/*! Licence of the tools */ export const used = () => 'is used'; export const unused = () => 'is never used';`,
        'src/one.ts': "import { big } from './shared'; console.info('one', big);",
        'src/two.ts': "import { big } from './shared'; console.info('two', big);",
        'src/shared.ts': `export const big = 'shared by both';`,
        'src/compute.wgsl': '@compute fn main() {}',
        'src/notes.txt': 'remember the dragon',
        'src/physics.wasm': Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0]),
        'src/fonts.css': '@font-face { font-family: Pixel; src: url("./pixel.woff2") format("woff2") }',
        'src/pixel.woff2': 'wOF2',
      },
      { VERSION: '"1.2.3"', DEBUG: '{"level":4}' },
    );
    code = scripts(site)
      .map(([, text]) => text)
      .join('\n');
  });

  it('takes shaders and texts in as texts, wasm and fonts as files', () => {
    for (const text of ['@compute fn main() {}', 'remember the dragon']) expect(code).toContain(text);
    for (const name of [/^assets\/physics-[A-Z0-9]{8}\.wasm$/, /^assets\/pixel-[A-Z0-9]{8}\.woff2$/])
      expect([...site.keys()].filter((path) => name.test(path))).toHaveLength(1);
  });

  it('puts constants in, and JSX as the file says', () => {
    expect(code).toContain('"1.2.3"');
    expect(code).toMatch(/level: 4|"level": 4/);
    expect(code).toContain('make("sprite"');
  });

  it('leaves out what nothing uses, and stores once what two parts share', () => {
    expect(code).toContain('is used');
    expect(code).not.toContain('is never used');
    expect(scripts(site).filter(([, text]) => text.includes('"shared by both"'))).toHaveLength(1);
  });

  it('links a map with the sources to every script, and a file with the licences', () => {
    const [main = '', text = ''] = scripts(site).find(([name]) => /^assets\/main-/.test(name)) ?? [];
    expect(text).toContain(`sourceMappingURL=${main.slice('assets/'.length)}.map`);
    const map = JSON.parse(site.get(`${main}.map`) ?? '{}') as { sources: string[]; sourcesContent: string[] };
    expect(map.sources.some((source) => source.endsWith('src/tools.ts'))).toBe(true);
    expect(map.sourcesContent.join('\n')).toContain('Licence of the tools');
    expect(site.get(`${main}.LEGAL.txt`)).toContain('Licence of the tools');
  });

  it.each<[string, Files, RegExp]>([
    [
      'a file that is not there',
      { 'src/main.ts': "\nimport hero from './hero.png';\nconsole.info(hero);" },
      /^src\/main\.ts:2:17: There is no file "\.\/hero\.png"\./,
    ],
    [
      'a name that is written in another case',
      { 'src/main.ts': "import { a } from './Player';\nconsole.info(a);", 'src/player.ts': 'export const a = 1;' },
      /^src\/main\.ts:1:18: There is no file "\.\/Player"\. Did you mean "\.\/player"/,
    ],
    [
      'an export that is not there',
      { 'src/main.ts': "import { speed } from './a';\nconsole.info(speed);", 'src/a.ts': 'export const sped = 1;' },
      /^src\/main\.ts:1:9: "src\/a\.ts" exports no "speed"\./,
    ],
    [
      'a module of Node',
      { 'src/main.ts': "import fs from 'fs';\nfs.readFileSync('x');" },
      /^src\/main\.ts:1:15: "fs" is a part of Node\.js, which a browser does not have/,
    ],
  ])('says what is wrong with %s, and where', async (_title, files, message) => {
    const run = await world.build(files);
    expect((await run.failure()).message).toMatch(message);
  });
});
