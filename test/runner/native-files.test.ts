import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build, stop } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askedFor, nativeLoaders } from '../../containers/build-runner/src/child/native-files.ts';
import { isMarked } from '../../containers/build-runner/src/marks.ts';
import { runnerLimits } from '../../containers/build-runner/src/runner-limits.ts';
import { assetExtensions, byExtension, kindOf } from '../../src/contract/loaders.ts';

/** A folder whose name has what an expression could take for something else. */
let root = '';
beforeAll(async () => {
  root = join(await realpath(await mkdtemp(join(tmpdir(), 'kiln-native-'))), 'a-b (c).d+ä[e]', 'project');
});
afterAll(async () => {
  await rm(dirname(dirname(root)), { recursive: true, force: true });
  await stop();
});

/** The files for which esbuild itself, with its own engine for expressions, asks. Each is imported by its absolute path. */
const askedOf = async (paths: readonly string[], marked: readonly string[] = []): Promise<string[]> => {
  const asked = new Set<string>();
  const files = new Set(paths.flatMap((path) => (path.startsWith(`${root}/`) ? [path.slice(root.length + 1)] : [])));
  const entry = join(root, 'entry.js');
  for (const path of paths) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, path.endsWith('.json') ? '{}' : '');
  }
  await writeFile(entry, paths.map((path) => `import ${JSON.stringify(path)};`).join('\n'));
  await build({
    entryPoints: [entry],
    absWorkingDir: root,
    outdir: join(root, 'out'),
    bundle: true,
    write: false,
    logLevel: 'silent',
    preserveSymlinks: true,
    loader: nativeLoaders,
    plugins: [
      {
        name: 'asked',
        setup: ({ onLoad }) => {
          for (const filter of askedFor({ root, files, marked: new Set(marked) }))
            onLoad({ filter }, ({ path }) => {
              if (path === entry) return undefined;
              asked.add(path);
              return { contents: '', loader: 'js' };
            });
        },
      },
    ],
  });
  return [...asked].sort();
};

const inRoot = (paths: readonly string[]): string[] => paths.map((path) => join(root, path)).sort();

describe('what esbuild loads by itself', () => {
  it('is files of the project with an ending that it knows', async () => {
    const native = [
      ...Object.keys(byExtension).map((extension) => `src/a${extension}`),
      ...['b.module.css', 'src/ä b (1).ts', 'a.b.c.ts', '.x.ts', 'node_modulesx/a.ts', 'virtual/a.ts', '$x/y+z.ts'],
    ];
    expect(await askedOf(inRoot(native))).toEqual([]);
  });

  it('is nothing that is an asset, unknown, written otherwise, or a package', async () => {
    const asked = [
      ...assetExtensions.map((extension) => `a.${extension}`),
      ...[
        'a',
        'ats',
        'a.xts',
        'a.tsx2',
        'a.TS',
        'a.Css',
        'x/.ts',
        'a.ts~',
        'a.vue',
        'a.scss',
        'a.unknown',
        'a.',
        'a.$1',
      ],
      ...['node_modules/a/a.ts', 'node_modules/.a.ts'],
    ];
    for (const path of asked.filter((path) => !path.startsWith('node_modules/') && !/[A-Z]/.test(path)))
      expect(typeof kindOf(path)).toBe('string');
    expect(await askedOf(inRoot(asked))).toEqual(inRoot(asked));
  });

  it('#66 is nothing whose path says another place, or could mean one', async () => {
    const above = dirname(root);
    const outside = [
      join(above, 'a.ts'),
      join(dirname(above), 'a.ts'),
      `${root}x/a.ts`,
      join(above, 'projec/a.ts'),
      join(above, 'other', root, 'a.ts'),
    ];
    const other = inRoot(['__virtual__/a/1/b.ts', 'x/$$virtual/a/0/b.ts', 'x.zip/a.ts']);
    await mkdir(join(root, 'x'), { recursive: true });
    // Where esbuild looks for them.
    await writeFile(join(above, 'b.ts'), '');
    await writeFile(join(root, 'x', 'b.ts'), '');
    expect(await askedOf([...outside, ...other])).toEqual([...outside, ...other].sort());
  });

  it('#66 is nothing that a link of the packages leads to', async () => {
    const target = join(dirname(root), 'packages');
    await mkdir(target, { recursive: true });
    await rm(join(root, 'node_modules'), { recursive: true, force: true });
    await symlink(target, join(root, 'node_modules'));
    expect(await askedOf(inRoot(['node_modules/x/a.ts']))).toEqual(inRoot(['node_modules/x/a.ts']));
  });

  it('is nothing that has to be read first', async () => {
    const marked = ['src/a b.ts', 'src/(c).css', 'src/$d.js'];
    expect(await askedOf(inRoot([...marked, 'src/a.ts', 'src/xd.js']), marked)).toEqual(inRoot(marked));
    const many = Array.from({ length: runnerLimits.askedNames + 1 }, (_, n) => `many/${n}.ts`);
    expect(await askedOf(inRoot(['src/a.ts']), many)).toContain(join(root, 'src/a.ts'));
  });

  it('is nothing where a project has endings without number', async () => {
    const many = Array.from({ length: runnerLimits.askedNames + 1 }, (_, n) => `many/a.e${n}`);
    expect(await askedOf(inRoot(['src/a.ts', ...many]))).toContain(join(root, 'src/a.ts'));
    expect(await askedOf(inRoot(['src/a.ts', ...many.slice(1)]))).toEqual(inRoot(many.slice(1)));
  });

  it('knows which files have to be read first', () => {
    const map = Buffer.from('let a;\n//# sourceMappingURL=../x.map');
    const url = Buffer.from("new URL('./a.png', import.meta.url)");
    for (const path of ['a.ts', 'b.MJS', 'c.css', 'd.tsx']) expect(isMarked(path, map)).toBe(true);
    expect(isMarked('a.js', url)).toBe(true);
    expect(isMarked('a.js', Buffer.from('import.meta.env'))).toBe(false);
    expect(isMarked('a.txt', map)).toBe(false);
  });
});
