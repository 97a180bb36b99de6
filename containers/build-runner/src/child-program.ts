import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';

/**
 * Makes one plain JavaScript file of the child's sources. A child serves one build, so what it costs to
 * load is part of every build: stripping types and finding some fifty modules takes longer than Node itself.
 * esbuild stays outside, because it looks for its executable beside its own file.
 */
export const makeChildProgram = async (dir: string): Promise<string> => {
  const outfile = join(dir, 'child.cjs');
  const esbuild = createRequire(import.meta.url).resolve('esbuild');
  await build({
    entryPoints: [fileURLToPath(new URL('./child/main.ts', import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    // ES modules first: the UMD builds of some packages hide their imports from a bundler.
    mainFields: ['module', 'main'],
    logLevel: 'silent',
    plugins: [
      {
        name: 'esbuild-by-path',
        setup: (setup) => setup.onResolve({ filter: /^esbuild$/ }, () => ({ path: esbuild, external: true })),
      },
    ],
  });
  // The runner itself bundles nothing more, and an idle process of its own would only be one to look after.
  await stop();
  return outfile;
};
