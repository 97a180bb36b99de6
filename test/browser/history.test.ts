import type { Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import { type KilnClient, uploadAsset } from '../../src/client/index.ts';
import { browser, openBrowser } from './browser.ts';
import { clientOf, makeProject, type Person, person, picture } from './person.ts';

openBrowser();

const files: Readonly<Record<string, string>> = {
  'README.md': '# A game about speed\n\nIt is fast.\n',
  'src/main.ts': 'const speed = 10;\nconst lives = 3;\nconsole.log(speed, lives);\n',
  'levels/1.json': '{"speed":2,"name":"one"}\n',
};

const read = async (client: KilnClient, id: string, path: string): Promise<string> =>
  (await client.call('getFile', { params: { id, path } })).file.content;

async function openHistory(page: Page): Promise<void> {
  await page.getByTestId('project-menu').click();
  await page.getByTestId('project-history').click();
  await page.getByTestId('history-panel').waitFor();
}

async function openFile({ page }: Person, id: string, path: string): Promise<void> {
  await page.goto(`${inject('origin')}/p/${id}`);
  await page.getByTestId(`file-${path}`).click();
  await page.getByTestId('editor').locator('.cm-content').waitFor();
}

const moments = (page: Page) => page.getByTestId('checkpoints');

describe('history in the workspace', () => {
  it('keeps a state, shows what changed since, and goes back while somebody else types, who loses nothing', async () => {
    const [ada, grace] = [await person(browser, 'ada'), await person(browser, 'grace')];
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Speed', files, { members: [[grace, 'editor']] });
    await openFile(ada, id, 'README.md');
    await openFile(grace, id, 'README.md');

    // What Ada keeps, Grace sees without doing anything.
    await openHistory(grace.page);
    await openHistory(ada.page);
    await picture(ada.page, 'history-empty');
    await ada.page.getByTestId('checkpoint-name').fill('Before the boss fight');
    await ada.page.getByTestId('checkpoint-keep').click();
    for (const { page } of [ada, grace])
      await expect.poll(() => moments(page).innerText()).toMatch(/Before the boss fight\s+ada-/);

    await client.call('batchFiles', {
      params: { id },
      body: {
        operations: [
          {
            op: 'put',
            path: 'src/main.ts',
            content: 'const speed = 99;\nconst lives = 3;\nconsole.log(speed, lives);\n',
          },
          { op: 'delete', path: 'levels/1.json' },
          { op: 'create', path: 'src/boss.ts', content: 'export const boss = { rage: 7 };\n' },
        ],
      },
    });
    await moments(ada.page).getByText('Before the boss fight', { exact: true }).click();
    const summary = ada.page.getByTestId('compare-summary');
    await expect.poll(() => summary.innerText()).toBe('3 files: 1 added, 1 removed, 1 modified');
    const change = (path: string) => ada.page.getByTestId(`change-${path}`);
    expect(await change('src/main.ts').innerText()).toMatch(/const speed = 10;[\s\S]*const speed = 99;/);
    await expect.poll(() => change('src/boss.ts').innerText()).toContain('rage: 7');
    expect(await change('levels/1.json').getAttribute('data-kind')).toBe('removed');
    await picture(ada.page, 'checkpoint-changes');

    // The files as they were are there to be read, not written.
    await ada.page.getByTestId('checkpoint-files').click();
    await ada.page.getByTestId('stored-src/main.ts').click();
    const stored = ada.page.getByTestId('stored-text').locator('.cm-content');
    await expect.poll(() => stored.innerText()).toContain('const speed = 10;');
    expect(await stored.getAttribute('contenteditable')).toBe('false');
    await picture(ada.page, 'checkpoint-files');

    // Grace types on while Ada goes back, from before until after.
    const words: string[] = [];
    let back = false;
    await grace.page.getByTestId('editor').locator('.cm-content').click();
    await grace.page.keyboard.press('Control+End');
    const typing = (async () => {
      for (let after = 0; after < 10; after += back ? 1 : 0) {
        words.push(`w${words.length} `);
        await grace.page.keyboard.type(words.at(-1) ?? '', { delay: 12 });
      }
    })();
    await expect.poll(() => read(client, id, 'README.md')).toContain('w0 w1');
    await ada.page.getByTestId('checkpoint-restore').click();
    await picture(ada.page, 'restore');
    // What tells her goes away by itself, so it is awaited from before.
    const told = grace.page.locator('.toasts').getByText('went back to an older state').waitFor();
    await ada.page.getByTestId('confirm').click();
    await ada.page.getByTestId('checkpoint-view').waitFor({ state: 'detached' });
    await told;
    back = true;
    await typing;
    await expect.poll(() => grace.page.getByTestId('save-state').getAttribute('data-state')).toBe('saved');

    // What was typed before is in the state that the restore kept; what was typed after is in the file.
    await expect.poll(() => moments(grace.page).innerText()).toContain('Before going back to');
    const { checkpoints } = await client.call('listCheckpoints', { params: { id }, query: { kind: 'restore' } });
    const kept = await client.call('getCheckpointFile', {
      params: { id, checkpointId: checkpoints[0]?.id ?? '', path: 'README.md' },
    });
    // By characters: the state may have been kept in the middle of a word.
    const before = files['README.md'] ?? '';
    const typed = (text: string): string => {
      expect(text.startsWith(before)).toBe(true);
      return text.slice(before.length);
    };
    const now = await read(client, id, 'README.md');
    expect(typed(kept.file.content) + typed(now)).toBe(words.join(''));
    expect(typed(kept.file.content)).toContain('w0 w1');
    expect(typed(now).length).toBeGreaterThan(0);
    expect(await read(client, id, 'src/main.ts')).toBe(files['src/main.ts']);
    expect(await read(client, id, 'levels/1.json')).toBe(files['levels/1.json']);
    // The editor that was open shows the same, and its tab is still there.
    for (const { page } of [ada, grace]) {
      const shown = page.getByTestId('editor').locator('.cm-content');
      await expect.poll(() => shown.innerText()).toContain(typed(now).trim());
      expect(await shown.innerText()).not.toContain('w0 w1');
      await page.getByTestId('tab-README.md').waitFor();
    }
    await picture(grace.page, 'restored');

    // A name can be changed and taken away, and a checkpoint forgotten.
    await moments(ada.page).getByText('Before the boss fight', { exact: true }).click();
    await ada.page.getByTestId('checkpoint-menu').click();
    await picture(ada.page, 'checkpoint-menu');
    await ada.page.getByTestId('checkpoint-rename').click();
    await ada.page.getByTestId('text-dialog').fill('Version one');
    await ada.page.getByTestId('text-dialog-submit').click();
    await expect.poll(() => moments(grace.page).innerText()).toContain('Version one');
    await ada.page.getByTestId('checkpoint-menu').click();
    await ada.page.getByTestId('checkpoint-forget').click();
    await ada.page.getByTestId('confirm').click();
    await expect.poll(() => moments(grace.page).innerText()).not.toContain('Version one');
    expect([...ada.complaints, ...grace.complaints]).toEqual([]);
  });

  it('says how many assets a state has, which have changed since, and brings them back', async () => {
    const ada = await person(browser, 'ada');
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Heroes', files);
    const upload = (name: string, text: string) =>
      uploadAsset(client, { projectId: id, file: new File([text], name), name });
    await upload('hero.txt', 'a hero of then');
    const gone = await upload('gone.txt', 'gone');
    const old = await upload('old-name.txt', 'named');
    await client.call('createCheckpoint', { params: { id }, body: { name: 'With three assets' } });
    await upload('hero.txt', 'a hero of now');
    await upload('since.txt', 'since');
    await client.call('deleteAsset', { params: { id: gone.id }, query: { permanent: true } });
    await client.call('updateAsset', { params: { id: old.id }, body: { name: 'a-much-longer-name-of-now.txt' } });
    await openFile(ada, id, 'README.md');
    await openHistory(ada.page);
    await moments(ada.page).getByText('With three assets', { exact: true }).click();
    expect(await ada.page.getByTestId('checkpoint-assets').innerText()).toBe('3 assets, 23 B');
    const summary = ada.page.getByTestId('compare-summary');
    await expect.poll(() => summary.innerText()).toBe('4 assets');
    const kinds = await ada.page
      .locator('.asset-change')
      .evaluateAll((rows) => rows.map((row) => [row.getAttribute('data-testid'), row.getAttribute('data-kind')]));
    expect(kinds).toEqual([
      ['asset-change-a-much-longer-name-of-now.txt', 'moved'],
      ['asset-change-gone.txt', 'removed'],
      ['asset-change-hero.txt', 'modified'],
      ['asset-change-since.txt', 'added'],
    ]);
    await picture(ada.page, 'checkpoint-assets');
    await ada.page.setViewportSize({ width: 800, height: 700 });
    await picture(ada.page, 'checkpoint-assets-800');
    await ada.page.setViewportSize({ width: 1280, height: 800 });
    await ada.page.getByTestId('checkpoint-restore').click();
    await ada.page.getByTestId('confirm').waitFor();
    await picture(ada.page, 'restore-assets');
    await ada.page.getByTestId('confirm').click();
    const toasts = ada.page.locator('.toasts');
    await toasts.getByText('Restored: 3 assets changed').waitFor();
    await toasts.getByText('Erased for good: gone.txt').waitFor();
    await picture(ada.page, 'restored-assets');
    const { assets } = await client.call('listAssets', { params: { id }, query: {} });
    expect(assets.map(({ name, version }) => [name, version])).toEqual([
      ['hero.txt', 3],
      ['old-name.txt', 1],
    ]);
    expect(ada.complaints).toEqual([]);
  });

  it('reads on through a long history, by kind, and leaves viewers nothing to press that they may not', async () => {
    const ada = await person(browser, 'ada');
    const vic = await person(browser, 'vic');
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Long history', files, { members: [[vic, 'viewer']] });
    for (let count = 1; count <= 33; count += 1)
      await client.call('createCheckpoint', { params: { id }, body: { name: `State ${count}` } });
    await openFile(vic, id, 'README.md');
    await openHistory(vic.page);
    const count = () => moments(vic.page).locator('[data-testid^="checkpoint-"]').count();
    await expect.poll(count).toBe(30);
    await vic.page.getByTestId('history-more').click();
    await expect.poll(() => moments(vic.page).innerText()).toContain('State 1\n');
    expect(await count()).toBeGreaterThanOrEqual(33);
    await vic.page.getByTestId('history-filter').selectOption('build');
    await expect.poll(() => moments(vic.page).innerText()).toBe('Nothing of that kind was kept.');
    await vic.page.getByTestId('history-filter').selectOption('manual');
    await moments(vic.page).getByText('State 33', { exact: true }).click();
    await expect.poll(() => vic.page.getByTestId('compare-summary').innerText()).toBe('No difference');
    for (const control of ['checkpoint-name', 'checkpoint-restore', 'checkpoint-menu'])
      expect(await vic.page.getByTestId(control).count()).toBe(0);
    await vic.page.setViewportSize({ width: 820, height: 900 });
    await picture(vic.page, 'history-narrow');
    await vic.page.getByTestId('history-close').click();
    await vic.page.getByTestId('file-README.md').waitFor();
    expect(vic.complaints).toEqual([]);
  });
});
