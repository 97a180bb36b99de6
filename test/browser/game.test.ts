import { describe, expect, inject, it } from 'vitest';
import { watchBuild } from '../../src/client/index.ts';
import { signUp } from '../support/people.ts';
import { browser, openBrowser } from './browser.ts';
import { picture } from './person.ts';

openBrowser();

/** Chromium's own remark on software rendering, which no page can help. */
const renderingRemark = /GPU stall due to ReadPixels/;

/** How many different colours a screenshot of the canvas has, sampled in the page that took it. */
async function coloursOf(png: Buffer): Promise<number> {
  const page = await browser.newPage();
  try {
    return await page.evaluate(async (base64) => {
      const image = new Image();
      image.src = `data:image/png;base64,${base64}`;
      await image.decode();
      const canvas = document.createElement('canvas');
      canvas.width = 64;
      canvas.height = 64;
      const context = canvas.getContext('2d');
      if (!context) return 0;
      context.drawImage(image, 0, 0, 64, 64);
      const { data } = context.getImageData(0, 0, 64, 64);
      const colours = new Set<number>();
      for (let index = 0; index < data.length; index += 4)
        colours.add(((data[index] ?? 0) << 16) | ((data[index + 1] ?? 0) << 8) | (data[index + 2] ?? 0));
      return colours.size;
    }, png.toString('base64'));
  } finally {
    await page.close();
  }
}

/** Opens a game in a page of its own, where the template says that it is ready: with no complaint of any kind, and a picture. */
async function plays(url: string, name: string): Promise<void> {
  const page = await browser.newPage({ viewport: { width: 640, height: 360 } });
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !renderingRemark.test(message.text()))
      complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('requestfailed', (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`);
  });
  await page.goto(url);
  await page.waitForSelector('html[data-ready="true"]');
  const canvas = page.locator('canvas').first();
  await canvas.waitFor();
  await page.keyboard.press('Space');
  await page.waitForTimeout(500);
  expect(await coloursOf(await canvas.screenshot())).toBeGreaterThan(16);
  await picture(page, name);
  await page.close();
  expect(complaints).toEqual([]);
}

describe('a template', () => {
  it.each([
    ['canvas-arcade', false],
    ['phaser-platformer', true],
    ['three-runner', true],
  ] as const)('%s plays as it is built, and in its preview what was saved since', async (templateId, hasPackages) => {
    const ada = await signUp(inject('origin'));
    const { project } = await ada.call('createFromTemplate', { params: { templateId }, body: { name: templateId } });
    const params = { id: project.id };
    const ask = async () => (await ada.call('previewProject', { params })).preview;
    expect(await ask()).toMatchObject(hasPackages ? { ready: false, reason: 'needs_packages' } : { ready: true });
    const { build } = await ada.call('createBuild', { body: { projectId: project.id } });
    await watchBuild(ada, build.id, {}, AbortSignal.timeout(300_000));
    const { build: done } = await ada.call('getBuild', { params: { id: build.id } });
    expect(done, `${done.errorCode}: ${done.errorMessage}`).toMatchObject({ status: 'success' });
    await plays(done.playUrl ?? '', `built-${templateId}`);

    await ada.call('putFile', { params: { ...params, path: 'src/saved.ts' }, body: { content: 'export {};\n' } });
    const preview = await ask();
    expect(preview).toMatchObject({ ready: true, problems: [], warnings: [] });
    await plays(preview.url, `preview-${templateId}`);
  });
});
