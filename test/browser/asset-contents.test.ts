import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type KilnClient, uploadAsset } from '../../src/client/index.ts';
import { hostileSvgs } from '../support/hostile-svg.ts';
import { signUp } from '../support/people.ts';
import { launchBrowser } from './chromium.ts';

let browser: Browser;
let ada: KilnClient;
let projectId: string;
beforeAll(async () => {
  browser = await launchBrowser();
  ada = await signUp(inject('origin'), 'ada');
  projectId = (await ada.call('createProject', { body: { name: 'Drawings', isPublic: true } })).project.id;
});
afterAll(() => browser?.close());

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
      const opened = await page.goto(url, { timeout: 5000 }).then(
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
