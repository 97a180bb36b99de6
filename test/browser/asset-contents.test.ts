import { beforeAll, describe, expect, inject, it } from 'vitest';
import { type KilnClient, uploadAsset, watchBuild } from '../../src/client/index.ts';
import { hostileSvgs } from '../support/hostile-svg.ts';
import { png } from '../support/media.ts';
import { signUp } from '../support/people.ts';
import { browser, openBrowser } from './browser.ts';

openBrowser();
let ada: KilnClient;
let projectId: string;
beforeAll(async () => {
  ada = await signUp(inject('origin'), 'ada');
  projectId = (await ada.call('createProject', { body: { name: 'Drawings', isPublic: true } })).project.id;
});

const upload = async (name: string, text: string): Promise<string> =>
  (await uploadAsset(ada, { projectId, file: new File([text], name) })).url;

/** An SVG document that would say so if anything of it ran. */
const speaking = (source: string): string => source.replaceAll(/alert\(1\)/g, "console.log('it ran');alert('it ran')");

describe('#50 an SVG document in Chromium', () => {
  it('does nothing: opened by its address, framed, and as a picture', async () => {
    const page = await browser.newPage();
    const ran: string[] = [];
    const asked: string[] = [];
    page.on('dialog', async (dialog) => {
      ran.push(dialog.message());
      await dialog.dismiss();
    });
    page.on('console', (message) => {
      if (message.text().includes('it ran')) ran.push(message.text());
    });
    page.on('request', (request) => asked.push(request.url()));
    // That the page would notice.
    await page.setContent(`<script>console.log('it ran')</script>`);
    expect(ran).toEqual(['it ran']);
    ran.length = 0;

    const sources = Object.entries(hostileSvgs).filter(
      ([, source]) => source.startsWith('<svg') && source.includes('9'),
    );
    let shown = 0;
    for (const [name, source] of sources) {
      const url = await upload(`${name.replaceAll(/\W+/g, '-')}.svg`, speaking(source));
      // As a document it is a download: the page stays where it is.
      const opened = await page.goto(url).then(
        () => 'a page',
        (error: Error) => (/download|aborted/i.test(error.message) ? 'a download' : error.message),
      );
      expect(opened, name).toBe('a download');
      await page.setContent(
        `<iframe src="${url}"></iframe><object data="${url}"></object><embed src="${url}"><img src="${url}">`,
      );
      const width = await page.evaluate(async () => {
        const image = document.querySelector('img');
        await image?.decode().catch(() => undefined);
        return image?.naturalWidth ?? 0;
      });
      if (width > 0) shown += 1;
    }
    expect(ran).toEqual([]);
    expect(asked.filter((url) => url.includes('evil.example'))).toEqual([]);
    // Drawings are still seen.
    expect(shown).toBeGreaterThan(sources.length / 2);
    await page.close();
  });
});

const colours = { 'red.png': [200, 10, 20], 'green.png': [10, 200, 20], 'blue.png': [10, 20, 200] } as const;

/** What a game with these files and a packed sheet says in its title, which is JSON. */
async function played(files: Readonly<Record<string, string>>): Promise<unknown> {
  const { project } = await ada.call('createProject', { body: { name: 'Sheet' } });
  const assetIds: string[] = [];
  for (const [index, [name, colour]] of Object.entries(colours).entries()) {
    const file = new File([png(8 + index, 20 - index, colour)], name);
    assetIds.push((await uploadAsset(ada, { projectId: project.id, file })).id);
  }
  const packed = await ada.call('packAssets', { params: { id: project.id }, body: { assetIds, name: 'sheet' } });
  expect(packed).toMatchObject({ image: { name: 'sheet.png' }, atlas: { name: 'sheet.json' } });
  for (const [path, text] of Object.entries({
    'index.html': '<!doctype html><body><script type="module" src="src/main.js"></script></body>',
    ...files,
  }))
    await ada.call('putFile', { params: { id: project.id, path }, body: new Blob([text]) });
  const { build } = await ada.call('createBuild', { body: { projectId: project.id } });
  await watchBuild(ada, build.id, {}, new AbortController().signal);
  const done = (await ada.call('getBuild', { params: { id: build.id } })).build;
  expect(done).toMatchObject({ status: 'success', errorMessage: null });
  const page = await browser.newPage();
  await page.goto(done.playUrl ?? '');
  await expect.poll(() => page.title()).toMatch(/^[{e]/);
  const title = await page.title();
  await page.close();
  return title.startsWith('e') ? title : JSON.parse(title);
}

/** Width, height, and the last pixel of each. */
const whole = {
  'red.png': [8, 20, 200, 10, 20, 255],
  'green.png': [9, 19, 10, 200, 20, 255],
  'blue.png': [10, 18, 10, 20, 200, 255],
};

describe('a sheet of pictures', () => {
  it('is loaded by Phaser, each picture by its name and with its own pixels', async () => {
    const seen = await played({
      'package.json': JSON.stringify({ dependencies: { phaser: '^3.80.0' } }),
      'src/main.js': `import Phaser from 'phaser';
new Phaser.Game({
  type: Phaser.CANVAS, width: 64, height: 64, banner: false, audio: { noAudio: true },
  scene: {
    preload() {
      this.load.on('loaderror', (file) => { document.title = 'error ' + file.key; });
      this.load.atlas('sheet', 'assets/sheet.png', 'assets/sheet.json');
    },
    create() {
      const texture = this.textures.get('sheet');
      const seen = {};
      for (const name of texture.getFrameNames()) {
        const { width, height } = texture.get(name);
        const pixel = this.textures.getPixel(width - 1, height - 1, 'sheet', name);
        seen[name] = [width, height, pixel.red, pixel.green, pixel.blue, pixel.alpha];
      }
      document.title = JSON.stringify(seen);
    },
  },
});`,
    });
    expect(seen).toEqual(whole);
  });

  it('is loaded and drawn by PixiJS, each picture by its name and with its own pixels', async () => {
    const seen = await played({
      'package.json': JSON.stringify({ dependencies: { 'pixi.js': '8.22.0' } }),
      'src/main.js': `import { Assets, Sprite, WebGLRenderer } from 'pixi.js';
try {
  const renderer = new WebGLRenderer();
  await renderer.init({ width: 64, height: 64 });
  const sheet = await Assets.load('assets/sheet.json');
  const seen = {};
  for (const [name, texture] of Object.entries(sheet.textures)) {
    if (texture.rotate !== 0 || texture.trim) throw new Error(name + ' is turned or trimmed');
    const { pixels, width, height } = renderer.extract.pixels(Sprite.from(name));
    seen[name] = [width, height, ...pixels.slice((width * height - 1) * 4)];
  }
  document.title = JSON.stringify(seen);
} catch (error) {
  document.title = 'error ' + error;
}`,
    });
    expect(seen).toEqual(whole);
  });
});
