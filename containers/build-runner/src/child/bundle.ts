import { join, posix } from 'node:path';
import { build, type BuildOptions as EsbuildOptions, type Metafile, type Plugin } from 'esbuild';
import type { BuildOptions } from '../../../../src/contract/builds.ts';
import { browserTarget, gameDefines } from '../../../../src/core/game/defines.ts';
import { packagesOf } from '../../../../src/core/game/explain.ts';
import type { ImportMap } from '../../../../src/core/game/import-map.ts';
import { isBare } from '../../../../src/core/game/packages.ts';
import type { InlineCode } from '../../../../src/core/game/said.ts';
import { emitSettings } from '../../../../src/core/game/tsconfig.ts';
import type { Rewritten } from '../../../../src/core/game/url-references.ts';
import { BuildFailure } from '../failure.ts';
import { runnerLimits } from '../runner-limits.ts';
import { assertConfined, confine, isEsbuildFailure, packageEntry, withoutNamespace } from './confine.ts';
import { readJson } from './entry.ts';
import { nativeLoaders } from './native-files.ts';
import { type Project, toRelative } from './project.ts';
import type { Log } from './report.ts';
import { teller } from './tell.ts';
import { readTsconfig } from './tsconfig.ts';

/** A script or stylesheet that the page asks for. */
export interface BundleEntry {
  /** How the caller finds its output again. */
  readonly id: string;
  /** Project-relative path; for inline code the page that holds it. */
  readonly path: string;
  /** The entry is what this specifier names in the installed packages; `path` is then the name of its output. */
  readonly spec?: string;
  readonly inline?: InlineCode & { readonly loader: 'js' | 'css' };
}

/** Inline code as it is bundled. */
export interface InlineEntry extends InlineCode {
  readonly loader: 'js' | 'css';
  /** Project-relative path of the page. */
  readonly path: string;
  readonly resolveDir: string;
}

/** What became of one entry; paths are relative to the site. */
export interface BundledEntry {
  readonly script: string | null;
  readonly style: string | null;
  /** Chunks that the script imports at once, worth fetching together with it. */
  readonly chunks: readonly string[];
  /** Whether the source is an ES module, and what the script exports. */
  readonly isModule: boolean;
  readonly exports: readonly string[];
}

export interface Bundle {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly entries: ReadonlyMap<string, BundledEntry>;
  /** Project-relative paths of all that went in, workers included. */
  readonly inputs: ReadonlySet<string>;
  /** Specifiers by which sources of the project itself name packages. */
  readonly packages: ReadonlySet<string>;
  /** How long esbuild took for the entries, what they start included, in milliseconds. */
  readonly compileMs: number;
  /** One text of a script and of all that it imports, for a path of the site that a page starts it by. */
  alone(path: string, place: string): Promise<Uint8Array>;
}

/** Never written to: esbuild returns bytes, and computes relative paths from here. */
const virtualOut = '.kiln-out';

export interface BundleRequest {
  readonly project: Project;
  readonly options: BuildOptions;
  readonly entries: readonly BundleEntry[];
  readonly mapped: ImportMap;
  readonly log: Log;
  readonly onProgress: (done: number) => void;
}

/** Bundles the entries for browsers. What is wrong with the sources is logged line by line and thrown as `build_failed`. */
export const bundle = async (request: BundleRequest): Promise<Bundle> => {
  const { project, options, entries } = request;
  const tsconfigRaw = emitSettings(await readTsconfig(project), true);
  const inline = new Map<string, InlineEntry>();
  for (const entry of entries) {
    const { path } = entry;
    if (entry.inline !== undefined)
      inline.set(inlineName(entry), { ...entry.inline, path, resolveDir: join(project.root, posix.dirname(path)) });
  }
  const rewritten = new Map<string, Rewritten>();
  const { warn, warnOf, fail } = teller({
    project,
    log: request.log,
    inline,
    packages: packagesOf(await readJson(project, 'package.json')),
    rewritten,
  });
  const sources = [...project.files].filter((path) => /\.[cm]?[jt]sx?$/.test(path)).length;
  const loaded = new Set<string>();
  const inputs = new Set<string>();
  const packages = new Set<string>();
  const packageInputs = new Map<string, string>();
  const files = new Map<string, Uint8Array>();

  const run = async (overrides: EsbuildOptions, chain: readonly string[]): Promise<Metafile> => {
    const settings = {
      absWorkingDir: project.root,
      outdir: join(project.root, virtualOut),
      bundle: true,
      platform: 'browser',
      format: 'esm',
      target: browserTarget,
      charset: 'utf8',
      splitting: true,
      entryNames: 'assets/[name]-[hash]',
      chunkNames: 'assets/[name]-[hash]',
      assetNames: 'assets/[name]-[hash]',
      minify: options.minify,
      sourcemap: options.sourcemap,
      legalComments: 'linked',
      // Installed packages are reached by a link, and paths below the project must stay what they are called there.
      preserveSymlinks: true,
      logLevel: 'silent',
      logLimit: runnerLimits.diagnostics,
      tsconfigRaw,
      define: defines(options),
      loader: nativeLoaders,
      plugins: [plugin(chain)],
    } satisfies EsbuildOptions;
    const { metafile, outputFiles, warnings } = await build({
      ...settings,
      ...overrides,
      write: false,
      metafile: true,
    });
    assertConfined(project, metafile);
    for (const file of outputFiles) {
      const path = toRelative(project, file.path)?.slice(virtualOut.length + 1);
      if (path !== undefined) files.set(path, file.contents);
    }
    for (const [input, { imports }] of Object.entries(metafile.inputs)) {
      inputs.add(withoutNamespace(input));
      if (!withoutNamespace(input).startsWith('node_modules/')) notePackages(imports, packages);
    }
    warnings.forEach(warn);
    return metafile;
  };

  const buildNested = async (
    kind: 'module' | 'classic' | 'style',
    path: string,
    chain: readonly string[],
    overrides: EsbuildOptions = {},
  ): Promise<string> => {
    if (chain.length >= runnerLimits.workerDepth)
      throw new BuildFailure('user', 'build_failed', 'Workers start workers too deeply.');
    const metafile = await run(
      {
        entryPoints: [join(project.root, path)],
        splitting: false,
        sourcemap: false,
        legalComments: 'inline',
        format: kind === 'classic' ? 'iife' : 'esm',
        // A classic worker has no import.meta, but knows its own URL.
        define: { ...defines(options), ...(kind === 'classic' ? { 'import.meta.url': 'self.location.href' } : {}) },
        ...overrides,
      },
      [...chain, path],
    );
    // The caller emits this text itself, as an asset or a module.
    const own = Object.entries(metafile.outputs)
      .find(([, output]) => output.entryPoint !== undefined)?.[0]
      .slice(virtualOut.length + 1);
    const text = own === undefined ? undefined : files.get(own);
    if (own === undefined || text === undefined) throw new BuildFailure('user', 'build_failed', `${path} is empty.`);
    files.delete(own);
    return Buffer.from(text).toString('utf8');
  };

  const plugin = (chain: readonly string[]): Plugin =>
    confine({
      project,
      inline,
      entries: new Set(
        [
          ...entries.filter((entry) => entry.inline === undefined && entry.spec === undefined),
          ...chain.map((path) => ({ path })),
        ].map(({ path }) => join(project.root, path)),
      ),
      mapped: request.mapped,
      onPackage: (spec, input) => packageInputs.set(spec, input),
      sourcemap: options.sourcemap,
      chain,
      buildNested: (kind, path) => buildNested(kind, path, chain),
      onRewritten: (path, text) => rewritten.set(path, text),
      onWarning: warnOf,
      onLoaded: (path) => {
        loaded.add(path);
        request.onProgress(Math.min(1, loaded.size / Math.max(1, sources)));
      },
    });

  const wantedBy = (entry: BundleEntry): string | undefined =>
    entry.spec === undefined
      ? entry.inline === undefined
        ? entry.path
        : `inline:${inlineName(entry)}`
      : packageInputs.get(entry.spec);

  /** Does the work, and tells of what is wrong with the sources. */
  const told = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw isEsbuildFailure(error) ? fail(error) : error;
    }
  };

  // Named for its place, so that what it loads is looked for from there.
  const alone = async (path: string, place: string): Promise<Uint8Array> => {
    const out = place.slice(0, place.length - posix.extname(place).length);
    const entryPoints = [{ in: join(project.root, path), out }];
    return Buffer.from(await told(() => buildNested('module', path, [], { entryPoints, entryNames: '[dir]/[name]' })));
  };

  return await told(async () => {
    const start = performance.now();
    const metafile = await run(
      {
        entryPoints: entries.map((entry) => ({
          in: entryName(project, entry),
          out: posix.basename(entry.path).replace(/(?:\.[cm]?[jt]sx?|\.css|\.html?)$/i, ''),
        })),
      },
      [],
    );
    const compileMs = Math.round(performance.now() - start);
    return {
      files,
      compileMs,
      entries: new Map(entries.map((entry) => [entry.id, findOutput(metafile, wantedBy(entry))])),
      inputs,
      packages,
      alone,
    };
  });
};

const entryName = (project: Project, entry: BundleEntry): string =>
  entry.spec !== undefined
    ? `${packageEntry}${entry.spec}`
    : entry.inline === undefined
      ? join(project.root, entry.path)
      : `kiln:${inlineName(entry)}`;

/** Specifiers that led to packages, but for the pictures and fonts of stylesheets, which nobody asks for by that name. */
const notePackages = (imports: Metafile['inputs'][string]['imports'], found: Set<string>): void => {
  for (const { path, original, external, kind } of imports)
    if (original !== undefined && external !== true && kind !== 'url-token' && isBare(original))
      if (withoutNamespace(path).startsWith('node_modules/')) found.add(original);
};

const inlineName = (entry: BundleEntry): string => `${entry.path}-${entry.id}.${entry.inline?.loader ?? 'js'}`;

const defines = (options: BuildOptions): Record<string, string> => ({ ...gameDefines, ...options.define });

/** What becomes of an entry that nothing is made of. */
export const nowhere: BundledEntry = { script: null, style: null, chunks: [], isModule: true, exports: [] };

const findOutput = (metafile: Metafile, wanted: string | undefined): BundledEntry => {
  const found = Object.entries(metafile.outputs).find(
    ([path, output]) => wanted !== undefined && output.entryPoint === wanted && !path.endsWith('.map'),
  );
  if (found === undefined) return nowhere;
  const site = (path: string): string => path.slice(virtualOut.length + 1);
  const [path, output] = found;
  if (path.endsWith('.css')) return { ...nowhere, style: site(path) };
  const chunks = new Set<string>();
  const visit = (from: string): void => {
    for (const { path: to, kind } of metafile.outputs[from]?.imports ?? []) {
      if (kind !== 'import-statement' || chunks.has(to) || !to.startsWith(`${virtualOut}/`)) continue;
      chunks.add(to);
      visit(to);
    }
  };
  visit(path);
  return {
    script: site(path),
    style: output.cssBundle === undefined ? null : site(output.cssBundle),
    chunks: [...chunks].map(site),
    isModule: metafile.inputs[output.entryPoint ?? '']?.format === 'esm',
    exports: output.exports,
  };
};
