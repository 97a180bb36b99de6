import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** What a page waits for comes when the machine gets to it. Milliseconds. */
const patience = 180_000;

/** Debian's Chromium, with what a machine without display, GPU and network needs, for people who wait. Says clearly when there is none. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = candidates.find((path) => path !== undefined && existsSync(path));
  if (!executablePath)
    throw new Error('No Chromium found. Install it (Debian: apt-get install -y chromium) or set CHROMIUM to its path.');
  const browser = await chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--enable-unsafe-swiftshader',
    ],
  });
  browser.on('context', (context) => context.setDefaultTimeout(patience));
  return browser;
}
