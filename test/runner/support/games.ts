import { png, wav } from '../../support/media.ts';
import type { Files } from './fake-platform.ts';

export interface Game {
  readonly style: string;
  readonly files: Files;
}

const dependencies = (packages: Record<string, string>): string =>
  JSON.stringify({ name: 'game', private: true, dependencies: packages });

/** Told to the test when the first frame is on the screen. */
const told = 'globalThis.played = true;';

const canvasGame = `
const canvas = document.querySelector('canvas') ?? document.body.appendChild(document.createElement('canvas'));
const context = canvas.getContext('2d');
requestAnimationFrame(() => {
  context.fillStyle = '#e25c2c';
  context.fillRect(8, 8, 64, 64);
  ${told}
});`;

/** What Tiled saves of a map of two by two tiles. */
const tiled = {
  width: 2,
  height: 2,
  tilewidth: 8,
  tileheight: 8,
  orientation: 'orthogonal',
  layers: [
    {
      name: 'ground',
      type: 'tilelayer',
      width: 2,
      height: 2,
      data: [1, 1, 1, 1],
      x: 0,
      y: 0,
      opacity: 1,
      visible: true,
    },
  ],
  tilesets: [
    {
      firstgid: 1,
      name: 'tiles',
      image: 'tiles.png',
      imagewidth: 8,
      imageheight: 8,
      tilewidth: 8,
      tileheight: 8,
      tilecount: 1,
      columns: 1,
      margin: 0,
      spacing: 0,
    },
  ],
};

/** Small games as people write them, each in another style. */
export const games: readonly Game[] = [
  {
    style: 'Vite layout',
    files: {
      'index.html':
        '<!doctype html><link rel="icon" href="/icon.svg"><div id="app"></div><script type="module" src="/src/main.ts"></script>',
      'vite.config.ts': "import { defineConfig } from 'vite'; export default defineConfig({ base: './' });",
      'tsconfig.json': '{ "compilerOptions": { "strict": true, "baseUrl": ".", "paths": { "~/*": ["src/*"] } } }',
      'src/main.ts': `import './style.css'; import tile from './tile.svg'; import { draw } from '~/draw';
const image = new Image(); image.src = tile; await image.decode(); draw(image, import.meta.env.BASE_URL);`,
      'src/draw.ts': `export const draw = (image: HTMLImageElement, base: string): void => {
  const canvas = document.querySelector('#app')!.appendChild(document.createElement('canvas'));
  canvas.getContext('2d')!.drawImage(image, 0, 0); canvas.title = base; ${told} };`,
      'src/style.css': '#app { display: grid } canvas { image-rendering: pixelated }',
      'src/tile.svg':
        '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><rect width="32" height="32" fill="red"/></svg>',
      'public/icon.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
    },
  },
  {
    style: 'webpack-like src/index.html',
    files: {
      'src/index.html': '<!doctype html><body><canvas></canvas><script type="module" src="./index.js"></script></body>',
      'src/index.js': `const { start } = require('./game'); start();`,
      'src/game/index.js': `module.exports.start = () => { ${canvasGame} };`,
      'webpack.config.js': 'module.exports = { entry: "./src/index.js" };',
    },
  },
  {
    style: 'plain script tags',
    files: {
      'index.html':
        '<!doctype html><canvas></canvas><script src="lib/engine.js"></script><script src="game.js"></script>',
      'lib/engine.js': 'window.Engine = { level: () => fetch("levels/1.json").then((answer) => answer.json()) };',
      'game.js': `Engine.level().then((level) => { if (level.tiles !== 3) throw new Error('no level'); ${canvasGame} });`,
      'levels/1.json': '{ "tiles": 3 }',
    },
  },
  { style: 'plain canvas', files: { 'src/main.js': canvasGame } },
  {
    style: 'workers and wasm that are started by path',
    files: {
      'index.html': '<!doctype html><canvas></canvas><script type="module" src="/src/main.ts"></script>',
      'src/main.ts': `const heard = (worker: Worker) => new Promise((resolve, reject) => { worker.onmessage = resolve; worker.onerror = reject; worker.postMessage(1); });
await heard(new Worker(new URL('./module.worker.ts', import.meta.url), { type: 'module' }));
await heard(new Worker('workers/classic.js'));
await heard(new Worker('workers/module.js', { type: 'module' }));
const script = document.createElement('script');
script.src = 'engine/core.js';
await new Promise((resolve) => { script.onload = resolve; document.head.append(script); });
await (globalThis as { start?: (locate: (name: string) => string) => Promise<void> }).start?.((name) => 'engine/' + name);
${canvasGame}`,
      'src/module.worker.ts':
        "import { step } from './step'; onmessage = async ({ data }: MessageEvent<number>) => { await fetch(new URL('../data/a.json', import.meta.url)); postMessage(step(data)); };",
      'src/step.ts': 'export const step = (n: number): number => n + 1;',
      'data/a.json': '{}',
      'workers/classic.js':
        "importScripts('helper.js'); onmessage = () => fetch('table.json').then((answer) => answer.json()).then((table) => postMessage(help(table)));",
      'workers/helper.js': 'const help = (x) => x;',
      'workers/table.json': '{}',
      'workers/module.js': "import { step } from '../src/step.js'; onmessage = ({ data }) => postMessage(step(data));",
      'engine/core.js':
        "globalThis.start = async (locate) => { await WebAssembly.instantiateStreaming(fetch(locate('core.wasm'))); await fetch(locate('core.data')); };",
      'engine/core.wasm': Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0]),
      'engine/core.data': new Uint8Array(8),
    },
  },
  {
    style: 'two pages',
    files: {
      'index.html': '<!doctype html><a href="play.html">Play</a><script type="module" src="menu.js"></script>',
      'menu.js': "document.querySelector('a').click();",
      'play.html':
        '<!doctype html><link rel="stylesheet" href="play.css"><canvas></canvas><script type="module" src="play.js"></script>',
      'play.js': `import { go } from './lib/go.js'; go(() => {${canvasGame}});`,
      'lib/go.js': 'export const go = (begin) => begin();',
      'play.css': 'canvas { background: url(img/sky.png) }',
      'img/sky.png': png(2, 2),
    },
  },
  {
    style: 'Phaser 3, with maps of Tiled and a pack',
    files: {
      'package.json': dependencies({ phaser: '3.90.0' }),
      'index.html': '<!doctype html><div id="app"></div><script type="module" src="main.js"></script>',
      'main.js': `import Phaser from 'phaser';
import { Level } from './scenes/Level.js';
new Phaser.Game({ type: Phaser.CANVAS, width: 160, height: 120, parent: 'app', scene: Level, audio: { disableWebAudio: true }, banner: false });`,
      'scenes/Level.js': `import Phaser from 'phaser';
export class Level extends Phaser.Scene {
  preload() {
    this.load.on('loaderror', (file) => { throw new Error(file.src); });
    this.load.pack('pack', 'data/pack.json');
    this.load.atlas('hero', 'sprites/hero.png', 'sprites/hero.json');
    this.load.audio('hit', ['sounds/hit.wav']);
    this.load.setPath('maps');
    this.load.tilemapTiledJSON('one', 'one.json');
    this.load.image('tiles', 'tiles.png');
    this.load.setPath();
  }
  create() {
    const map = this.make.tilemap({ key: 'one' });
    map.createLayer('ground', map.addTilesetImage('tiles', 'tiles'));
    this.add.sprite(20, 20, 'hero', 'a');
    if (this.cache.json.get('texts').hello !== 'Hi') throw new Error('no texts');
    this.game.events.once('postrender', () => { ${told} });
  }
}`,
      'maps/one.json': JSON.stringify(tiled),
      'maps/tiles.png': png(8, 8),
      'sprites/hero.png': png(8, 8),
      'sprites/hero.json': JSON.stringify({ frames: { a: { frame: { x: 0, y: 0, w: 8, h: 8 } } }, meta: {} }),
      'sounds/hit.wav': wav(1),
      'data/pack.json': JSON.stringify({ main: { files: [{ type: 'json', key: 'texts', url: 'data/texts.json' }] } }),
      'data/texts.json': '{"hello":"Hi"}',
    },
  },
  {
    style: 'Phaser 4',
    files: {
      'package.json': dependencies({ phaser: '4.2.1' }),
      'src/main.ts': `import * as Phaser from 'phaser';
class Level extends Phaser.Scene {
  create(): void { this.add.rectangle(80, 60, 40, 40, 0xe25c2c); this.game.events.once('postrender', () => { ${told} }); }
}
new Phaser.Game({ type: Phaser.CANVAS, width: 160, height: 120, parent: 'app', scene: Level, audio: { noAudio: true }, banner: false });`,
    },
  },
  {
    style: 'PixiJS',
    files: {
      'package.json': dependencies({ 'pixi.js': '8.22.0' }),
      'src/main.ts': `import 'pixi.js/unsafe-eval';
import { Application, Assets, Graphics, Sprite } from 'pixi.js';
const app = new Application();
await app.init({ width: 160, height: 120, preference: 'webgl' });
document.body.append(app.canvas);
await Assets.init({ manifest: 'manifest.json' });
const { hero, sheet } = await Assets.loadBundle('game');
app.stage.addChild(new Graphics().rect(8, 8, 64, 64).fill(0xe25c2c), new Sprite(hero), new Sprite(sheet.textures.a));
app.render();
${told}`,
      'manifest.json': JSON.stringify({
        bundles: [
          {
            name: 'game',
            assets: [
              { alias: 'hero', src: 'art/hero.png' },
              { alias: 'sheet', src: 'art/sheet.json' },
            ],
          },
        ],
      }),
      'art/hero.png': png(4, 4),
      'art/sheet.png': png(4, 4),
      'art/sheet.json': JSON.stringify({
        frames: {
          a: {
            frame: { x: 0, y: 0, w: 4, h: 4 },
            sourceSize: { w: 4, h: 4 },
            spriteSourceSize: { x: 0, y: 0, w: 4, h: 4 },
          },
        },
        meta: { image: 'sheet.png', scale: 1, size: { w: 4, h: 4 } },
      }),
    },
  },
  {
    style: 'three.js',
    files: {
      'package.json': dependencies({ three: '0.187.0' }),
      'src/main.ts': `import * as THREE from 'three';
import { OrbitControls } from 'three/addons/controls/OrbitControls.js';
import fragment from './paint.frag';
const renderer = new THREE.WebGLRenderer();
renderer.setSize(160, 120);
document.body.append(renderer.domElement);
const camera = new THREE.PerspectiveCamera();
camera.position.z = 3;
new OrbitControls(camera, renderer.domElement);
const scene = new THREE.Scene();
scene.add(new THREE.Mesh(new THREE.BoxGeometry(), new THREE.ShaderMaterial({ fragmentShader: fragment })));
renderer.render(scene, camera);
${told}`,
      'src/paint.frag': 'void main() { gl_FragColor = vec4(0.9, 0.4, 0.2, 1.0); }',
    },
  },
  {
    style: 'Babylon.js',
    files: {
      'package.json': dependencies({ '@babylonjs/core': '9.35.0' }),
      'src/main.ts': `import { Engine } from '@babylonjs/core/Engines/engine';
import { Scene } from '@babylonjs/core/scene';
import { FreeCamera } from '@babylonjs/core/Cameras/freeCamera';
import { Vector3 } from '@babylonjs/core/Maths/math.vector';
import '@babylonjs/core/Materials/standardMaterial';
import { CreateBox } from '@babylonjs/core/Meshes/Builders/boxBuilder';
const canvas = document.body.appendChild(document.createElement('canvas'));
const scene = new Scene(new Engine(canvas));
new FreeCamera('camera', new Vector3(0, 0, -5), scene);
CreateBox('box', {}, scene);
scene.executeWhenReady(() => { scene.render(); ${told} });`,
    },
  },
  {
    style: 'kaplay',
    files: {
      'package.json': dependencies({ kaplay: '3001.0.19' }),
      'src/main.ts': `import kaplay from 'kaplay';
const k = kaplay({ width: 160, height: 120, global: false });
k.scene('start', () => { k.add([k.rect(64, 64), k.pos(8, 8)]); k.onDraw(() => { ${told} }); });
k.go('start');`,
    },
  },
  {
    style: 'excalibur',
    files: {
      'package.json': dependencies({ excalibur: '0.32.0' }),
      'src/main.ts': `import { Actor, Color, Engine } from 'excalibur';
const game = new Engine({ width: 160, height: 120, suppressPlayButton: true, suppressConsoleBootMessage: true });
game.add(new Actor({ x: 80, y: 60, width: 40, height: 40, color: Color.Orange }));
game.on('postframe', () => { ${told} });
await game.start();`,
    },
  },
];
