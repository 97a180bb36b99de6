import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import mime from 'mime';
import { afterAll, beforeAll, expect } from 'vitest';
import { launchBrowser } from '../browser/chromium.ts';

/** What a game told of itself, and all that went wrong. */
export interface Played {
  readonly told: unknown;
  readonly canvases: number;
  readonly problems: readonly string[];
}

/** A browser for all tests of a file that plays games: those at an address, and the web content of packages. */
export class Arcade {
  readonly #server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://game').pathname.slice(1));
    // A device puts its own script there.
    const bytes = this.#content.get(path) ?? (path === 'cordova.js' ? Buffer.alloc(0) : undefined);
    response.writeHead(bytes === undefined ? 404 : 200, { 'content-type': mime.getType(path) ?? 'text/plain' });
    response.end(bytes);
  });
  #content: ReadonlyMap<string, Buffer> = new Map();
  #browser: Awaited<ReturnType<typeof launchBrowser>> | undefined;

  constructor() {
    beforeAll(async () => {
      this.#browser = await launchBrowser();
      this.#server.listen(0, '127.0.0.1');
      await once(this.#server, 'listening');
    });
    afterAll(async () => {
      await this.#browser?.close();
      this.#server.close();
    });
  }

  /** Plays files by their paths, from a server that knows nothing but them. */
  async playFiles(content: ReadonlyMap<string, Buffer>): Promise<Played> {
    this.#content = content;
    return await this.play(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/index.html`);
  }

  /** Plays until the game sets `played`. */
  async play(url: string): Promise<Played> {
    if (!this.#browser) throw new Error('the browser is not up yet');
    const page = await this.#browser.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('response', (answer) => {
      if (answer.status() >= 400 && !answer.url().endsWith('/favicon.ico'))
        problems.push(`${answer.status()} ${answer.url()}`);
    });
    try {
      await page.goto(url);
      const told = (): Promise<unknown> => page.evaluate(() => (globalThis as { played?: unknown }).played);
      await expect.poll(told, { message: problems.join('\n') }).toBeDefined();
      return { told: await told(), canvases: await page.locator('canvas').count(), problems };
    } finally {
      await page.close();
    }
  }
}
