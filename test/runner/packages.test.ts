import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { extractAll, getRawHeader, listPackage } from '@electron/asar';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../src/contract/jobs.ts';
import { launchBrowser } from '../browser/chromium.ts';
import { runElectronMain } from './support/electron-main.ts';
import type { FakeBuild, Files } from './support/fake-platform.ts';
import { readZip } from './support/read-zip.ts';
import { RunnerWorld } from './support/world.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const packages = join(root, 'node_modules');

const world = new RunnerWorld();
let browser: Browser;
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'kiln-packages-'));
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  await rm(scratch, { recursive: true, force: true });
});

/** A game that needs what a plain `file://` page does not have: modules, fetch, a worker, wasm; and tries what it must not. */
const game: Files = {
  'index.html': `<!doctype html><html><head><title>Game</title></head><body>
<script>window.inlineRan = true;</script>
<button onclick="window.handlerRan = true">x</button>
<script type="module" src="/src/main.ts"></script></body></html>`,
  'src/main.ts': `
const told: Record<string, unknown> = {};
const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
told.worker = await new Promise((resolve) => { worker.onmessage = ({ data }) => resolve(data); worker.onerror = () => resolve('failed'); });
told.level = await (await fetch('assets/levels/one.json')).json();
told.lazy = (await import('./lazy.ts')).default;
told.wasm = await WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then(() => 'ran', String);
told.part = await (await fetch('assets/sound.ogg', { headers: { range: 'bytes=2-4' } })).text();
told.require = typeof (globalThis as { require?: unknown }).require;
told.process = typeof (globalThis as { process?: unknown }).process;
try { told.eval = new Function('return "ran"')(); } catch { told.eval = 'refused'; }
const injected = document.createElement('script');
injected.textContent = 'window.injectedRan = true';
document.body.append(injected);
document.querySelector('button')?.click();
Object.assign(told, { inline: window.inlineRan === true, injected: window.injectedRan === true, handler: window.handlerRan === true });
localStorage.setItem('score', '7');
told.stored = localStorage.getItem('score');
Object.assign(window, { told });
declare global { interface Window { inlineRan?: boolean; injectedRan?: boolean; handlerRan?: boolean } }
`,
  'src/worker.ts': "postMessage('worked');",
  'src/lazy.ts': "export default 'loaded late';",
  'assets/levels/one.json': '{"name":"one"}',
  'assets/sound.ogg': 'OggS-sound',
  'package.json': '{"version":"2.3.4"}',
};

/** What the game finds out wherever its package is well made. */
const allowed = {
  worker: 'worked',
  level: { name: 'one' },
  lazy: 'loaded late',
  wasm: 'ran',
  require: 'undefined',
  process: 'undefined',
  eval: 'refused',
  inline: true,
  injected: false,
  handler: false,
  stored: '7',
};

const run = async (target: Job['target'], files: Files = game, overrides: Partial<Job> = {}): Promise<FakeBuild> =>
  await world.build(files, { target, projectName: 'Space <Café> & "Co"', ...overrides });

/** Unpacks the only download of a build into a folder of its own. */
const unpack = async (build: FakeBuild): Promise<string> => {
  const downloads = (await build.outputs()).filter(({ role }) => role === 'download');
  expect(downloads).toHaveLength(1);
  const folder = await mkdtemp(join(scratch, 'app-'));
  for (const { name, bytes } of readZip(downloads[0]?.bytes ?? Buffer.alloc(0))) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
  }
  return folder;
};

type Serve = (request: Request) => Promise<Response>;

/** Serves what a handler of web requests answers; on localhost, which a browser trusts as it does the app's scheme. */
const listen = async (serve: Serve): Promise<{ url: string; server: Server }> => {
  const server = createServer(async (request, response) => {
    const range = request.headers.range;
    const answer = await serve(
      new Request(`http://localhost${request.url ?? '/'}`, {
        method: request.method ?? 'GET',
        ...(range === undefined ? {} : { headers: { range } }),
      }),
    );
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(Buffer.from(await answer.arrayBuffer()));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return { url: `http://localhost:${(server.address() as AddressInfo).port}`, server };
};

const play = async (url: string): Promise<unknown> => {
  const page = await browser.newPage();
  try {
    await page.goto(url);
    const told = (): Promise<unknown> => page.evaluate(() => (globalThis as { told?: unknown }).told);
    await expect.poll(told).toBeDefined();
    return await told();
  } finally {
    await page.close();
  }
};

describe('an Electron package', () => {
  let folder: string;
  let app: string;
  let build: FakeBuild;

  beforeAll(async () => {
    build = await run('electron');
    folder = await unpack(build);
    app = join(folder, 'app');
    extractAll(join(folder, 'app.asar'), app);
  });

  it('is a folder that npx electron starts, with the app in an archive', async () => {
    expect(JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))).toMatchObject({
      name: 'space-cafe-co',
      productName: 'Space <Café> & "Co"',
      version: '2.3.4',
      main: 'start.cjs',
      scripts: { start: 'electron .' },
      devDependencies: { electron: expect.stringMatching(/^\d+\.\d+\.\d+$/) },
    });
    expect(await readFile(join(folder, 'start.cjs'), 'utf8')).toContain("require('./app.asar/main.cjs')");
    const files = listPackage(join(folder, 'app.asar'), { isPack: false });
    expect(files).toEqual(
      expect.arrayContaining(
        ['main.cjs', 'preload.cjs', 'site.cjs', 'package.json', 'icon.png', 'site/index.html'].map(
          (path) => `/${path}`,
        ),
      ),
    );
    expect(getRawHeader(join(folder, 'app.asar')).header).toMatchObject({
      files: { 'main.cjs': { integrity: { algorithm: 'SHA256' } } },
    });
    expect((await readFile(join(folder, 'icon.png'))).subarray(1, 4).toString()).toBe('PNG');
    expect((await build.outputs()).filter(({ role }) => role === 'site')).toEqual([]);
    expect((await build.outputs()).map(({ name }) => name)).toContain('sbom.cdx.json');
  });

  it('plays behind its own handler and policy', async () => {
    const require = createRequire(import.meta.url);
    const { serveSite } = require(join(app, 'site.cjs')) as { serveSite: (root: string, policy: string) => Serve };
    const { policy } = JSON.parse(await readFile(join(app, 'package.json'), 'utf8')) as { policy: string };
    const serve = serveSite(join(app, 'site'), policy);
    const { url, server } = await listen(serve);
    try {
      expect(await play(`${url}/index.html`)).toEqual({ ...allowed, part: 'gS-' });
    } finally {
      server.close();
    }
    const status = async (path: string, init?: RequestInit): Promise<number> =>
      (await serve(new Request(`game://app${path}`, init))).status;
    expect(await status('/index.html')).toBe(200);
    expect(await status('/nothing.js')).toBe(404);
    for (const path of ['/..%2fpackage.json', '/%2e%2e%2fmain.cjs', '/a%5c..%5c..%5cmain.cjs', '/%00', '/%'])
      expect(await status(path), path).toBe(400);
    expect(await status('/index.html', { method: 'POST' })).toBe(405);
    expect(await status('/assets/sound.ogg', { headers: { range: 'bytes=90-99' } })).toBe(416);
  });

  it('has a main process that shuts the game in', async () => {
    const asked = await runElectronMain(app);
    expect(asked.windows).toMatchObject([
      { webPreferences: { contextIsolation: true, sandbox: true, nodeIntegration: false, webSecurity: true } },
    ]);
    expect(asked.loaded).toEqual(['game://app/index.html']);
    expect(asked.prevented('game://app/other.html')).toBe(false);
    for (const url of ['https://evil.example/', 'file:///etc/passwd', 'game://app.evil.example/', 'game://apple/'])
      expect(asked.prevented(url), url).toBe(true);
    expect(asked.open()).toEqual({ action: 'deny' });
    expect([asked.permits('fullscreen'), asked.permits('media'), asked.permits('geolocation')]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('tells what of the page does not run in it', () => {
    expect(build.logs.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      expect.stringContaining('<button onclick="…"> does not run in a packaged app'),
    ]);
  });
});

describe('a Cordova package', () => {
  let folder: string;
  let build: FakeBuild;

  beforeAll(async () => {
    build = await run('cordova');
    folder = await unpack(build);
  });

  it('is taken by the real cordova for the browser, and plays as prepared', async () => {
    // Packages come from disk: nothing of this reaches a registry.
    await symlink(packages, join(folder, 'node_modules'));
    const cordova = (...args: string[]): string => {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [join(packages, 'cordova/bin/cordova'), ...args, '--no-telemetry'],
        { cwd: folder, encoding: 'utf8', env: { ...process.env, CI: '1', HOME: scratch, npm_config_offline: 'true' } },
      );
      expect(status, stdout + stderr).toBe(0);
      return stdout;
    };
    cordova('platform', 'add', 'browser', '--nofetch');
    cordova('prepare', 'browser');
    const www = join(folder, 'platforms/browser/www');
    expect(await readFile(join(www, 'cordova.js'), 'utf8')).toContain('cordova');
    const config = await readFile(join(folder, 'platforms/browser/config.xml'), 'utf8');
    expect(config).toContain('Space &lt;Caf\u00e9&gt; &amp; ');
    const { url, server } = await listen(async (request) => {
      const bytes = await readFile(join(www, new URL(request.url).pathname)).catch(() => null);
      const type = request.url.endsWith('.html') ? 'text/html' : request.url.endsWith('.js') ? 'text/javascript' : '';
      return new Response(bytes, { status: bytes === null ? 404 : 200, headers: { 'content-type': type } });
    });
    try {
      expect(await play(`${url}/index.html`)).toEqual({ ...allowed, part: 'OggS-sound' });
    } finally {
      server.close();
    }
  });

  it('names itself, its icon and its policy', async () => {
    const config = await readFile(join(folder, 'config.xml'), 'utf8');
    expect(config).toContain('<widget id="app.kiln.gspacecafeco" version="2.3.4"');
    expect(config).toContain('<icon src="res/icon.png" />');
    expect((await readFile(join(folder, 'res/icon.png'))).subarray(1, 4).toString()).toBe('PNG');
    const page = await readFile(join(folder, 'www/index.html'), 'utf8');
    expect(page).toMatch(/<head><meta http-equiv="Content-Security-Policy" content="default-src 'self'; script-src /);
    expect((await build.outputs()).map(({ name }) => name)).toContain('sbom.cdx.json');
  });
});

describe('a package of either kind', () => {
  const icon = Buffer.from('89504e470d0a1a0a00', 'hex');

  it.each(['electron', 'cordova'] as const)('for %s is the same bytes every time', async (target) => {
    const hash = async (): Promise<string | undefined> =>
      (await (await run(target)).outputs()).find(({ role }) => role === 'download')?.sha256;
    expect(await hash()).toBe(await hash());
  });

  it.each(['web', 'electron', 'cordova'] as const)(
    'for %s carries a signed statement of its origin',
    async (target) => {
      const build = await run(target);
      const folder = await mkdtemp(join(scratch, 'signed-'));
      const outputs = await build.outputs();
      for (const { name, role, bytes } of outputs) if (role !== 'site') await writeFile(join(folder, name), bytes);
      const file = outputs.find(({ role }) => role === 'download')?.name ?? '';
      const verify = (): { status: number | null; stdout: string; stderr: string } =>
        spawnSync(
          process.execPath,
          ['scripts/verify-artifact.ts', join(folder, file), '--keys', join(folder, 'jwks.json')],
          { cwd: root, encoding: 'utf8' },
        );
      await writeFile(
        join(folder, 'jwks.json'),
        await (await fetch(`${world.platform.url}/.well-known/jwks.json`)).text(),
      );
      expect(verify()).toMatchObject({ status: 0, stdout: expect.stringContaining(`target ${target} of project`) });
      await writeFile(join(folder, file), 'something else');
      expect(verify()).toMatchObject({ status: 1, stderr: expect.stringContaining('NOT GENUINE') });
      expect(build.stated[0]?.outputs.map(({ name }) => name)).toEqual(
        outputs.map(({ name }) => name).filter((name) => name !== 'provenance.json'),
      );
    },
  );

  it('takes id and icon from the project', async () => {
    const build = await run('cordova', {
      'src/main.js': '1;',
      'kiln.json': '{"appId":"com.example.game","icon":"art/logo.png"}',
      'art/logo.png': icon,
    });
    const folder = await unpack(build);
    expect(await readFile(join(folder, 'config.xml'), 'utf8')).toContain(
      '<widget id="com.example.game" version="1.0.0"',
    );
    expect(await readFile(join(folder, 'res/icon.png'))).toEqual(icon);
  });

  it.each([
    ['an icon that is no PNG', { 'icon.png': 'GIF89a' }, 'is not a PNG file'],
    ['an icon that is not there', { 'kiln.json': '{"icon":"../../secret.png"}' }, 'is not a PNG file'],
    ['an id that is none', { 'kiln.json': '{"appId":"x\\" onload=\\"y"}' }, 'appId of kiln.json'],
  ])('refuses %s', async (_title, files, message) => {
    const build = await run('electron', { 'src/main.js': '1;', ...files });
    expect(await build.failure()).toMatchObject({ kind: 'user', message: expect.stringContaining(message) });
  });

  it('warns of scripts that it would not load', async () => {
    const build = await run('electron', {
      'index.html': '<script src="https://cdn.example/x.js"></script><script type=module>1</script>',
    });
    await build.outputs();
    expect(build.logs.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('https://cdn.example/x.js is not loaded in a packaged app'),
    );
  });
});
