import type { Locator } from 'playwright-core';
import { expect, inject, it } from 'vitest';
import { browser, openBrowser } from './browser.ts';
import { clientOf, makeProject, person, picture } from './person.ts';

openBrowser();

it('the panels leave room for the editor: they go in a narrow window, come one at a time, and are back in a wide one', async () => {
  const ada = await person(browser, 'ada');
  const { page, complaints } = ada;
  const id = await makeProject(await clientOf(ada), 'Panels', { 'main.js': '// here\n' });
  await page.goto(`${inject('origin')}/p/${id}`);
  await page.getByTestId('file-main.js').click();
  await page.getByTestId('open-chat').click();
  const panels: Record<string, Locator> = {
    files: page.getByTestId('file-main.js'),
    talk: page.getByRole('button', { name: 'Close', exact: true }),
    dock: page.getByRole('complementary', { name: 'Play and build' }),
  };
  const open = async (): Promise<string[]> => {
    const shown = await Promise.all(
      Object.entries(panels).map(async ([name, it]) => ((await it.isVisible()) ? [name] : [])),
    );
    return shown.flat();
  };
  const editorWidth = async (): Promise<number> => (await page.getByTestId('editor').boundingBox())?.width ?? 0;
  await expect.poll(open).toEqual(['files', 'talk', 'dock']);

  await page.setViewportSize({ width: 1280, height: 800 });
  await expect.poll(editorWidth).toBeGreaterThanOrEqual(355);
  await page.setViewportSize({ width: 1000, height: 800 });
  await expect.poll(open).toEqual(['files', 'talk']);
  await page.setViewportSize({ width: 800, height: 800 });
  await expect.poll(open).toEqual(['talk']);
  await page.getByTestId('toggle-dock').click();
  await expect.poll(open).toEqual(['dock']);
  await page.getByTestId('toggle-files').click();
  await expect.poll(open).toEqual(['files']);
  await page.getByTestId('open-chat').click();
  await expect.poll(open).toEqual(['talk']);

  await page.setViewportSize({ width: 1440, height: 900 });
  await expect.poll(open).toEqual(['files', 'talk', 'dock']);

  // On a phone all that opens something is within reach.
  await page.setViewportSize({ width: 360, height: 740 });
  const reach = () =>
    page
      .locator('.top-bar')
      .locator('button:visible, a:visible')
      .evaluateAll((all) => Math.max(...all.map((one) => one.getBoundingClientRect().right)));
  await expect.poll(reach).toBeLessThanOrEqual(360);
  await page.getByRole('button', { name: 'Build', exact: true }).waitFor();
  await page.getByTestId('toggle-dock').click();
  await expect.poll(open).toEqual(['dock']);
  await picture(page, 'panels-360');
  expect(complaints).toEqual([]);
});
