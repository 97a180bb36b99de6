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
  ...(
    [
      ['Phaser 3', '3.90.0'],
      ['Phaser 4', '4.2.1'],
    ] as const
  ).map(([style, version]) => ({
    style,
    files: {
      'package.json': dependencies({ phaser: version }),
      'src/main.ts': `import * as Phaser from 'phaser';
class Level extends Phaser.Scene {
  create(): void { this.add.rectangle(80, 60, 40, 40, 0xe25c2c); this.game.events.once('postrender', () => { ${told} }); }
}
new Phaser.Game({ type: Phaser.CANVAS, width: 160, height: 120, parent: 'app', scene: Level, audio: { noAudio: true }, banner: false });`,
    },
  })),
  {
    style: 'PixiJS',
    files: {
      'package.json': dependencies({ 'pixi.js': '8.22.0' }),
      'src/main.ts': `import 'pixi.js/unsafe-eval';
import { Application, Graphics } from 'pixi.js';
const app = new Application();
await app.init({ width: 160, height: 120, preference: 'webgl' });
document.body.append(app.canvas);
app.stage.addChild(new Graphics().rect(8, 8, 64, 64).fill(0xe25c2c));
app.render();
${told}`,
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
