/** A game that loads files by their paths at run time, and what it finds, in its preview and in its builds alike. */
export interface LoadsByPath {
  readonly title: string;
  readonly files: Readonly<Record<string, string>>;
  /** The file of the project that is found at a path of the site. */
  readonly finds: Readonly<Record<string, string>>;
  /** Paths at which a build has nothing; a preview is for members, who may see everything. */
  readonly hides?: readonly string[];
  /** Beginnings of what the build's log warns of, each with its place. */
  readonly warns?: readonly string[];
}

const page = (body: string): string => `<!doctype html><html><head></head><body>${body}</body></html>`;
const modulePage = page('<script type="module" src="/src/main.ts"></script>');
/** What every project has beside its game. */
const around = {
  'package.json': '{"version":"1.2.3"}',
  'package-lock.json': '{"lockfileVersion":3,"packages":{}}',
  'tsconfig.json': '{}',
  'vite.config.ts': 'export default {};',
  'eslint.config.js': 'export default [];',
  'README.md': '# Game',
  '.env': 'KEY=secret',
  'notes/plan.json': '{"secret":"ending"}',
  'docs/shot.png': 'shot',
  'test/hero.png': 'test hero',
  'src/main.test.js': 'test',
  'lib/old.js.map': '{"sources":["secret"]}',
  'tools/pack.js': 'console.info("pack");',
};
const hidden = [...Object.keys(around), 'hero.png', 'plan.json', 'src/main.ts', 'main.ts'];

export const loadsByPath: readonly LoadsByPath[] = [
  {
    title: 'media wherever it lies',
    files: {
      ...around,
      'index.html': modulePage,
      'src/main.ts': `import hero from './hero.png';
declare const load: Record<'image' | 'audio' | 'path', (...names: string[]) => void>;
load.image('ship', 'img/ship.png');
load.image('far', \`img/far/\${location.hash}.webp\`);
new Audio('sfx/jump.ogg');
load.path('fonts'); console.info(hero);`,
      'src/hero.png': 'hero',
      'img/ship.png': 'ship',
      'img/far/1.webp': 'far one',
      'sfx/jump.ogg': 'jump',
      'fonts/pixel.woff2': 'pixel',
      'models/tree.glb': 'tree',
      'maps/one.tmj': '{"tilesets":[{"source":"terrain.tsj"}]}',
      'maps/terrain.tsj': '{}',
      'lib/physics.wasm': 'physics',
      'public/logo.png': 'logo',
    },
    finds: {
      'img/ship.png': 'img/ship.png',
      'img/far/1.webp': 'img/far/1.webp',
      'sfx/jump.ogg': 'sfx/jump.ogg',
      'fonts/pixel.woff2': 'fonts/pixel.woff2',
      'models/tree.glb': 'models/tree.glb',
      'maps/one.tmj': 'maps/one.tmj',
      'maps/terrain.tsj': 'maps/terrain.tsj',
      'lib/physics.wasm': 'lib/physics.wasm',
      'logo.png': 'public/logo.png',
    },
    hides: [...hidden, 'src/hero.png', 'public/logo.png'],
  },
  {
    title: 'data that the code names: whole, with a number in it, by folder, in a text of texts',
    files: {
      ...around,
      'index.html': modulePage,
      'src/main.ts': `import { start } from './start.ts'; import bundled from './bundled.json';
// fetch('data/forgotten.json')
declare const load: Record<'json' | 'setPath', (...names: string[]) => void>;
fetch('levels/first.json?v=1'); fetch(encodeURI('Räume/größe')); fetch('/story/intro.txt');
const n: number = Math.random(); const slash = n / 2 / 1;
fetch(\`stages/\${n}/stage.json\`);
fetch('waves/wave' + (n + 1) + '.xml');
fetch(import.meta.env.BASE_URL + 'strings/de.yaml');
load.setPath('quests'); load.json('q', 'one.json');
const base = 'enemies/'; start(base + 'bat.json', bundled);
document.body.insertAdjacentHTML('beforeend', '<a href="credits.html">');`,
      'src/start.ts': `import config from './config.json';
export const start = async (...all: unknown[]) => { console.info(all); await fetch(config.shop); };`,
      'src/config.json': '{ "shop": "data/shop.csv" }',
      'src/bundled.json': '{}',
      'levels/first.json': '{"next":"second.json"}',
      'levels/second.json': '{}',
      'levels/unused.json': '{}',
      'story/intro.txt': 'Once',
      'Räume/größe': 'hall',
      'stages/1/stage.json': '{}',
      'stages/1/other.json': '{}',
      'waves/wave1.xml': '<wave/>',
      'waves/boss.xml': '<boss/>',
      'strings/de.yaml': 'hello: Hallo',
      'quests/one.json': '{}',
      'quests/two.json': '{}',
      'enemies/bat.json': '{}',
      'enemies/rat.json': '{}',
      'data/shop.csv': 'sword,1',
      'data/forgotten.json': '{}',
      'credits.html': page('<img src="img/me.png">'),
      'img/me.png': 'me',
    },
    finds: {
      'levels/first.json': 'levels/first.json',
      'levels/second.json': 'levels/second.json',
      'story/intro.txt': 'story/intro.txt',
      'Räume/größe': 'Räume/größe',
      'stages/1/stage.json': 'stages/1/stage.json',
      'waves/wave1.xml': 'waves/wave1.xml',
      'strings/de.yaml': 'strings/de.yaml',
      'quests/one.json': 'quests/one.json',
      'enemies/bat.json': 'enemies/bat.json',
      'enemies/rat.json': 'enemies/rat.json',
      'data/shop.csv': 'data/shop.csv',
      'credits.html': 'credits.html',
      'img/me.png': 'img/me.png',
    },
    hides: [
      ...hidden,
      'levels/unused.json',
      'stages/1/other.json',
      'waves/boss.xml',
      'quests/two.json',
      'data/forgotten.json',
      'src/bundled.json',
      'src/config.json',
    ],
  },
  {
    title: 'another page with its own scripts and styles, and what the bundle has as well',
    files: {
      ...around,
      'index.html': page('<a href="play.html">Play</a><script type="module" src="/src/main.ts"></script>'),
      'src/main.ts':
        "import './menu.css'; import hero from '../img/hero.png'; import { n } from '../shared.js'; console.info(hero, n);",
      'src/menu.css': 'a { background: url(../img/only-menu.png) }',
      'play.html': page(
        '<link rel="stylesheet" href="play.css"><script src="shared.js"></script><script type="module" src="src/play.ts"></script>',
      ),
      'play.css': 'canvas { background: url(img/hero.png) }',
      'shared.js': 'exports.n = 1;',
      'src/play.ts': 'export {};',
      'img/hero.png': 'hero',
      'img/only-menu.png': 'menu',
    },
    finds: {
      'play.html': 'play.html',
      'play.css': 'play.css',
      'shared.js': 'shared.js',
      'img/hero.png': 'img/hero.png',
    },
    hides: [...hidden, 'src/play.ts', 'img/only-menu.png'],
    warns: ['play.html:1 "src/play.ts" is a source, of which a build has no such file.'],
  },
  {
    title: 'a page in src/, and files of src/ at the root',
    files: {
      ...around,
      'src/index.html': page('<img src="logo.png"><script type="module" src="main.js"></script>'),
      'src/main.js': "load('sprites/cat.png'); load('sprites/dog.png'); fetch('data/a.json'); load('shared/b.png');",
      'src/logo.png': 'logo',
      'src/sprites/cat.png': 'cat',
      'sprites/dog.png': 'dog',
      'src/sprites/dog.png': 'hidden dog',
      'src/data/a.json': '{"a":1}',
      'public/shared/b.png': 'public b',
      'shared/b.png': 'hidden b',
    },
    finds: {
      'sprites/cat.png': 'src/sprites/cat.png',
      'sprites/dog.png': 'sprites/dog.png',
      'data/a.json': 'src/data/a.json',
      'shared/b.png': 'public/shared/b.png',
    },
    hides: hidden,
  },
  {
    title: 'a script without a page, whose media lies beside it or in public/, under either address',
    files: {
      ...around,
      'src/main.ts':
        "load('img/a.png'); load('src/img/b.png'); load('public/c.png'); declare const load: (url: string) => void;",
      'src/img/a.png': 'a',
      'src/img/b.png': 'b',
      'public/c.png': 'c',
    },
    finds: {
      'img/a.png': 'src/img/a.png',
      'src/img/b.png': 'src/img/b.png',
      'public/c.png': 'public/c.png',
      'c.png': 'public/c.png',
    },
    hides: hidden,
  },
  {
    title: 'a page of plain scripts in a folder, with media above it',
    files: {
      ...around,
      'kiln.json': '{"entry":"game/start.html"}',
      'game/start.html': page('<script src="game.js"></script>'),
      'game/game.js': "fetch('levels/1.json'); load('../img/x.png');",
      'game/levels/1.json': '{"level":1}',
      'img/x.png': 'x',
    },
    finds: { 'game.js': 'game/game.js', 'levels/1.json': 'game/levels/1.json', 'img/x.png': 'img/x.png' },
    hides: hidden,
  },
  {
    title: 'what cannot be part of a game, or cannot be told, with a word about it',
    files: {
      ...around,
      'kiln.json': '{"exclude":["art/raw","./secret.json"]}',
      'index.html': modulePage,
      'src/main.ts': `fetch('package.json');
new Worker('src/worker.ts', { type: 'module' });
fetch('secret.json');
for (const name of document.title.split(' ')) fetch(\`\${name}.toml\`);`,
      'src/worker.ts': 'postMessage(1);',
      'secret.json': '{}',
      'places/town.toml': 'name = "Town"',
      'art/raw/huge.png': 'huge',
      'art/small.png': 'small',
    },
    finds: { 'art/small.png': 'art/small.png' },
    hides: [...hidden, 'secret.json', 'src/worker.ts', 'places/town.toml', 'art/raw/huge.png'],
    warns: [
      'src/main.ts:1 "package.json" is never part of a game.',
      'src/main.ts:3 "secret.json" is left out by exclude in kiln.json.',
      'src/main.ts:2 "src/worker.ts" is a source, of which a build has no such file.',
      'src/main.ts:4 It cannot be seen which files "….toml" means, so "places/town.toml" is not in the game.',
    ],
  },
];
