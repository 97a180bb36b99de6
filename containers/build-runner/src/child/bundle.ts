import { join, posix } from 'node:path';
import {
  build,
  type BuildFailure as EsbuildFailure,
  type BuildOptions as EsbuildOptions,
  type Location,
  type Message,
  type Metafile,
  type Plugin,
} from 'esbuild';
import type { BuildOptions } from '../../../../src/contract/builds.ts';
import { limits } from '../../../../src/contract/limits.ts';
import { browserTarget, gameDefines } from '../../../../src/core/game/defines.ts';
import { explain, packagesOf } from '../../../../src/core/game/explain.ts';
import type { ImportMap } from '../../../../src/core/game/import-map.ts';
import { isBare } from '../../../../src/core/game/packages.ts';
import { outsideMessage } from '../../../../src/core/game/paths.ts';
import { emitSettings } from '../../../../src/core/game/tsconfig.ts';
import { BuildFailure } from '../failure.ts';
import { runnerLimits } from '../runner-limits.ts';
import {
  assertConfined,
  computedOutside,
  confine,
  isInside,
  leadsOutside,
  packageEntry,
  withoutNamespace,
} from './confine.ts';
import { readJson } from './entry.ts';
import { nativeLoaders } from './native-files.ts';
import { type Project, toRelative } from './project.ts';
import type { Log } from './report.ts';
import { readTsconfig } from './tsconfig.ts';

/** A script or stylesheet that the page asks for. */
export interface BundleEntry {
  /** How the caller finds its output again. */
  readonly id: string;
  /** Project-relative path; for inline code the page that holds it. */
  readonly path: string;
  /** The entry is what this specifier names in the installed packages; `path` is then the name of its output. */
  readonly spec?: string;
  readonly inline?: { readonly code: string; readonly loader: 'js' | 'css'; readonly firstLine: number };
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

/** What messages are told from. */
interface Told extends BundleRequest {
  /** Names of the packages that package.json asks for. */
  readonly packages: ReadonlySet<string>;
}

/** Bundles the entries for browsers. What is wrong with the sources is logged line by line and thrown as `build_failed`. */
export const bundle = async (asked: BundleRequest): Promise<Bundle> => {
  const { project, options, entries } = asked;
  const request: Told = { ...asked, packages: packagesOf(await readJson(project, 'package.json')) };
  const tsconfigRaw = emitSettings(await readTsconfig(project), true);
  const inline = new Map(
    entries.flatMap((entry) =>
      entry.inline === undefined
        ? []
        : [
            [
              inlineName(entry),
              { ...entry.inline, resolveDir: join(project.root, posix.dirname(entry.path)) },
            ] as const,
          ],
    ),
  );
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
    for (const warning of warnings) logMessage(request, 'warn', warning);
    return metafile;
  };

  const buildNested = async (
    kind: 'module' | 'classic' | 'style',
    path: string,
    chain: readonly string[],
  ): Promise<string> => {
    if (chain.includes(path))
      throw new BuildFailure('user', 'build_failed', `The worker ${path} starts itself, which cannot be bundled.`);
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
      buildNested: (kind, path) => buildNested(kind, path, chain),
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

  try {
    const metafile = await run(
      {
        entryPoints: entries.map((entry) => ({
          in: entryName(project, entry),
          out: posix.basename(entry.path).replace(/(?:\.[cm]?[jt]sx?|\.css|\.html?)$/i, ''),
        })),
      },
      [],
    );
    return {
      files,
      entries: new Map(entries.map((entry) => [entry.id, findOutput(metafile, wantedBy(entry))])),
      inputs,
      packages,
    };
  } catch (error) {
    if (!isEsbuildFailure(error)) throw error;
    for (const problem of error.errors) logMessage(request, 'error', problem);
    for (const warning of error.warnings) logMessage(request, 'warn', warning);
    throw new BuildFailure('user', 'build_failed', summary(request, error.errors));
  }
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

/** Said of a name that is there in another case, as far as esbuild resolves it. */
const notReadable = /^Cannot read file/;

const isEsbuildFailure = (error: unknown): error is EsbuildFailure =>
  error instanceof Error && 'errors' in error && Array.isArray(error.errors);

/** A message of esbuild as the owner of the project may see it. Anything about a place outside becomes the one neutral sentence. */
const present = (
  request: Told,
  message: Message,
): { text: string; file?: string; line?: number; column?: number; source?: string } => {
  const { project, entries, packages } = request;
  const file = message.location?.file ?? null;
  const where = file === null ? null : withoutNamespace(file);
  if (where !== null && where !== '' && !isInside(project, where, where !== file))
    return { text: outsideMessage('An import') };
  const text = [
    message.text,
    ...message.notes.map((note) => note.text).filter((note) => note !== '' && !/You can (?:mark|use)/.test(note)),
  ]
    .join(' ')
    .replaceAll(`${project.root}/`, '')
    .replaceAll(project.root, '.');
  if ((message.text === leadsOutside || notReadable.test(message.text)) && message.location !== null) {
    // The same words as for something that is not there: whether it is must not be told.
    const spec = /^(?<quote>["'])(?<spec>.*)\k<quote>$/.exec(quotedAt(message.location))?.groups?.spec;
    if (spec === undefined) return { text: computedOutside };
    return present(request, { ...message, text: `Could not resolve "${spec}"` });
  }
  const inlined = entries.find((entry) => entry.inline !== undefined && inlineName(entry) === where);
  const hinted = explain(text, { from: inlined?.path ?? where, paths: project.files, packages });
  if (message.location === null || where === null || where === '') return { text: hinted };
  const line = message.location.line + (inlined?.inline === undefined ? 0 : inlined.inline.firstLine - 1);
  return {
    text: hinted,
    file: inlined?.path ?? where,
    ...(line > 0 ? { line, column: message.location.column } : {}),
    ...sourceOf(request, inlined?.path ?? where, message.location),
  };
};

/** The line that is meant, of a file of the project; not of a minified one, which is no line that anybody wrote. */
const sourceOf = ({ project }: Told, file: string, { lineText }: Location): { source?: string } =>
  project.files.has(file) && lineText.trim() !== '' && Buffer.byteLength(lineText) <= limits.build.sourceLineBytes
    ? { source: lineText }
    : {};

const quotedAt = ({ lineText, column, length }: Location): string =>
  // esbuild counts columns in bytes.
  Buffer.from(lineText)
    .subarray(column, column + length)
    .toString('utf8');

const logMessage = (request: Told, level: 'warn' | 'error', message: Message): void => {
  const { text, ...place } = present(request, message);
  request.log({ level, step: 'bundle', message: text, ...place });
};

const summary = (request: Told, errors: readonly Message[]): string => {
  const [first] = errors;
  if (first === undefined) return 'The project does not build.';
  const { text, file, line, column } = present(request, first);
  const place = file === undefined ? '' : line === undefined ? `${file}: ` : `${file}:${line}:${column ?? 0}: `;
  return `${place}${text}${errors.length > 1 ? ` (and ${errors.length - 1} more, see the log)` : ''}`;
};
