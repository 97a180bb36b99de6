import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { createClient, type KilnClient, memoryAuth } from '../../src/client/index.ts';
import { newId } from '../../src/contract/ids.ts';
import { bundleForBrowser } from '../support/examples.ts';
import { stockProviders } from '../support/stock-providers.ts';
import { launchBrowser } from './chromium.ts';
import type { Order } from './compatibility-page.ts';
import { picture } from './person.ts';

const origin = inject('origin');
const path = 'src/shared.txt';
let browser: Browser;
let assets: { script: string; style: string };

interface Someone {
  readonly client: KilnClient;
  readonly id: string;
  readonly name: string;
  readonly token: string;
  readonly page: Page;
}
let ada: Someone;
let grace: Someone;

/** Somebody with an account and a page of the app's origin, which sockets must come from. */
async function someone(name: string): Promise<Someone> {
  const auth = memoryAuth();
  const client = createClient({ baseUrl: origin, auth });
  const username = `${name}-${newId().slice(-10)}`;
  const { user } = await client.register({ username, email: `${username}@kiln.test`, password: `correct ${username}` });
  // The app's own page would refuse a script that is not its own.
  const context = await browser.newContext({ viewport: { width: 900, height: 400 }, bypassCSP: true });
  const page = await context.newPage();
  await page.goto(`${origin}/health/live`);
  await page.setContent('<style>#editor { height: 300px; margin: 20px }</style><body></body>');
  await page.addStyleTag({ content: assets.style });
  await page.addScriptTag({ content: assets.script, type: 'module' });
  await page.waitForFunction(() => window.compatibility !== undefined);
  return { client, id: user.id, name: user.displayName, token: auth.get()?.accessToken ?? '', page };
}

beforeAll(async () => {
  browser = await launchBrowser();
  assets = await bundleForBrowser(`import './test/browser/compatibility-page.ts';`);
  [ada, grace] = [await someone('ada'), await someone('grace')];
});
afterEach(async () => {
  for (const { page } of [ada, grace]) await page.evaluate(() => window.compatibility.close());
});
afterAll(() => browser?.close());

const type = async ({ page }: Someone, text: string, key = 'Control+Home'): Promise<void> => {
  await page
    .locator('#editor .cm-content, #editor .monaco-editor textarea, #editor .native-edit-context')
    .first()
    .click({ force: true });
  await page.keyboard.press(key);
  await page.keyboard.type(text, { delay: 5 });
};
const text = ({ page }: Someone) => page.evaluate(() => window.compatibility.text());
const shown = ({ page }: Someone) => page.evaluate(() => window.compatibility.shown());

describe.each(stockProviders)('%s in Chromium, with CodeMirror and Monaco', (provider) => {
  it('writes together, shows who is where, comes back, keeps a viewer out and a wrong ticket', async () => {
    const { project } = await ada.client.call('createProject', { body: { name: provider } });
    const params = { id: project.id };
    await ada.client.call('addCollaborator', { params, body: { userId: grace.id, role: 'editor' } });
    await ada.client.call('putFile', { params: { ...params, path }, body: { content: 'start' } });
    const open = (who: Someone, more: Partial<Order> = {}) =>
      who.page.evaluate((order) => window.compatibility.open(order), {
        provider,
        editor: who === ada ? 'codemirror' : 'monaco',
        project: project.id,
        path,
        token: who.token,
        readOnly: false,
        ...more,
      } as Order);
    await Promise.all([open(ada), open(grace)]);
    expect([await shown(ada), await shown(grace)]).toEqual(['start', 'start']);

    // At two places: at one, the letters of both would be mixed.
    await Promise.all([type(ada, 'from CodeMirror '), type(grace, ' from Monaco', 'Control+End')]);
    for (const reader of [ada, grace]) await expect.poll(() => shown(reader)).toBe('from CodeMirror start from Monaco');

    expect(await ada.page.evaluate(() => window.compatibility.names())).toEqual([grace.name]);
    // Each binding says where its caret is, in a field of its own.
    await expect.poll(() => ada.page.evaluate(() => window.compatibility.carets())).toEqual(['selection']);
    await expect.poll(() => grace.page.evaluate(() => window.compatibility.carets())).toEqual(['cursor']);
    await picture(ada.page, `${provider}-codemirror`);
    await picture(grace.page, `${provider}-monaco`);

    for (const [index, who] of [ada, grace].entries()) {
      const before = await who.page.evaluate(() => window.compatibility.tickets());
      await who.page.evaluate(() => window.compatibility.drop());
      await expect.poll(() => who.page.evaluate(() => window.compatibility.closed())).toBe(1);
      await type(who, `<typed while away ${index}>`);
      for (const reader of [ada, grace])
        await expect.poll(() => shown(reader)).toContain(`<typed while away ${index}>`);
      expect(await who.page.evaluate(() => window.compatibility.tickets())).toBe(before + 1);
    }

    await grace.page.evaluate(() => window.compatibility.close());
    const member = { ...params, userId: grace.id };
    await ada.client.call('updateCollaborator', { params: member, body: { role: 'viewer' } });
    await open(grace, { readOnly: true });
    await type(grace, 'nothing');
    await type(ada, 'something ');
    await expect.poll(() => shown(grace)).toContain('something');
    expect(await text(grace)).not.toContain('nothing');

    await grace.page.evaluate(() => window.compatibility.close());
    await open(grace, { ticket: 'not.a.ticket' });
    await expect.poll(() => grace.page.evaluate(() => window.compatibility.closed())).toBeGreaterThan(0);
    expect(await grace.page.evaluate(() => window.compatibility.connected())).toBe(false);
  });
});
