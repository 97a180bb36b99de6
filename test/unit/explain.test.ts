import { build, type Loader } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { explain, packagesOf, type Surroundings } from '../../src/core/game/explain.ts';
import { type Said, wordsOf } from '../../src/core/game/said.ts';

const around = (from: string | null, more: Partial<Surroundings> = {}): Surroundings => ({
  from,
  paths: ['src/main.ts', 'src/player.ts', 'src/levels/index.ts', 'art/hero.png', 'src/data.json', 'src/sound.mjs'],
  packages: new Set(['phaser', '@scope/tools']),
  ...more,
});

/** What esbuild itself says of a source. */
const saidOf = async (contents: string, loader: Loader): Promise<{ text: string; line: string | undefined }> => {
  const stdin = { contents, loader, resolveDir: '/nowhere' };
  try {
    await build({ stdin, bundle: true, write: false, logLevel: 'silent', format: 'esm' });
  } catch (error) {
    const [first] = (error as { errors: Said[] }).errors;
    if (first !== undefined)
      return { text: wordsOf(first, { nameOf: (file) => file }), line: first.location?.lineText };
  }
  throw new Error('esbuild has nothing to say');
};

describe('what esbuild says, in plain words with what to do', () => {
  it.each([
    ['a slip in a name', './playr', 'There is no file "./playr". Did you mean "./player"?'],
    [
      'another case',
      './Player',
      'There is no file "./Player". Did you mean "./player"? Upper and lower case are different names.',
    ],
    [
      'the name of a file of the game',
      'player',
      'There is no package "player" here. Did you mean your file "./player"?',
    ],
    ['a folder', '../art', '"../art" is a folder. Name a file in it, such as "../art/hero.png", or make an index file'],
    ['an address', './Sound.mjs?url', 'There is no file "./Sound.mjs?url". Did you mean "./sound.mjs?url"?'],
    ['another folder', './hero.png', 'There is no file "./hero.png". Did you mean "../art/hero.png"?'],
    ['an ending that has to be named', './sound', 'There is no file "./sound". Did you mean "./sound.mjs"?'],
    ['a folder with an index', './Levels', 'There is no file "./Levels". Did you mean "./levels"? Upper'],
    ['nothing like it', './boss', 'There is no file "./boss". Look at the name; it is searched for from src/main.ts.'],
    [
      'a place outside',
      '../../../etc/passwd',
      'There is no file "../../../etc/passwd". Look at the name; it is searched for from src/main.ts.',
    ],
    [
      'a package with a slip',
      'phaserr',
      'There is no package "phaserr" here. Did you mean "phaser", which is in the dependencies of package.json?',
    ],
    [
      'a package that is not asked for',
      'three',
      'There is no package "three" here. Add it to the dependencies of package.json: "three": "latest". For a file of yours, begin with "./".',
    ],
    [
      'a part of a package',
      '@scope/tools/extra',
      'The package "@scope/tools" has no "extra". Look at its documentation for the right path.',
    ],
    [
      'a part of Node.js',
      'node:fs',
      '"node:fs" is a part of Node.js, which a browser does not have. Look for a package that works in browsers.',
    ],
    [
      'a short name',
      '@/player',
      '"@/player" leads to no file. A short name for a folder has to stand in "paths" of tsconfig.json, or "imports" of package.json.',
    ],
  ])('for an import with %s', async (_title, spec, words) => {
    const { text: said } = await saidOf(`import ${JSON.stringify(spec)};`, 'ts');
    expect(said).toContain(`Could not resolve "${spec}"`);
    const found = explain(said, around('src/main.ts'));
    expect(found.startsWith(words), found).toBe(true);
  });

  it.each<[string, string, Loader, string, string]>([
    [
      'a comma that JSON does not have',
      '{"a": 1,}',
      'json',
      'src/data.json',
      'There is a comma after the last entry. JSON has none there: take it away.',
    ],
    ['single quotes in JSON', "{'a': 1}", 'json', 'src/data.json', 'double quotes'],
    [
      'a value that is missing',
      'const a = ;',
      'ts',
      'src/main.ts',
      'Nothing goes on with ";" here. Something before it is missing, or it is one too many.',
    ],
    [
      'a brace that is missing',
      'if (1) {',
      'ts',
      'src/main.ts',
      'The file ends before everything is closed. Look for a missing }, ) or ].',
    ],
    [
      'a quote that is missing',
      'const a = "x\n',
      'ts',
      'src/main.ts',
      'A text begins here and does not end. Close it with the same quote.',
    ],
    [
      'a type in JavaScript',
      'const a: number = 1;',
      'js',
      'src/main.js',
      'Here ";" is needed, and there is ":". Types are for TypeScript: name the file .ts, or leave the type away.',
    ],
    [
      'two of one name',
      'let a = 1; let a = 2;',
      'ts',
      'src/main.ts',
      'There are two things called "a": this, and one in line 1. Give one of them another name.',
    ],
    [
      'await in a plain function',
      'function f() { await 1; }',
      'ts',
      'src/main.ts',
      '"await" works in functions that are marked "async" only.',
    ],
    [
      'a tag in JavaScript',
      'const a = <b/>;',
      'js',
      'src/main.js',
      'Tags such as <div> are understood in .jsx and .tsx files only. Rename the file.',
    ],
    [
      'a tag that is not closed',
      'const a = <b>;',
      'tsx',
      'src/main.tsx',
      'The tag <b> is never closed. Write </b> where it ends.',
    ],
    [
      'tags in the wrong order',
      '<div>\n<p>\n</div>;',
      'tsx',
      'src/main.tsx',
      'Here </div> stands before <p> of line 2 is closed. Write </p> first.',
    ],
    [
      'a fragment in the wrong order',
      '<><p></>;',
      'tsx',
      'src/main.tsx',
      'Here </> stands before <p> of line 1 is closed.',
    ],
    [
      'a constant that changes',
      'const a = 1;\na = 2;',
      'ts',
      'src/main.ts',
      'Write "let" in place of "const" where it is made, in line 1.',
    ],
    ['a constant without a value', 'const a;', 'ts', 'src/main.ts', '"a" is a constant and needs a value'],
    ['an interface in JavaScript', 'interface A { b: 1 }', 'js', 'src/main.js', 'Types are for TypeScript'],
    ['a cast in JavaScript', 'let a = b as number;', 'js', 'src/main.js', 'Types are for TypeScript'],
    [
      'a name that cannot be one',
      'const class = 1;',
      'ts',
      'src/main.ts',
      'Here a name is needed, and there is "class".',
    ],
    ['a break in no loop', 'break;', 'ts', 'src/main.ts', '"break" has no place here.'],
    [
      'decorators of parameters',
      'class A { constructor(@p a) {} }',
      'ts',
      'src/main.ts',
      'need "experimentalDecorators": true in the "compilerOptions" of tsconfig.json',
    ],
    [
      'a comment of CSS that does not end',
      'a { color: red } /* x',
      'css',
      'src/style.css',
      'A comment begins with "/*" and does not end. Write "*/" where it does.',
    ],
  ])('for %s', async (_title, contents, loader, from, words) => {
    const { text, line } = await saidOf(contents, loader);
    expect(explain(text, around(from, { line }))).toContain(words);
  });

  it.each([
    [
      'No matching export in "src/player.ts" for import "speed"',
      '"src/player.ts" exports no "speed". Write "export" before it there, or look at its name.',
    ],
    [
      'No matching export in "src/player.ts" for import "sped" Did you mean to import "speed" instead?',
      '"src/player.ts" exports no "sped". Did you mean "speed"?',
    ],
    ['No matching export in "src/player.ts" for import "default"', '"src/player.ts" has no default export.'],
    [
      'No loader is configured for ".foo" files: src/a.foo',
      'The bundler cannot read ".foo" files. Put the file into "public/"',
    ],
    ['Expected ":"', 'In CSS, a line is "name: value;"'],
  ])('for %s', (said, words) => {
    const from = said.startsWith('Expected') ? 'src/style.css' : 'src/main.ts';
    expect(explain(said, around(from))).toContain(words);
  });

  it('for a picture of a stylesheet, which needs no "./"', () => {
    const paths = ['src/img/hero.png', 'public/logo.svg'];
    const said = (spec: string): string =>
      explain(`Could not resolve "${spec}"`, around('src/style.css', { paths, packages: new Set(['fonts']) }));
    expect(said('img/hero.jpg')).toBe('There is no file "img/hero.jpg". Did you mean "img/hero.png"?');
    expect(said('/Logo.svg')).toContain('Did you mean "/logo.svg"?');
    expect(said('fonts/gone.css')).toContain('The package "fonts" has no "gone.css"');
  });

  it.each(['<<<<<<< HEAD', '=======', '>>>>>>> theirs', '||||||| base'])('for the mark %s of a merge', (line) => {
    expect(explain('Unexpected "<<"', around('src/main.ts', { line }))).toMatch(
      /^Two versions of this file were merged/,
    );
    expect(explain('Unexpected "<<"', around('src/main.ts', { line: ` ${line}` }))).toContain('Nothing goes on');
  });

  it('leaves alone what is not in the table, and what is in no file', () => {
    for (const said of ['Something new', 'Could not resolve "./gone"']) expect(explain(said, around(null))).toBe(said);
  });

  it('is done at once with long names', () => {
    const long = 'x'.repeat(5000);
    const paths = Array.from({ length: 2000 }, (_, index) => `src/${'y'.repeat(200)}${index}.ts`);
    expect(explain(`Could not resolve "./${long}"`, around('src/main.ts', { paths }))).toContain('There is no file');
  });
});

describe('what npm says of packages', () => {
  it.each([
    [
      'E404: 404 Not Found - GET https://registry.npmjs.org/@scope%2fnoname - Not found',
      'There is no package "@scope/noname" in the registry.',
    ],
    [
      'E404: 404 Not Found - GET http://127.0.0.1:4873/phaserr - not_found',
      'There is no package "phaserr" in the registry.',
    ],
    [
      'ETARGET: No matching version found for is-number@99.0.0.',
      'The registry has no version "99.0.0" of "is-number".',
    ],
    ['ETARGET: No matching version found for @scope/x@^9.', 'The registry has no version "^9" of "@scope/x".'],
    ['ERESOLVE: could not resolve', 'Two packages want different versions of a third one.'],
    ['EINTEGRITY: sha512-x integrity checksum failed', 'A package is not what package-lock.json says it was.'],
  ])('%s', (said, words) => {
    const found = explain(said, { from: null, paths: [], packages: new Set() });
    expect(found).toContain(words);
    // What one can look for elsewhere.
    expect(found).toContain(said.slice(0, said.indexOf(':')));
  });

  it('names the packages that are asked for', () => {
    expect([...packagesOf({ dependencies: { a: '1' }, devDependencies: { b: '1' }, scripts: { c: 'x' } })]).toEqual([
      'a',
      'b',
    ]);
    for (const none of [undefined, null, 3, { dependencies: 'x' }]) expect(packagesOf(none).size).toBe(0);
  });
});
