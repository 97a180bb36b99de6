import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';

/** Packages that are not made part of the program. */
const outside = /^(?:esbuild|zod|@electron\/(?:asar|packager|fuses)|sharp|svgo|@gltf-transform\/\w+|meshoptimizer)$/;

/** As CommonJS where the package has that, because the program is. */
const locate = (name: string): string => {
  try {
    return createRequire(import.meta.url).resolve(name);
  } catch {
    return fileURLToPath(import.meta.resolve(name));
  }
};

/**
 * Makes one plain JavaScript file of the child's sources. A child serves one build, so what it costs to
 * load is part of every build: stripping types and finding some fifty modules takes longer than Node itself.
 * What looks for files beside its own, or is loaded by few builds, stays outside and is imported by its path.
 */
export const makeChildProgram = async (dir: string): Promise<string> => {
  const outfile = join(dir, 'child.cjs');
  await build({
    entryPoints: [fileURLToPath(new URL('./child/main.ts', import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    // ES modules first: the UMD builds of some packages hide their imports from a bundler.
    mainFields: ['module', 'main'],
    // V8 reads every character at each start. Names stay, for stacks.
    minifyWhitespace: true,
    minifySyntax: true,
    logLevel: 'silent',
    plugins: [
      {
        name: 'packages-by-path',
        setup: (setup) =>
          setup.onResolve({ filter: outside }, ({ path }) => ({
            path: locate(path),
            external: true,
          })),
      },
    ],
  });
  // The runner itself bundles nothing more, and an idle process of its own would only be one to look after.
  await stop();
  return outfile;
};
