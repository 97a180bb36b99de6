import type { Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import { uploadAsset } from '../../src/client/index.ts';
import { png, wav } from '../support/media.ts';
import { browser, openBrowser } from './browser.ts';
import { clientOf, makeProject, type Person, person, picture } from './person.ts';

openBrowser();

const files = {
  'level.scene.json': '{"nodes":{}}',
  'src/main.ts': 'const sprite = ;\n',
};

const file = (name: string, mimeType: string, bytes: Uint8Array) => ({ name, mimeType, buffer: Buffer.from(bytes) });
const card = (page: Page, name: string) => page.getByTestId(`asset-${name}`);
const choose = (page: Page, ...chosen: ReturnType<typeof file>[]) =>
  page.getByTestId('asset-files').setInputFiles(chosen);

/** Drops files on the panel, as a file manager would. */
const drop = async (page: Page, ...dropped: readonly (readonly [name: string, bytes: Uint8Array])[]): Promise<void> => {
  const carried = await page.evaluateHandle(
    (all) => {
      const transfer = new DataTransfer();
      for (const [called, content] of all) transfer.items.add(new File([Uint8Array.from(content)], called));
      return transfer;
    },
    dropped.map(([name, bytes]) => [name, [...bytes]] as const),
  );
  const panel = page.getByTestId('assets-panel');
  await panel.dispatchEvent('dragover', { dataTransfer: carried });
  await picture(page, 'assets-dropping');
  await panel.dispatchEvent('drop', { dataTransfer: carried });
};

const opened = async (someone: Person, id: string): Promise<void> => {
  await someone.page.goto(`${inject('origin')}/p/${id}`);
  await someone.page.getByTestId('show-assets').click();
};

/** What a browser says of refusals that this test asks for. */
const withoutRefusals = (someone: Person): string[] =>
  someone.complaints.filter((text) => !/status of (?:404|422)|ERR_FAILED/.test(text));

describe('many small files', () => {
  it('that are dropped at once go in one request; one that is refused says why, and the others are there for everybody', async () => {
    const [ada, grace] = [await person(browser, 'many'), await person(browser, 'seer')];
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Many', files, { members: [[grace, 'viewer']] });
    for (const someone of [ada, grace]) await opened(someone, id);
    const { page } = ada;
    const requests: string[] = [];
    page.on('request', (request) => {
      const { pathname } = new URL(request.url());
      if (request.method() === 'POST' && pathname.includes('/assets/')) requests.push(pathname);
    });
    const good = Array.from({ length: 29 }, (_, n) => `frame-${String(n + 10)}.png`);
    await drop(page, ...good.map((name, n) => [name, png(16, 16, [8 * n, 255 - 8 * n, 120])] as const), [
      'broken.png',
      new TextEncoder().encode('<html>'),
    ]);
    const broken = page.getByTestId('sending-broken.png');
    await expect.poll(() => broken.getAttribute('data-state')).toBe('refused');
    expect(await broken.innerText()).toContain('The name ends in .png, and the bytes are text.');
    for (const someone of [ada, grace])
      for (const name of good) await card(someone.page, name).waitFor({ state: 'attached' });
    expect(await page.getByTestId('uploads').locator('li').count()).toBe(1);
    expect(requests).toEqual(['/api/assets/batch-upload']);
    await picture(page, 'assets-many-done');
    const { assets } = await client.call('listAssets', { params: { id }, query: { limit: 200 } });
    expect(assets.map(({ name, version }) => [name, version])).toEqual(good.map((name) => [name, 1]));
    await page.getByTestId('dismiss-broken.png').click();
    await page.getByTestId('uploads').waitFor({ state: 'detached' });
    for (const someone of [ada, grace]) expect(withoutRefusals(someone)).toEqual([]);
  });

  it('and files that came while somebody was on the way into the room are there for them', async () => {
    const [ada, late] = [await person(browser, 'early'), await person(browser, 'late')];
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Late', files, { members: [[late, 'viewer']] });
    const { page } = late;
    const { promise: open, resolve: letIn } = Promise.withResolvers<void>();
    await page.route('**/room/ticket', async (route) => {
      await open;
      await route.continue();
    });
    await opened(late, id);
    await page.getByText('Pictures, sound, fonts and models of the game.').waitFor();
    await uploadAsset(client, { projectId: id, file: new File([png(8, 8, [1, 2, 3])], 'meanwhile.png') });
    await client.call('createFile', { params: { id, path: 'meanwhile.ts' }, body: { content: '' } });
    letIn();
    await card(page, 'meanwhile.png').waitFor();
    await page.getByTestId('show-files').click();
    await page.getByText('meanwhile.ts').waitFor();
  });

  it('of which one is stopped go on without it, and nothing comes twice', async () => {
    const someone = await person(browser, 'stopper');
    const client = await clientOf(someone);
    const id = await makeProject(client, 'Stopped', files);
    await opened(someone, id);
    const { page } = someone;
    let forms = 0;
    await page.route('**/assets/batch-upload', async (route) => {
      forms += 1;
      // The first never arrives: it is stopped before.
      if (forms > 1) await route.continue();
    });
    // More than goes on its way at once, so that it is not taken for arrived.
    const bytes = (n: number) => Uint8Array.from({ length: 900_000 }, (_, at) => (at * n) % 251);
    await choose(page, ...[1, 2, 3, 4].map((n) => file(`part-${n}.bin`, 'application/octet-stream', bytes(n))));
    await page.getByTestId('uploads-summary').getByText('4 files on the way').waitFor();
    await expect.poll(() => forms).toBe(1);
    await page.getByTestId('stop-part-2.bin').click();
    for (const name of ['part-1.bin', 'part-3.bin', 'part-4.bin']) await card(page, name).waitFor();
    expect(await page.getByTestId('sending-part-2.bin').getAttribute('data-state')).toBe('stopped');
    await page.getByTestId('resume-part-2.bin').click();
    await card(page, 'part-2.bin').waitFor();
    const { assets } = await client.call('listAssets', { params: { id } });
    expect(assets.map(({ name, version }) => [name, version])).toEqual([1, 2, 3, 4].map((n) => [`part-${n}.bin`, 1]));
  });
});

describe('assets in the workspace', () => {
  it('are uploaded, seen by others, looked at, played, replaced, brought back, and inserted', async () => {
    const [ada, grace] = [await person(browser, 'ada'), await person(browser, 'grace')];
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Sprites', files, { members: [[grace, 'viewer']] });
    for (const someone of [ada, grace]) await opened(someone, id);
    const { page } = ada;
    await picture(page, 'assets-empty');

    await choose(
      page,
      file('hero.png', 'image/png', png(32, 48, [255, 90, 40])),
      file('coin.wav', 'audio/wav', wav(2)),
    );
    await drop(page, ['tiles.png', png(200, 100, [80, 160, 90])]);
    for (const someone of [ada, grace])
      for (const name of ['hero.png', 'coin.wav', 'tiles.png']) await card(someone.page, name).waitFor();
    // A viewer sees them, and has nothing to change them with.
    expect(await grace.page.getByTestId('asset-upload').count()).toBe(0);
    await expect
      .poll(() =>
        card(page, 'hero.png')
          .locator('img')
          .evaluate((image: HTMLImageElement) => image.naturalWidth),
      )
      .toBeGreaterThan(0);
    await picture(page, 'assets-grid');

    // A sound plays where it stands.
    await page.getByTestId('play-coin.wav').click();
    await expect.poll(() => page.getByTestId('play-coin.wav').getAttribute('aria-pressed')).toBe('true');

    // The same name again is the next version, and the one before can be had back.
    await card(page, 'hero.png').click();
    await page.getByTestId('version-1').waitFor();
    await choose(page, file('hero.png', 'image/png', png(64, 64, [40, 90, 255])));
    await page.getByTestId('version-2').waitFor();
    const shownWidth = () =>
      page.getByTestId('asset-picture').evaluate((image: HTMLImageElement) => image.naturalWidth);
    await expect.poll(shownWidth).toBe(64);
    await page.getByTestId('version-restore-1').click();
    await page.getByTestId('version-3').waitFor();
    await expect.poll(shownWidth).toBe(32);
    await picture(page, 'asset-view');
    // In a narrow window the lists make way for what is looked at.
    await page.setViewportSize({ width: 800, height: 700 });
    await card(page, 'tiles.png').click();
    await page.getByTestId('assets-panel').waitFor({ state: 'hidden' });
    await expect.poll(shownWidth).toBe(200);
    await picture(page, 'asset-narrow');
    await page.getByTestId('toggle-files').click();
    await page.setViewportSize({ width: 1440, height: 900 });

    // Into code, as a string; into a scene, as a node.
    await page.getByTestId('show-files').click();
    await page.getByTestId('file-src/main.ts').click();
    await page.getByTestId('editor').locator('.cm-content').click();
    await page.keyboard.press('Control+Home');
    for (let step = 0; step < 'const sprite = '.length; step += 1) await page.keyboard.press('ArrowRight');
    await page.getByTestId('show-assets').click();
    await card(page, 'hero.png').click();
    await page.getByTestId('asset-insert').click();
    await expect
      .poll(() => page.getByTestId('editor').locator('.cm-content').innerText())
      .toContain("const sprite = 'assets/hero.png';");
    await page.getByTestId('show-files').click();
    await page.getByTestId('file-level.scene.json').click();
    await page.getByTestId('scene-editor').waitFor();
    await page.getByTestId('show-assets').click();
    await card(page, 'tiles.png').dblclick();
    await expect.poll(() => page.getByTestId('field-asset').inputValue()).toBe('assets/tiles.png');
    await picture(page, 'asset-in-scene');
    await expect
      .poll(async () => (await client.call('getFile', { params: { id, path: 'level.scene.json' } })).file.content)
      .toContain('"asset": "assets/tiles.png"');
    expect((await client.call('getFile', { params: { id, path: 'src/main.ts' } })).file.content).toBe(
      "const sprite = 'assets/hero.png';\n",
    );
    expect([...withoutRefusals(ada), ...withoutRefusals(grace)]).toEqual([]);
  });

  it('are found, renamed, deleted, taken out of the trash and erased; bytes that lie are refused', async () => {
    const ada = await person(browser, 'ada');
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Sprites', files);
    await opened(ada, id);
    const { page } = ada;
    await choose(
      page,
      file('hero.png', 'image/png', png(16, 16)),
      file('boss.png', 'image/png', png(16, 16, [200, 0, 0])),
      file('coin.wav', 'audio/wav', wav(1)),
      file('fake.png', 'image/png', Buffer.from('no picture at all')),
    );
    await expect.poll(() => page.getByTestId('sending-fake.png').getAttribute('data-state')).toBe('refused');
    expect(await page.getByTestId('sending-fake.png').getByRole('alert').innerText()).not.toBe('');
    await card(page, 'coin.wav').waitFor();
    await picture(page, 'asset-refused');
    await page.getByTestId('dismiss-fake.png').click();
    await page.getByTestId('uploads').waitFor({ state: 'detached' });

    await page.getByTestId('asset-type').selectOption('audio');
    await card(page, 'hero.png').waitFor({ state: 'detached' });
    await page.getByTestId('asset-type').selectOption('');
    await page.getByTestId('asset-query').fill('oss');
    await card(page, 'coin.wav').waitFor({ state: 'detached' });
    await card(page, 'boss.png').click();
    await page.getByTestId('asset-query').fill('');

    await page.getByTestId('asset-menu').click();
    await page.getByTestId('asset-rename').click();
    await page.getByTestId('text-dialog').fill('villain.png');
    await page.getByTestId('text-dialog-submit').click();
    await card(page, 'villain.png').waitFor();
    await page.getByTestId('asset-menu').click();
    await page.getByTestId('asset-delete').click();
    await page.getByTestId('confirm').click();
    await card(page, 'villain.png').waitFor({ state: 'detached' });
    await page.getByTestId('asset-trash').click();
    await card(page, 'villain.png').click();
    await picture(page, 'asset-trash');
    await page.getByTestId('asset-restore').click();
    await card(page, 'villain.png').waitFor({ state: 'detached' });
    await page.getByTestId('asset-trash').click();
    await card(page, 'villain.png').click();
    await page.getByTestId('asset-menu').click();
    await page.getByTestId('asset-delete').click();
    await page.getByTestId('confirm').click();
    await page.getByTestId('asset-trash').click();
    await card(page, 'villain.png').click();
    await page.getByTestId('asset-erase').click();
    await page.getByTestId('confirm').click();
    await card(page, 'villain.png').waitFor({ state: 'detached' });
    const left = async (trashed: boolean) =>
      (await client.call('listAssets', { params: { id }, query: { trashed } })).assets.map(({ name }) => name);
    expect(await left(true)).toEqual([]);
    expect(await left(false)).toEqual(['coin.wav', 'hero.png']);
    expect(withoutRefusals(ada)).toEqual([]);
  });

  it('that are pictures become a sheet, and smaller', async () => {
    const ada = await person(browser, 'ada');
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Sprites', files);
    await opened(ada, id);
    const { page } = ada;
    const colours = { 'bat.png': [90, 40, 160], 'coin.png': [240, 200, 60], 'hero.png': [255, 90, 40] } as const;
    await choose(
      page,
      ...Object.entries(colours).map(([name, colour]) => file(name, 'image/png', png(24, 24, colour))),
    );
    for (const name of Object.keys(colours)) {
      await card(page, name).hover();
      await page.getByTestId(`pick-${name}`).click();
    }
    await card(page, 'coin.png').click({ modifiers: ['Control'] });
    await expect.poll(() => page.getByTestId('pack-bar').innerText()).toContain('2 chosen');
    await page.getByTestId('pick-coin.png').click();
    await picture(page, 'assets-picked');
    await page.getByTestId('pack').click();
    await picture(page, 'assets-pack');
    await page.getByTestId('text-dialog').fill('monsters');
    await page.getByTestId('text-dialog-submit').click();
    await card(page, 'monsters.json').waitFor();
    await page.getByTestId('asset-picture').waitFor();
    await picture(page, 'assets-sheet');
    const { assets } = await client.call('listAssets', { params: { id }, query: { q: 'monsters.json' } });
    const atlas = await client.raw('downloadAsset', { params: { id: assets[0]?.id ?? '' } });
    expect(Object.keys(((await atlas.json()) as { frames: object }).frames).sort()).toEqual(Object.keys(colours));

    await card(page, 'hero.png').click();
    await page.getByTestId('version-1').waitFor();
    await page.getByTestId('asset-menu').click();
    await page.getByTestId('asset-optimize').click();
    await page
      .locator('.toasts')
      .getByText(/hero\.png is (?:as small as it gets|\d+ B smaller)/)
      .waitFor();
    expect(withoutRefusals(ada)).toEqual([]);
  });

  it('that are large show how far they are, stop, and go on where they were', async () => {
    const ada = await person(browser, 'ada');
    const id = await makeProject(await clientOf(ada), 'Sprites', files);
    await opened(ada, id);
    const { page } = ada;
    // Two parts arrive; the last one finds nobody until the upload was stopped.
    const sent: string[] = [];
    const arrived = new Set<string>();
    let away = true;
    const numberOf = (url: string): string => /\/parts\/(\d+)/.exec(url)?.[1] ?? '';
    page.on('response', (response) => {
      if (response.request().method() === 'PUT' && response.ok()) arrived.add(numberOf(response.url()));
    });
    await page.route(/\/api\/assets\/uploads\/[^/]+\/parts\/\d+/, async (route) => {
      const number = numberOf(route.request().url());
      if (away && Number(number) > 2) return route.abort('failed');
      sent.push(number);
      await route.continue();
    });
    const noise = Buffer.alloc(17 * 1024 * 1024, 'kiln');
    await choose(page, file('world.bin', 'application/octet-stream', noise));
    const row = page.getByTestId('sending-world.bin');
    await expect.poll(() => [...arrived].sort().join()).toBe('1,2');
    await expect.poll(() => row.innerText()).toContain('Waiting for the connection');
    await picture(page, 'asset-sending');
    await page.getByTestId('stop-world.bin').click();
    await expect.poll(() => row.getAttribute('data-state')).toBe('stopped');
    away = false;
    sent.length = 0;
    await page.getByTestId('resume-world.bin').click();
    await card(page, 'world.bin').waitFor();
    expect([...new Set(sent)].sort()).toEqual(['3']);
    await row.waitFor({ state: 'detached' });
    await card(page, 'world.bin').click();
    await expect.poll(() => page.getByTestId('asset-facts').innerText()).toContain('17.8 MB');
    expect(withoutRefusals(ada)).toEqual([]);
  });

  it('of drawings and models are made smaller by a runner, which shows while it works and when it cannot', async () => {
    const ada = await person(browser, 'ada');
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Drawings', files);
    await opened(ada, id);
    const { page } = ada;
    const drawing = (rest: string) => new TextEncoder().encode(`<svg xmlns="http://www.w3.org/2000/svg" ${rest}</svg>`);
    await choose(
      page,
      file('fat.svg', 'image/svg+xml', drawing(`viewBox="0 0 9 9"><!--${'x'.repeat(90_000)}--><path d="M0 0h9v9z"/>`)),
      file('torn.svg', 'image/svg+xml', drawing('viewBox="0 0 9 9"><g>')),
    );
    const shrink = async (name: string): Promise<void> => {
      await card(page, name).click();
      await page.getByTestId('asset-menu').click();
      await page.getByTestId('asset-optimize').click();
    };
    await shrink('fat.svg');
    await page.getByTestId('version-2').waitFor();
    await page
      .locator('.toasts')
      .getByText(/fat\.svg is \d.* smaller/)
      .waitFor();
    expect(await page.getByTestId('asset-facts').textContent()).toContain('Made smaller');
    expect(await page.getByTestId('asset-shrinking').count()).toBe(0);
    await picture(page, 'assets-smaller');

    // What is not over is not asked for twice; whoever looks later sees it, too.
    await page.route('**/api/assets/*/optimize', async (route) => {
      if (route.request().method() !== 'GET') return await route.continue();
      const answer = await route.fetch();
      const body = (await answer.json()) as { optimization: object | null };
      const optimization = body.optimization && { ...body.optimization, status: 'running', endedAt: null };
      await route.fulfill({ response: answer, json: { ...body, optimization } });
    });
    await shrink('torn.svg');
    await expect.poll(() => page.getByTestId('asset-shrinking').textContent()).toBe('Being made smaller…');
    await picture(page, 'assets-shrinking');
    await page.setViewportSize({ width: 800, height: 700 });
    await picture(page, 'assets-shrinking-narrow');
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.getByTestId('asset-menu').click();
    expect(await page.getByTestId('asset-optimize').count()).toBe(0);
    await page.keyboard.press('Escape');
    await page.unroute('**/api/assets/*/optimize');
    await expect.poll(() => page.getByTestId('asset-shrinking').textContent()).toContain('could not be made smaller');
    await picture(page, 'assets-not-smaller');
    expect(await page.getByTestId('version-2').count()).toBe(0);
    expect(withoutRefusals(ada)).toEqual([]);
  });
});

describe('comments on an uploaded picture', () => {
  it('[R13] are drawn on it by a viewer, seen by the other, lead back to it, and outlive a new version and a name', async () => {
    const [ada, grace] = [await person(browser, 'ada'), await person(browser, 'grace')];
    const client = await clientOf(ada);
    const id = await makeProject(client, 'Reviewed', files, { members: [[grace, 'viewer']] });
    const data = new File([png(640, 400, [70, 110, 190])], 'cover.png');
    const asset = await uploadAsset(client, { projectId: id, file: data });
    for (const someone of [ada, grace]) {
      await opened(someone, id);
      await card(someone.page, 'cover.png').click();
      await someone.page.getByTestId('asset-picture').waitFor();
    }
    const { page } = grace;
    const shown = page.getByTestId('asset-picture');
    await expect.poll(() => shown.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(640);
    const box = await shown.boundingBox();
    if (box === null) throw new Error('the picture has no place');
    const at = (x: number, y: number) => [box.x + box.width * x, box.y + box.height * y] as const;
    await page.mouse.move(...at(0.25, 0.5));
    await page.mouse.down();
    await page.mouse.move(...at(0.5, 0.75), { steps: 5 });
    await page.mouse.up();
    await page.getByTestId('draft').getByText('160 × 100 pixels of cover.png').waitFor();
    await page.getByTestId('comment-input').fill('The title is hard to read.');
    await page.getByTestId('comment-input').press('Enter');
    for (const someone of [ada, grace]) await someone.page.getByTestId(/^region-[0-9a-f]/).waitFor();
    for (const width of [1280, 800]) {
      await page.setViewportSize({ width, height: 800 });
      await picture(page, `asset-region-${width}`);
      const over = await page.evaluate(() => document.body.scrollWidth - window.innerWidth);
      expect(over, String(width)).toBe(0);
    }
    await page.setViewportSize({ width: 1440, height: 900 });

    // A new version under another name is still the same picture.
    await client.call('updateAsset', { params: { id: asset.id }, body: { name: 'title.png' } });
    const next = new File([png(320, 200, [20, 30, 90])], 'title.png');
    await uploadAsset(client, { projectId: id, file: next });
    await ada.page.getByTestId('asset-view').getByText('320 × 200').first().waitFor();
    expect(await ada.page.getByTestId(/^region-[0-9a-f]/).count()).toBe(1);

    // From the list to the picture.
    await ada.page.getByTestId('asset-close').click();
    await ada.page.getByTestId('open-comments').click();
    const thread = ada.page.getByTestId(/^thread-/).filter({ hasText: 'hard to read' });
    await thread.getByRole('button', { name: 'title.png' }).click();
    await expect.poll(() => ada.page.locator('.region.opened').getAttribute('aria-label')).toContain('hard to read');

    // And on the whole of it, by the keyboard alone.
    await ada.page.getByTestId('comment-asset').focus();
    await ada.page.keyboard.press('Enter');
    await ada.page.getByTestId('comment-input').fill('Approved.');
    await ada.page.keyboard.press('Enter');
    await page.getByTestId('threads').getByText('Approved.').waitFor();
    expect(await page.getByTestId(/^region-[0-9a-f]/).count()).toBe(1);
    await picture(ada.page, 'asset-comments');
    await thread.getByTestId('resolve').click();
    await expect.poll(() => page.getByTestId(/^region-[0-9a-f]/).count()).toBe(0);
    expect([...ada.complaints, ...grace.complaints]).toEqual([]);
  });
});
