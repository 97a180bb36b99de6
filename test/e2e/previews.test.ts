import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchContent } from '../../scripts/lib/content.ts';
import type { System } from '../../scripts/lib/system.ts';
import type { KilnClient } from '../../src/client/index.ts';
import { limits } from '../../src/contract/limits.ts';
import type { Preview } from '../../src/contract/preview.ts';
import { signUp, until } from '../support/people.ts';
import { newSystem } from '../support/system.ts';

const state = mkdtempSync(join(tmpdir(), 'kiln-previews-'));
let system: System;
let client: KilnClient;
let id: string;

const names = Array.from({ length: 600 }, (_, n) => `m${n}`);
const module = (name: string, text: string): string => `export const ${name}: string = '${text}';\n`;

beforeAll(async () => {
  system = await newSystem({ state, previews: true });
  await system.start();
  client = await signUp(system.origin);
  id = (await client.call('createProject', { body: { name: 'Large' } })).project.id;
  const files: Record<string, string> = {
    'src/main.ts': `${names.map((name) => `import { ${name} } from './${name}.ts';`).join('\n')}
document.title = [${names.join(', ')}].join();`,
    ...Object.fromEntries(names.map((name) => [`src/${name}.ts`, module(name, name)])),
  };
  const operations = Object.entries(files).map(([path, content]) => ({ op: 'create' as const, path, content }));
  for (let at = 0; at < operations.length; at += limits.batch.operationsMax)
    await client.call('batchFiles', {
      params: { id },
      body: { operations: operations.slice(at, at + limits.batch.operationsMax) },
    });
});

afterAll(async () => {
  await system?.kill();
  rmSync(state, { recursive: true, force: true });
});

const ask = async (): Promise<Preview> => (await client.call('previewProject', { params: { id } })).preview;
const save = (name: string, text: string) =>
  client.call('putFile', { params: { id, path: `src/${name}.ts` }, body: { content: module(name, text) } });

/** The script that the page of a preview loads. */
async function script({ url }: Preview): Promise<string> {
  const entering = await fetchContent(url);
  const cookie = (entering.headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '';
  const page = new URL(String(entering.headers.location), url).href;
  const html = (await fetchContent(page, '', { cookie })).body.toString();
  const src = /src="([^"]+)"/.exec(html)?.[1] ?? html;
  return (await fetchContent(page, src, { cookie })).body.toString();
}

describe('a preview of 600 modules', () => {
  it('is bundled by the runner, and follows what is saved', async () => {
    const first = await ask();
    expect(first).toMatchObject({ ready: true, bundledBy: 'runner', problems: [] });
    expect(await script(first)).toContain('"m599"');
    await save('m0', 'saved later');
    const second = await ask();
    expect(second.sourceHash).not.toBe(first.sourceHash);
    expect(await script(second)).toContain('saved later');
    // It is no build, and none is counted.
    expect((await client.call('listBuilds', { params: { id } })).builds).toEqual([]);
  });

  it('says that the runner was lost on the way, and is there when it is asked again', async () => {
    await save('m1', 'while the runner hangs');
    system.pauseRunner();
    const lost = ask();
    // It has the order, or will never have it: either way nobody answers.
    await system.removeRunner();
    expect(await lost).toMatchObject({
      ready: false,
      reason: 'no_runner',
      problems: [{ message: expect.stringContaining('none answers') }],
    });
    expect((await ask()).ready).toBe(false);
    system.startRunner();
    await until(async () => (await ask()).ready);
    expect(await script(await ask())).toContain('while the runner hangs');
  });

  it('needs no runner for what was bundled before', async () => {
    const before = await ask();
    await system.removeRunner();
    expect(await ask()).toMatchObject({ ready: true, sourceHash: before.sourceHash });
  });
});
