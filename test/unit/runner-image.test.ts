import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const lines = read('containers/build-runner/Dockerfile')
  .split('\n')
  .filter((line) => !/^\s*(#|$)/.test(line));
const stages = lines.join('\n').split(/^(?=FROM )/m);

/** Paths that a part of the Dockerfile copies from the context, or from the stage before, with where each lands. */
const copies = (part: string, of: 'context' | 'packages' = 'context'): [from: string, to: string][] =>
  [...part.matchAll(of === 'context' ? /^COPY (?!--from)(.+)$/gm : /^COPY --from=packages \/app\/(.+)$/gm)].flatMap(
    ([, said = '']) => {
      const words = said.split(/\s+/).filter((word) => !word.startsWith('--'));
      const to = words.pop() ?? '';
      return words.map((from): [string, string] => [from, to]);
    },
  );

/** What the runner starts, imports and names by address, from its command on; and the packages it needs for that. */
async function reach(entry: string): Promise<{ files: string[]; packages: string[] }> {
  const files = new Set<string>();
  const packages = new Set<string>();
  const queue = [entry];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (files.has(next)) continue;
    files.add(next);
    if (!/\.[cm]?[jt]s$/.test(next)) continue;
    const { metafile } = await build({
      absWorkingDir: root,
      entryPoints: [next],
      bundle: true,
      write: false,
      metafile: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      outdir: 'out',
      logLevel: 'silent',
    });
    for (const [file, { imports }] of Object.entries(metafile.inputs)) {
      files.add(file);
      for (const { path, external } of imports)
        if (external && !path.startsWith('node:'))
          packages.add(path.split('/', path.startsWith('@') ? 2 : 1).join('/'));
      for (const [, address = ''] of read(file).matchAll(/new URL\('(\.[^']+)', import\.meta\.url\)/g)) {
        const target = relative(root, resolve(root, dirname(file), address));
        if (existsSync(join(root, target))) queue.push(target);
      }
    }
  }
  return { files: [...files].sort(), packages: [...packages].sort() };
}

describe('the image of the build runner', () => {
  const command = /^CMD \["node", "([^"]+)"\]$/m.exec(stages.at(-1) ?? '')?.[1] ?? '';
  const copied = [...copies(stages.at(-1) ?? ''), ...copies(stages.at(-1) ?? '', 'packages')];
  const holds = (file: string): boolean => copied.some(([from]) => file === from || file.startsWith(`${from}/`));

  it('has every file that the runner reaches, where its imports look for it', async () => {
    const { files } = await reach(command);
    expect(files).toContain('containers/build-runner/src/child/main.ts');
    expect(files).toContain('containers/build-runner/src/installer.ts');
    expect(files).toContain('containers/build-runner/src/templates');
    expect(files.filter((file) => file.startsWith('src/'))).not.toEqual([]);
    expect(files.filter((file) => !holds(file))).toEqual([]);
    for (const [from, to] of copied) expect(to === './' ? from : to).toBe(from);
    expect(holds('src/worker/app.ts')).toBe(false);
  });

  it('installs every package that is imported', async () => {
    const { packages } = await reach(command);
    const { dependencies } = JSON.parse(read('containers/build-runner/package.json')) as { dependencies: object };
    expect(packages).toContain('zod');
    expect(packages.filter((name) => !(name in dependencies))).toEqual([]);
  });

  it('is made of a context that holds what is copied, and nothing else', () => {
    const [first, ...allowed] = read('.dockerignore').split('\n').filter(Boolean);
    expect(first).toBe('*');
    const wanted = new Set(stages.flatMap((stage) => copies(stage)).map(([from]) => `!${from}`));
    expect(allowed.sort()).toEqual([...wanted].sort());
  });

  it('runs as nobody in particular, with one place to write to', () => {
    const last = stages.at(-1) ?? '';
    expect(last.indexOf('\nUSER node')).toBeGreaterThan(last.lastIndexOf('\nRUN '));
    expect([...last.matchAll(/^VOLUME (.+)$/gm)].map(([, path]) => path)).toEqual([/RUNNER_DIR=(\S+)/.exec(last)?.[1]]);
  });
});
