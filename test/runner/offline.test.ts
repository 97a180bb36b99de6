import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../browser/chromium.ts';
import type { FakeBuild, Files } from './support/fake-platform.ts';
import { RunnerWorld } from './support/world.ts';

const world = new RunnerWorld();
let browser: Browser;
beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
});

const options = { minify: true, offline: true };

async function build(
  files: Files,
  overrides: { offline?: boolean; target?: 'web' | 'cordova' } = {},
): Promise<FakeBuild> {
  const { target = 'web', ...rest } = overrides;
  return await world.build(files, { target, options: { ...options, ...rest } });
}

/** One second of silence, as a sound that is asked for in parts. */
const wav = (): Buffer => {
  const samples = Buffer.alloc(8000, 128);
  const header = Buffer.from(
    '52494646641f000057415645666d74201000000001000100401f0000401f00000100080064617461401f0000',
    'hex',
  );
  return Buffer.concat([header, samples]);
};

const game: Files = {
  'src/main.ts': `
    import picture from './hero.svg';
    const data = await (await fetch('data/level #1.json'.replace('#', '%23'))).json();
    const image = new Image();
    image.src = picture;
    await image.decode();
    const sound = new Audio('sounds/hit.wav');
    await new Promise((resolve, reject) => {
      sound.addEventListener('canplaythrough', resolve, { once: true });
      sound.addEventListener('error', reject, { once: true });
    });
    Object.assign(globalThis, { played: data.name + image.width });
  `,
  'src/hero.svg':
    '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"><rect width="7" height="7"/></svg>'.padEnd(9000),
  'public/data/level #1.json': '{"name":"cave"}',
  'public/sounds/hit.wav': wav(),
};

describe('a game that is to play offline', () => {
  it('is loaded once, and plays again when neither network nor server are there', async () => {
    const site = new Map(
      (await (await build(game)).outputs()).filter(({ role }) => role === 'site').map((file) => [file.name, file]),
    );
    const server: Server = createServer((request, response) => {
      const path = decodeURIComponent(new URL(request.url ?? '/', 'http://game').pathname).replace(
        /^\/games\/mine\//,
        '',
      );
      const file = site.get(path === '' ? 'index.html' : path);
      response.writeHead(file ? 200 : 404, { 'content-type': file?.mimeType ?? 'text/plain' }).end(file?.bytes);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    // Not at the root: a zip may be put anywhere.
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/games/mine/`;
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(error.message));
      const played = (): Promise<unknown> => page.evaluate(() => (globalThis as { played?: unknown }).played);
      await page.goto(url);
      await expect.poll(played, { message: problems.join('\n') }).toBe('cave7');
      // Active and in charge means that every file is kept.
      await page.evaluate('navigator.serviceWorker.ready.then(() => true)');
      await expect.poll(() => page.evaluate('navigator.serviceWorker.controller !== null')).toBe(true);
      await context.setOffline(true);
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      await page.reload();
      await expect.poll(played, { message: problems.join('\n') }).toBe('cave7');
      expect(problems).toEqual([]);
      const other = await context.newPage();
      await other.goto(`${url}index.html`);
      await expect.poll(() => other.evaluate(() => (globalThis as { played?: unknown }).played)).toBe('cave7');
    } finally {
      await context.close();
      server.close();
    }
  });

  it('says how it is called and looks, in a manifest that its page names', async () => {
    const outputs = await (await build(game)).outputs();
    const text = (name: string): string =>
      outputs.find((file) => file.role === 'site' && file.name === name)?.bytes.toString() ?? '';
    expect(JSON.parse(text('manifest.webmanifest'))).toMatchObject({
      name: 'Test game',
      start_url: './',
      display: 'fullscreen',
      icons: [{ src: 'app-icon.png', type: 'image/png', sizes: expect.stringMatching(/^\d+x\d+$/) }],
    });
    expect(text('index.html')).toContain('<link rel="manifest" href="manifest.webmanifest">');
    expect(text('index.html')).toContain('<script src="register-sw.js" defer="">');
  });

  it('is the same bytes every time', async () => {
    const hashes = async (): Promise<string[]> =>
      (await (await build(game)).outputs())
        .filter(({ name }) => name !== 'provenance.json')
        .map(({ sha256 }) => sha256);
    expect(await hashes()).toEqual(await hashes());
  });

  it('keeps what it brings itself', async () => {
    const page =
      '<html><head><link rel="manifest" href="mine.json"></head><body><script type="module" src="/a.js"></script></body></html>';
    const files = { 'index.html': page, 'a.js': 'console.info(1)', 'public/mine.json': '{}' };
    const site = await (await build(files)).site();
    expect([...site.keys()]).not.toContain('manifest.webmanifest');
    expect([...site.keys()]).toContain('sw.js');
    const own = await build({ ...files, 'public/sw.js': '// mine' });
    expect((await own.site()).get('sw.js')?.toString()).toBe('// mine');
    expect(own.logs.map(({ message }) => message)).toContainEqual(expect.stringContaining('sw.js of its own'));
  });

  it('is nothing that is done without being asked for, or in a package', async () => {
    expect([...(await (await build(game, { offline: false })).site()).keys()]).not.toContain('sw.js');
    const { logs } = await build(game, { target: 'cordova' });
    expect(logs.some(({ message }) => message.startsWith('Plays offline'))).toBe(false);
  });
});
