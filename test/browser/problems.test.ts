import { describe, expect, inject, it } from 'vitest';
import { browser, openBrowser } from './browser.ts';
import { clientOf, makeProject, person, picture } from './person.ts';

openBrowser();

describe('what a build says of a file', () => {
  it('stands beside its line, leads there from the log, and goes when the next build is right', async () => {
    const ada = await person(browser, 'ada');
    const { page, complaints } = ada;
    const client = await clientOf(ada);
    // Fine for the bundler, wrong for the type checker.
    const wrong = 'const lives: number = 3;\n\nexport const label: string = lives;\n';
    const id = await makeProject(client, 'Types', {
      'src/main.ts': "import { label } from '../broken';\ndocument.title = label;\n",
      'broken.ts': wrong,
      'README.md': '# Types\n',
    });
    const write = (content: string): Promise<unknown> =>
      client.call('putFile', { params: { id, path: 'broken.ts' }, body: { content } });
    await page.goto(`${inject('origin')}/p/${id}`);
    await page.getByTestId('file-broken.ts').click();
    const editor = page.getByTestId('editor');
    await expect.poll(() => editor.locator('.cm-content').innerText()).toContain('label');
    await page.getByTestId('project-menu').click();
    await page.getByTestId('build-checked').click();
    await expect.poll(() => page.getByTestId('build-status').getAttribute('data-status')).toBe('failed');
    await expect.poll(() => editor.locator('.cm-lint-marker-error').count()).toBe(1);
    expect(await editor.locator('.cm-lintRange-error').innerText()).toBe('label');
    await editor.locator('.cm-lint-marker-error').hover();
    const tip = editor.locator('.cm-tooltip-lint');
    await tip.waitFor();
    expect(await tip.innerText()).toMatch(/not assignable to type 'string'/);
    await picture(page, 'type-error');
    await page.setViewportSize({ width: 800, height: 700 });
    await picture(page, 'type-error-800');
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.mouse.move(0, 0);
    // From the log to the place.
    await page.getByTestId('file-README.md').click();
    await page.getByTestId('build-log').locator('button.log-place').first().click();
    await expect.poll(() => page.getByTestId('editor').getAttribute('data-path')).toBe('broken.ts');
    await editor.locator('.cm-content:focus').waitFor();
    for (const _letter of 'label') await page.keyboard.press('Shift+ArrowRight');
    await page.keyboard.press('Control+C');
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('label');
    await write(wrong.replace('= lives', '= String(lives)'));
    await expect.poll(() => editor.locator('.cm-content').innerText()).toContain('String(lives)');
    // The same state would fail again: what is offered is the newest one, built in the same way.
    expect(await page.getByTestId('retry-build').count()).toBe(0);
    await page.getByTestId('build-again').click();
    await expect.poll(() => page.getByTestId('build-status').getAttribute('data-status')).toBe('success');
    const { builds } = await client.call('listBuilds', { params: { id } });
    expect(builds.map(({ options }) => options.typecheck)).toEqual([true, true]);
    expect(await editor.locator('.cm-lint-marker-error').count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it('is in plain words, with the line that is meant and what to do, in the log and at the line', async () => {
    const grace = await person(browser, 'grace');
    const { page, complaints } = grace;
    const client = await clientOf(grace);
    const id = await makeProject(client, 'Mistakes', {
      'src/main.js': "import { speed } from './playr';\nimport hero from './hero.png';\nimport 'fs';\nspeed(hero);\n",
      'src/player.js': 'export const speed = (x) => x;\n',
      'art/hero.png.txt': 'no picture',
    });
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.goto(`${inject('origin')}/p/${id}`);
    await page.getByTestId('file-src/main.js').click();
    await page.getByTestId('build').click();
    await expect.poll(() => page.getByTestId('build-status').getAttribute('data-status')).toBe('failed');
    const log = page.getByTestId('build-log');
    await log.getByText('Did you mean "./player"?').waitFor();
    await log.getByText("import { speed } from './playr';").waitFor();
    await log.getByText('is a part of Node.js, which a browser does not have').waitFor();
    const editor = page.getByTestId('editor');
    await expect.poll(() => editor.locator('.cm-lint-marker-error').count()).toBe(3);
    await editor.locator('.cm-lint-marker-error').first().hover();
    await editor.locator('.cm-tooltip-lint').getByText('Did you mean "./player"?').waitFor();
    await picture(page, 'plain-words-1280');
    await page.mouse.move(0, 0);
    await page.setViewportSize({ width: 800, height: 800 });
    await picture(page, 'plain-words-800');
    expect(await log.evaluate((list) => list.scrollWidth - list.clientWidth)).toBe(0);
    expect(complaints).toEqual([]);
  });
});
