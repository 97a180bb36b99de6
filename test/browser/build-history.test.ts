import type { Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import { type KilnClient, watchBuild } from '../../src/client/index.ts';
import type { Build, BuildOptions, BuildTarget } from '../../src/contract/builds.ts';
import { limits } from '../../src/contract/limits.ts';
import { browser, openBrowser } from './browser.ts';
import { clientOf, makeProject, person, picture } from './person.ts';

openBrowser();

const files = {
  'index.html': '<!doctype html><title>Game</title><script type="module" src="/src/main.ts"></script>',
  'src/main.ts': "document.body.textContent = 'plays';\n",
};

/** Builds and waits for the end of it. */
async function build(
  client: KilnClient,
  body: { projectId: string; target?: BuildTarget; options?: Partial<BuildOptions> },
): Promise<Build> {
  const { build: queued } = await client.call('createBuild', { body });
  await watchBuild(client, queued.id, {}, AbortSignal.timeout(300_000));
  return (await client.call('getBuild', { params: { id: queued.id } })).build;
}

const openHistory = async (page: Page, id: string): Promise<void> => {
  await page.goto(`${inject('origin')}/p/${id}`);
  await page.getByTestId('build-view-history').click();
  await page.getByTestId('build-history').waitFor();
};

describe('the builds of a project', () => {
  it('say for what, by whom, of which state and why not; they are deleted one by one, but not the published', async () => {
    const [ada, grace] = [await person(browser, 'ada'), await person(browser, 'grace')];
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Builds', files, { members: [[grace, 'viewer']] });
    await client.call('createCheckpoint', { params: { id }, body: { name: 'Before the boss fight' } });
    const first = await build(client, { projectId: id });
    const desktop = await build(await clientOf(grace), { projectId: id, target: 'electron' });
    const failed = await build(client, { projectId: id, options: { entry: 'src/game.ts' } });
    expect([first.status, desktop.status, failed.status]).toEqual(['success', 'success', 'failed']);
    await client.call('publishBuild', { params: { id: first.id }, body: {} });

    const { page } = ada;
    await openHistory(page, id);
    const row = (one: Build) => page.getByTestId(`build-row-${one.id}`);
    const menuOf = async (one: Build) => row(one).getByTestId('build-row-menu').click();
    await row(first).getByText('“Before the boss fight”').waitFor();
    expect(await row(first).innerText()).toMatch(
      /^Web\s+Success\s+Published\s+ada-\S+\s+just now\s+[\d.]+ m?s\s+[\d.]+ K?B\s+“Before the boss fight”$/,
    );
    expect(await row(desktop).innerText()).toMatch(/^Desktop\s+Success\s+grace-/);
    expect(await row(failed).innerText()).toMatch(/^Web\s+Failed\s+ada-[\s\S]*src\/game\.ts/);
    await page.mouse.move(0, 0);
    await picture(page, 'builds-history');
    await menuOf(first);
    await picture(page, 'builds-history-menu');

    // The API has the last word on what is published, and it is told in words.
    await page.getByTestId('row-delete').click();
    await page.getByText('Publish another build of the project, or end the publication; then delete it.').waitFor();
    await menuOf(first);
    await page.getByTestId('row-state').click();
    await page.getByRole('heading', { name: 'Before the boss fight' }).waitFor();
    await page.getByTestId('checkpoint-close').click();

    // Another build begins with what this one was built with.
    await menuOf(failed);
    await page.getByTestId('row-options').click();
    expect(await page.getByTestId('build-entry').inputValue()).toBe('src/game.ts');
    await page.keyboard.press('Escape');

    // By keyboard, as by pointer: the row, its menu, the question, and the focus is not lost.
    await row(failed).getByTestId('build-row-menu').focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Delete this build?' }).waitFor();
    await picture(page, 'builds-delete');
    await page.getByTestId('confirm').focus();
    await page.keyboard.press('Enter');
    await row(failed).waitFor({ state: 'detached' });
    expect(await page.evaluate(() => document.activeElement?.getAttribute('data-testid'))).toBe('build-history');
    const { builds } = await client.call('listBuilds', { params: { id } });
    expect(builds.map((one) => one.id)).toEqual([desktop.id, first.id]);

    // A viewer reads and plays, and removes nothing, nor do they clean up.
    await openHistory(grace.page, id);
    await grace.page.getByTestId(`build-row-${desktop.id}`).getByTestId('build-row-menu').click();
    await grace.page.getByTestId('row-download').waitFor();
    expect(await grace.page.getByTestId('row-delete').count()).toBe(0);
    expect(await grace.page.getByTestId('clean-builds').count()).toBe(0);
    // What somebody else removes is gone here at once, and who looks at it is told.
    await grace.page.keyboard.press('Escape');
    await grace.page.getByTestId(`build-row-${desktop.id}`).getByTitle('Show its log').click();
    await grace.page.getByTestId('build-status').waitFor();
    await client.call('deleteBuild', { params: { id: desktop.id } });
    await grace.page.getByText('That build is gone').waitFor();
    await grace.page.getByTestId('build-view-history').click();
    await expect.poll(() => grace.page.getByTestId('build-history').locator('.build-row').count()).toBe(1);
    await expect.poll(() => page.getByTestId('build-history').locator('.build-row').count()).toBe(1);
    expect(await page.getByText('That build is gone').count()).toBe(0);
    expect(ada.complaints.filter((text) => !/409/.test(text))).toEqual([]);
    expect(grace.complaints.filter((text) => !/404/.test(text))).toEqual([]);
  });

  it('are read on page by page, and cleaned up, after a look at what would go', async () => {
    const ada = await person(browser, 'ada');
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Many', files);
    const first = await build(client, { projectId: id });
    // The same again comes from the cache.
    const wanted = limits.workspace.page + 3;
    const again = () => client.call('createBuild', { body: { projectId: id } });
    const others = await Promise.all(Array.from({ length: wanted - 1 }, again));
    expect(others.every((other) => other.build.cached)).toBe(true);
    await client.call('publishBuild', { params: { id: first.id }, body: {} });

    const { page } = ada;
    await openHistory(page, id);
    const rows = page.getByTestId('build-history').locator('.build-row');
    await expect.poll(() => rows.count()).toBe(limits.workspace.page);
    await page.getByTestId('builds-more').click();
    await expect.poll(() => rows.count()).toBe(wanted);
    expect(await page.getByTestId('builds-more').count()).toBe(0);
    // A build more comes on top, and what was read on stays.
    await build(client, { projectId: id, options: { minify: false } });
    await expect.poll(() => rows.count()).toBe(wanted + 1);

    await page.getByTestId('clean-builds').click();
    await page.getByText('Nothing to remove').waitFor();
    await page.getByTestId('clean-keep').fill('0');
    await page.getByText('A whole number from 1 to').waitFor();
    await picture(page, 'builds-clean-wrong');
    await page.getByTestId('clean-keep').fill('4');
    await page.getByTestId('clean-olderThanDays').fill('0');
    const report = page.getByTestId('clean-report');
    await expect.poll(() => report.innerText()).toMatch(/^29 builds would go.*One as old stays: it is published\./);
    await picture(page, 'builds-clean');
    await page.getByTestId('clean-now').click();
    await page.getByText('29 builds removed').waitFor();
    await expect.poll(() => rows.count()).toBe(5);
    expect((await client.call('listBuilds', { params: { id } })).builds.at(-1)?.id).toBe(first.id);
    expect(ada.complaints.filter((text) => !/422/.test(text))).toEqual([]);
  });
});
