import * as crypto from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin, stop } from 'esbuild';
import { esbuildProgram } from './esbuild-program.ts';

/** Packages that are not made part of the program. */
const outside = /^(?:zod|@electron\/(?:asar|packager|fuses)|sharp|svgo|@gltf-transform\/\w+|meshoptimizer)$/;

const require = createRequire(import.meta.url);

/** As CommonJS where the package has that, because the program is. */
const locate = (name: string): string => {
  try {
    return require.resolve(name);
  } catch {
    return fileURLToPath(import.meta.resolve(name));
  }
};

/**
 * Loads Node's cryptography at its first use. That takes 5 ms of a child's start, and hardly any build needs it: esbuild makes names of temporary
 * files with it, which it does not need here, and we hash what pages embed.
 */
const laterCrypto: Plugin = {
  name: 'later-crypto',
  setup: (setup) => {
    setup.onResolve({ filter: /^(?:node:)?crypto$/ }, ({ namespace }) =>
      namespace === 'later' ? { path: 'node:crypto', external: true } : { path: 'crypto', namespace: 'later' },
    );
    setup.onLoad({ filter: /.*/, namespace: 'later' }, () => ({
      contents: `for (const name of ${JSON.stringify(Object.keys(crypto).filter((name) => name !== 'default'))})
  Object.defineProperty(exports, name, { enumerable: true, get: () => require('node:crypto')[name] });`,
    }));
  },
};

/** Zip files are summed up by Node's own CRC-32, which takes a twelfth of the time of the package that `yazl` does it with. */
const nativeCrc: Plugin = {
  name: 'native-crc',
  setup: (setup) => {
    setup.onResolve({ filter: /^buffer-crc32$/ }, () => ({ path: 'crc', namespace: 'native' }));
    setup.onLoad({ filter: /.*/, namespace: 'native' }, () => ({
      contents: "exports.unsigned = require('node:zlib').crc32;",
    }));
  },
};

/** What a child is started from: absolute paths of files that every child may read. */
export interface ChildProgram {
  /** What Node runs. With a path as argument it also writes there, as it exits by itself, what V8 has compiled until then. */
  readonly script: string;
  readonly source: string;
  /** What V8 has compiled of `source`. A child does without where it is not there, or is of another V8. */
  readonly compiled: string;
}

/**
 * Makes one plain JavaScript file of the child's sources. A child serves one build, so what it costs to
 * load is part of every build: stripping types and finding some fifty modules takes longer than Node itself.
 * What looks for files beside its own, or is loaded by few builds, stays outside and is imported by its path.
 */
export const makeChildProgram = async (dir: string): Promise<ChildProgram> => {
  const program = {
    script: join(dir, 'child.cjs'),
    source: join(dir, 'program.cjs'),
    compiled: join(dir, 'program.compiled'),
  };
  await build({
    entryPoints: [fileURLToPath(new URL('./child/main.ts', import.meta.url))],
    outfile: program.source,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    // ES modules first: the UMD builds of some packages hide their imports from a bundler.
    mainFields: ['module', 'main'],
    // V8 reads every character at each start. Names stay, for stacks.
    minifyWhitespace: true,
    minifySyntax: true,
    define: {
      // Bundled, esbuild cannot find its executable by itself; and nobody waits for it synchronously here.
      'process.env.ESBUILD_BINARY_PATH': JSON.stringify(esbuildProgram),
      'process.env.ESBUILD_WORKER_THREADS': '"0"',
    },
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
      laterCrypto,
      nativeCrc,
    ],
  });
  // The runner itself bundles nothing more, and an idle process of its own would only be one to look after.
  await stop();
  await writeFile(program.script, launcher(program));
  return program;
};

/** Loads the program with what V8 compiled of it before. */
const launcher = ({ source, compiled }: ChildProgram): string => `
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { constants, Script } = require('node:vm');
const [source, compiled] = ${JSON.stringify([source, compiled])};
const script = new Script('(function (exports, require, module) {' + readFileSync(source, 'utf8') + '\\n})', {
  filename: source,
  cachedData: existsSync(compiled) ? readFileSync(compiled) : undefined,
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
const target = process.argv[2];
if (target !== undefined) process.once('exit', () => writeFileSync(target, script.createCachedData()));
script.runInThisContext()(exports, require, module);
`;
