import type { Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import type { KilnClient } from '../../src/client/index.ts';
import { browser, openBrowser } from './browser.ts';
import { clientOf, makeProject, person, picture } from './person.ts';

openBrowser();

const main = (speed: number): string =>
  `const speed = ${speed};\n\n// The page says which one runs.\ndocument.documentElement.dataset.speed = String(speed);\n`;
const level = (speed: number, lives: number): string => `{ "speed": ${speed}, "lives": ${lives} }\n`;

const files: Readonly<Record<string, string>> = {
  'README.md': '# Speed\n',
  'index.html': '<!doctype html><title>Speed</title><script type="module" src="./src/main.js"></script>\n',
  'src/main.js': main(1),
  'levels/1.json': level(1, 3),
};

const read = async (client: KilnClient, id: string, path: string): Promise<string> =>
  (await client.call('getFile', { params: { id, path } })).file.content;
const write = (client: KilnClient, id: string, contents: Record<string, string>) =>
  client.call('batchFiles', {
    params: { id },
    body: { operations: Object.entries(contents).map(([path, content]) => ({ op: 'put' as const, path, content })) },
  });
const idOf = (page: Page): string => new URL(page.url()).pathname.split('/').at(-1) ?? '';

describe('forks in the workspace', () => {
  it('takes a change on both sides from a fork through a conflict and a played preview to the main project, and back', async () => {
    const ada = await person(browser, 'ada');
    const { page } = ada;
    const client = await clientOf(ada);
    const mainId = await makeProject(client, 'Main game', files);
    await page.goto(`${inject('origin')}/p/${mainId}`);
    await page.getByTestId('file-README.md').click();

    await page.getByTestId('project-menu').click();
    await picture(page, 'project-menu');
    await page.getByTestId('project-fork').click();
    await picture(page, 'fork');
    await page.getByTestId('text-dialog').fill('Faster');
    await page.getByTestId('text-dialog-submit').click();
    await page.getByTestId('fork-badge').waitFor();
    const forkId = idOf(page);
    expect(forkId).not.toBe(mainId);

    await write(client, forkId, {
      'src/main.js': main(3),
      'levels/1.json': level(3, 3),
      'src/boss.js': 'export const rage = 7;\n',
    });
    await write(client, mainId, { 'src/main.js': main(2), 'levels/1.json': level(2, 5) });

    // From the fork home: the main project opens, with the merge over its editors.
    await page.getByTestId('fork-badge').click();
    await page.getByTestId('merge-home').waitFor();
    await picture(page, 'forks');
    await page.getByTestId('merge-home').click();
    await page.getByTestId('merge-view').waitFor();
    expect(idOf(page)).toBe(mainId);
    await expect.poll(() => page.getByTestId('merge-left').innerText()).toBe('2 to be decided');
    const script = page.getByTestId('conflict-src/main.js');
    expect(await script.getByTestId('side-base').innerText()).toContain('speed = 1;');
    expect(await script.getByTestId('side-ours').locator('mark').innerText()).toContain('speed = 2;');
    expect(await script.getByTestId('side-theirs').locator('mark').innerText()).toContain('speed = 3;');
    expect(await page.getByTestId('merge-apply').isDisabled()).toBe(true);
    await picture(page, 'merge-conflicts');

    // A look at an editor does not end it.
    await page.getByTestId('file-README.md').click();
    await page.getByTestId('editor').locator('.cm-content').click();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('Typed during a merge.');
    await picture(page, 'merge-waiting');
    await page.getByTestId('merge-continue').click();

    await page.getByTestId('take-theirs-src/main.js').click();
    await page.getByTestId('take-edited-levels/1.json').click();
    const result = page.getByTestId('result-levels/1.json').locator('.cm-content');
    await result.click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(level(2.5, 5));
    await page.getByTestId('take-ours-levels/1.json').click();
    await page.getByTestId('take-edited-levels/1.json').click();
    await expect.poll(() => result.innerText()).toContain('2.5');
    await expect.poll(() => page.getByTestId('merge-left').innerText()).toBe('all decided');
    await page.getByTestId('merge-make-preview').click();
    await page.getByTestId('merge-preview').scrollIntoViewIfNeeded();
    await picture(page, 'merge-preview');

    await page.getByTestId('merge-differences').click();
    await expect.poll(() => page.getByTestId('compare-summary').innerText()).toBe('3 files: 1 added, 2 modified');
    const difference = await page.getByTestId('change-src/main.js').innerText();
    expect(difference.replaceAll(/\s+/g, ' ')).toMatch(/− const speed = 2;.*\+ const speed = 3;/);
    await picture(page, 'merge-differences');
    await page.getByTestId('checkpoint-close').click();
    await page.getByTestId('merge-build').click();
    await page
      .frameLocator('[data-testid="play-frame"]')
      .locator('html[data-speed="3"]')
      .waitFor({ state: 'attached' });
    await picture(page, 'merge-played');
    // Nothing has happened to the project so far.
    expect(await read(client, mainId, 'src/main.js')).toBe(main(2));

    await page.getByTestId('merge-apply').click();
    await page.getByTestId('merge-view').waitFor({ state: 'detached' });
    await picture(page, 'merged');
    expect(await page.locator('.toasts').innerText()).toContain('from Faster');
    expect(await read(client, mainId, 'src/main.js')).toBe(main(3));
    expect(JSON.parse(await read(client, mainId, 'levels/1.json'))).toEqual({ speed: 2.5, lives: 5 });
    expect(await read(client, mainId, 'README.md')).toBe('# Speed\nTyped during a merge.');
    expect(await page.getByTestId('editor').locator('.cm-content').innerText()).toContain('Typed during a merge.');
    await page.getByTestId('file-src/boss.js').waitFor();

    // A second time there is nothing new.
    await page.getByTestId('project-menu').click();
    await page.getByTestId('project-forks').click();
    await page.getByTestId(`merge-fork-${forkId}`).click();
    await page.getByTestId('merge-nothing').waitFor();
    await picture(page, 'merge-nothing');
    await page.getByTestId('merge-close').click();

    // Into the fork, all conflicts at once, in a narrow window.
    await write(client, mainId, { 'src/main.js': main(20), 'index.html': `${files['index.html']}<!-- home -->\n` });
    await write(client, forkId, { 'src/main.js': main(30) });
    await page.goto(`${inject('origin')}/p/${forkId}`);
    await page.setViewportSize({ width: 860, height: 900 });
    await page.getByTestId('fork-badge').click();
    await page.getByTestId('merge-parent').click();
    await expect.poll(() => page.getByTestId('merge-left').innerText()).toBe('1 to be decided');
    await picture(page, 'merge-narrow');
    await page.getByTestId('take-all-theirs').click();
    await page.getByTestId('merge-apply').click();
    await page.getByTestId('merge-view').waitFor({ state: 'detached' });
    expect(await read(client, forkId, 'src/main.js')).toBe(main(20));
    expect(await read(client, forkId, 'index.html')).toContain('home');
    expect(await read(client, forkId, 'README.md')).toContain('Typed during a merge.');
    await page.setViewportSize({ width: 1440, height: 900 });

    // The list shows the fork, and copies.
    await page.goto(inject('origin'));
    await page.getByTestId(`fork-${forkId}`).waitFor();
    await page.getByTestId(`project-${mainId}`).hover();
    await page.getByTestId(`copy-${mainId}`).click();
    await picture(page, 'projects-fork');
    await page.getByTestId('card-duplicate').click();
    await page.getByTestId('text-dialog-submit').click();
    await page.getByTestId('file-src/boss.js').waitFor();
    expect(await read(client, idOf(page), 'src/main.js')).toBe(main(20));
    expect(await page.getByTestId('fork-badge').count()).toBe(0);
    expect(ada.complaints).toEqual([]);
  });
});
