import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../browser/chromium.ts';
import { games } from './support/games.ts';
import { RunnerWorld } from './support/world.ts';

/** Engines come from the real registry, once: the runner keeps what it has installed. */
const world = new RunnerWorld();
let browser: Browser;
let server: Server;
/** What the browser finds, by path. */
let site: ReadonlyMap<string, { mimeType: string; bytes: Buffer }> = new Map();

beforeAll(async () => {
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
});

describe('a game in the style of', () => {
  it.each(games)('$style is built and plays', async ({ files }) => {
    const build = await world.build(files, {
      options: { minify: true },
    });
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
