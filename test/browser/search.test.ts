import { mkdirSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createClient, type KilnClient } from '../../src/client/index.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { signUp } from '../support/people.ts';
import { launchBrowser } from './chromium.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser?.close());

/** `SCREENSHOTS=DIR npm test -- browser` keeps pictures of every screen for a person to look at. */
const pictures = process.env.SCREENSHOTS;
async function picture(page: Page, name: string): Promise<void> {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: `${pictures}/${name}.png` });
}

/** A person in a browser, and the same person as a client of the API. */
async function person(): Promise<{ page: Page; client: KilnClient; complaints: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // Whether somebody is signed in, and whether a pattern is one, is asked of the server; "no" is an answer.
    if (message.type() === 'error' && !/401|422/.test(message.text())) complaints.push(message.text());
  });
  const client = createClient({ baseUrl: inject('origin') });
  const username = `ada-${newId().slice(-10)}`;
  const credentials = { email: `${username}@kiln.test`, password: 'correct horse battery' };
  await client.register({ ...credentials, username });
  await page.goto(inject('origin'));
  await page.getByTestId('email').fill(credentials.email);
  await page.getByTestId('password').fill(credentials.password);
  await page.getByTestId('submit-login').click();
  await page.getByTestId('new-project').first().waitFor();
  return { page, client, complaints };
}

const files: Readonly<Record<string, string>> = {
  'README.md': '# Speed\n\nA game about speed.\n',
  'src/main.ts': `${'// nothing here\n'.repeat(60)}const speed = 10;\n    if (player.speed > speed) player.speed = speed;\n`,
  'src/enemy.ts': 'export const Speed = { slow: 1, fast: 3 };\n',
  'levels/1.json': '{"speed":2,"name":"one"}',
};

async function makeProject(client: KilnClient, isPublic = false): Promise<string> {
  const { project } = await client.call('createProject', { body: { name: 'Fast game', isPublic } });
  for (const [path, content] of Object.entries(files))
    await client.call('createFile', { params: { id: project.id, path }, body: { content } });
  return project.id;
}

const summary = (page: Page) => page.getByTestId('search-summary');
const says = (page: Page, text: RegExp | string): Promise<void> =>
  expect.poll(() => summary(page).innerText()).toMatch(text);
const activeLine = (page: Page, testId: string) => page.getByTestId(testId).locator('.cm-activeLine').first();

describe('search in the workspace', () => {
  it('finds text in all files and leads to it', async () => {
    const { page, client, complaints } = await person();
    const id = await makeProject(client);
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
    expect(complaints).toEqual([]);
  });

  it('says when it does not show everything, and folds files away', async () => {
    const { page, client, complaints } = await person();
    const id = await makeProject(client);
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
    expect(complaints).toEqual([]);
  });

  it('leads readers of a public project to the place too', async () => {
    const id = await makeProject(await signUp(inject('origin')), true);
    const { page, complaints } = await person();
    await page.goto(`${inject('origin')}/p/${id}`);
    await page.getByTestId('search-open').click();
    await page.getByTestId('search-query').fill('player.speed');
    await page.getByTestId('search-match-src/main.ts:62:9').click();
    await expect.poll(() => activeLine(page, 'viewer').innerText()).toContain('player.speed');
    expect(complaints).toEqual([]);
  });
});
