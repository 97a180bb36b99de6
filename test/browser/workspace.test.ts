import type { Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import { browser, openBrowser } from './browser.ts';
import { person, picture } from './person.ts';

openBrowser();

describe('the workspace', () => {
  it('takes two people from sign-up to a game that they wrote together and play', async () => {
    const ada = await person(browser, 'ada');
    const grace = await person(browser, 'grace');

    await ada.page.getByTestId('new-project').first().click();
    await ada.page.getByTestId('template-canvas-arcade').click();
    await picture(ada.page, 'templates');
    await ada.page.getByTestId('project-name').fill('Our game');
    await ada.page.getByTestId('create-project').click();
    await ada.page.getByTestId('file-README.md').click();
    await ada.page.getByTestId('editor').waitFor();

    await ada.page.getByTestId('share').click();
    await ada.page.getByTestId('share-who').fill(grace.username);
    await ada.page.getByTestId('share-add').click();
    await ada.page.getByTestId(`member-${grace.username}`).waitFor();
    await ada.page.keyboard.press('Escape');

    await grace.page.goto(ada.page.url());
    await grace.page.getByTestId('file-README.md').click();
    await ada.page.getByTestId(`person-${grace.username}`).waitFor();

    const type = async (page: Page, text: string): Promise<void> => {
      await page.getByTestId('editor').locator('.cm-content').click();
      await page.keyboard.press('Control+Home');
      await page.keyboard.type(text, { delay: 10 });
    };
    await Promise.all([type(ada.page, 'Ada was here. '), type(grace.page, 'Grace was here. ')]);
    for (const { page } of [ada, grace]) {
      await expect.poll(() => page.getByTestId('editor').locator('.cm-content').innerText()).toMatch(/Ada was here/);
      await expect.poll(() => page.getByTestId('editor').locator('.cm-content').innerText()).toMatch(/Grace was here/);
      await expect.poll(() => page.getByTestId('save-state').getAttribute('data-state')).toBe('saved');
    }
    await picture(ada.page, 'together');

    await ada.page.getByTestId('build').click();
    await expect.poll(() => ada.page.getByTestId('build-status').getAttribute('data-status')).toBe('success');
    const frame = ada.page.getByTestId('play-frame');
    if (!(await frame.isVisible())) await ada.page.getByTestId('play').click();
    await frame.waitFor();
    const game = ada.page.frameLocator('[data-testid="play-frame"]');
    await game.locator('html[data-ready="true"]').waitFor();
    await picture(ada.page, 'play');

    // Another page load finds the session by its cookie, and the text on the server.
    await grace.page.reload();
    await grace.page.getByTestId('file-README.md').click();
    await expect
      .poll(() => grace.page.getByTestId('editor').locator('.cm-content').innerText())
      .toMatch(/Ada was here/);
    await ada.page.goto(inject('origin'));
    await ada.page.getByTestId('new-project').first().waitFor();
    await picture(ada.page, 'projects');
    expect([...ada.complaints, ...grace.complaints]).toEqual([]);
  });
});
