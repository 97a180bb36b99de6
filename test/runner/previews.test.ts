import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BundleOrder } from '../../src/contract/preview.ts';
import { RunnerBundle } from '../../src/contract/preview.ts';
import { RunnerWorld } from './support/world.ts';

const world = new RunnerWorld();
let secrets: string;
const secret = `secret ${Math.random()}`;

beforeAll(async () => {
  secrets = await mkdtemp(join(tmpdir(), 'kiln-secret-'));
  for (const name of ['x.js', 'x.json', 'x.txt'])
    await writeFile(join(secrets, name), name.endsWith('.json') ? JSON.stringify({ secret }) : `/* ${secret} */`);
});

afterAll(async () => {
  await rm(secrets, { recursive: true, force: true });
});

const orderOf = (sources: Record<string, string>): BundleOrder => ({
  paths: Object.keys(sources),
  sources,
  want: { kind: 'page', title: 'Game' },
});

async function ask(order: BundleOrder | string, token?: string): Promise<Response> {
  const body = typeof order === 'string' ? order : JSON.stringify(order);
  return await fetch(`${world.runner.url}/previews`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token ?? (await world.platform.signOrder(body))}` },
    body,
  });
}

describe('a preview in a runner', () => {
  it('is bundled as at the edge, far beyond what fits there, and leaves nothing', async () => {
    const names = Array.from({ length: 600 }, (_, n) => `m${n}`);
    const sources = {
      'src/main.ts': `${names.map((name) => `import { ${name} } from './${name}.ts';`).join('\n')}
document.title = String(${names.join(' + ')});`,
      ...Object.fromEntries(
        names.map((name, n) => [
          `src/${name}.ts`,
          `export const ${name}: number = ${n};\n${'// filler\n'.repeat(200)}`,
        ]),
      ),
    };
    const answer = await ask(orderOf(sources));
    expect(answer.status).toBe(200);
    const result = RunnerBundle.parse(await answer.json());
    if (!result.ok) throw new Error(JSON.stringify(result));
    expect(result.files.map(({ path }) => path.replace(/-[A-Z0-9]{8}/, ''))).toEqual(['index.html', '_kiln/main.js']);
    expect(result.files[1]?.text).toContain('m599');
    const work = join(world.runner.dir, 'work');
    const [own = ''] = await readdir(work);
    // The children that wait for the next order, and no other.
    await expect
      .poll(async () => (await readdir(join(work, own))).filter((name) => !name.includes('.')).length)
      .toBe(2);
  });

  it('tells mistakes and missing packages as data', async () => {
    expect(await (await ask(orderOf({ 'src/main.ts': 'const a = ;' }))).json()).toEqual({
      ok: false,
      reason: 'errors',
      problems: [
        {
          message: expect.stringContaining('Nothing goes on with ";" here.'),
          file: 'src/main.ts',
          line: 1,
          column: 10,
        },
      ],
    });
    const sources = { 'package.json': '{"dependencies":{"three":"1"}}', 'src/main.ts': "import 'three';" };
    expect(await (await ask(orderOf(sources))).json()).toMatchObject({ reason: 'needs_packages' });
  });

  it('is made for nobody but the platform, and of these bytes only', async () => {
    const order = JSON.stringify(orderOf({ 'src/main.js': '' }));
    const other = await world.platform.signOrder(JSON.stringify(orderOf({ 'src/main.js': '1' })));
    expect((await ask(order, other)).status).toBe(403);
    expect((await ask(order, await world.platform.signOrder(order, { aud: 'kiln:build' }))).status).toBe(401);
    expect((await ask(order, 'no token')).status).toBe(401);
    expect((await fetch(`${world.runner.url}/previews`, { method: 'POST', body: order })).status).toBe(401);
    expect((await fetch(`${world.runner.url}/previews`)).status).toBe(405);
  });

  it('survives an order that makes no sense', async () => {
    for (const order of ['{', '[]', '{"paths":[],"sources":{"a":1},"want":{"kind":"page","title":""}}'])
      expect((await ask(order)).status).toBe(503);
    expect((await ask(orderOf({ 'src/main.js': '' }))).status).toBe(200);
  });

  it.each([
    ['a relative path', (at: string) => `import x from '${'../'.repeat(20)}${at.slice(1)}/x.txt?raw'; console.log(x);`],
    ['an absolute path', (at: string) => `import x from '${at}/x.json'; console.log(x);`],
    [
      'a computed path',
      (at: string) =>
        `const n = location.hash; import(\`${'../'.repeat(20)}${at.slice(1)}/\${n}.js\`).then(console.log);`,
    ],
    ['its environment', () => "import x from '/proc/self/environ?raw'; console.log(x);"],
    ['the program of the runner', () => "import('esbuild').then(console.log);"],
  ])('#66 that reaches outside by %s finds nothing', async (_, code) => {
    const text = await (await ask(orderOf({ 'src/main.js': code(secrets) }))).text();
    expect(text).not.toContain(secret);
    expect(text).not.toMatch(/HOME=|no such file|ENOENT/);
    expect(JSON.parse(text)).toMatchObject({ ok: false });
  });
});
