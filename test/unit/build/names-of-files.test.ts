import { describe, expect, it } from 'vitest';
import { Mentions } from '../../../containers/build-runner/src/child/mentions.ts';
import { textsInCode } from '../../../containers/build-runner/src/child/texts-in-code.ts';
import { isAside, isMedia, isTileset, isTooling, placesOf, rootsOf } from '../../../src/core/game/served.ts';

/** Texts as they are found, with three points for what is computed. */
const textsOf = (code: string): string[] => textsInCode(code).texts.map(({ parts }) => parts.join('…'));

describe('texts in code', () => {
  it.each<[what: string, code: string, texts: string[]]>([
    ['quotes of all kinds', `a('x/1.json', "y's.json", \`z.json\`)`, ['x/1.json', "y's.json", 'z.json']],
    ['no comments', `// 'a.json'\n/* "b.json" */ c('d.json') // 'e`, ['d.json']],
    [
      'no regular expressions',
      `x.replace(/'a.json'/g, "b"); y = n / 2; z('c') / 1; w = /["'/]/.test('d')`,
      ['b', 'c', 'd'],
    ],
    ['sums', `f('l/' + n + '.json', a + '/b/' + (c + 1), 'x' + 'y')`, ['l/….json', '…/b/…', 'xy']],
    [
      'sums with calls, and what is in them',
      `f('l/' + g('m.json', { a: 1 })?.h[0] + \`/\${i}.png\`)`,
      ['m.json', 'l/…/….png'],
    ],
    ['what is added to a variable', `url += 'x.json'`, ['…x.json']],
    ['templates in templates', '`a/${b ? `c/${d}` : "e"}/f`', ['c/…', 'e', 'a/…/f']],
    ['templates with braces', '`a/${((x) => { return { x }; })(1)}.json`; g("b")', ['a/….json', 'b']],
    ['a choice', `f(big ? 'big.json' : 'small.json')`, ['big.json', 'small.json']],
    ['escapes', String.raw`f('a\/b.json')`, ['a/b.json']],
    ['an apostrophe in JSX', `<p>Don't</p>; return'b'; f('a')`, ['b', 'a']],
    [
      'nothing that a bundler resolves',
      `import a from './a.js'; import './b.js'; export * from './c.js'; import('./d.js'); require('./e.js'); new URL('./f.png', import.meta.url); new URL('g.png', base)`,
      ['g.png'],
    ],
    ['code that ends too early', '`a${"b', ['a…']],
  ])('are %s', (_what, code, texts) => {
    expect(textsOf(code)).toEqual(texts);
  });

  it('know a module by its imports', () => {
    expect(
      ['import "a";', 'import a from "b";', 'export * from "c"'].map((code) => textsInCode(code).hasImports),
    ).toEqual([true, true, true]);
    expect(textsInCode('import("a"); importScripts("b"); // import "c"').hasImports).toBe(false);
  });
});

describe('a file is named', () => {
  const place = { file: 'a.js', line: () => 1 };
  const named = (path: string, texts: readonly (readonly string[])[], folder = ''): boolean => {
    const mentions = new Mentions();
    for (const parts of texts) mentions.add(parts, [...new Set(['', folder])], place);
    return mentions.find(path, true) !== undefined;
  };

  it.each<[path: string, ...texts: string[][]]>([
    ['levels/1.json', ['levels/1.json']],
    ['levels/1.json', ['./levels/1.json?v=2']],
    ['levels/1.json', ['../../levels/1.json#a']],
    ['a b/ä.json', ['/a%20b/%C3%A4.json']],
    ['levels/1.json', ['levels/1']],
    ['levels/1.json', ['levels/']],
    ['levels/1.json', ['/levels'], ['1.json']],
    ['levels/1.json', ['levels'], ['1']],
    ['levels/1.json', ['levels'], ['', '.json']],
    ['levels/1.json', ['levels/', '.json?v=', '']],
    ['levels/1.json', ['', '/levels/', '']],
    ['levels/1.json', ['', 'levels/1.json']],
    ['level1.json', ['level', '.json']],
    ['one.json', ['one'], ['', '.json']],
  ])('%s by %j %j', (path, ...texts) => {
    expect(named(path, texts)).toBe(true);
  });

  it.each<[path: string, ...texts: string[][]]>([
    ['levels/1.json', ['levels']],
    ['levels/1.json', ['1.json']],
    ['levels/1.json', ['https://levels/1.json']],
    ['levels/1.json', ['', '.json']],
    ['server/api-keys.json', ['server/api']],
    ['a.json', ['a', '']],
    ['config.json', ['config']],
  ])('%s not by %j %j', (path, ...texts) => {
    expect(named(path, texts)).toBe(false);
  });

  it('by a text beside it', () => {
    expect(named('maps/b.json', [['b.json']], 'maps')).toBe(true);
    expect(named('b.json', [['../b.json']], 'maps')).toBe(true);
    expect(named('other/b.json', [['b.json']], 'maps')).toBe(false);
  });
});

describe('a file of a project', () => {
  it('is served at its path and without the folder of the page', () => {
    const roots = rootsOf({ kind: 'html', path: 'game/start.html' });
    expect(roots).toEqual(['public', '', 'game', 'src']);
    expect(placesOf('game/a.png', roots)).toEqual(['game/a.png', 'a.png']);
    expect(placesOf('public/a.png', roots)).toEqual(['a.png', 'public/a.png']);
    expect(placesOf('img/a.png', roots)).toEqual(['img/a.png']);
  });

  it('is media by its name, or no part of a game', () => {
    for (const path of [
      'a/b.PNG',
      'x.ogg',
      'x.mp4',
      'f.woff2',
      'm.glb',
      'm.gltf',
      'm.bin',
      't.tmj',
      's.atlas',
      'p.wasm',
    ])
      expect(isMedia(path), path).toBe(true);
    for (const path of ['a.json', 'a.txt', 'a.psd', 'a.js', 'png', '.png', 'a.md', 'a.zip'])
      expect(isMedia(path), path).toBe(false);
    for (const path of [
      '.env',
      'a/.git/b.png',
      'a/node_modules/b.png',
      'a.ts',
      'b.d.mts',
      'a/package.json',
      'tsconfig.app.json',
      'yarn.lock',
      'vite.config.js',
      'a.test.js',
      'a.css.map',
      'kiln.json',
    ])
      expect(isTooling(path), path).toBe(true);
    for (const path of ['a.map', 'a/kiln.json', 'levels.json', 'config.js', 'a.js', 'environment.json'])
      expect(isTooling(path), path).toBe(false);
    expect(['docs/a.png', 'test/a.png', 'a/__tests__/b.png', 'a/docs/b.png'].map(isAside)).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it('with the ending of TypeScript is a tileset by how it begins', () => {
    expect(isTileset('a.tsx', '\ufeff <?xml version="1.0"?>')).toBe(true);
    expect(isTileset('a.tsx', '<tileset name="a">')).toBe(true);
    expect(isTileset('a.tsx', 'export const A = () => <tileset/>;')).toBe(false);
    expect(isTileset('a.tmx', '<?xml ?>')).toBe(false);
  });
});
