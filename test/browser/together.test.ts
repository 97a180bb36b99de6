import { readFile } from 'node:fs/promises';
import type { WebSocketRoute } from 'playwright-core';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { signUp } from '../support/people.ts';
import { browser, openBrowser } from './browser.ts';
import { clientOf, type Person, person, picture } from './person.ts';

openBrowser();
let ada: Person;
let grace: Person;
/** A member who never comes. */
let joan: { readonly id: string; readonly username: string };
beforeAll(async () => {
  [ada, grace] = [await person(browser, 'ada'), await person(browser, 'grace')];
  await ada.page.getByTestId('new-project').first().click();
  await ada.page.getByTestId('template-canvas-arcade').click();
  await ada.page.getByTestId('project-name').fill('Together');
  await ada.page.getByTestId('create-project').click();
  await ada.page.getByTestId('file-README.md').click();
  await ada.page.getByTestId('share').click();
  await ada.page.getByTestId('share-who').fill(grace.username);
  await ada.page.getByTestId('share-add').click();
  await ada.page.getByTestId(`member-${grace.username}`).waitFor();
  ({ user: joan } = await (await signUp(inject('origin'), 'joan')).call('getMe'));
  await ada.page.getByTestId('share-who').fill(joan.username);
  await ada.page.getByTestId('share-add').click();
  await ada.page.getByTestId(`member-${joan.username}`).waitFor();
  await ada.page.keyboard.press('Escape');
  await grace.page.goto(ada.page.url());
  await grace.page.getByTestId('file-README.md').click();
  await ada.page.getByTestId(`person-${grace.username}`).waitFor();
});

const content = ({ page }: Person) => page.getByTestId('editor').locator('.cm-content');
const saved = ({ page }: Person) =>
  expect.poll(() => page.getByTestId('save-state').getAttribute('data-state')).toBe('saved');

describe('two people in the workspace', () => {
  it('[R7] see where the other is, and follow', async () => {
    await ada.page.getByTestId(`person-${grace.username}`).click();
    await ada.page.getByTestId(`presence-${grace.username}`).getByText('README.md').waitFor();
    await picture(ada.page, 'people');
    await ada.page.getByTestId(`follow-${grace.username}`).click();
    await ada.page.getByTestId('following').waitFor();
    await grace.page.getByTestId('file-index.html').click();
    await expect.poll(() => ada.page.getByTestId('tab-index.html').getAttribute('aria-selected')).toBe('true');
    await picture(ada.page, 'following');
    await content(ada).click();
    await ada.page.getByTestId('following').waitFor({ state: 'detached' });
    for (const { page } of [ada, grace]) await page.getByTestId('tab-README.md').click();
  });

  it('undo what they did themselves', async () => {
    for (const [someone, text] of [
      [ada, 'By Ada. '],
      [grace, 'By Grace. '],
    ] as const) {
      await content(someone).click();
      await someone.page.keyboard.press('Control+Home');
      await someone.page.keyboard.type(text);
      for (const reader of [ada, grace]) await expect.poll(() => content(reader).innerText()).toContain(text);
    }
    await ada.page.keyboard.press('Control+z');
    await expect.poll(() => content(grace).innerText()).not.toContain('By Ada.');
    expect(await content(grace).innerText()).toContain('By Grace.');
    await saved(ada);
  });

  it('talk, see the other write, and are told when they are named', async () => {
    await ada.page.getByTestId('open-chat').click();
    await grace.page.getByTestId('open-chat').click();
    await grace.page.getByTestId('chat-input').pressSequentially('Shall we ');
    await ada.page.getByTestId('writing').getByText('is writing').waitFor();
    await picture(ada.page, 'writing');
    await grace.page.getByTestId('chat-input').pressSequentially('change the title, @ad');
    await grace.page.getByTestId(`mention-${ada.username}`).click();
    await grace.page.getByTestId('chat-input').press('Enter');
    await ada.page.getByTestId('chat').getByText('change the title').waitFor();
    // Who reads the chat needs nobody to say so.
    expect(await ada.page.getByText('mentioned you').count()).toBe(0);
    await ada.page.getByTestId('chat-input').fill('Yes, let us.');
    await ada.page.getByTestId('chat-input').press('Enter');
    await grace.page.getByTestId('chat').getByText('Yes, let us.').waitFor();
    await picture(grace.page, 'chat');
    // What was said is there for whoever comes later.
    await grace.page.reload();
    await grace.page.getByTestId('file-README.md').click();
    await grace.page.getByTestId('open-chat').click();
    await expect.poll(() => grace.page.getByTestId('chat-message').count()).toBe(2);
  });

  it('name members who are away, and are told of it where the chat is not open', async () => {
    await ada.page.getByTestId('open-chat').click();
    await ada.page.getByTestId('chat').waitFor({ state: 'detached' });
    const input = grace.page.getByTestId('chat-input');
    await input.pressSequentially('Both of you, @');
    const offered = grace.page.getByRole('list', { name: 'People to mention' }).getByRole('button');
    // Who is here comes first.
    await expect
      .poll(() => offered.allInnerTexts())
      .toEqual([
        expect.stringMatching(new RegExp(`@${ada.username}$`)),
        expect.stringMatching(new RegExp(`@${joan.username}\\s+away$`)),
      ]);
    await picture(grace.page, 'mention-away');
    await input.pressSequentially('joan');
    await input.press('Tab');
    // What ends a sentence is no part of a name.
    await input.pressSequentially(`and @${ada.username}. Look!`);
    await input.press('Enter');
    const told = ada.page.locator('.toast').getByText(/^Chat: Both of you/);
    await told.waitFor();
    await ada.page.getByText('mentioned you').waitFor();
    await picture(ada.page, 'mentioned-in-chat');
    await ada.page.getByTestId('open-chat').getByText('1').waitFor();
    const client = await clientOf(ada);
    const id = new URL(ada.page.url()).pathname.split('/').at(-1) ?? '';
    const { messages } = await client.call('listChat', { params: { id } });
    const { user } = await client.call('getMe');
    expect(messages[0]?.mentions.map(({ userId }) => userId).sort()).toEqual([joan.id, user.id].sort());
    await grace.page.locator('.said').last().getByText(`@${ada.username}`, { exact: true }).waitFor();
    await ada.page.getByTestId('open-chat').click();
    await ada.page.getByTestId('chat').getByText('Both of you').waitFor();
    await told.waitFor({ state: 'detached' });
  });

  it('[R13] comment on a passage, reply, and resolve', async () => {
    await content(grace).click();
    await grace.page.keyboard.press('Control+Home');
    await grace.page.keyboard.press('Shift+End');
    await grace.page.getByTestId('comment-selection').click();
    await grace.page.getByTestId('comment-input').fill('@joan');
    await grace.page.getByTestId(`mention-${joan.username}`).getByText('away').waitFor();
    await grace.page.getByTestId('comment-input').fill(`A better title, @${ada.username}?`);
    await grace.page.getByTestId('comment-input').press('Enter');
    await ada.page.getByText('mentioned you').waitFor();
    await ada.page.locator('.kiln-thread').click();
    await ada.page.getByTestId('threads').getByText('A better title').waitFor();
    // The mark moves with the text.
    await content(ada).click();
    await ada.page.keyboard.press('Control+Home');
    await ada.page.keyboard.type('\n\n');
    await expect.poll(() => grace.page.locator('.kiln-commented').first().innerText()).toMatch(/By Grace/);
    await ada.page.getByTestId('reply-input').fill('I will think of one.');
    await ada.page.getByTestId('reply-input').press('Enter');
    await grace.page.getByTestId('threads').getByText('I will think of one.').waitFor();
    await picture(ada.page, 'comments');
    await grace.page.getByTestId('resolve').click();
    await ada.page.locator('.kiln-thread').waitFor({ state: 'detached' });
    await ada.page.getByTestId('show-resolved').click();
    await ada.page.getByTestId('threads').getByText('A better title').waitFor();
  });

  it('build a scene, each seeing what the other has selected', async () => {
    await ada.page.getByTestId('new-file').click();
    await ada.page.getByTestId('new-file-path').fill('levels/one.scene.json');
    await ada.page.getByTestId('new-file-path').press('Enter');
    await ada.page.getByTestId('scene-editor').waitFor();
    await ada.page.getByTestId('add-node').click();
    await ada.page.getByTestId('field-name').fill('Castle');
    await ada.page.getByTestId('field-name').press('Enter');
    await ada.page.getByTestId('field-name').blur();
    await ada.page.getByTestId('node-Castle').waitFor();

    await grace.page.getByTestId('file-levels/one.scene.json').click();
    await grace.page.getByTestId('node-Castle').click();
    await ada.page.getByTestId(`selected-by-${grace.username}`).waitFor();

    // Two fields of one node at one time.
    await Promise.all([
      (async () => {
        await ada.page.getByTestId('field-position.x').fill('12');
        await ada.page.getByTestId('field-position.x').blur();
      })(),
      (async () => {
        await grace.page.getByTestId('field-position.y').fill('34');
        await grace.page.getByTestId('field-position.y').blur();
      })(),
    ]);
    for (const { page } of [ada, grace]) {
      await expect.poll(() => page.getByTestId('field-position.x').inputValue()).toBe('12');
      await expect.poll(() => page.getByTestId('field-position.y').inputValue()).toBe('34');
    }
    await grace.page.getByTestId('add-node').click();
    await ada.page.getByTestId('node-Node').waitFor();
    await picture(ada.page, 'scene');
    // Ada's undo takes back her number, and leaves Grace's number and node.
    await ada.page.getByTestId('scene-undo').click();
    await expect.poll(() => ada.page.getByTestId('field-position.x').inputValue()).toBe('0');
    expect(await ada.page.getByTestId('field-position.y').inputValue()).toBe('34');
    await ada.page.getByTestId('node-Node').waitFor();
    await saved(ada);
  });

  it('[R22] are shown what does not fit in a scene: in the list of files, at the node, and beside it', async () => {
    const client = await clientOf(ada);
    const id = new URL(ada.page.url()).pathname.split('/').at(-1) ?? '';
    const path = 'levels/broken.scene.json';
    const content = JSON.stringify({
      nodes: {
        gate: { name: 'Gate', parent: null, position: { x: 0, y: 0 } },
        torch: { name: 'A torch that hangs on a wall which somebody took away', parent: 'wall' },
        ghost: { name: 'Ghost', parent: 7 },
      },
    });
    await client.call('putFile', { params: { id, path }, body: { content } });
    await grace.page.getByTestId(`problems-${path}`).getByText('2').waitFor();
    for (const { page } of [ada, grace]) {
      await page.getByTestId(`file-${path}`).click();
      await page.getByTestId('scene-problems').getByText('2 problems').waitFor();
    }
    const { page } = ada;
    await page.getByTestId('problem-Ghost').focus();
    await page.keyboard.press('Enter');
    await page.getByLabel('Fields of Ghost').waitFor();
    await picture(page, 'scene-problems');
    for (const width of [1280, 800]) {
      await page.setViewportSize({ width, height: 800 });
      await picture(page, `scene-problems-${width}`);
      const sizes = await page
        .getByTestId('scene-problems')
        .evaluate((section) => [
          section.scrollWidth - section.clientWidth,
          document.body.scrollWidth - window.innerWidth,
        ]);
      expect(sizes, `${width}`).toEqual([0, 0]);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
    // In a folder that is closed the mark is at the folder.
    await page.getByTestId('directory-levels').click();
    await page.getByTestId('problems-levels').getByText('2').waitFor();
    await page.getByTestId('directory-levels').click();

    await client.call('putFile', { params: { id, path }, body: { content: content.replace('7', 'null') } });
    await page.getByTestId('scene-problems').getByText('1 problem').waitFor();
    await client.call('putFile', { params: { id, path }, body: { content: '{"nodes": {}' } });
    // It can be mended as the text that it is.
    await page.getByTestId('scene-problems').getByText('no JSON').waitFor();
    await page.getByTestId('editor').waitFor();
    await picture(page, 'scene-text-problems');
    await client.call('putFile', { params: { id, path }, body: { content: '{"nodes": {}}' } });
    await client.call('deleteFile', { params: { id, path } });
    for (const someone of [ada, grace]) {
      await someone.page.getByTestId(`problems-${path}`).waitFor({ state: 'detached' });
      await someone.page.getByTestId('tab-levels/one.scene.json').click();
    }
  });

  it('[R14] write while the browser has no network, and lose nothing', async () => {
    for (const { page } of [ada, grace]) await page.getByTestId('tab-README.md').click();
    await saved(grace);
    await grace.page.context().setOffline(true);
    // Chromium's offline mode leaves open sockets alone.
    await expect.poll(() => grace.page.evaluate(() => navigator.onLine)).toBe(false);
    await content(grace).click();
    await grace.page.keyboard.press('Control+Home');
    await grace.page.keyboard.type('Written away. ');
    await grace.page.context().setOffline(false);
    await expect.poll(() => content(ada).innerText()).toContain('Written away.');
    await saved(grace);
    const names = await grace.page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name));
    expect(names.some((name) => name?.startsWith('kiln:') && name.endsWith('README.md'))).toBe(true);
  });

  /** Opens a file in a page of its own, whose network can be cut: led through Playwright, its sockets send a little late, and Chromium complains of that. */
  async function awayPage(path: string) {
    const page = await grace.page.context().newPage();
    let isAway = false;
    const sockets = new Set<WebSocketRoute>();
    await page.routeWebSocket(/\/docs\/notes\//, (socket) => {
      if (isAway) return void socket.close({ code: 1001 });
      socket.connectToServer();
      sockets.add(socket);
    });
    await page.goto(grace.page.url());
    await page.getByTestId(`file-${path}`).click();
    const pane = page.getByRole('tabpanel', { name: path });
    const writeAway = async (text: string) => {
      isAway = true;
      for (const socket of sockets) await socket.close({ code: 1001 });
      await expect.poll(() => page.getByTestId('save-state').getAttribute('data-state')).toBe('offline');
      await pane.locator('.cm-content').click();
      await page.keyboard.press('Control+Home');
      await page.keyboard.type(text);
    };
    const comeBack = () => {
      isAway = false;
    };
    return { page, pane, writeAway, comeBack };
  }

  it('[R14] are told where their browser does not keep what they write away', async () => {
    const client = await clientOf(ada);
    const id = new URL(ada.page.url()).pathname.split('/').at(-1) ?? '';
    const path = 'notes/kept.txt';
    await client.call('putFile', { params: { id, path }, body: { content: 'Kept.' } });
    const { page, pane, writeAway, comeBack } = await awayPage(path);
    await expect.poll(() => pane.locator('.cm-content').innerText()).toBe('Kept.');
    await writeAway('Away. ');
    // As another tab does that discards it.
    await grace.page.evaluate(async (end) => {
      for (const { name = '' } of await indexedDB.databases()) if (name.endsWith(end)) indexedDB.deleteDatabase(name);
    }, path);
    await page.getByTestId('save-state').getByText('Offline, not kept').waitFor();
    await picture(page, 'offline-not-kept');
    comeBack();
    await expect.poll(() => page.getByTestId('save-state').getAttribute('data-state')).toBe('saved');
    const { file } = await client.call('getFile', { params: { id, path } });
    expect(file.content).toBe('Away. Kept.');
    await page.close();
  });

  it('[R14] write into a file that is replaced meanwhile, and have what they wrote', async () => {
    const client = await clientOf(ada);
    const id = new URL(ada.page.url()).pathname.split('/').at(-1) ?? '';
    const path = 'notes/away.txt';
    const write = (text: string) => client.call('putFile', { params: { id, path }, body: { content: text } });
    await write('Old.');
    const { page, pane, writeAway, comeBack } = await awayPage(path);
    await expect.poll(() => pane.locator('.cm-content').innerText()).toBe('Old.');
    await writeAway('Written away. ');
    await client.call('deleteFile', { params: { id, path } });
    await write('New.');
    comeBack();
    await pane.getByTestId('unsaved').waitFor();
    await expect.poll(() => page.getByTestId('save-state').getAttribute('data-state')).toBe('unsaved');
    expect(await pane.locator('.cm-content').innerText()).toBe('Written away. Old.');
    for (const width of [1280, 800]) {
      await page.setViewportSize({ width, height: 800 });
      await picture(page, `unsaved-${width}`);
    }
    await pane.getByTestId('unsaved-save').click();
    await expect
      .poll(() => page.getByTestId('tab-notes/away (unsaved).txt').getAttribute('aria-selected'))
      .toBe('true');
    const kept = await client.call('getFile', { params: { id, path: 'notes/away (unsaved).txt' } });
    expect(kept.file.content).toBe('Written away. Old.');
    // The other one is open as it is by now.
    await page.getByTestId(`tab-${path}`).click();
    await expect.poll(() => pane.locator('.cm-content').innerText()).toBe('New.');
    await expect.poll(() => page.getByTestId('save-state').getAttribute('data-state')).toBe('saved');
    await page.close();
  });

  it('[R2] [R6] write away, become a viewer meanwhile, and have what they wrote', async () => {
    const client = await clientOf(ada);
    const id = new URL(ada.page.url()).pathname.split('/').at(-1) ?? '';
    const path = 'notes/late.txt';
    await client.call('putFile', { params: { id, path }, body: { content: 'Here.' } });
    const { userId } = (await client.call('listCollaborators', { params: { id } })).collaborators.find(
      ({ username }) => username === grace.username,
    ) ?? { userId: '' };
    const become = (role: 'editor' | 'viewer') =>
      client.call('updateCollaborator', { params: { id, userId }, body: { role } });
    const { page, pane, writeAway, comeBack } = await awayPage(path);
    await expect.poll(() => pane.locator('.cm-content').innerText()).toBe('Here.');
    await writeAway('Written away. ');
    await become('viewer');
    comeBack();
    await pane.getByText('You may not write here any more').waitFor();
    await expect.poll(() => page.getByTestId('save-state').getAttribute('data-state')).toBe('read-only');
    expect(await pane.getByTestId('unsaved-save').count()).toBe(0);
    expect(await pane.locator('.cm-content').innerText()).toBe('Written away. Here.');
    for (const width of [1280, 800]) {
      await page.setViewportSize({ width, height: 800 });
      await picture(page, `unsaved-viewer-${width}`);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
    const [download] = await Promise.all([page.waitForEvent('download'), pane.getByTestId('unsaved-download').click()]);
    expect(download.suggestedFilename()).toBe('late.txt');
    expect(await readFile(await download.path(), 'utf8')).toBe('Written away. Here.');
    await pane.getByTestId('unsaved-copy').click();
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('Written away. Here.');
    // It is there after a reload, too, and gone once it is let go of.
    await page.reload();
    await page.getByTestId(`file-${path}`).click();
    await pane.getByText('You may not write here any more').waitFor();
    expect(await pane.locator('.cm-content').innerText()).toBe('Written away. Here.');
    await pane.getByTestId('unsaved-discard').click();
    await expect.poll(() => pane.locator('.cm-content').innerText()).toBe('Here.');
    expect((await client.call('getFile', { params: { id, path } })).file.content).toBe('Here.');
    await become('editor');
    await page.close();
  });

  it('[R6] keep a viewer from writing, and show that', async () => {
    await ada.page.getByTestId('share').click();
    await ada.page.getByTestId(`role-${grace.username}`).selectOption('viewer');
    await expect.poll(() => grace.page.getByTestId('save-state').getAttribute('data-state')).toBe('read-only');
    await ada.page.keyboard.press('Escape');
    await expect.poll(() => content(grace).getAttribute('contenteditable')).toBe('false');
    await picture(grace.page, 'viewer');
  });

  it('keep nothing on the device after signing out', async () => {
    await grace.page.getByRole('button', { name: /^Account of/ }).click();
    await grace.page.getByTestId('sign-out').click();
    await grace.page.getByTestId('switch-register').waitFor();
    await expect
      .poll(() => grace.page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name)))
      .toEqual([]);
    expect([...ada.complaints, ...grace.complaints]).toEqual([]);
  });
});
