import type { Browser } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { launchBrowser } from './chromium.ts';

/** The browser of a file that called `openBrowser`. */
export let browser: Browser;

/** The tests of this file share a browser; its people have cookies of their own. */
export function openBrowser(): void {
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());
}
