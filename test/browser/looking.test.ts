import type { Browser, Locator } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { launchBrowser } from './chromium.ts';
import { clientOf, makeProject, type Person, person, picture } from './person.ts';

let browser: Browser;
let ada: Person;
let grace: Person;

const lines = Array.from({ length: 300 }, (_, index) => `line ${index + 1}`).join('\n');
const nodes = Object.fromEntries(
  Array.from({ length: 80 }, (_, index) => [
    `n${index}`,
    { name: `Node ${index + 1}`, parent: null, order: `a${String(index).padStart(2, '0')}` },
  ]),
);

beforeAll(async () => {
  browser = await launchBrowser();
  [ada, grace] = [await person(browser, 'ada'), await person(browser, 'grace')];
  const client = await clientOf(ada);
  const files = { 'notes.md': lines, 'one.scene.json': JSON.stringify({ nodes }), 'README.md': '# Looking\n' };
  const id = await makeProject(client, 'Looking', files, { members: [[grace, 'editor']] });
  const hero = sharp({ create: { width: 640, height: 400, channels: 3, background: '#40587a' } });
  await client.raw('putFile', {
    params: { id, path: 'art/hero.png' },
    body: new Uint8Array(await hero.png().toBuffer()),
    headers: { 'content-type': 'image/png' },
  });
  for (const { page } of [ada, grace]) {
    await page.goto(`${inject('origin')}/p/${id}`);
    await page.getByTestId('file-README.md').click();
  }
  await ada.page.getByTestId(`person-${grace.username}`).waitFor();
});
afterAll(() => browser?.close());

const boxOf = async (locator: Locator) => {
  const box = await locator.boundingBox();
  if (box === null) throw new Error('is not on the screen');
  return box;
};

/** Pictures at both widths, and that nothing is wider than its place there. */
const lookAt = async ({ page }: Person, name: string, testid: string): Promise<void> => {
  for (const width of [1280, 800]) {
    await page.setViewportSize({ width, height: 800 });
    await picture(page, `${name}-${width}`);
    const over = await page
      .getByTestId(testid)
      .first()
      .evaluate((element) => [
        element.scrollWidth - element.clientWidth,
        document.body.scrollWidth - window.innerWidth,
      ]);
    expect(over, `${name} at ${width}`).toEqual([0, 0]);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
};

describe('comments on parts of a picture', () => {
  it('[R13] are drawn, seen by the other, and lead to their thread', async () => {
    for (const { page } of [ada, grace]) await page.getByTestId('file-art/hero.png').click();
    const box = await boxOf(ada.page.getByTestId('image-preview'));
    const at = (x: number, y: number) => [box.x + box.width * x, box.y + box.height * y] as const;
    // A click is no region.
    await ada.page.mouse.click(...at(0.5, 0.5));
    await ada.page.mouse.move(...at(0.25, 0.5));
    await ada.page.mouse.down();
    await ada.page.mouse.move(...at(0.5, 0.75), { steps: 5 });
    await ada.page.mouse.up();
    await ada.page.getByTestId('draft').getByText('160 × 100 pixels').waitFor();
    await ada.page.getByTestId('region-new').waitFor();
    await ada.page.getByTestId('comment-input').fill('The hat is too small.');
    await ada.page.getByTestId('comment-input').press('Enter');
    const region = grace.page.getByTestId(/^region-/);
    await region.waitFor();
    const [picture_, drawn] = [await boxOf(grace.page.getByTestId('image-preview')), await boxOf(region)];
    expect((drawn.x - picture_.x) / picture_.width).toBeCloseTo(0.25, 1);
    expect(drawn.width / picture_.width).toBeCloseTo(0.25, 1);
    expect(await region.getAttribute('aria-label')).toContain('The hat is too small.');
    await region.click();
    await grace.page.getByTestId('threads').getByText('The hat is too small.').waitFor();
    await grace.page.getByTestId('reply-input').fill('I will draw a larger one.');
    await grace.page.getByTestId('reply-input').press('Enter');
    await ada.page.getByTestId('threads').getByText('a larger one').waitFor();
    await lookAt(grace, 'region', 'picture');
  });

  it('[R13] are made with the keyboard alone, and go when they are resolved', async () => {
    const { page } = ada;
    await page.getByTestId('comment-region').focus();
    await page.keyboard.press('Enter');
    await expect
      .poll(() => page.getByTestId('region-aim').evaluate((aim) => aim === document.activeElement))
      .toBe(true);
    const before = await boxOf(page.getByTestId('region-aim'));
    for (let press = 0; press < 5; press += 1) await page.keyboard.press('ArrowRight');
    for (let press = 0; press < 5; press += 1) await page.keyboard.press('Shift+ArrowDown');
    await expect.poll(async () => (await boxOf(page.getByTestId('region-aim'))).x).toBeGreaterThan(before.x);
    await expect.poll(async () => (await boxOf(page.getByTestId('region-aim'))).height).toBeGreaterThan(before.height);
    await picture(page, 'region-keyboard');
    await page.keyboard.press('Escape');
    await page.getByTestId('region-aim').waitFor({ state: 'detached' });
    await page.getByTestId('comment-region').focus();
    await page.keyboard.press('Enter');
    await page.getByTestId('region-aim').press('Enter');
    await page.getByTestId('comment-input').fill('And this is empty.');
    await page.keyboard.press('Enter');
    await expect.poll(() => grace.page.getByTestId(/^region-/).count()).toBe(2);
    // From the list to the picture.
    await grace.page.getByTestId('file-README.md').click();
    const thread = grace.page.getByTestId(/^thread-/).filter({ hasText: 'And this is empty.' });
    await thread.getByText('hero.png').click();
    await expect.poll(() => grace.page.locator('.region.opened').getAttribute('aria-label')).toContain('this is empty');
    for (const text of ['And this is empty.', 'The hat is too small.'])
      await grace.page
        .getByTestId(/^thread-/)
        .filter({ hasText: text })
        .getByTestId('resolve')
        .click();
    await ada.page
      .getByTestId(/^region-/)
      .first()
      .waitFor({ state: 'detached' });
    for (const { page: each } of [ada, grace]) await each.getByTestId('open-comments').click();
  });
});

describe('what the other looks at', () => {
  it('[R7] is marked beside a text, and whoever follows sees the same lines', async () => {
    for (const { page } of [ada, grace]) await page.getByTestId('file-notes.md').click();
    const mark = ada.page.getByTestId(`view-of-${grace.username}`);
    await expect.poll(() => mark.getAttribute('data-first')).toBe('1');
    const scroller = (someone: Person) => someone.page.getByTestId('editor').locator('.cm-scroller');
    await scroller(grace).evaluate((element) => element.scrollTo(0, 2000));
    await expect.poll(async () => Number(await mark.getAttribute('data-first'))).toBeGreaterThan(50);
    const seen = Number(await mark.getAttribute('data-first'));
    expect(await mark.getAttribute('aria-label')).toContain(`sees lines ${seen} to`);
    await picture(ada.page, 'view-text');
    await mark.click();
    const top = (someone: Person) => scroller(someone).evaluate((element) => element.scrollTop);
    await expect.poll(() => top(ada)).toBeGreaterThan(1000);

    await ada.page.getByTestId(`person-${grace.username}`).click();
    await ada.page.getByTestId(`follow-${grace.username}`).click();
    await scroller(grace).evaluate((element) => element.scrollTo(0, 4000));
    await expect.poll(async () => Math.abs((await top(ada)) - (await top(grace)))).toBeLessThan(25);
    await lookAt(ada, 'view-following', 'editor');
  });

  it('[R7] is marked beside the nodes of a scene, and followed there', async () => {
    await grace.page.getByTestId('file-one.scene.json').click();
    // Ada follows.
    await ada.page.getByTestId('node-Node 1').waitFor();
    const mark = ada.page.getByTestId(`view-of-${grace.username}`);
    await expect.poll(() => mark.getAttribute('data-first')).toBe('1');
    const tree = (someone: Person) => someone.page.getByRole('tree', { name: 'Nodes of the scene' });
    await tree(grace).evaluate((element) => element.scrollTo(0, 900));
    await expect.poll(async () => Number(await mark.getAttribute('data-first'))).toBeGreaterThan(10);
    const top = (someone: Person) => tree(someone).evaluate((element) => element.scrollTop);
    await expect.poll(async () => Math.abs((await top(ada)) - (await top(grace)))).toBeLessThan(25);
    await lookAt(ada, 'view-scene', 'scene-editor');
    expect([...ada.complaints, ...grace.complaints]).toEqual([]);
  });
});
