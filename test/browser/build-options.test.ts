import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { browser, openBrowser } from './browser.ts';
import { clientOf, makeProject, type Person, person, picture } from './person.ts';

openBrowser();
let ada: Person;
beforeAll(async () => {
  ada = await person(browser, 'ada');
});

/** Pictures at both widths, and that nothing is wider than the window there. */
const lookAt = async (page: Page, name: string): Promise<void> => {
  for (const width of [1280, 800]) {
    await page.setViewportSize({ width, height: 800 });
    await picture(page, `${name}-${width}`);
    expect(await page.evaluate(() => document.body.scrollWidth - window.innerWidth), `${name} at ${width}`).toBe(0);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
};

describe('a build with options', () => {
  const ended = () =>
    expect.poll(() => ada.page.getByTestId('build-status').getAttribute('data-status')).toBe('success');

  it('is chosen in a dialog: for what, offline, checked, smaller', async () => {
    const { page } = ada;
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Options', {
      'index.html': '<!doctype html><title>Game</title><script type="module" src="/src/main.ts"></script>',
      'src/main.ts': "document.body.textContent = 'plays';\n",
    });
    await page.goto(`${inject('origin')}/p/${id}`);
    await page.getByTestId('project-menu').click();
    await page.getByTestId('build-options').click();
    await page.getByTestId('choose-offline').check();
    await page.getByTestId('choose-typecheck').check();
    await lookAt(page, 'build-options');
    await page.getByTestId('build-with-options').click();
    await ended();

    await page.getByTestId('project-menu').click();
    await page.getByTestId('build-options').click();
    // What was chosen last is chosen again, also after a look at another project.
    expect(await page.getByTestId('choose-typecheck').isChecked()).toBe(true);
    await page.getByTestId('choose-typecheck').uncheck();
    await page.getByTestId('build-target-web').press('ArrowRight');
    expect(await page.getByTestId('build-target-electron').isChecked()).toBe(true);
    await page.getByTestId('choose-offline').waitFor({ state: 'detached' });
    await page.getByTestId('build-with-options').click();
    await expect.poll(async () => (await client.call('listBuilds', { params: { id } })).builds.length).toBe(2);
    await ended();
    const { builds } = await client.call('listBuilds', { params: { id } });
    expect(builds.map(({ target, options }) => [target, options.offline, options.typecheck])).toEqual([
      ['electron', undefined, false],
      ['web', true, true],
    ]);

    // The button builds what is played, as it was chosen last.
    await page.getByTestId('build').click();
    await expect.poll(async () => (await client.call('listBuilds', { params: { id } })).builds.length).toBe(3);
    await ended();
    const [newest] = (await client.call('listBuilds', { params: { id } })).builds;
    expect([newest?.target, newest?.options.offline, newest?.options.typecheck]).toEqual(['web', true, false]);

    // What comes beside the main download is there, too.
    await page.getByTestId('download-others').click();
    await picture(page, 'downloads');
    const [saved] = await Promise.all([
      page.waitForEvent('download'),
      page.getByTestId('download-sbom.cdx.json').click(),
    ]);
    expect(saved.suggestedFilename()).toBe('sbom.cdx.json');
  });

  it('has an entry, and constants, whose mistakes stand beside them; each project has its own', async () => {
    const { page } = ada;
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Constants', {
      'index.html': '<!doctype html><title>Game</title><script type="module" src="/src/main.ts"></script>',
      'editor.html': '<!doctype html><title>Editor</title><script type="module" src="/src/main.ts"></script>',
      'src/main.ts': 'document.body.textContent = `${document.title} at level ${LEVEL} of ${GAME.name}`;\n',
    });
    await page.goto(`${inject('origin')}/p/${id}`);
    const open = async () => {
      await page.getByTestId('project-menu').click();
      await page.getByTestId('build-options').click();
    };
    await open();
    // Another project's are not this one's.
    expect(await page.getByTestId('build-target-web').isChecked()).toBe(true);
    expect(await page.getByTestId('choose-offline').isChecked()).toBe(false);
    await page.getByTestId('build-advanced').press('Enter');
    await page.getByTestId('build-entry').fill('editr.html');
    await page.getByText('The project has no such file.').waitFor();
    await page.getByTestId('build-entry').fill('editor.html');
    await page.getByTestId('choose-minify').uncheck();
    await page.getByTestId('choose-sourcemap').check();
    const rows = page.getByTestId('build-constant');
    const write = async (at: number, name: string, value: string) => {
      await rows.nth(at).getByTestId('constant-name').fill(name);
      await rows.nth(at).getByTestId('constant-value').fill(value);
    };
    const add = page.getByTestId('constant-add');
    // A row that was added is ready to be written, by keyboard alone.
    await add.press('Enter');
    await page.keyboard.type('LEVEL');
    await page.keyboard.press('Tab');
    await page.keyboard.type('3');
    await add.click();
    await write(1, 'LEVEL', 'seven seas');
    await page.getByTestId('build-with-options').click();
    await rows.nth(1).getByRole('alert').getByText('That name is there twice.').waitFor();
    await write(1, 'GAME', 'seven seas');
    await rows.nth(1).getByText('"seven seas"').waitFor();
    await write(1, 'GAME', 'seas');
    await rows.nth(1).getByText('the name of something').waitFor();
    await write(1, 'GAME', '{ "name": "Seven Seas" }');
    // Left empty, it is none.
    await add.click();
    await add.click();
    await write(3, '3d', 'true');
    await page.getByTestId('build-with-options').click();
    // The rules of names are the API's.
    await rows.nth(3).getByRole('alert').getByText('no digit first').waitFor();
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Name of constant 4');
    await lookAt(page, 'build-constants');
    await page.setViewportSize({ width: 420, height: 800 });
    await page.getByTestId('constant-add').scrollIntoViewIfNeeded();
    await picture(page, 'build-constants-420');
    await page.setViewportSize({ width: 1440, height: 900 });
    await rows.nth(3).getByTestId('constant-remove').click();
    await rows.nth(2).getByTestId('constant-remove').click();
    await page.getByTestId('build-with-options').click();
    await ended();
    const game = page.frameLocator('[data-testid="play-frame"]').locator('body');
    await expect.poll(() => game.innerText()).toBe('Editor at level 3 of Seven Seas');
    const [build] = (await client.call('listBuilds', { params: { id } })).builds;
    expect(build?.options).toEqual({
      entry: 'editor.html',
      minify: false,
      sourcemap: true,
      typecheck: false,
      optimizeAssets: false,
      define: { LEVEL: '3', GAME: '{ "name": "Seven Seas" }' },
    });

    await page.reload();
    await open();
    await page.getByTestId('build-advanced').getByText('5 set').waitFor();
    expect(await page.getByTestId('build-entry').inputValue()).toBe('editor.html');
    expect(await rows.nth(1).getByTestId('constant-value').inputValue()).toBe('{ "name": "Seven Seas" }');
    await page.getByTestId('build-reset').click();
    expect(await rows.count()).toBe(0);
    expect(await page.getByTestId('build-entry').inputValue()).toBe('');
    await page.keyboard.press('Escape');
    expect(ada.complaints.filter((text) => !/422/.test(text))).toEqual([]);
    ada.complaints.length = 0;
  });

  it('counts, as the account page shows', async () => {
    const { page } = ada;
    await page.goto(`${inject('origin')}/account`);
    const builds = page.getByTestId('usage-builds');
    await builds.waitFor();
    expect(await builds.innerText()).toMatch(/\d of [\d,]+\n.*(?:free again at \d|are free)/);
    await page.getByTestId('usage-projects').getByText('2 of 100').waitFor();
    expect(await page.getByTestId('usage-build-bytes').innerText()).toMatch(
      /^Builds\n[\d.]+\s[KM]B\nWhat the builds of your projects made.+ \([\d.]+\s[KM]B\)\.$/,
    );
    await page.getByTestId('usage-build-bytes').scrollIntoViewIfNeeded();
    await lookAt(page, 'usage');
    expect(ada.complaints).toEqual([]);
  });
});
