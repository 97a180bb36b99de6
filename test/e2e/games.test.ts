import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { importArchive, watchBuild } from '../../src/client/index.ts';
import { BuildTarget } from '../../src/contract/builds.ts';
import { contentOf } from '../runner/support/content-of.ts';
import { Arcade } from '../support/arcade.ts';
import { png } from '../support/media.ts';
import { signUp } from '../support/people.ts';
import { zipOf } from '../support/zip.ts';

const arcade = new Arcade();

const media = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(join(import.meta.dirname, '../support/media', name)));

/** A small game with a little of everything that games load, in the folder that programs put into their zips. */
const game: Readonly<Record<string, string | Uint8Array>> = {
  'index.html': `<!doctype html><html><head><link rel="icon" href="/logo.svg"><link rel="stylesheet" href="style.css"></head>
<body><canvas width="64" height="64"></canvas><script type="module" src="/src/main.ts"></script></body></html>`,
  'style.css': 'canvas { background: url(img/sky.png) }',
  'package.json': '{"name":"lost-cave","version":"1.4.0"}',
  'tsconfig.json': '{ "compilerOptions": { "strict": true } }',
  '.env': 'KEY=secret',
  'src/main.ts': `import tile from './tile.png';
import { loadLevel } from './level.ts';
const picture = async (url: string): Promise<HTMLImageElement> => {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
};
const level = await loadLevel(1);
const [hero, sky, logo] = await Promise.all([picture('img/hero.png'), picture(tile), picture('logo.svg')]);
const sound = await new OfflineAudioContext(1, 1, 44100).decodeAudioData(await (await fetch('sfx/jump.ogg')).arrayBuffer());
const font = await new FontFace('Pixel', 'url(fonts/pixel.woff2)').load();
const physics = await WebAssembly.instantiateStreaming(fetch('lib/physics.wasm'));
const worker = new Worker('workers/path.js', { type: 'module' });
const steps = await new Promise((resolve, reject) => { worker.onmessage = ({ data }) => resolve(data); worker.onerror = reject; });
document.querySelector('canvas')!.getContext('2d')!.drawImage(hero, 0, 0);
Object.assign(globalThis, { played: {
  level: level.name, enemies: level.enemies.length, hero: hero.width, tile: sky.width, logo: logo.width > 0,
  sound: sound.duration > 0, font: font.status, physics: String(physics.module), steps,
} });`,
  'src/level.ts': `interface Level { name: string; enemies: string[] }
export const loadLevel = async (n: number): Promise<Level> => {
  const { name, next } = await (await fetch(\`levels/\${n}.json\`)).json() as { name: string; next: string };
  return { name, enemies: await (await fetch('levels/' + next)).json() };
};`,
  'src/tile.png': png(3, 3),
  'img/hero.png': png(5, 5, [200, 80, 40]),
  'img/sky.png': png(7, 7),
  'sfx/jump.ogg': media('tone.ogg'),
  'fonts/pixel.woff2': media('letters.woff2'),
  'lib/physics.wasm': Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0]),
  'levels/1.json': '{"name":"Cave","next":"enemies.json"}',
  'levels/enemies.json': '["bat","rat"]',
  'workers/path.js': "import { step } from './step.js'; postMessage([step, step + 1]);",
  'workers/step.js': 'export const step = 1;',
  'public/logo.svg': '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
};

const played = {
  level: 'Cave',
  enemies: 2,
  hero: 5,
  tile: 3,
  logo: true,
  sound: true,
  font: 'loaded',
  physics: '[object WebAssembly.Module]',
  steps: [1, 2],
};

describe('a game from a zip', () => {
  it('plays in its preview, as a build at its address, and from its packages, and is the same game', async () => {
    const ada = await signUp(inject('origin'), 'ada');
    const zip = zipOf(Object.entries(game).map(([path, bytes]) => ({ name: `lost-cave-1.4/${path}`, content: bytes })));
    const { project } = await importArchive(ada, { file: new File([zip], 'lost-cave.zip') });
    const right = { told: played, canvases: 1, problems: [] };

    const { preview } = await ada.call('previewProject', { params: { id: project.id } });
    expect(preview).toMatchObject({ ready: true, problems: [] });
    expect(await arcade.play(preview.url)).toEqual(right);

    const builds = await Promise.all(
      BuildTarget.options.map(async (target) => {
        const { build } = await ada.call('createBuild', { body: { projectId: project.id, target } });
        await watchBuild(ada, build.id, {}, AbortSignal.timeout(300_000));
        const { build: done } = await ada.call('getBuild', { params: { id: build.id } });
        expect(done, `${target}: ${done.errorMessage}`).toMatchObject({ status: 'success' });
        return done;
      }),
    );
    for (const { id, target, playUrl } of builds) {
      if (target === 'web') expect(await arcade.play(playUrl ?? '')).toEqual(right);
      const answer = await ada.raw('getArtifact', { params: { id, name: `game-${target}.zip` } });
      const content = contentOf(target, Buffer.from(await answer.arrayBuffer()));
      expect(await arcade.playFiles(content), target).toEqual(right);
      expect([...content.keys()].filter((path) => /\.ts$|\.json$|^\./.test(path)).sort()).toEqual([
        'levels/1.json',
        'levels/enemies.json',
      ]);
    }
  });
});
