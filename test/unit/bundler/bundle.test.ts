import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild-wasm';
import { afterAll, describe, expect, it } from 'vitest';
import { bundle } from '../../../src/bundler/bundle.ts';
import { type BundleOrder, type BundleResult, RunnerBundle } from '../../../src/contract/preview.ts';

/** Here the compiler has a file system that it could reach: the plugin alone keeps it out. */
const order = (sources: Record<string, string>, binaries: readonly string[] = []): BundleOrder => ({
  paths: [...Object.keys(sources), ...binaries],
  sources,
  want: { kind: 'page', title: 'A <game>' },
});

const made = (result: BundleResult): Record<string, string> => {
  if (!result.ok) throw new Error(JSON.stringify(result));
  return Object.fromEntries(result.files.map(({ path, text }) => [path.replace(/-[A-Z0-9]{8}\./, '.'), text]));
};
const problems = (result: BundleResult): readonly { message: string }[] => {
  if (result.ok) throw new Error(`it was bundled: ${JSON.stringify(result.files)}`);
  return result.problems;
};
const page = (script: string): string => `<!doctype html><body><script type="module">${script}</script></body>`;

describe('A preview', () => {
  it('leads the module scripts of a page to what was bundled of them, and leaves all else as it is written', async () => {
    const html = `<!doctype html>
<html><head><link rel="stylesheet" href="/style.css"></head>
<body class=a><img src="hero.png">
<script src="old.js"></script>
<script type="module" integrity="sha256-x" src="/src/main.ts"></script>
<script type="module">import { size } from './src/size.ts'; console.log(size);</script>
</body></html>`;
    const result = await bundle(
      order(
        {
          'index.html': html,
          'style.css': 'a{}',
          'old.js': '',
          'src/main.ts':
            "import { size } from './size';\nimport './main.css';\nconst n: number = size;\ndocument.title = String(n);",
          'src/main.css': "body { background: url('../img/back ground.png') }",
          'src/size.ts': 'export const size: number = 41;',
        },
        ['img/back ground.png', 'hero.png'],
      ),
      build,
    );
    const files = made(result);
    const text = files['index.html'] ?? '';
    expect(text).toMatch(
      /<link rel="stylesheet" href="\.\/_kiln\/main-[A-Z0-9]{8}\.css"><script type="module"\s+src="\.\/_kiln\/main-[A-Z0-9]{8}\.js">/,
    );
    expect(text).toMatch(/<script type="module" src="\.\/_kiln\/index-[A-Z0-9]{8}\.js"><\/script>\n<\/body>/);
    expect(text).toContain('<link rel="stylesheet" href="/style.css"></head>\n<body class=a><img src="hero.png">');
    expect(text).not.toContain('integrity');
    expect(files['_kiln/main.css']).toContain('url(../img/back%20ground.png)');
    // Shared by both, once.
    expect(Object.values(files).filter((one) => one.includes('41'))).toHaveLength(1);
  });

  it('makes a page around a script, with the name of the project as text', async () => {
    const files = made(await bundle(order({ 'src/main.ts': 'document.title += 1;' }), build));
    expect(files['index.html']).toContain('<title>A &#60;game&#62;</title>');
    expect(files['index.html']).toMatch(/src="\.\/_kiln\/main-[A-Z0-9]{8}\.js"/);
  });

  it('gives imports the meaning that they have in a build', async () => {
    const result = await bundle(
      order(
        {
          'index.html': page("import './src/all.tsx';"),
          'tsconfig.json':
            '{ // aliases\n "compilerOptions": { "paths": { "@/*": ["./src/*"] }, "jsxFactory": "h", "jsx": "react" }, }',
          'src/all.tsx': `import ship from './ship.png';
            import shader from './shader.glsl';
            import raw from './data.json?raw';
            import { level } from './data.json';
            import { deep } from '@/lib';
            import Worker from './worker.ts?worker';
            import styles from './a.module.css';
            import fromPublic from '/logo.svg';
            const h = (name: string) => name;
            console.log(ship, shader, raw, level, deep, Worker, styles.red, fromPublic, <b />, import.meta.env.PROD,
              new URL('./sound.ogg', import.meta.url));`,
          'src/shader.glsl': 'void main() {}',
          'src/data.json': '{"level":"seven"}',
          'src/lib/index.js': "export const deep = 'from an alias';",
          'src/worker.ts': 'self.postMessage(1);',
          'src/a.module.css': '.red { color: red }',
        },
        ['src/ship.png', 'src/sound.ogg', 'public/logo.svg'],
      ),
      build,
    );
    const script = made(result)['_kiln/index.js'] ?? '';
    expect(script).toContain('new URL("../src/ship.png", import.meta.url).href');
    expect(script).toContain('new URL("../logo.svg", import.meta.url).href');
    expect(script).toContain('new URL("../src/all.tsx", import.meta.url).href');
    expect(script).toContain('new Worker(new URL("../src/worker.ts", import.meta.url)');
    for (const text of ['void main() {}', 'seven', 'from an alias', 'h("b", null)']) expect(script).toContain(text);
    expect(made(result)['_kiln/index.css']).toContain('color: red');
  });

  it('bundles a worker to one text that runs in both kinds of worker', async () => {
    const sources = {
      'src/worker.ts':
        "import { n } from './n.ts';\nimport map from './map.png';\npostMessage([n, map, import.meta.url]);",
      'src/n.ts': 'export const n = 3;',
    };
    const result = await bundle(
      { ...order(sources, ['src/map.png']), want: { kind: 'worker', path: 'src/worker.ts' } },
      build,
    );
    if (!result.ok) throw new Error(JSON.stringify(result));
    const { path, text } = result.files[0] ?? { path: '', text: '' };
    expect(path).toBe('src/worker.ts');
    expect(text).toContain('new URL("../src/map.png", self.location.href)');
    expect(text).not.toMatch(/\bimport\b|\bexport\b/);
  });

  it('leaves to the browser what the import map of the page gives it', async () => {
    const html = `<script type="importmap">{"imports":{"three":"https://cdn.example/three.js","three/":"https://cdn.example/three/","own":"/src/own.js"}}</script>
<script type="module">import 'three'; import 'three/addons/x.js'; import { own } from 'own'; import 'https://cdn.example/y.js'; console.log(own);</script>`;
    const script = made(await bundle(order({ 'index.html': html, 'src/own.js': "export const own = 'mine';" }), build));
    expect(script['_kiln/index.js']).toMatch(/import "three";\s*import "three\/addons\/x\.js";/);
    expect(script['_kiln/index.js']).toContain('https://cdn.example/y.js');
    expect(script['_kiln/index.js']).toContain('mine');
  });

  it('names the packages that a build would install', async () => {
    const result = await bundle(
      order({
        'package.json': '{"dependencies":{"phaser":"^3"},"devDependencies":{"@scope/y":"1"}}',
        'src/main.ts': "import Phaser from 'phaser';\nimport x from '@scope/y/z';\nconsole.log(Phaser, x);",
      }),
      build,
    );
    expect(result).toMatchObject({ ok: false, reason: 'needs_packages' });
    expect(problems(result).map(({ message }) => /"([^"]+)"/.exec(message)?.[1])).toEqual(['@scope/y', 'phaser']);
    const nobodys = await bundle(
      order({ 'package.json': '{}', 'src/main.js': "import 'node:fs';\nimport 'left-pad';" }),
      build,
    );
    expect(nobodys).toMatchObject({ ok: false, reason: 'errors' });
    expect(problems(nobodys).map(({ message }) => message)).toEqual([
      'The package "left-pad" is neither in package.json nor in the page\'s import map.',
      'The package "node:fs" is neither in package.json nor in the page\'s import map.',
    ]);
  });

  it('leaves to a build an import that computes its path', async () => {
    const sources = { 'src/main.ts': 'import(`./levels/${location.hash}.ts`);', 'src/levels/a.ts': '' };
    expect(await bundle(order(sources), build)).toMatchObject({ ok: false, reason: 'needs_build' });
  });

  it('says where a mistake is', async () => {
    expect(await bundle(order({ 'src/main.ts': 'const a = 1;\nconst b = ;\n' }), build)).toEqual({
      ok: false,
      reason: 'errors',
      problems: [
        {
          message: expect.stringContaining('Nothing goes on with ";" here.'),
          file: 'src/main.ts',
          line: 2,
          column: 10,
        },
      ],
    });
    const lost = await bundle(order({ 'src/main.ts': "import './gone';\n" }), build);
    expect(problems(lost)).toEqual([
      {
        message: 'There is no file "./gone". Look at the name; it is searched for from src/main.ts.',
        file: 'src/main.ts',
        line: 1,
        column: 7,
      },
    ]);
    expect(problems(await bundle(order({ 'README.md': '' }), build))[0]?.message).toMatch(
      /has no index.html|not a file of this project/,
    );
    expect(
      problems(await bundle(order({ 'kiln.json': '{"entry":"../x.ts"}', 'index.html': '' }), build))[0]?.message,
    ).toMatch(/has no index.html|not a file of this project/);
    expect(
      problems(await bundle(order({ 'src/main.ts': "import './x.vue';", 'src/x.vue': '' }), build))[0]?.message,
    ).toContain('needs a compiler');
  });
});

describe('A mistake in a preview', () => {
  const told = async (sources: Record<string, string>) => problems(await bundle(order(sources), build));

  it('behind the address of a module is where it was written', async () => {
    expect(await told({ 'src/main.ts': "const a = new URL('./ö', import.meta.url), b = = 1;" })).toEqual([
      expect.objectContaining({ file: 'src/main.ts', line: 1, column: 47 }),
    ]);
  });

  it('in a worker is told with the page, once for each', async () => {
    const worker = { file: 'src/w.ts', line: 1, column: 8, message: expect.stringContaining('Nothing goes on with') };
    const sources = {
      'src/main.ts': `import One from './w.ts?worker';
import './other.ts';
new Worker(new URL('./w.ts', import.meta.url), { type: 'module' });`,
      'src/other.ts': "new Worker(new URL('./w.ts', import.meta.url), { type: 'module' });",
      'src/w.ts': 'let a = ;',
    };
    expect(await told(sources)).toEqual([worker]);
    expect(await bundle(order({ ...sources, 'src/w.ts': '' }), build)).toMatchObject({ ok: true });
  });

  it('of a page is told with its place: a script that is not there, or that no browser runs as it is named', async () => {
    const sources = {
      'index.html':
        '<script type="module" src="gaem.ts"></script>\n<script src="old.js"></script>\n<script>let ä = ;</script>',
      'game.ts': '',
      'old.js': 'export {};',
    };
    expect(await told(sources)).toMatchObject([
      { file: 'index.html', line: 1, column: 27, message: 'There is no file "gaem.ts". Did you mean "game.ts"?' },
      { file: 'index.html', line: 3, column: 16, message: expect.stringContaining('Nothing goes on with ";"') },
    ]);
    const rest = { ...sources, 'index.html': sources['index.html'].replace('gaem', 'game') };
    const last = { ...rest, 'index.html': rest['index.html'].replace('let ä = ;', '') };
    expect(await told(last)).toMatchObject([
      {
        file: 'index.html',
        line: 2,
        column: 0,
        message: expect.stringContaining('Write <script type="module" src="old.js">.'),
      },
    ]);
  });

  it('that computes its path in a worker is for a build', async () => {
    const sources = {
      'src/main.ts': "new Worker(new URL('./w.ts', import.meta.url), { type: 'module' });",
      'src/w.ts': 'import(`./levels/${name}.ts`);',
      'src/levels/a.ts': '',
    };
    expect(await bundle(order(sources), build)).toMatchObject({ ok: false, reason: 'needs_build' });
  });
});

describe('#66 a source that reaches outside the project', () => {
  const secret = `secret ${Math.random()}`;
  const folder = mkdtempSync(join(tmpdir(), 'kiln-secret-'));
  for (const name of ['secret.txt', 'secret.json', 'secret.css', 'secret.js', 'x.map'])
    writeFileSync(join(folder, name), name.endsWith('.json') ? JSON.stringify({ secret }) : `/* ${secret} */`);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const up = '../'.repeat(20);
  const out = `${up}${folder.slice(1)}`;

  it.each([
    ['a relative path', `import x from '${out}/secret.txt'; console.log(x);`],
    ['a relative path as text', `import x from '${out}/secret.txt?raw'; console.log(x);`],
    ['its address', `import x from '${out}/secret.png?url'; console.log(x);`],
    ['an absolute path', `import x from '${folder}/secret.json'; console.log(x);`],
    ['the environment', "import x from '/proc/self/environ?raw'; console.log(x);"],
    ['the environment by an attribute', "import x from '/proc/self/environ' with { type: 'text' }; console.log(x);"],
    ['a worker', `import W from '${out}/secret.js?worker'; console.log(W);`],
    ['a require', `console.log(require('${out}/secret.js'));`],
    ['a dynamic import', `import('${out}/secret.js').then(console.log);`],
    ['a glob', `const n = location.hash; import(\`${out}/\${n}.js\`).then(console.log);`],
    ['a backslash', "import '..\\\\..\\\\secret.js';"],
    ['a file URL', `import x from 'file://${folder}/secret.js'; console.log(x);`],
    ['a scheme of ours', "import x from 'kiln:url/../../etc/passwd'; console.log(x);"],
    ['a map', `console.log(1);\n//# sourceMappingURL=${out}/x.map`],
    ['a stylesheet', `import './a.css';`],
    ['a picture of a stylesheet', `import './b.css';`],
    ['an entry', 'export {};'],
  ])('by %s finds nothing, and is told no more than that', async (name, code) => {
    const result = await bundle(
      order({
        'src/main.js': code,
        'src/a.css': `@import "${out}/secret.css";`,
        'src/b.css': `a { background: url("${out}/secret.txt") }`,
        'tsconfig.json': `{"extends":"${out}/secret.json","compilerOptions":{"baseUrl":"${up}","paths":{"*":["${out}/*"]}}}`,
        ...(name === 'an entry' && { 'kiln.json': JSON.stringify({ entry: `${out}/secret.js` }) }),
      }),
      build,
    );
    const told = JSON.stringify(result);
    expect(told).not.toContain(secret);
    expect(told).not.toMatch(/PATH=|root:x|no such file|ENOENT|permission|not a directory/i);
    // A comment is nothing.
    if (name !== 'a map') expect(result.ok, told).toBe(false);
  });

  it('by a name that it may have says the same of what is there and what is not', async () => {
    const say = async (spec: string) =>
      JSON.stringify(await bundle(order({ 'src/main.js': `import '${spec}';` }), build)).replaceAll(spec, '…');
    expect(await say(`${out}/secret.js`)).toBe(await say(`${out}/nothing.js`));
  });
});

it('the answer of a runner of the release before, which says no warnings, is one', () => {
  expect(RunnerBundle.parse({ ok: true, files: [] })).toEqual({ ok: true, files: [], warnings: [] });
});
