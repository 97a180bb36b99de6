import { expect, inject, it } from 'vitest';
import { browser, openBrowser } from './browser.ts';
import { clientOf, makeProject, person, picture } from './person.ts';

openBrowser();

it('the owner names the project, says what it is about and who sees it; the others see it at once', async () => {
  const [ada, grace] = [await person(browser, 'ada'), await person(browser, 'grace')];
  const stranger = await person(browser, 'eve');
  const client = await clientOf(ada);
  const id = await makeProject(client, 'Untitled', { 'main.js': '// here\n' }, { members: [[grace, 'editor']] });
  for (const { page } of [ada, grace]) {
    await page.goto(`${inject('origin')}/p/${id}`);
    await page.getByTestId('project-menu').click();
  }
  expect(await grace.page.getByTestId('project-settings').count()).toBe(0);

  const { page } = ada;
  await page.getByTestId('project-settings').click();
  await page.getByTestId('name').fill('  ');
  await page.getByTestId('settings-save').click();
  await page.getByText('A project needs a name.').waitFor();
  await page.getByTestId('name').fill('Star Catcher');
  await page.getByTestId('description').fill('Catch them all.\nThen again.');
  await page.getByTestId('settings-public').check();
  await picture(page, 'settings');
  await page.setViewportSize({ width: 360, height: 740 });
  await picture(page, 'settings-360');
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.getByTestId('settings-save').click();
  for (const { page } of [ada, grace]) await page.getByRole('heading', { name: 'Star Catcher' }).waitFor();
  const { project } = await (await clientOf(stranger)).call('getProject', { params: { id } });
  expect(project).toMatchObject({
    name: 'Star Catcher',
    description: 'Catch them all.\nThen again.',
    isPublic: true,
    role: 'public',
  });
  expect([...ada.complaints, ...grace.complaints]).toEqual([]);
});
