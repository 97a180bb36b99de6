import type { Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import { browser, openBrowser } from './browser.ts';
import { clientOf, makeProject, type Person, person, picture } from './person.ts';

openBrowser();

const paths = ['README.md', 'src/main.ts', 'src/enemies/bat.ts', 'art/bat.svg', 'levels/1.json'];

const content = (page: Page) => page.getByTestId('editor').locator('.cm-content');
const saved = (page: Page) =>
  expect.poll(() => page.getByTestId('save-state').getAttribute('data-state')).toBe('saved');

/** What a browser says of refusals that this test asks for; a file that is gone may be asked for once more. */
const withoutRefusals = (someone: Person): string[] =>
  someone.complaints.filter((text) => !/status of (?:404|409|422)/.test(text));

describe('files in the workspace', () => {
  it('are renamed, moved, copied and deleted, and whoever has one open goes on typing in it', async () => {
    const [ada, grace] = [await person(browser, 'ada'), await person(browser, 'grace')];
    const client = await clientOf(ada);
    const files = Object.fromEntries(paths.map((path) => [path, `${path}\n`]));
    const id = await makeProject(client, 'Tidy', files, { members: [[grace, 'editor']] });
    for (const { page } of [ada, grace]) {
      await page.goto(`${inject('origin')}/p/${id}`);
      await page.getByTestId('file-src/enemies/bat.ts').click();
      await content(page).waitFor();
    }
    await content(grace.page).click();
    await grace.page.keyboard.press('Control+End');
    await grace.page.keyboard.type('// before');

    // A name that is taken says so, and the field stays.
    const ada$ = (testId: string) => ada.page.getByTestId(testId);
    await ada$('file-src/enemies/bat.ts').press('F2');
    await ada$('rename').fill('../main.ts');
    await ada$('rename').press('Enter');
    await ada$('rename-refusal').waitFor();
    await ada$('rename').press('Escape');
    await ada$('file-src/main.ts').press('F2');
    await ada$('rename').fill('enemies/bat.ts');
    await ada$('rename').press('Enter');
    await expect.poll(() => ada$('rename-refusal').innerText()).toContain('There is a file "src/enemies/bat.ts"');
    await picture(ada.page, 'rename-refused');
    await ada$('rename').press('Escape');

    // The file is renamed below Grace's hands: her editor, its text, its history stay.
    await ada$('file-src/enemies/bat.ts').press('F2');
    await ada$('rename').fill('vampire.ts');
    await ada$('rename').press('Enter');
    for (const { page } of [ada, grace]) await page.getByTestId('tab-src/enemies/vampire.ts').waitFor();
    await grace.page.keyboard.type(', after');
    await saved(grace.page);
    await expect.poll(() => content(ada.page).innerText()).toContain('// before, after');
    await ada$('file-src/enemies/vampire.ts').waitFor();
    expect(await ada.page.evaluate(() => document.activeElement?.getAttribute('data-testid'))).toBe(
      'file-src/enemies/vampire.ts',
    );
    await picture(grace.page, 'renamed');

    // The whole folder goes elsewhere, by the keyboard and by the mouse.
    await ada$('directory-src/enemies').press('Shift+F10');
    await picture(ada.page, 'tree-menu');
    await ada$('tree-move').click();
    await ada$('move-target').fill('game/people');
    await picture(ada.page, 'move');
    await ada$('move').click();
    await grace.page.getByTestId('tab-src/enemies/vampire.ts').waitFor({ state: 'detached' });
    await grace.page.getByTestId('file-game/people/enemies/vampire.ts').waitFor();
    await grace.page.keyboard.type(', and in another folder');
    await ada$('directory-game/people/enemies').dragTo(ada$('directory-art'));
    await ada$('file-art/enemies/vampire.ts').waitFor();
    await expect
      .poll(() => grace.page.locator('.tab.active .tab-name').getAttribute('data-testid'))
      .toBe('tab-art/enemies/vampire.ts');
    await grace.page.keyboard.type('.');
    await saved(grace.page);
    const text = 'src/enemies/bat.ts\n// before, after, and in another folder.';
    expect((await client.call('getFile', { params: { id, path: 'art/enemies/vampire.ts' } })).file.content).toBe(text);
    // Undo still knows what was typed before the moves.
    await grace.page.keyboard.press('Control+z');
    await expect.poll(() => content(grace.page).innerText()).not.toContain('in another folder.');
    await saved(grace.page);

    // A copy gets a name at once; a folder goes with what is in it.
    await ada$('file-README.md').click({ button: 'right' });
    await ada$('tree-copy').click();
    await ada$('rename').waitFor();
    expect(await ada$('rename').inputValue()).toBe('README copy.md');
    await ada$('rename').fill('NOTES.md');
    await ada$('rename').press('Enter');
    await grace.page.getByTestId('file-NOTES.md').waitFor();
    await ada$('directory-art').press('Delete');
    await picture(ada.page, 'delete-folder');
    await ada$('confirm').click();
    await ada$('directory-art').waitFor({ state: 'detached' });
    await expect.poll(() => grace.page.locator('.pane-message').innerText()).toContain('This file is gone');
    await picture(grace.page, 'file-gone');
    const left = await client.call('listFiles', { params: { id } });
    expect(left.files.map(({ path }) => path)).toEqual(['NOTES.md', 'README.md', 'levels/1.json', 'src/main.ts']);
    expect([...withoutRefusals(ada), ...withoutRefusals(grace)]).toEqual([]);
  });

  it('begin with a page and a script where there are none, which play; until then a build says what is missing', async () => {
    const ada = await person(browser, 'ada');
    const { page } = ada;
    const { project } = await (await clientOf(ada)).call('createProject', { body: { name: 'Blank' } });
    await page.goto(`${inject('origin')}/p/${project.id}`);
    await page.getByTestId('start-files').waitFor();
    await page.getByTestId('build-and-play').click();
    const status = () => page.getByTestId('build-status').getAttribute('data-status');
    await expect.poll(status).toBe('failed');
    // All of it, where nothing else says it.
    const reason = page.locator('.build-note');
    expect(await reason.innerText()).toMatch(
      /^The project has no index\.html.*Make one of them, or name another in kiln\.json/s,
    );
    expect(await reason.evaluate((note) => note.scrollHeight - note.clientHeight)).toBeLessThanOrEqual(1);
    await picture(page, 'blank-failed');
    await page.getByTestId('start-files').click();
    await expect.poll(() => content(page).innerText()).toContain('requestAnimationFrame');
    await page.getByTestId('build-again').click();
    await expect.poll(status).toBe('success');
    await page.frameLocator('[data-testid="play-frame"]').locator('canvas').waitFor();
    await picture(page, 'blank-started');
    expect(ada.complaints).toEqual([]);
  });
});
