import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, transform } from 'esbuild';
import { inRoot, root } from '../../scripts/lib/paths.ts';

/** The code block of a guide that follows `<!-- example: name -->`: what readers copy is what the tests run. */
export function exampleOf(guide: string, name: string): string {
  const text = readFileSync(inRoot('docs', 'guides', `${guide}.md`), 'utf8');
  const code = text.split(`<!-- example: ${name} -->\n\`\`\`ts\n`)[1]?.split('\n```')[0];
  if (code === undefined) throw new Error(`${guide}.md has no example ${name}`);
  return code;
}

/** An example as a module of this process, with the project's own packages. */
export async function importExample<T>(guide: string, name: string): Promise<T> {
  const { code } = await transform(exampleOf(guide, name).replaceAll("'./src/", `'${pathToFileURL(root).href}/src/`), {
    loader: 'ts',
    format: 'esm',
  });
  // Below the project, where bare imports are resolved.
  const cache = inRoot('node_modules', '.cache', 'kiln');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'example-'));
  try {
    const file = join(folder, `${name}.mjs`);
    writeFileSync(file, code);
    return (await import(/* @vite-ignore */ pathToFileURL(file).href)) as T;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A page's script and style sheet: `entry`, with the examples it imports as `example:guide/name`. */
export async function bundleForBrowser(entry: string): Promise<{ script: string; style: string }> {
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: root, loader: 'ts' },
    bundle: true,
    write: false,
    format: 'esm',
    outdir: 'out',
    target: 'es2023',
    loader: { '.ttf': 'empty' },
    logLevel: 'error',
    plugins: [
      {
        name: 'examples',
        setup(hooks) {
          hooks.onResolve({ filter: /^example:/ }, ({ path }) => ({ path: path.slice(8), namespace: 'example' }));
          hooks.onLoad({ filter: /.*/, namespace: 'example' }, ({ path }) => {
            const [guide = '', name = ''] = path.split('/');
            return { contents: exampleOf(guide, name), loader: 'ts', resolveDir: root };
          });
        },
      },
    ],
  });
  const textOf = (extension: string) => outputFiles.find(({ path }) => path.endsWith(extension))?.text ?? '';
  return { script: textOf('.js'), style: textOf('.css') };
}
