import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { readZip } from '../runner/support/read-zip.ts';
import { madeBy } from '../support/archives.ts';
import { zipOf } from '../support/zip.ts';
import { browser, openBrowser } from './browser.ts';
import { person, picture } from './person.ts';

openBrowser();

const upload = (name: string, bytes: Uint8Array) => ({
  name,
  mimeType: 'application/zip',
  buffer: Buffer.from(bytes),
});

async function choose(page: Page, name: string, bytes: Uint8Array): Promise<void> {
  await page.getByTestId('import-project').click();
  await page.getByTestId('import-file').setInputFiles(upload(name, bytes));
}

/** Files of an archive, without folders, manifest and the folder around everything. */
const filesOf = (zip: Uint8Array): Map<string, string> =>
  new Map(
    readZip(Buffer.from(zip))
      .filter(({ name }) => !name.endsWith('/') && name !== 'kiln.json')
      .map(({ name, bytes }) => [name.replace(/^game\//, ''), bytes.toString('base64')]),
  );

/** What a click on a download button saves. */
async function saved(page: Page, click: () => Promise<void>): Promise<{ name: string; bytes: Uint8Array }> {
  const waiting = page.waitForEvent('download');
  await click();
  const download = await waiting;
  return { name: download.suggestedFilename(), bytes: new Uint8Array(readFileSync(await download.path())) };
}

describe('archives in the workspace', () => {
  it('a zip becomes a project, is downloaded from both menus, and comes in again; a hostile one says why not', async () => {
    const zoe = await person(browser, 'zoe');
    const { page } = zoe;

    await choose(page, 'evil.zip', zipOf([{ name: 'index.html' }, { name: '../../etc/passwd', content: 'x' }]));
    await page.getByTestId('import-start').click();
    const refusal = page.getByTestId('import-refusal');
    await refusal.waitFor();
    expect(await refusal.innerText()).toMatch(
      /cannot be imported[\s\S]*\.\.\/\.\.\/etc\/passwd leads outside the archive/,
    );
    await picture(page, 'import-refused');

    // The same dialog takes another file; its request is held until the progress was seen.
    let letGo = (): void => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    await page.route('**/api/projects/import*', async (route) => {
      await held;
      await route.continue();
    });
    await page.getByTestId('import-file').setInputFiles(upload('Mein Spiel.zip', madeBy('infozip')));
    await refusal.waitFor({ state: 'detached' });
    await page.getByTestId('import-name').fill('Mein Spiel "2"');
    await page.getByTestId('import-start').click();
    await page.getByTestId('import-progress').waitFor();
    await picture(page, 'import-progress');
    letGo();
    await page.getByTestId('file-index.html').waitFor();
    await picture(page, 'imported');

    const fromTopBar = await saved(page, () => page.locator('[data-testid^="download-"]').click());
    expect(fromTopBar.name).toBe('Mein Spiel -2.zip');
    expect(filesOf(fromTopBar.bytes)).toEqual(filesOf(madeBy('infozip')));

    await page.goto(inject('origin'));
    const card = page.locator('article.card');
    await card.hover();
    await picture(page, 'card-actions');
    const fromCard = await saved(page, () => card.locator('[data-testid^="download-"]').click());
    expect(Buffer.compare(fromCard.bytes, fromTopBar.bytes)).toBe(0);

    await choose(page, fromCard.name, fromCard.bytes);
    await picture(page, 'import-chosen');
    await page.getByTestId('import-start').click();
    await page.getByTestId('file-index.html').waitFor();
    expect(await page.locator('.project-title').innerText()).toBe('Mein Spiel "2"');
    // Refusals are answers that this test asks for.
    expect(zoe.complaints.filter((text) => !/422/.test(text))).toEqual([]);
  });

  it('an archive that is too large for one request goes in parts, goes on after a connection that was lost, and becomes one project', async () => {
    const ada = await person(browser, 'ada');
    const { page } = ada;
    const folder = mkdtempSync(join(tmpdir(), 'kiln-archive-'));
    try {
      const path = join(folder, 'Large game.zip');
      const noise = (mark: number): Uint8Array => new Uint8Array(21 * 1024 * 1024).map((_, at) => (at * mark) >>> 7);
      writeFileSync(
        path,
        zipOf([
          { name: 'index.html', content: '<p>large' },
          ...[3, 5, 7, 11, 13].map((mark) => ({ name: `data/${mark}.bin`, content: noise(mark), method: 0 })),
        ]),
      );
      expect(readFileSync(path).length).toBeGreaterThan(limits.archive.uploadBytes);
      let letGo = (): void => {};
      const held = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      const imports: string[] = [];
      await page.route('**/api/projects/import', async (route) => {
        imports.push(route.request().postData() ?? '');
        if (imports.length === 1) return await route.abort();
        await route.continue();
      });
      let parts = 0;
      await page.route('**/parts/**', async (route) => {
        parts += 1;
        if (parts === 2) return await route.abort();
        if (parts > 4) await held;
        await route.continue();
      });
      await page.getByTestId('import-project').click();
      await page.getByTestId('import-file').setInputFiles(path);
      await page.getByTestId('import-start').click();
      await page.getByText(/^Uploading, .+ of 110 MB/).waitFor();
      await picture(page, 'import-in-parts');
      letGo();
      await page.getByTestId('file-index.html').waitFor();
      // The first was lost on its way; what was asked again is the same.
      expect(imports).toHaveLength(2);
      expect(imports[1]).toBe(imports[0]);
      expect(Object.keys(JSON.parse(imports[1] ?? '{}')).sort()).toEqual(['parts', 'uploadId']);
      expect(await page.locator('.project-title').innerText()).toBe('Large game');
      await page.goto(inject('origin'));
      await page.locator('article.card').waitFor();
      expect(await page.locator('article.card').count()).toBe(1);
      expect(ada.complaints.filter((text) => !/ERR_FAILED/.test(text))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
