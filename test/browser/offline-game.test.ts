import { describe, expect, inject, it } from 'vitest';
import { browser, openBrowser } from './browser.ts';
import { clientOf, makeProject, person } from './person.ts';

openBrowser();

describe('a game that is built to be played offline', () => {
  it('is built from the menu, and starts without a network after the first visit', async () => {
    const ada = await person(browser, 'ada');
    const { page } = ada;
    const client = await clientOf(ada);
    const id = await makeProject(client, 'On the train', {
      'index.html': '<!doctype html><title>Train</title><script type="module" src="/src/main.ts"></script>',
      'src/main.ts': "document.body.textContent = 'tickets, please';\n",
    });
    await page.goto(`${inject('origin')}/p/${id}`);
    await page.getByTestId('project-menu').click();
    await page.getByTestId('build-offline').click();
    await expect.poll(() => page.getByTestId('build-status').getAttribute('data-status')).toBe('success');
    const { builds } = await client.call('listBuilds', { params: { id } });
    expect(builds.map(({ options }) => options.offline)).toEqual([true]);

    const visit = await browser.newContext();
    const game = await visit.newPage();
    await game.goto(builds[0]?.playUrl ?? '');
    await game.evaluate(async () => {
      await navigator.serviceWorker.ready;
    });
    await visit.setOffline(true);
    await game.reload();
    expect(await game.locator('body').innerText()).toBe('tickets, please');
    await visit.close();
    expect(ada.complaints).toEqual([]);
  });
});
