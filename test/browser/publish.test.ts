import type { BrowserContext, Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import { type KilnClient, watchBuild } from '../../src/client/index.ts';
import type { Build } from '../../src/contract/builds.ts';
import { newId } from '../../src/contract/ids.ts';
import { signUp } from '../support/people.ts';
import { browser, openBrowser } from './browser.ts';
import { clientOf, person, picture } from './person.ts';

openBrowser();

const slugOf = (name: string): string => `${name}-${newId().slice(-8)}`;

async function makeGame(client: KilnClient, files: Readonly<Record<string, string>>, name = 'Game'): Promise<string> {
  const { project } = await client.call('createProject', { body: { name } });
  const operations = Object.entries(files).map(([path, content]) => ({ op: 'create' as const, path, content }));
  await client.call('batchFiles', { params: { id: project.id }, body: { operations } });
  return project.id;
}

async function build(client: KilnClient, projectId: string): Promise<Build> {
  const { build: queued } = await client.call('createBuild', { body: { projectId } });
  await watchBuild(client, queued.id, {}, AbortSignal.timeout(300_000));
  const { build: done } = await client.call('getBuild', { params: { id: queued.id } });
  expect(done, `${done.errorCode}: ${done.errorMessage}`).toMatchObject({ status: 'success' });
  return done;
}

/** A game that runs this and shows what came of it. */
const game = (code: string, more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  'index.html': '<!doctype html><title>Game</title><body><script type="module" src="/src/main.js"></script></body>',
  'src/main.js': `const report = async () => { ${code} };
report().then((said) => { document.body.dataset.said = JSON.stringify(said ?? null); },
  (error) => { document.body.dataset.said = JSON.stringify({ error: String(error) }); });`,
  ...more,
});

const said = async (page: Pick<Page, 'locator'>): Promise<Record<string, unknown>> => {
  const body = page.locator('body[data-said]');
  await body.waitFor({ state: 'attached' });
  return JSON.parse((await body.getAttribute('data-said')) ?? 'null') as Record<string, unknown>;
};

async function published(client: KilnClient, files: Readonly<Record<string, string>>, settings: object = {}) {
  const projectId = await makeGame(client, files);
  const { id } = await build(client, projectId);
  const { publication } = await client.call('publishBuild', {
    params: { id },
    body: { slug: slugOf('game'), ...settings },
  });
  return publication;
}

/** A page that keeps all that a browser lets it keep. */
const keeper = game(
  `localStorage.setItem('save', 'secret of A');
   document.cookie = 'own=secret of A; path=/';
   document.cookie = 'wide=secret of A; path=/; domain=localhost';
   await new Promise((resolve, reject) => {
     const open = indexedDB.open('saves-of-A');
     open.onsuccess = resolve;
     open.onerror = reject;
   });
   const cache = await caches.open('cache-of-A');
   await cache.put('/kept', new Response('secret of A'));
   await navigator.serviceWorker.register('/worker.js');
   await navigator.serviceWorker.ready;
   return { cookie: document.cookie, agent: window.originAgentCluster };`,
  { 'public/worker.js': "self.addEventListener('fetch', () => {});" },
);

/** A page that looks for what is not its own. */
const thief = (app: string, other: string): Record<string, string> =>
  game(
    `const tried = async (work) => { try { return await work(); } catch (error) { return 'refused: ' + error.name; } };
     const frame = document.createElement('iframe');
     frame.src = ${JSON.stringify(other)};
     document.body.append(frame);
     await new Promise((resolve) => { frame.onload = resolve; setTimeout(resolve, 3000); });
     return {
       domain: await tried(() => { document.domain = 'localhost'; return document.domain; }),
       cookie: document.cookie,
       storage: Object.keys(localStorage),
       databases: (await indexedDB.databases()).map(({ name }) => name),
       caches: await caches.keys(),
       workers: (await navigator.serviceWorker.getRegistrations()).length,
       foreignWorker: await tried(() => navigator.serviceWorker.register(${JSON.stringify(`${other}worker.js`)})),
       frame: await tried(() => frame.contentWindow.document.body.innerText),
       frameStorage: await tried(() => frame.contentWindow.localStorage.getItem('save')),
       account: await tried(async () => (await fetch(${JSON.stringify(`${app}/api/auth/me`)}, { credentials: 'include' })).status),
       refresh: await tried(async () => (await fetch(${JSON.stringify(`${app}/api/auth/refresh`)}, { method: 'POST', credentials: 'include' })).status),
       otherPage: await tried(async () => (await fetch(${JSON.stringify(other)})).text()),
     };`,
  );

describe('#52 a published game', () => {
  it('finds nothing of another game, which it cannot frame, and nothing of the app where somebody is signed in', async () => {
    const [owner, other] = [await signUp(inject('origin')), await signUp(inject('origin'))];
    const a = await published(owner, keeper);
    const b = await published(other, thief(inject('origin'), a.url));
    const ada = await person(browser, 'ada');
    const context = ada.page.context();

    const first = await context.newPage();
    await first.goto(a.url);
    // The cookie for all of the content host was not taken, its own was.
    expect(await said(first)).toEqual({ cookie: 'own=secret of A', agent: true });
    expect(await first.evaluate(() => localStorage.getItem('save'))).toBe('secret of A');

    const second = await context.newPage();
    const complaints: string[] = [];
    second.on('console', (message) => complaints.push(message.text()));
    await second.goto(b.url);
    expect(await said(second)).toEqual({
      domain: 'refused: SecurityError',
      cookie: '',
      storage: [],
      databases: [],
      caches: [],
      workers: 0,
      foreignWorker: 'refused: SecurityError',
      frame: 'refused: SecurityError',
      frameStorage: 'refused: SecurityError',
      account: 'refused: TypeError',
      refresh: 'refused: TypeError',
      otherPage: 'refused: TypeError',
    });
    expect(complaints.join('\n')).toContain('frame-ancestors');
    // Nor did trying cost the visitor their session.
    await ada.page.reload();
    await ada.page.getByTestId('new-project').first().waitFor();
  });

  it('in the frame of the workspace moves no window but its own, opens none, and is not listened to', async () => {
    const ada = await person(browser, 'ada');
    const client = await clientOf(ada);
    const files = game(
      `const tried = (work) => { try { return String(work()); } catch (error) { return 'refused: ' + error.name; } };
       for (const type of ['event', 'saved', 'kiln', 'publish', 'navigate', 'resize'])
         parent.postMessage({ type, event: { type: 'project.updated', seq: 1, data: { name: 'Taken' } }, path: '/' }, '*');
       parent.postMessage('"ready"', '*');
       return {
         top: tried(() => { top.location.href = 'http://localhost:1/taken'; return 'set'; }),
         popup: tried(() => window.open('/')),
         parentPage: tried(() => parent.document.title),
         framed: top !== self,
       };`,
    );
    const id = await makeGame(client, files, 'Quiet');
    await build(client, id);
    await ada.page.goto(`${inject('origin')}/p/${id}`);
    await ada.page.getByTestId('play').click();
    const report = await said(ada.page.frameLocator('[data-testid="play-frame"]'));
    expect(report).toEqual({
      top: expect.stringMatching(/^(?:set|refused: SecurityError)$/),
      popup: 'null',
      parentPage: 'refused: SecurityError',
      framed: true,
    });
    expect(ada.page.url()).toBe(`${inject('origin')}/p/${id}`);
    expect(await ada.page.locator('.project-title').innerText()).toBe('Quiet');
    expect(ada.page.context().pages()).toHaveLength(1);
  });
});

describe('a published game in a browser', () => {
  const visit = async (context: BrowserContext, url: string): Promise<{ page: Page; status: number | undefined }> => {
    const page = await context.newPage();
    const answer = await page.goto(url);
    return { page, status: answer?.status() };
  };

  it('that has links opens by one, without the key in its address, for that browser alone', async () => {
    const client = await signUp(inject('origin'));
    const files = game(
      "return { address: location.href, cookie: document.cookie, asset: await (await fetch('/level.txt')).text() };",
      {
        'public/level.txt': 'level one',
      },
    );
    const { url, projectId } = await published(client, files, { access: 'link' });
    const link = await client.call('createPlayLink', { params: { id: projectId }, body: {} });
    const [invited, other] = [await browser.newContext(), await browser.newContext()];
    const inside = await visit(invited, link.url);
    expect(await said(inside.page)).toEqual({ address: url, cookie: '', asset: 'level one' });
    expect((await visit(invited, url)).status).toBe(200);
    expect((await visit(other, url)).status).toBe(404);
    await client.call('unpublish', { params: { id: projectId } });
    expect((await visit(invited, url)).status).toBe(404);
  });

  it('has shared memory where it is isolated, and not else', async () => {
    const client = await signUp(inject('origin'));
    const files = game('return { isolated: crossOriginIsolated, memory: typeof SharedArrayBuffer };');
    const { url, buildId } = await published(client, files, { crossOriginIsolated: true });
    const context = await browser.newContext();
    expect(await said((await visit(context, url)).page)).toEqual({ isolated: true, memory: 'function' });
    await client.call('publishBuild', { params: { id: buildId }, body: { crossOriginIsolated: false } });
    expect(await said((await visit(context, url)).page)).toMatchObject({ isolated: false });
  });
});

describe('the workspace', () => {
  it('publishes a build at an address, says what is live to everybody there, and takes it down', async () => {
    const [ada, grace] = [await person(browser, 'ada'), await person(browser, 'grace')];
    const client = await clientOf(ada);
    const id = await makeGame(client, game("document.body.append('first'); return {};"), 'Star Catcher');
    await client.call('addCollaborator', { params: { id }, body: { username: grace.username, role: 'viewer' } });
    await build(client, id);
    for (const { page } of [ada, grace]) await page.goto(`${inject('origin')}/p/${id}`);
    const { page } = ada;
    await page.getByTestId('publish').click();
    expect(await page.getByTestId('publish-slug').getAttribute('placeholder')).toBe('star-catcher');

    await page.getByTestId('publish-slug').fill('cdn');
    await page.getByTestId('publish-now').click();
    await page.getByText('is reserved').waitFor();
    await picture(page, 'publish-refused');
    const slug = slugOf('star');
    await page.getByTestId('publish-slug').fill(slug);
    await page.getByTestId('publish-now').click();
    await page.getByTestId('publish-live').waitFor();
    // What comes next is at hand, also by keyboard.
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.getAttribute('data-testid')))
      .toBe('publish-url-copy');
    const url = await page.getByTestId('publish-url').inputValue();
    expect(new URL(url).host).toBe(`${slug}.${new URL(inject('origin')).host}`);
    await page.getByTestId('publish-url-copy').click();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(url);
    await picture(page, 'publish-live');
    await page.keyboard.press('Escape');

    // A viewer sees what is live, and has nothing to change it with.
    await grace.page.getByTestId('live-line').getByText(slug).waitFor();
    expect(await grace.page.getByTestId('publish').count()).toBe(0);
    expect(await grace.page.getByTestId('live-settings').count()).toBe(0);
    const player = await browser.newPage();
    await player.goto(url);
    await player.getByText('first').waitFor();

    // The next build is not live until somebody says so.
    await client.call('putFile', {
      params: { id, path: 'src/main.js' },
      body: { content: "document.body.append('second');" },
    });
    await build(client, id);
    await page.getByTestId('live-line').getByText('older build').waitFor();
    await page.reload();
    await page.getByTestId('live-line').getByText('older build').waitFor();
    await picture(page, 'publish-older');
    await player.reload();
    await player.getByText('first').waitFor();
    await page.getByTestId('publish').click();
    await page.getByTestId('publish-link').check();
    await page.getByTestId('publish-now').click();
    await page.getByTestId('play-link-create').click();
    const link = await page.getByTestId('play-link').inputValue();
    await picture(page, 'publish-link');
    await page.setViewportSize({ width: 800, height: 700 });
    await picture(page, 'publish-link-800');
    await page.setViewportSize({ width: 1280, height: 800 });
    expect((await player.goto(url))?.status()).toBe(404);
    await player.goto(link);
    await player.getByText('second').waitFor();

    await page.getByTestId('unpublish').click();
    await page.getByTestId('confirm').click();
    await page.getByTestId('live-line').waitFor({ state: 'detached' });
    await grace.page.getByTestId('live-line').waitFor({ state: 'detached' });
    expect((await player.goto(link))?.status()).toBe(404);
    expect([...ada.complaints, ...grace.complaints].filter((text) => !/422/.test(text))).toEqual([]);
  });
});
