import { describe, expect, it } from 'vitest';
import type { FakeBuild, Files, JobOverrides } from './support/fake-platform.ts';
import { readZip } from './support/read-zip.ts';
import { RunnerProcess } from './support/runner-process.ts';
import { RunnerWorld } from './support/world.ts';

const world = new RunnerWorld();

const run = async (files: Files, options: JobOverrides['options'] = {}): Promise<FakeBuild> =>
  await world.build(files, { options });

const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 1, 2, 3]);
const find = (site: Map<string, string>, pattern: RegExp): string => {
  const name = [...site.keys()].find((path) => pattern.test(path));
  if (name === undefined) throw new Error(`no ${pattern} in ${[...site.keys()].join(', ')}`);
  return name;
};

describe('a script without a page', () => {
  it('becomes a page with a hashed bundle, a zip and an honest log', async () => {
    const build = await run({
      'src/main.ts':
        "import { speed } from './speed.ts';\nconst shown: number = speed;\ndocument.title = String(shown);\n",
      'src/speed.ts': 'export const speed = 7;\n',
      'README.md': '# not served\n',
    });
    const site = await build.site();
    const script = find(site, /^assets\/main-[A-Z0-9]{8}\.js$/);
    expect([...site.keys()].sort()).toEqual([script, 'index.html'].sort());
    expect(site.get('index.html')).toContain(`<script type="module" src="./${script}">`);
    expect(site.get('index.html')).toContain('<title>Test game</title>');
    expect(site.get(script)).toContain('speed = 7');

    const outputs = await build.outputs();
    const zip = outputs.find(({ role }) => role === 'download');
    expect(zip).toMatchObject({ name: 'game-web.zip', mimeType: 'application/zip' });
    expect(readZip(zip?.bytes ?? Buffer.alloc(0)).map(({ name, bytes }) => [name, bytes.toString()])).toEqual(
      [...site].sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    const outcome = await build.outcome.promise;
    expect(outcome.timings).toMatchObject({
      source: expect.any(Number),
      bundle: expect.any(Number),
      package: expect.any(Number),
      upload: expect.any(Number),
    });
    expect(build.logs.map(({ message }) => message)).toContain('Entry: src/main.ts');
    const progress = build.events.flatMap((event) => (event.type === 'progress' ? [event.progress] : []));
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBe(1);
    expect(build.batches).toEqual(build.batches.map((_, index) => index + 1));
  });

  it('escapes the project name in the generated page', async () => {
    const build = await world.platform.build(
      { 'src/main.js': 'console.info(1);' },
      { projectName: '</title><script>alert(1)</script>' },
    );
    await world.runner.run(build);
    expect((await build.site()).get('index.html')).toContain(
      '<title>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;</title>',
    );
  });
});

describe('the entry', () => {
  const main = 'export {}; console.info("here");';
  const cases: [title: string, files: Files, entry: string | undefined, expected: string][] = [
    [
      'options.entry comes first',
      { 'a/start.ts': main, 'index.html': '<p>', 'src/main.ts': main },
      'a/start.ts',
      'a/start.ts',
    ],
    ['then kiln.json', { 'kiln.json': '{ "entry": "./b.js" }', 'b.js': main, 'index.html': '<p>' }, undefined, 'b.js'],
    [
      'then kiln.entry of package.json',
      { 'package.json': '{"kiln":{"entry":"c.tsx"}}', 'c.tsx': main, 'index.html': '<p>' },
      undefined,
      'c.tsx',
    ],
    ['then index.html', { 'index.html': '<p>', 'src/index.html': '<p>', 'src/main.ts': main }, undefined, 'index.html'],
    ['then src/index.html', { 'src/index.html': '<p>', 'src/main.ts': main }, undefined, 'src/index.html'],
    ['then src/main.ts', { 'src/main.ts': main, 'src/main.js': main, 'src/game.ts': main }, undefined, 'src/main.ts'],
    ['then src/game.jsx', { 'src/game.jsx': main, 'src/index.ts': main }, undefined, 'src/game.jsx'],
    ['then src/index.js', { 'src/index.js': main }, undefined, 'src/index.js'],
  ];
  it.each(cases)('%s', async (_title, files, entry, expected) => {
    const build = await run(files, entry === undefined ? {} : { entry });
    await build.outputs();
    expect(build.logs.map(({ message }) => message)).toContain(`Entry: ${expected}`);
  });

  it.each<[string, Files, string | undefined]>([
    ['nothing to start', { 'lib/a.ts': main }, undefined],
    ['a name that is no file', { 'src/main.ts': main }, 'src/other.ts'],
    ['a name outside', { 'src/main.ts': main }, '../../etc/passwd'],
    ['a name that is neither page nor script', { 'src/main.ts': main, 'a.png': png }, 'a.png'],
  ])('fails as entry_not_found: %s', async (_title, files, entry) => {
    const build = await run(files, entry === undefined ? {} : { entry });
    const { message, ...failure } = await build.failure();
    expect(failure).toMatchObject({ kind: 'user', code: 'entry_not_found' });
    const told = build.logs.filter(({ level }) => level === 'error');
    expect(told).toEqual([expect.objectContaining({ step: 'bundle', message })]);
  });

  it.each([
    ['kiln.json', '{\n  "entry": "src/gone.ts"\n}', 'entry_not_found', 2, 11],
    ['kiln.json', '{\n  "entry": "src/main.ts",,\n}', 'entry_not_found', 2, 25],
    ['tsconfig.json', '{\n  "extends": "./gone.json" }', 'build_failed', 2, 13],
    ['package.json', '{\n  "dependencies": {},\n}', 'dependency_failed', 3, 0],
    ['package.json', '{\n  "dependencies": { "a": "1", "b": "git://x/y" }}', 'dependency_failed', 2, 35],
  ])('is told with its line of %s: %s', async (path, text, code, line, column) => {
    const build = await run({ 'src/main.ts': main, [path]: text });
    const failure = await build.failure();
    expect(failure).toMatchObject({ kind: 'user', code });
    expect(build.logs.filter(({ level }) => level === 'error')).toEqual([
      expect.objectContaining({
        step: code === 'dependency_failed' ? 'dependencies' : 'bundle',
        file: path,
        line,
        column,
        message: failure.message,
        source: text.split('\n')[line - 1],
      }),
    ]);
  });
});

describe('a page, as in Vite', () => {
  const files: Files = {
    'index.html': `<!doctype html>
<html><head>
  <link rel="icon" href="/favicon.ico">
  <link rel="stylesheet" href="/src/page.css">
  <style>@font-face { src: url("./src/font.woff2") }</style>
</head><body>
  <img src="./art/title.png" srcset="art/title.png 1x, /big.png 2x">
  <a href="https://example.com/">out</a>
  <script src="/lib/classic.js"></script>
  <script type="module" src="/src/main.ts"></script>
  <script type="module">import { a } from './src/shared.ts'; console.info('inline', a);</script>
</body></html>`,
    'src/main.ts': `import './game.css';
import hero from './hero.png';
import data from './level.json';
import shader from './a.frag';
import raw from './shared.ts?raw';
import fontUrl from './font.woff2?url';
import rootUrl from '/favicon.ico';
import { a } from '@/shared';
import styles from './box.module.css';
console.info(hero, data.name, shader, raw, fontUrl, rootUrl, a, styles.box, import.meta.env.MODE, import.meta.env.PROD, import.meta.env.BASE_URL, process.env.NODE_ENV);
new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
new Worker(new URL('./old-worker.ts', import.meta.url));
console.info(new URL('./hero.png', import.meta.url)); // new URL('./nothing.png', import.meta.url)
const level = 'one';
void import(\`./levels/\${level}.ts\`);
void import('./lazy.ts');
`,
    'tsconfig.json': '{ "extends": "./tsconfig.base.json" /* JSON with comments */ }',
    'tsconfig.base.json': '{ "compilerOptions": { "strict": true, "paths": { "@/*": ["./src/*"] } } }',
    'src/shared.ts': 'export const a: number = 41;\n',
    'src/lazy.ts': "import { a } from './shared.ts'; console.info('lazy', a);",
    'src/levels/one.ts': "export default 'level one';",
    'src/worker.ts':
      "import { a } from './shared.ts'; import hero from './hero.png'; self.postMessage(['worker', a as number, hero]);",
    'src/old-worker.ts': "import hero from './hero.png'; self.postMessage(hero);",
    'src/hero.png': png,
    'src/level.json': '{"name":"first level"}',
    'src/a.frag': 'void main() {}',
    'src/game.css': '@import "./more.css"; body { background: url(./hero.png); cursor: url(/big.png), auto; }',
    'src/more.css': 'p { color: red }',
    'src/page.css': 'h1 { background: url("../art/title.png?v=1#x") }',
    'src/box.module.css': '.box { color: blue }',
    'src/font.woff2': 'font',
    'art/title.png': 'title',
    'lib/classic.js': 'window.classic = true;',
    'assets/music/theme.mp3': 'la la',
    'public/favicon.ico': 'icon',
    'public/big.png': 'big',
  };

  it('is bundled with its styles, assets, workers and public files', async () => {
    const build = await run(files);
    const site = await build.site();
    const html = site.get('index.html') ?? '';
    const main = find(site, /^assets\/main-\w+\.js$/);
    const hero = find(site, /^assets\/hero-\w+\.png$/);
    const heroName = hero.slice('assets/'.length);
    expect(html).toContain(`<script type="module" src="./${main}"></script>`);
    expect(html).toContain('<link rel="icon" href="./favicon.ico">');
    expect(html).toMatch(/<link rel="stylesheet" href="\.\/assets\/page-\w+\.css">/);
    expect(html).toMatch(/<link rel="stylesheet" href="\.\/assets\/main-\w+\.css">/);
    expect(html).toMatch(
      /<img src="\.\/assets\/title-\w+\.png" srcset="\.\/assets\/title-\w+\.png 1x, \.\/big\.png 2x">/,
    );
    expect(html).toContain('<a href="https://example.com/">');
    expect(html).toContain('<script src="./lib/classic.js">');
    expect(html).not.toMatch(/(?:src|href)="\//);
    expect(site.get('favicon.ico')).toBe('icon');
    expect(site.get('assets/music/theme.mp3')).toBe('la la');
    expect(site.get('lib/classic.js')).toBe('window.classic = true;');

    const code = [...site]
      .filter(([path]) => path.endsWith('.js'))
      .map(([, text]) => text)
      .join('\n');
    for (const text of [
      'first level',
      'void main() {}',
      'export const a: number = 41',
      '../favicon.ico',
      'level one',
      'inline',
      '"production"',
    ]) {
      expect(code).toContain(text);
    }
    expect(site.get(main)).toContain('import.meta.url');
    expect(code).toContain(heroName);
    const css = site.get(find(site, /^assets\/main-\w+\.css$/)) ?? '';
    expect(css).toContain(heroName);
    expect(css).toContain('../big.png');
    expect(css).toContain('color: red');
    const worker = site.get(find(site, /^assets\/worker\.ts-\w+\.js$/)) ?? '';
    expect(worker).toContain('41');
    expect(worker).not.toContain('as number');
    const classic = site.get(find(site, /^assets\/old-worker\.ts-\w+\.js$/)) ?? '';
    expect(classic).toContain('self.location.href');
    expect(classic).not.toContain('import.meta');
    expect(build.logs.filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it('gives the same bytes every time, on another runner, too', async () => {
    const other = await RunnerProcess.start({ platformUrl: world.platform.url, capacity: 1 });
    try {
      const minified = { minify: true, sourcemap: true };
      const [first, second] = [await run(files, minified), await world.platform.build(files, { options: minified })];
      await other.run(second);
      const hashes = async (build: FakeBuild): Promise<string[]> =>
        (await build.outputs())
          // Names the build itself.
          .filter(({ name }) => name !== 'provenance.json')
          .map(({ role, name, sha256 }) => `${role} ${name} ${sha256}`);
      expect(await hashes(second)).toEqual(await hashes(first));
      expect((await hashes(first)).some((line) => line.includes('.map '))).toBe(true);
      for (const { bytes } of await first.outputs()) expect(bytes.includes(world.runner.dir)).toBe(false);
    } finally {
      await other.dispose();
    }
  });

  it('without modules is a static site, served as it is', async () => {
    const build = await run({
      'index.html': '<script src="game.js"></script>',
      'game.js': "fetch('data/a.json')",
      'data/a.json': '{}',
      'package.json': '{}',
      '.env': 'X=1',
    });
    expect([...(await build.site()).keys()].sort()).toEqual(['data/a.json', 'game.js', 'index.html']);
  });

  it('leaves what its import map gives to the browser', async () => {
    const build = await run({
      'index.html':
        '<script type="importmap">{"imports":{"three":"https://cdn.example/three.js"}}</script><script type="module">import { Scene } from "three"; new Scene();</script>',
    });
    const site = await build.site();
    expect(site.get(find(site, /^assets\/index-\w+\.js$/))).toContain('from "three"');
  });
});

describe('what is wrong with the sources', () => {
  const oneTooMany = (what: string): string =>
    `Nothing goes on with "${what}" here. Something before it is missing, or it is one too many.`;

  it('is told with file, line and column, the line itself, and what to do', async () => {
    const build = await run({
      'src/main.ts': "import { b } from './b.ts';\nconsole.info(b);\n",
      'src/b.ts': 'export const b = 1;\nconst x = = 2;\n',
    });
    const failure = await build.failure();
    expect(failure).toMatchObject({ kind: 'user', code: 'build_failed' });
    expect(failure.message).toBe(`src/b.ts:2:10: ${oneTooMany('=')}`);
    expect(build.logs).toContainEqual(
      expect.objectContaining({
        level: 'error',
        step: 'bundle',
        file: 'src/b.ts',
        line: 2,
        column: 10,
        message: oneTooMany('='),
        source: 'const x = = 2;',
      }),
    );
  });

  it('is placed in the page for inline scripts', async () => {
    const build = await run({ 'index.html': '<!doctype html>\n<p>\n<script type="module">\nconst a = ;\n</script>' });
    expect((await build.failure()).message).toBe(`index.html:4:10: ${oneTooMany(';')}`);
  });

  it.each([
    ["import W from './w.ts?worker';\nnew W();", 'export const before = 1;\nconst a = ;', `2:10: ${oneTooMany(';')}`],
    [
      "new Worker(new URL('./w.ts', import.meta.url), { type: 'module' });",
      "\n\nimport './Main';",
      '3:7: There is no file "./Main". Did you mean "./main"? Upper and lower case are different names.',
    ],
    ["new Worker(new URL('./w.ts', import.meta.url));", 'const ä = ;', `1:10: ${oneTooMany(';')}`],
  ])('is placed in the worker that is started by %s', async (main, worker, told) => {
    const build = await run({ 'src/main.ts': main, 'src/w.ts': worker });
    expect((await build.failure()).message).toBe(`src/w.ts:${told}`);
    const [line, ...more] = build.logs.filter(({ level }) => level === 'error');
    expect(more).toEqual([]);
    expect(line).toMatchObject({
      file: 'src/w.ts',
      message: told.replace(/^\d+:\d+: /, ''),
      source: worker.split('\n').at(-1),
    });
  });

  it('is told of addresses that lead nowhere, in the line that was written', async () => {
    const build = await run({
      'src/main.ts':
        "new Worker(new URL('./w.ts', import.meta.url));\nconsole.info(new URL('./Hero.png', import.meta.url));",
      'src/w.ts': '',
      'src/hero.png': png,
    });
    await build.outputs();
    expect(build.logs.filter(({ level }) => level !== 'info')).toEqual([
      expect.objectContaining({
        level: 'warn',
        file: 'src/main.ts',
        line: 2,
        column: 21,
        source: "console.info(new URL('./Hero.png', import.meta.url));",
        message:
          'There is no file "./Hero.png". Did you mean "./hero.png"? Upper and lower case are different names. The URL is left as it is.',
      }),
    ]);
  });

  it('of a page is told once, where it is, and ends the build where nothing is left to play', async () => {
    const page = `<!doctype html>
<link rel="stylesheet" href="/styel.css">
<img srcset="hero.png 1x, Hero.png 2x"><script src="cordova.js"></script>
<a href="other.html">x</a><link rel="canonical" href="/x">`;
    const files = { 'style.css': '', 'hero.png': png };
    const build = await run({ ...files, 'index.html': page });
    await build.outputs();
    const warned = build.logs.filter(({ level }) => level !== 'info');
    expect(warned.map(({ level, line, column, message }) => [level, line, column, message])).toEqual([
      ['warn', 2, 29, 'There is no file "/styel.css". Did you mean "/style.css"? <link> is left as it is.'],
      [
        'warn',
        3,
        26,
        'There is no file "Hero.png". Did you mean "hero.png"? Upper and lower case are different names. <img> is left as it is.',
      ],
      [
        'warn',
        3,
        52,
        'There is no file "cordova.js". Look at the name; it is searched for from index.html. <script> is left as it is.',
      ],
    ]);
    const lost = await run({ ...files, 'index.html': `${page}<script type="module" src="game.ts"></script>` });
    expect(await lost.failure()).toMatchObject({
      kind: 'user',
      code: 'build_failed',
      message: 'index.html:4:85: There is no file "game.ts". Look at the name; it is searched for from index.html.',
    });
    expect(lost.logs.filter(({ level }) => level === 'error')).toEqual([
      expect.objectContaining({
        file: 'index.html',
        line: 4,
        column: 85,
        source: `${page.split('\n').at(-1)}<script type="module" src="game.ts"></script>`,
      }),
    ]);
  });

  it('is told of a worker that starts itself, where it does', async () => {
    const build = await run({
      'src/main.ts': "new Worker(new URL('./w.ts', import.meta.url), { type: 'module' });",
      'src/w.ts': "let a;\nnew Worker(new URL('./w.ts', import.meta.url), { type: 'module' });",
    });
    expect((await build.failure()).message).toBe(
      'src/w.ts:2:19: The worker src/w.ts starts itself, which cannot be bundled.',
    );
  });

  it('names a package that is not declared', async () => {
    const build = await run({ 'src/main.ts': "import Phaser from 'phaser';\nPhaser;" });
    expect((await build.failure()).message).toContain('There is no package "phaser" here');
    expect((await build.failure()).message).toContain('dependencies of package.json');
  });

  it('is told for formats that need a compiler', async () => {
    const build = await run({ 'src/main.ts': "import './a.scss';", 'src/a.scss': 'a { b { c: d } }' });
    expect((await build.failure()).message).toContain('.scss files need a compiler');
  });
});
