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
    await page.getByTestId('build-target-electron').click();
    await page.getByTestId('choose-offline').waitFor({ state: 'detached' });
    await page.getByTestId('build-with-options').click();
    await expect.poll(async () => (await client.call('listBuilds', { params: { id } })).builds.length).toBe(2);
    await ended();
    const { builds } = await client.call('listBuilds', { params: { id } });
    expect(builds.map(({ target, options }) => [target, options.offline, options.typecheck])).toEqual([
      ['electron', undefined, false],
      ['web', true, true],
    ]);

    // What comes beside the main download is there, too.
    await page.getByTestId('download-others').click();
    await picture(page, 'downloads');
    const [saved] = await Promise.all([
      page.waitForEvent('download'),
      page.getByTestId('download-sbom.cdx.json').click(),
    ]);
    expect(saved.suggestedFilename()).toBe('sbom.cdx.json');
  });

  it('counts, as the account page shows', async () => {
    const { page } = ada;
    await page.goto(`${inject('origin')}/account`);
    const builds = page.getByTestId('usage-builds');
    await builds.waitFor();
    expect(await builds.innerText()).toMatch(/\d of [\d,]+\n.*(?:free again at \d|are free)/);
    await page.getByTestId('usage-projects').getByText('1 of 100').waitFor();
    expect(await page.getByTestId('usage-build-bytes').innerText()).toMatch(
      /^Builds\n[\d.]+\s[KM]B\nWhat the builds of your projects made.+ \([\d.]+\s[KM]B\)\.$/,
    );
    await page.getByTestId('usage-build-bytes').scrollIntoViewIfNeeded();
    await lookAt(page, 'usage');
    expect(ada.complaints).toEqual([]);
  });
});
