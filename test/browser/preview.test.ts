import type { Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import type { KilnClient } from '../../src/client/index.ts';
import { limits } from '../../src/contract/limits.ts';
import { browser, openBrowser } from './browser.ts';
import { clientOf, person, picture } from './person.ts';

openBrowser();

const files: Readonly<Record<string, string>> = {
  'index.html':
    '<!doctype html><title>Game</title><body style="color:#fff;background:#123"><p id="said"></p><script type="module" src="/src/main.ts"></script></body>',
  'src/main.ts': `import { greeting } from './greeting.ts';
const said = document.querySelector('#said') as HTMLElement;
const worker = new Worker(new URL('./double.ts', import.meta.url), { type: 'module' });
worker.onmessage = async ({ data }) => {
  const level = await (await fetch('/level.txt')).text();
  said.textContent = \`\${greeting}, \${level}, \${data}\`;
};
worker.postMessage(21);
`,
  'src/greeting.ts': "export const greeting: string = 'hello';\n",
  'src/double.ts': 'self.onmessage = ({ data }: MessageEvent<number>) => self.postMessage(data * 2);\n',
  'public/level.txt': 'level one',
};

async function makeProject(client: KilnClient, contents: Readonly<Record<string, string>>): Promise<string> {
  const { project } = await client.call('createProject', { body: { name: 'Live' } });
  const operations = Object.entries(contents).map(([path, content]) => ({ op: 'create' as const, path, content }));
  await client.call('batchFiles', { params: { id: project.id }, body: { operations } });
  return project.id;
}

const shown = (page: Page) => page.frameLocator('[data-testid="preview-frame"]').locator('#said');

describe('the preview beside the editor', () => {
  it('plays what is written, and follows what is typed and what others save', async () => {
    const ada = await person(browser, 'ada');
    const client = await clientOf(ada);
    const id = await makeProject(client, files);
    const { page } = ada;
    await page.goto(`${inject('origin')}/p/${id}`);
    await page.getByTestId('file-src/greeting.ts').click();
    await page.getByTestId('preview').click();
    await expect.poll(() => shown(page).innerText()).toBe('hello, level one, 42');

    // Typed, and saved by the room.
    const editor = page.getByTestId('editor').locator('.cm-content');
    await editor.click();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type("export const greeting = 'good evening';");
    await expect.poll(() => shown(page).innerText()).toBe('good evening, level one, 42');
    await picture(page, 'preview');

    // Written by somebody else.
    await client.call('putFile', { params: { id, path: 'public/level.txt' }, body: { content: 'level two' } });
    await expect.poll(() => shown(page).innerText()).toBe('good evening, level two, 42');

    // A mistake is told with its place, and what ran before stays.
    await editor.click();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type('export const greeting = ;');
    const trouble = page.getByTestId('preview-trouble');
    await trouble.getByText('src/greeting.ts:1').waitFor();
    expect(await shown(page).innerText()).toBe('good evening, level two, 42');
    await picture(page, 'preview-mistake');
    await page.setViewportSize({ width: 800, height: 700 });
    await picture(page, 'preview-mistake-800');
    await page.setViewportSize({ width: 1280, height: 800 });
    await editor.click();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type("export const greeting = 'back';");
    await expect.poll(() => shown(page).innerText()).toBe('back, level two, 42');
    expect(await trouble.count()).toBe(0);

    // What plays, and is meant otherwise, is told beside it, and beside its line.
    await editor.click();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type("export const greeting = typeof self === 'nmber' ? '' : 'still';");
    await expect.poll(() => shown(page).innerText()).toBe('still, level two, 42');
    const warnings = page.getByTestId('preview-warnings');
    await warnings.getByText('One warning').click();
    await picture(page, 'preview-warning');
    await warnings.getByText('src/greeting.ts:1').click();
    await page.locator('.cm-lint-marker-warning').waitFor();
    await page.setViewportSize({ width: 800, height: 700 });
    await picture(page, 'preview-warning-800');
    await page.setViewportSize({ width: 1280, height: 800 });

    await page.getByTestId('preview').click();
    expect(await page.getByTestId('preview-frame').count()).toBe(0);
    expect(await warnings.count()).toBe(0);
    // Who types slowly has half of it saved, and the frame may ask in that moment.
    expect(ada.complaints.filter((text) => !/status of 422/.test(text))).toEqual([]);
  });

  it('hands to a build what it cannot do itself', async () => {
    const ada = await person(browser, 'ada');
    const client = await clientOf(ada);
    const id = await makeProject(client, {
      'index.html': '<!doctype html><body><script type="module" src="/src/main.js"></script></body>',
      'src/main.js':
        'const name = location.hash; import(`./levels/${name || "one"}.js`).then((m) => document.body.append(m.level));',
      'src/levels/one.js': "export const level = 'the first level';",
    });
    const { page } = ada;
    await page.goto(`${inject('origin')}/p/${id}`);
    await page.getByTestId('preview').click();
    await page.getByTestId('preview-trouble').getByText('This is for a build').waitFor();
    await picture(page, 'preview-build');
    await page.getByTestId('preview-build').click();
    await page.frameLocator('[data-testid="play-frame"]').getByText('the first level').waitFor();
  });

  it('asks for one build of a game with packages, and then follows what is written by itself', async () => {
    const ada = await person(browser, 'ada');
    const client = await clientOf(ada);
    const main = (text: string): string => `import { Application, Text } from 'pixi.js';
const app = new Application();
await app.init({ width: 320, height: 200, background: '#1a3a5c', preference: 'webgl' });
document.body.append(app.canvas);
app.stage.addChild(new Text({ text: '${text}', style: { fill: '#ffffff' }, x: 20, y: 20 }));
app.render();
document.querySelector('#said').textContent = '${text}';
`;
    const id = await makeProject(client, {
      'package.json': '{"name":"game","private":true,"type":"module","dependencies":{"pixi.js":"8.9.1"}}',
      'index.html':
        '<!doctype html><title>Game</title><body><p id="said"></p><script type="module" src="/src/main.js"></script></body>',
      'src/main.js': main('drawn by PixiJS'),
    });
    const { page } = ada;
    await page.goto(`${inject('origin')}/p/${id}`);
    await page.getByTestId('preview').click();
    const trouble = page.getByTestId('preview-trouble');
    await trouble.getByText('"pixi.js"').waitFor();
    await picture(page, 'preview-packages');
    await page.setViewportSize({ width: 800, height: 700 });
    await picture(page, 'preview-packages-800');
    await page.setViewportSize({ width: 1280, height: 800 });
    // The dock comes back with the room, a moment later: what is not shown takes no focus.
    await page.getByTestId('preview-build').waitFor();
    await page.getByTestId('preview-build').focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => shown(page).innerText()).toBe('drawn by PixiJS');
    expect(await trouble.count()).toBe(0);
    await picture(page, 'preview-packages-played');
    await client.call('putFile', { params: { id, path: 'src/main.js' }, body: { content: main('saved again') } });
    await expect.poll(() => shown(page).innerText()).toBe('saved again');
    expect(ada.complaints).toEqual([]);
  });

  it('plays what a runner bundles, and says so', async () => {
    const ada = await person(browser, 'ada');
    const client = await clientOf(ada);
    const names = Array.from({ length: limits.preview.sources }, (_, n) => `m${n}`);
    const id = await makeProject(client, {
      'index.html':
        '<!doctype html><title>Game</title><body style="color:#fff;background:#123"><p id="said"></p><script type="module" src="/src/main.ts"></script></body>',
      'src/main.ts': `${names.map((name) => `import { ${name} } from './${name}.ts';`).join('\n')}
(document.querySelector('#said') as HTMLElement).textContent = String(${names.join(' + ')});
`,
      ...Object.fromEntries(names.map((name) => [`src/${name}.ts`, `export const ${name}: number = 1;\n`])),
    });
    const { page } = ada;
    await page.goto(`${inject('origin')}/p/${id}`);
    await page.getByTestId('preview').click();
    await expect.poll(() => shown(page).innerText()).toBe(String(names.length));
    await page.getByTestId('preview-runner').getByText('bundled by a runner').waitFor();
    await picture(page, 'preview-runner');
    const path = 'src/m0.ts';
    await client.call('putFile', { params: { id, path }, body: { content: 'export const m0: number = 2;\n' } });
    await expect.poll(() => shown(page).innerText()).toBe(String(names.length + 1));
    // Beyond what a runner takes, a build is left.
    const more = Array.from({ length: limits.preview.runner.sources }, (_, n) => ({
      op: 'create' as const,
      path: `src/more/m${n}.ts`,
      content: '',
    }));
    await client.call('batchFiles', { params: { id }, body: { operations: more } });
    await page.getByTestId('preview-trouble').getByText('Too large for the preview').waitFor();
    await picture(page, 'preview-too-large');
    await page.setViewportSize({ width: 800, height: 700 });
    if (!(await page.getByTestId('preview').isVisible())) await page.getByTestId('toggle-dock').click();
    await page.getByTestId('preview-build').waitFor();
    await picture(page, 'preview-too-large-800');
    expect(await page.getByTestId('preview-build').isEnabled()).toBe(true);
    expect(ada.complaints).toEqual([]);
  });
});
