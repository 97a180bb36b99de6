import type { Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { signUp } from '../support/people.ts';
import { browser, openBrowser } from './browser.ts';
import { clientOf, makeProject, type Person, person, picture } from './person.ts';

openBrowser();

/** What a browser says of patterns that are none is an answer. */
const withoutRefusals = ({ complaints }: Person): string[] => complaints.filter((text) => !/422/.test(text));

const files: Readonly<Record<string, string>> = {
  'README.md': '# Speed\n\nA game about speed.\n',
  'src/main.ts': `${'// nothing here\n'.repeat(60)}const speed = 10;\n    if (player.speed > speed) player.speed = speed;\n`,
  'src/enemy.ts': 'export const Speed = { slow: 1, fast: 3 };\n',
  'levels/1.json': '{"speed":2,"name":"one"}',
};

const summary = (page: Page) => page.getByTestId('search-summary');
const says = (page: Page, text: RegExp | string): Promise<void> =>
  expect.poll(() => summary(page).innerText()).toMatch(text);
const activeLine = (page: Page, testId: string) => page.getByTestId(testId).locator('.cm-activeLine').first();

describe('search in the workspace', () => {
  it('finds text in all files and leads to it', async () => {
    const ada = await person(browser, 'ada');
    const { page } = ada;
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Fast game', files);
    await page.goto(`${inject('origin')}/p/${id}`);
    await page.getByTestId('file-README.md').click();
    await page.getByTestId('editor').waitFor();

    await page.keyboard.press('Control+Shift+F');
    await page.getByTestId('search-panel').waitFor();
    await page.keyboard.type('speed');
    await says(page, '9 matches in 4 files');
    await page.getByTestId('search-match-README.md:1:3').waitFor();
    await picture(page, 'search');

    await page.getByTestId('search-match-src/main.ts:62:24').click();
    await expect.poll(() => activeLine(page, 'editor').innerText()).toContain('if (player.speed > speed)');
    expect(await page.getByTestId('tab-src/main.ts').getAttribute('aria-selected')).toBe('true');
    // The match is selected: typing goes over it, and the next search sees what was typed.
    await page.keyboard.type('haste');
    await picture(page, 'search-opened');
    await expect.poll(() => page.getByTestId('save-state').getAttribute('data-state')).toBe('saved');
    await page.keyboard.press('Control+Shift+F');
    await page.keyboard.type('haste');
    await says(page, '1 match in 1 file');
    await page.getByTestId('search-match-src/main.ts:62:24').waitFor();

    await page.getByTestId('search-query').fill('Speed');
    await page.getByTestId('search-case').click();
    await says(page, '2 matches in 2 files');
    await page.getByTestId('search-regex').click();
    await page.getByTestId('search-case').click();
    await page.getByTestId('search-query').fill('^const \\w+|"speed":\\d');
    await says(page, '2 matches in 2 files');
    await page.getByTestId('search-path').fill('*.json');
    await says(page, '1 match in 1 file');
    await page.getByTestId('search-match-levels/1.json:1:2').waitFor();
    await picture(page, 'search-regex');

    await page.getByTestId('search-query').fill('(speed');
    await expect.poll(() => page.getByTestId('search-problem').innerText()).toContain('missing closing )');
    expect(await page.getByTestId('search-query').getAttribute('aria-invalid')).toBe('true');
    await picture(page, 'search-problem');

    await page.getByTestId('search-path').fill('');
    await page.getByTestId('search-query').fill('nowhere');
    await says(page, 'Nothing found');
    await page.keyboard.press('Escape');
    await page.getByTestId('file-README.md').waitFor();
    expect(withoutRefusals(ada)).toEqual([]);
  });

  it('says when it does not show everything, and folds files away', async () => {
    const ada = await person(browser, 'ada');
    const { page } = ada;
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Fast game', files);
    const many = 'x\n'.repeat(limits.search.matchesPerFile + 1);
    await client.call('createFile', { params: { id, path: 'many.txt' }, body: { content: many } });
    await page.goto(`${inject('origin')}/p/${id}`);
    await page.getByTestId('search-open').click();
    await page.getByTestId('search-path').fill('many.txt');
    await page.getByTestId('search-query').fill('x');
    await says(page, `${limits.search.matchesPerFile} matches in 1 file · there may be more`);
    await picture(page, 'search-truncated');
    await page.getByTestId('search-file-many.txt').click();
    expect(await page.getByTestId('search-match-many.txt:1:1').count()).toBe(0);
    await page.getByTestId('search-close').click();
    await page.getByTestId('file-many.txt').waitFor();
    expect(withoutRefusals(ada)).toEqual([]);
  });

  it('leads readers of a public project to the place too', async () => {
    const id = await makeProject(await signUp(inject('origin')), 'Fast game', files, { isPublic: true });
    const ada = await person(browser, 'ada');
    const { page } = ada;
    await page.goto(`${inject('origin')}/p/${id}`);
    await page.getByTestId('search-open').click();
    await page.getByTestId('search-query').fill('player.speed');
    await page.getByTestId('search-match-src/main.ts:62:9').click();
    await expect.poll(() => activeLine(page, 'viewer').innerText()).toContain('player.speed');
    expect(withoutRefusals(ada)).toEqual([]);
  });
});
