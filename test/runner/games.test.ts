import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../browser/chromium.ts';
import { FakePlatform } from './support/fake-platform.ts';
import { games } from './support/games.ts';
import { RunnerProcess } from './support/runner-process.ts';

/** Engines come from the real registry, once: the runner keeps what it has installed. */
let platform: FakePlatform;
let runner: RunnerProcess;
let browser: Browser;
let server: Server;
/** What the browser finds, by path. */
let site: ReadonlyMap<string, { mimeType: string; bytes: Buffer }> = new Map();

beforeAll(async () => {
  platform = await FakePlatform.start();
  runner = await RunnerProcess.start({ platformUrl: platform.url });
  browser = await launchBrowser();
  server = createServer((request, response) => {
    const file = site.get(new URL(request.url ?? '/', 'http://game').pathname.slice(1));
    response.writeHead(file === undefined ? 404 : 200, { 'content-type': file?.mimeType ?? 'text/plain' });
    response.end(file?.bytes);
  }).listen(0, '127.0.0.1');
});

afterAll(async () => {
  await browser?.close();
  server?.close();
  await runner?.dispose();
  await platform?.stop();
});

describe('a game in the style of', () => {
  it.each(games)('$style is built and plays', async ({ files }) => {
    const build = await runner.run(
      await platform.build(files, {
        options: { minify: true, sourcemap: false, typecheck: false, optimizeAssets: false, define: {} },
      }),
    );
    const outputs = (await build.outputs()).filter(({ role }) => role === 'site');
    site = new Map(outputs.map((output) => [output.name, output]));
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    try {
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/index.html`);
      const played = (): Promise<unknown> => page.evaluate(() => (globalThis as { played?: unknown }).played);
      await expect.poll(played, { message: problems.join('\n') }).toBe(true);
      expect(await page.locator('canvas').count()).toBeGreaterThan(0);
      expect(problems).toEqual([]);
    } finally {
      await page.close();
    }
  });
});
