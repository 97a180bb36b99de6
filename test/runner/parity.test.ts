import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build, stop } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../../containers/build-runner/src/child/bundle.ts';
import { findEntry } from '../../containers/build-runner/src/child/entry.ts';
import { readPage } from '../../containers/build-runner/src/child/html.ts';
import type { Project } from '../../containers/build-runner/src/child/project.ts';
import type { LogLine } from '../../containers/build-runner/src/child/protocol.ts';
import type { Log } from '../../containers/build-runner/src/child/report.ts';
import { BuildFailure } from '../../containers/build-runner/src/failure.ts';
import { isMarked } from '../../containers/build-runner/src/marks.ts';
import { bundle as preview } from '../../src/bundler/bundle.ts';
import { BuildOptions } from '../../src/contract/builds.ts';
import { ProjectProblem } from '../../src/core/game/paths.ts';

/** A module that says where it lies, so that what went into a bundle can be read from its text. */
const says = (name: string): string => `console.log('[from ${name}]');\nexport const from = 1;\n`;
const config = (options: object, rest: object = {}): string => JSON.stringify({ ...rest, compilerOptions: options });

interface Fixture {
  readonly files: Readonly<Record<string, string>>;
  /** The modules that must be found. */
  readonly finds?: readonly string[];
  readonly emits?: RegExp;
  /** What is said first of a mistake … */
  readonly fails?: RegExp;
  /** … or all that is said, with the places. */
  readonly tells?: readonly string[];
  /** All that is warned of where it does bundle, with the places. */
  readonly warns?: readonly string[];
}

const brokenWorker = { 'src/w.ts': 'export const a = 1;\nconst b = ;\n' };
const ofBrokenWorker =
  'src/w.ts:2:10: Nothing goes on with ";" here. Something before it is missing, or it is one too many.';

/** What a project has, and what becomes of it, whoever bundles it. */
const fixtures: Readonly<Record<string, Fixture>> = {
  'paths, relative to the config': {
    files: {
      'tsconfig.json': config({ paths: { '@/*': ['./src/*'], lib: ['./vendor/lib.ts'] } }),
      'src/main.ts': "import '@/a'; import '@/deep'; import 'lib';",
      'src/a.ts': says('a'),
      'src/deep/index.js': says('deep'),
      'vendor/lib.ts': says('lib'),
    },
    finds: ['a', 'deep', 'lib'],
  },
  'an exact name before a pattern, the longest pattern first, targets in their order': {
    files: {
      'tsconfig.json': config({
        paths: { '*': ['./any/*'], '@/*': ['./gone/*', './src/*'], '@/ui/*': ['./ui/*'], '@/ui/one': ['./src/exact'] },
      }),
      'src/main.ts': "import '@/a'; import '@/ui/two'; import '@/ui/one'; import 'plain';",
      'src/a.ts': says('a'),
      'src/ui/two.ts': says('wrong two'),
      'ui/two.ts': says('two'),
      'ui/one.ts': says('wrong one'),
      'src/exact.ts': says('exact'),
      'any/plain.ts': says('plain'),
    },
    finds: ['a', 'exact', 'plain', 'two'],
  },
  'a pattern with an ending': {
    files: {
      'tsconfig.json': config({ paths: { 'lib/*/v2': ['./src/*-two.ts'] } }),
      'src/main.ts': "import 'lib/x/v2';",
      'src/x-two.ts': says('x'),
    },
    finds: ['x'],
  },
  baseUrl: {
    files: {
      'tsconfig.json': config({ baseUrl: 'src' }),
      'src/main.ts': "import 'lib/a'; import 'b.js';",
      'src/lib/a.ts': says('a'),
      'src/b.ts': says('b'),
    },
    finds: ['a', 'b'],
  },
  'extends, with paths relative to the file that has them': {
    files: {
      'tsconfig.json': '{ // the base has the aliases\n "extends": "./config/base", }',
      'config/base.json': config({ baseUrl: '../src', paths: { '@/*': ['./*'] } }, { extends: ['./jsx.json'] }),
      'config/jsx.json': config({ jsx: 'react', jsxFactory: 'h' }),
      'src/main.tsx': "import '@/a'; const h = (x: string) => x; console.log(<b />);",
      'src/a.ts': says('a'),
    },
    finds: ['a'],
    emits: /h\("b", null\)/,
  },
  'the options of the one that extends before those of its base': {
    files: {
      'tsconfig.json': config({ jsxFactory: 'own' }, { extends: './base.json' }),
      'base.json': config({ jsx: 'react', jsxFactory: 'base' }),
      'src/main.tsx': 'const own = (x: string) => x; console.log(<b />);',
    },
    emits: /own\("b", null\)/,
  },
  'a base in a package that is not installed': {
    files: {
      'tsconfig.json': config({ paths: { '@/*': ['./src/*'] } }, { extends: '@tsconfig/strictest/tsconfig.json' }),
      'src/main.ts': "import '@/a';",
      'src/a.ts': says('a'),
    },
    finds: ['a'],
  },
  'decorators of TypeScript': {
    files: {
      'tsconfig.json': config({ experimentalDecorators: true }),
      'src/main.ts': "const seen = (c: unknown) => console.log('decorated', c);\n@seen class A {}\nconsole.log(A);",
    },
    emits: /__decorateClass/,
  },
  "Vite's tsconfig.app.json": {
    files: {
      'tsconfig.json': JSON.stringify({ files: [], references: [{ path: './tsconfig.app.json' }] }),
      'tsconfig.app.json': config({ paths: { '~/*': ['./src/*'] } }),
      'src/main.ts': "import '~/a';",
      'src/a.ts': says('a'),
    },
    finds: ['a'],
  },
  'jsconfig.json': {
    files: {
      'jsconfig.json': config({ paths: { '~/*': ['./src/*'] } }),
      'src/main.js': "import '~/a';",
      'src/a.js': says('a'),
    },
    finds: ['a'],
  },
  'extensions in the order of esbuild, and the names that sources will have': {
    files: {
      'src/main.ts': "import './a'; import './b.js'; import './c.mjs'; import './d'; import './e.jsx';",
      'src/a.ts': says('a'),
      'src/a.js': says('wrong a'),
      'src/b.tsx': says('b'),
      'src/c.mts': says('c'),
      'src/d/index.ts': says('d'),
      'src/e.tsx': says('e'),
    },
    finds: ['a', 'b', 'c', 'd', 'e'],
  },
  'an import map that leads into the project': {
    files: {
      'index.html':
        '<script type="importmap">{"imports":{"own":"/src/own.js","lib/":"./lib/","cdn":"https://cdn.example/x.js"}}</script><script type="module" src="/src/main.js"></script>',
      'src/main.js': "import 'own'; import 'lib/a.js'; import 'cdn';",
      'src/own.js': says('own'),
      'lib/a.js': says('a'),
    },
    finds: ['a', 'own'],
    emits: /import\s*"cdn"/,
  },
  'an entry that kiln.json names': {
    files: { 'kiln.json': '{"entry":"./game/start.ts"}', 'src/main.ts': says('wrong'), 'game/start.ts': says('start') },
    finds: ['start'],
  },
  'a wrong entry': {
    files: { 'kiln.json': '{\n  // ä\n  "entry": "src/Main.ts",\n}', 'src/main.ts': says('wrong') },
    tells: [
      'kiln.json:3:11: entry of kiln.json names "src/Main.ts", which is not a file of this project. Did you mean "src/main.ts"?',
    ],
  },
  'a wrong entry in package.json': {
    files: { 'package.json': '{"name":"ä","kiln":{"entry":"gone.ts"}}', 'src/main.ts': says('wrong') },
    tells: ['package.json:1:28: kiln.entry of package.json names "gone.ts", which is not a file of this project.'],
  },
  'no entry': { files: { 'README.md': '' }, fails: /^The project has no index\.html/ },
  'kiln.json that is none': {
    files: { 'kiln.json': '{\n  "entry" "src/main.ts"\n}', 'src/main.ts': '' },
    tells: ['kiln.json:2:10: kiln.json is not valid JSON. Here ":" is needed, between a name and its value.'],
  },
  'package.json that npm would not take': {
    files: { 'package.json': '{\n  "name": "game",\n}\n', 'src/main.ts': '' },
    tells: [
      'package.json:3:0: package.json is not valid JSON. There is a comma after the last entry. JSON has none there: take it away.',
    ],
  },
  'a config that is none': {
    files: { 'tsconfig.json': '{\n  "compilerOptions": {', 'src/main.ts': '' },
    tells: [
      'tsconfig.json:2:22: tsconfig.json cannot be used: it is not valid JSON. The file ends before everything is closed. Look for a missing } or ].',
    ],
  },
  'a base that is not there': {
    files: { 'tsconfig.json': '{"extends":["./gone"]}', 'src/main.ts': '' },
    tells: ['tsconfig.json:1:12: "./gone" is not a file of this project.'],
  },
  '#66 a base outside': {
    files: { 'tsconfig.json': '{"extends":"../../../etc/x"}', 'src/main.ts': '' },
    fails: /^"\.\.\/\.\.\/\.\.\/etc\/x" is not a file of this project/,
  },
  '#66 paths that lead outside': {
    files: { 'tsconfig.json': config({ paths: { '*': ['./*', '../*'] } }), 'src/main.ts': '' },
    tells: ['tsconfig.json:1:40: "../*" is not a file of this project.'],
  },
  'a mistake in a worker that is imported': {
    files: { ...brokenWorker, 'src/main.ts': "import W from './w.ts?worker';\nnew W();" },
    tells: [ofBrokenWorker],
  },
  'a mistake in a module worker': {
    files: {
      ...brokenWorker,
      'src/main.ts': "new Worker(new URL('./w.ts', import.meta.url), { type: 'module' });",
    },
    tells: [ofBrokenWorker],
  },
  'a mistake in a classic worker': {
    files: { ...brokenWorker, 'src/main.ts': "new Worker(new URL('./w.ts', import.meta.url));" },
    tells: [ofBrokenWorker],
  },
  'a mistake in a worker of a worker': {
    files: {
      ...brokenWorker,
      'src/main.ts': "new Worker(new URL('./first.ts', import.meta.url), { type: 'module' });",
      'src/first.ts': "import W from './w.ts?worker';\nnew W();",
    },
    tells: [ofBrokenWorker],
  },
  'an import of a worker that leads nowhere': {
    files: {
      'src/main.ts': "import W from './w.ts?worker';\nnew W();",
      'src/w.ts': "import './gone';",
      'src/done.ts': '',
    },
    tells: ['src/w.ts:1:7: There is no file "./gone". Did you mean "./done"?'],
  },
  'a worker that is not there': {
    files: {
      'src/main.ts': "const a = 'ä'; new Worker(new URL('./wrker.ts', import.meta.url), { type: 'module' });",
      'src/worker.ts': '',
    },
    tells: ['src/main.ts:1:34: There is no file "./wrker.ts". Did you mean "./worker.ts"?'],
  },
  'a classic worker that waits': {
    files: { 'src/main.ts': "new Worker(new URL('./w.ts', import.meta.url));", 'src/w.ts': '\nawait 1;' },
    tells: [
      'src/w.ts:2:0: This worker is a classic one, which cannot "await" outside of a function. Start it with { type: \'module\' }, or put this into an async function.',
    ],
  },
  'a mistake behind an address': {
    files: {
      'src/main.ts': "new Worker(new URL('./w.ts', import.meta.url)); const b = = 1;",
      'src/w.ts': '',
    },
    tells: ['src/main.ts:1:58: Nothing goes on with "=" here. Something before it is missing, or it is one too many.'],
  },
  'a mistake behind letters that are more than a byte': {
    files: { 'src/main.ts': 'const ä = "öö😀";\tconst b = = 2;' },
    tells: ['src/main.ts:1:28: Nothing goes on with "=" here. Something before it is missing, or it is one too many.'],
  },
  'a mistake in the first line of code in a page': {
    files: {
      'index.html': '<!doctype html>\r\n<p>ä</p><script type="module">import "./gone.js";\nlet a = 1;</script>',
    },
    tells: ['index.html:2:37: There is no file "./gone.js". Look at the name; it is searched for from index.html.'],
  },
  'a mistake in a later line of code in a page': {
    files: { 'index.html': '<!doctype html>\n  <script type="module">\n  let a = 1;\n  let a = 2;</script>' },
    tells: ['index.html:4:6: There are two things called "a": this, and one in line 3. Give one of them another name.'],
  },
  'another case of the name of a picture': {
    files: { 'src/main.ts': "import hero from './Hero.png'; console.log(hero);", 'src/hero.png': 'x' },
    tells: [
      'src/main.ts:1:17: There is no file "./Hero.png". Did you mean "./hero.png"? Upper and lower case are different names.',
    ],
  },
  'a folder that has no index': {
    files: { 'src/main.ts': "import './levels';", 'src/levels/two.ts': '', 'src/levels/one.ts': '' },
    tells: [
      'src/main.ts:1:7: "./levels" is a folder. Name a file in it, such as "./levels/one", or make an index file there that exports what is needed.',
    ],
  },
  'marks of a merge': {
    files: { 'src/main.ts': 'let a;\n<<<<<<< HEAD\nlet b = 1;\n=======\nlet b = 2;\n>>>>>>> theirs\n' },
    tells: [
      'src/main.ts:2:0: Two versions of this file were merged here and did not fit together. Keep what you want of the lines between "<<<<<<<" and ">>>>>>>", and take out these marks.',
    ],
  },
  'tags that are closed in the wrong order': {
    files: { 'src/main.tsx': 'export const App = () => (\n  <div>\n    <p>hi\n  </div>\n);' },
    tells: [
      'src/main.tsx:4:4: Here </div> stands before <p> of line 3 is closed. Write </p> first.',
      'src/main.tsx:5:2: The tag <div> is never closed. Write </div> where it ends.',
    ],
  },
  'a module script of a page, named as what it becomes': {
    files: { 'index.html': '<script type="module" src="src/main.js"></script>', 'src/main.ts': says('main') },
    finds: ['main'],
  },
  'a module script that is written from the folder of the page': {
    files: { 'src/index.html': '<script type="module" src="/my%20game.ts"></script>', 'src/my game.ts': says('main') },
    finds: ['main'],
  },
  'a page whose module script is not there': {
    files: {
      'index.html': '<!doctype html>\n<b>ä</b><script type="module" src="/src/Main.ts"></script>',
      'src/main.ts': says('main'),
    },
    tells: [
      'index.html:2:35: There is no file "/src/Main.ts". Did you mean "/src/main.ts"? Upper and lower case are different names.',
    ],
  },
  'a page whose two module scripts are not there': {
    files: {
      'index.html': '<script type="module" src="mian.js"></script>\n<script type="module" src="./gone.js"></script>',
      'main.js': says('main'),
    },
    tells: [
      'index.html:1:27: There is no file "mian.js". Did you mean "main.js"?',
      'index.html:2:27: There is no file "./gone.js". Look at the name; it is searched for from index.html.',
    ],
  },
  'TypeScript in a script that is no module': {
    files: { 'index.html': '<p>\n<script src="src/main.ts"></script>', 'src/main.ts': says('main') },
    tells: [
      'index.html:2:0: No browser can read TypeScript. Write <script type="module" src="src/main.ts">, and it is made into JavaScript.',
    ],
  },
  'imports in scripts that are no modules': {
    files: {
      'index.html':
        '<script src="main.js"></script>\n<script>\nimport "./a.js";</script>\n<script>export {}</script><script>await 1</script>',
      'main.js': "import './a.js';",
      'a.js': says('a'),
    },
    tells: [
      'index.html:1:0: This script is a module: it has "import", "export", or "await" outside of a function. Write <script type="module" src="main.js">.',
      ...[
        [2, 0],
        [4, 0],
        [4, 26],
      ].map(
        ([line, column]) =>
          `index.html:${line}:${column}: This script is a module: it has "import", "export", or "await" outside of a function. Write <script type="module">.`,
      ),
    ],
  },
  'mistakes in scripts that are no modules': {
    files: {
      'index.html': '<script src="main.js"></script>\n<script>let ä = = 1;</script>',
      'main.js': 'let a = 1;\nlet b = = 2;',
    },
    tells: ['index.html:2:16', 'main.js:2:8'].map(
      (place) => `${place}: Nothing goes on with "=" here. Something before it is missing, or it is one too many.`,
    ),
  },
  'scripts that only look like modules': {
    files: {
      'index.html':
        '<script src="main.js"></script><script nomodule src="old.js"></script><script type="text/template">import {</script><script>with (Math) abs(010) // <!-- x\n</script>',
      'main.js': "// import a from 'b'\nvar text = 'export default 1'; import('./a.js').then((a) => a.import);",
      'old.js': 'export {}',
      'a.js': 'export {}',
    },
    finds: [],
  },
  'marks of a merge in a page': {
    files: { 'index.html': '<p>\n<<<<<<< HEAD\n<b>\n=======\n<i>\n>>>>>>> theirs\n' },
    tells: [
      'index.html:2:0: Two versions of this file were merged here and did not fit together. Keep what you want of the lines between "<<<<<<<" and ">>>>>>>", and take out these marks.',
    ],
  },
  'what plays, and is meant otherwise': {
    files: {
      'index.html': '<link rel="icon" href="/icon.png">\n<script type="module" src="src/main.ts"></script>',
      'src/main.ts':
        "import * as all from './part';\nif (!('a' in all) === true) all.gone;\nconst a = [] == '';\nnew Worker(new URL('./w.ts', import.meta.url), { type: 'module' });",
      'src/part.ts': says('part'),
      'src/w.ts': 'const twice = { a: 1, a: 2 };\nif (typeof twice === "nul") debugger;',
    },
    finds: ['part'],
    warns: [
      'index.html:1:23: There is no file "/icon.png". Look at the name; it is searched for from index.html. <link> is left as it is.',
      'src/main.ts:2:32: Import "gone" will always be undefined because there is no matching export in "src/part.ts"',
      'src/w.ts:1:22: Duplicate key "a" in object literal. The original key "a" is in line 1.',
      'src/w.ts:2:21: The "typeof" operator will never evaluate to "nul"',
    ],
  },
  'bases in a circle': {
    files: { 'tsconfig.json': '{"extends":"./a.json"}', 'a.json': '{"extends":"./a.json"}', 'src/main.ts': '' },
    fails: /goes too deep/,
  },
};

interface Outcome {
  readonly text: string;
  readonly problem: string | null;
  readonly told: readonly string[];
  readonly warned: readonly string[];
}

const toldOf = ({ file, line, column, message }: Pick<LogLine, 'file' | 'line' | 'column' | 'message'>): string =>
  `${file === undefined ? '' : line === undefined ? `${file}: ` : `${file}:${line}:${column}: `}${message}`;

let root = '';
beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'kiln-parity-')));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
  await stop();
});

async function byRunner(name: string, files: Readonly<Record<string, string>>): Promise<Outcome> {
  const folder = join(root, String(Object.keys(fixtures).indexOf(name)));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const marked = Object.entries(files).flatMap(([path, text]) => (isMarked(path, Buffer.from(text)) ? [path] : []));
  const project: Project = {
    root: folder,
    files: new Set(Object.keys(files)),
    marked: new Set(marked),
    modulesDir: null,
  };
  const options = BuildOptions.parse({ minify: false });
  const told: string[] = [];
  const warned: string[] = [];
  const log: Log = (line) =>
    void (line.level === 'error' ? told : line.level === 'warn' ? warned : []).push(toldOf(line));
  try {
    const entry = await findEntry(project, options);
    const page = entry.kind === 'html' ? await readPage(project, entry.path, log) : null;
    const entries = page?.entries ?? [{ id: 'main', path: entry.path }];
    if (entries.length === 0) return { text: '', problem: null, told, warned };
    const mapped = page?.mapped ?? (() => undefined);
    const made = await bundle({ project, options, entries, mapped, log, onProgress: () => undefined });
    const text = [...made.files.values()].map((bytes) => Buffer.from(bytes).toString()).join('\n');
    return { text, problem: null, told, warned };
  } catch (error) {
    if (!(error instanceof BuildFailure || error instanceof ProjectProblem)) throw error;
    // As `buildProject` does.
    if (told.length === 0) told.push(toldOf({ message: error.message, ...error.place }));
    return { text: '', problem: error.message, told, warned };
  }
}

async function byPreview(files: Readonly<Record<string, string>>): Promise<Outcome> {
  const result = await preview(
    { paths: Object.keys(files), sources: files, want: { kind: 'page', title: 'Game' } },
    build,
  );
  return result.ok
    ? {
        text: result.files.map(({ text }) => text).join('\n'),
        problem: null,
        told: [],
        warned: result.warnings.map(toldOf),
      }
    : { text: '', problem: result.problems[0]?.message ?? '', told: result.problems.map(toldOf), warned: [] };
}

const marks = (text: string): string[] => [...text.matchAll(/\[from ([\w ]+)\]/g)].map(([, name = '']) => name).sort();

describe('A preview and a build understand the same of', () => {
  it.each(Object.entries(fixtures))('%s', async (name, { files, finds = [], emits, fails, tells, warns = [] }) => {
    for (const outcome of [await byRunner(name, files), await byPreview(files)]) {
      if (tells) expect([...outcome.told].sort()).toEqual([...tells].sort());
      else if (fails) expect(outcome.problem).toMatch(fails);
      else {
        expect(outcome.problem).toBeNull();
        expect(marks(outcome.text)).toEqual(finds);
        expect([...outcome.warned].sort()).toEqual([...warns].sort());
        if (emits) expect(outcome.text).toMatch(emits);
      }
    }
  });
});
