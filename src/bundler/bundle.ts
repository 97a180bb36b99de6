import type { BuildOptions, BuildResult, Message, Metafile } from 'esbuild-wasm';
import { limits } from '../contract/limits.ts';
import type { BundledFile, BundleOrder, BundleResult, PreviewProblem } from '../contract/preview.ts';
import { browserTarget, gameDefines } from '../core/game/defines.ts';
import { findEntry } from '../core/game/entry.ts';
import { packagesOf } from '../core/game/explain.ts';
import { readJson } from '../core/game/json.ts';
import { declaredRange } from '../core/game/packages.ts';
import { gamePage } from '../core/game/page.ts';
import { classicScripts, pageMistakes } from '../core/game/page-mistakes.ts';
import { ProjectProblem } from '../core/game/paths.ts';
import { type Told, tell } from '../core/game/tell.ts';
import { emitSettings, readTsconfig } from '../core/game/tsconfig.ts';
import { classicMistakes } from './classic-scripts.ts';
import { type Page, type PageEntry, readPage } from './page.ts';
import { madeFolder, type OnWorker, projectPlugin, type WorkerKind } from './project-plugin.ts';

/** The one function of esbuild that is used; in workerd it is WebAssembly. */
export type Compiler = (options: BuildOptions) => Promise<BuildResult>;

const scriptType = 'text/javascript; charset=utf-8';
const styleType = 'text/css; charset=utf-8';

const failed = (problems: readonly PreviewProblem[]): BundleResult => ({ ok: false, reason: 'errors', problems });

const problemOf = ({ message, file, line, column }: Told): PreviewProblem => ({
  message,
  ...(file !== undefined && { file }),
  ...(line !== undefined && { line }),
  ...(column !== undefined && { column }),
});

/** Each of them once: what a page and its workers have in common is said of both. */
const once = (problems: readonly PreviewProblem[]): readonly PreviewProblem[] =>
  [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()].slice(
    0,
    limits.preview.problems,
  );

const isFailure = (error: unknown): error is Error & { errors: Message[] } =>
  error instanceof Error && 'errors' in error && Array.isArray(error.errors);

/** What the compiler says is wrong, told to the owner of the project. */
class Mistakes extends Error {
  readonly problems: readonly PreviewProblem[];

  constructor(problems: readonly PreviewProblem[]) {
    super('the sources have mistakes');
    this.problems = problems;
  }
}

/** A message of esbuild; its files are those of the project, for it has seen no others. */
function told(message: Message, { paths, sources }: BundleOrder, entries: readonly PageEntry[]): PreviewProblem {
  const inlineOf = (file: string | undefined): PageEntry | undefined =>
    entries[Number(/^inline:(\d+)$/.exec(file ?? '')?.[1])];
  const nameOf = (file: string): string | undefined =>
    inlineOf(file)?.path ?? /^project:(.+?)(?:\?\w+)?$/.exec(file)?.[1];
  const packages = packagesOf(readJson(sources['package.json'] ?? '{}'));
  const clean = ({ text }: { text: string }): string => text.replaceAll(/"project:([^"?]+)(?:\?\w+)?"/g, '"$1"');
  const said = {
    location: message.location,
    text: clean(message),
    notes: message.notes.map((note) => ({ ...note, text: clean(note) })),
  };
  return problemOf(tell(said, { inline: inlineOf(message.location?.file)?.inline, nameOf, paths, packages }));
}

interface Run {
  readonly order: BundleOrder;
  readonly compile: Compiler;
  readonly page: Pick<Page, 'entries' | 'mapped'>;
  readonly toRoot: string;
  readonly overrides: BuildOptions;
  /** Told of the files that are started as workers. */
  readonly onWorker?: OnWorker;
}

interface Compiled {
  readonly result: BuildResult;
  readonly warnings: readonly PreviewProblem[];
}

/** Runs the compiler over the project; null where packages are missing, whose names are in `needed`. */
async function run(
  { order, compile, page, toRoot, overrides, onWorker = () => undefined }: Run,
  needed: Set<string>,
): Promise<Compiled> {
  const paths = new Set(order.paths);
  const compilerOptions = await readTsconfig({
    read: async (path) => order.sources[path] ?? order.packages?.configs[path],
  });
  const settings: BuildOptions = {
    bundle: true,
    platform: 'browser',
    format: 'esm',
    target: browserTarget,
    charset: 'utf8',
    // Names only: nothing is read from there or written to it.
    absWorkingDir: '/',
    outdir: `/${madeFolder}`,
    write: false,
    metafile: true,
    logLevel: 'silent',
    logLimit: limits.preview.problems,
    legalComments: 'none',
    tsconfigRaw: JSON.stringify(emitSettings(compilerOptions, false)),
    define: { ...gameDefines },
    plugins: [
      projectPlugin({
        order,
        paths,
        compilerOptions,
        inline: page.entries,
        mapped: page.mapped,
        toRoot,
        needs: (name) => needed.add(name),
        onWorker,
      }),
    ],
    ...overrides,
  };
  try {
    const result = await compile(settings);
    assertGiven(result);
    return { result, warnings: result.warnings.map((message) => told(message, order, page.entries)) };
  } catch (error) {
    if (!isFailure(error)) throw error;
    if (error.errors.some(({ text }) => text.startsWith('Could not resolve import('))) throw new Computed();
    throw new Mistakes(error.errors.map((message) => told(message, order, page.entries)));
  }
}

/** An import computes its path. */
class Computed extends Error {}

/** Inputs that the plugin gave. A path that a source computes is looked up by the compiler itself, past every plugin. */
const given = /^(?:project|inline|url|package|package-style):|^<(?:define|runtime)/;

/** Throws where something else went in, matched or not. */
function assertGiven({ metafile }: BuildResult): void {
  if (Object.keys(metafile?.inputs ?? {}).some((input) => !given.test(input))) throw new Computed();
}

const computed: BundleResult = {
  ok: false,
  reason: 'needs_build',
  problems: [{ message: 'An import computes its path, which a preview cannot follow.' }],
};

/** The output of each entry, in their order. */
function outputsOf(metafile: Metafile | undefined, page: Pick<Page, 'entries'>) {
  const outputs = Object.entries(metafile?.outputs ?? {});
  return page.entries.map(({ path, inline }, index) => {
    const wanted = inline === undefined ? `project:${path}` : `inline:${index}`;
    const found = outputs.find(([, output]) => output.entryPoint === wanted);
    return found && { script: found[0], style: found[1].cssBundle };
  });
}

function filesOf(result: BuildResult): BundledFile[] {
  return (result.outputFiles ?? []).map(({ path, text }) => ({
    path: path.replace(/^\//, ''),
    mimeType: path.endsWith('.css') ? styleType : scriptType,
    text,
  }));
}

const baseName = (path: string): string => /([^/]+?)(?:\.\w+)?$/.exec(path)?.[1] ?? 'entry';

interface Mistaken {
  readonly errors: readonly Told[];
  readonly warnings: readonly Told[];
}

/** What is wrong with a page, whatever becomes of its modules; errors leave nothing to play. */
async function mistakesOf({ source }: Page, { paths, sources }: BundleOrder, compile: Compiler): Promise<Mistaken> {
  const scripts = classicScripts(source).flatMap((script) => {
    const text = script.inline?.code ?? sources[script.path];
    return text === undefined ? [] : [{ ...script, text }];
  });
  const ofScripts = await classicMistakes(compile, scripts, { paths, packages: new Set() });
  const { error = [], warn = [] } = Object.groupBy(pageMistakes(source), ({ level }) => level);
  return { errors: [...error, ...ofScripts], warnings: warn };
}

async function bundlePage(order: BundleOrder, title: string, compile: Compiler, needed: Set<string>) {
  const paths = new Set(order.paths);
  const entry = findEntry({ paths, texts: order.sources });
  if ('problem' in entry) return failed([problemOf({ message: entry.problem, ...entry.place })]);
  const isHtml = entry.kind === 'html';
  const text = isHtml ? order.sources[entry.path] : gamePage(title, entry.path);
  if (text === undefined) return failed([{ message: `${entry.path} is no text, or too large for a preview.` }]);
  const page = readPage(isHtml ? entry.path : 'index.html', text, paths);
  const mistakes = await mistakesOf(page, order, compile);
  if (mistakes.errors.length > 0) return failed(mistakes.errors.slice(0, limits.preview.problems).map(problemOf));
  const overrides: BuildOptions = {
    splitting: true,
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    entryPoints: page.entries.map(({ path, inline }, index) => ({
      in: inline === undefined ? path : `kiln:inline/${index}`,
      out: baseName(path),
    })),
  };
  const workers = new Workers();
  const onWorker = workers.add;
  const main =
    page.entries.length === 0 ? null : await run({ order, compile, page, toRoot: '../', overrides, onWorker }, needed);
  const ofWorkers = await checkWorkers(workers, order, compile, needed);
  const html = page.finish(outputsOf(main?.result.metafile, page));
  const files = main ? filesOf(main.result) : [];
  return {
    ok: true as const,
    files: [{ path: 'index.html', mimeType: 'text/html; charset=utf-8', text: html }, ...files],
    warnings: once([...mistakes.warnings.map(problemOf), ...(main?.warnings ?? []), ...ofWorkers]),
  };
}

/** The files that a game starts as workers, each looked at once. */
class Workers {
  readonly #known = new Set<string>();
  readonly #waiting: Record<WorkerKind, string[]> = { module: [], classic: [] };

  readonly add: OnWorker = (path, kind) => {
    if (this.#known.has(`${kind} ${path}`)) return;
    this.#known.add(`${kind} ${path}`);
    this.#waiting[kind].push(path);
  };

  take(kind: WorkerKind): readonly string[] {
    return this.#waiting[kind].splice(0);
  }
}

/**
 * Workers are bundled when the page asks for them, each by itself. Nobody would see what is wrong with one then, so they are
 * compiled once beside the page, and what is made of them is thrown away.
 */
async function checkWorkers(
  workers: Workers,
  order: BundleOrder,
  compile: Compiler,
  needed: Set<string>,
): Promise<readonly PreviewProblem[]> {
  const warnings: PreviewProblem[] = [];
  const page = { entries: [], mapped: () => undefined };
  for (const kind of ['module', 'classic', 'module', 'classic'] as const) {
    const paths = workers.take(kind);
    if (paths.length === 0) continue;
    const overrides: BuildOptions = {
      entryPoints: paths.map((path, index) => ({ in: path, out: String(index) })),
      splitting: false,
      ...(kind === 'classic' && {
        format: 'iife',
        define: { ...gameDefines, 'import.meta.url': 'self.location.href' },
      }),
    };
    const compiled = await run({ order, compile, page, toRoot: './', overrides, onWorker: workers.add }, needed);
    warnings.push(...compiled.warnings);
  }
  return warnings;
}

/** A file that a page starts as a worker, at the address of its source: one text that runs as a module and as a classic script. */
async function bundleWorker(order: BundleOrder, path: string, compile: Compiler, needed: Set<string>) {
  if (order.sources[path] === undefined) return failed([{ message: `${path} is no source of this project.` }]);
  const page = { entries: [], mapped: () => undefined };
  const toRoot = '../'.repeat(path.split('/').length - 1) || './';
  const overrides: BuildOptions = {
    entryPoints: [path],
    splitting: false,
    define: { ...gameDefines, 'import.meta.url': 'self.location.href' },
  };
  const { result } = await run({ order, compile, page, toRoot, overrides }, needed);
  const files = filesOf(result);
  return { ok: true as const, files: files.slice(0, 1).map((file) => ({ ...file, path })), warnings: [] };
}

/** A build prepares packages for previews, as long as the project asks for them. */
function missingPackages({ sources }: BundleOrder, names: readonly string[]): BundleResult {
  const manifest = sources['package.json'];
  const declared = manifest === undefined ? undefined : readJson(manifest);
  const strange = names.filter((name) => declaredRange(declared, name) === undefined);
  return strange.length > 0
    ? failed(
        strange.map((name) => ({
          message: `The package "${name}" is neither in package.json nor in the page's import map.`,
        })),
      )
    : {
        ok: false,
        reason: 'needs_packages',
        problems: names.map((name) => ({ message: `Build once to get the package "${name}" into the preview.` })),
      };
}

/** Bundles what is asked for. Throws for nothing that a project can contain. */
export async function bundle(
  order: BundleOrder,
  compile: Compiler,
  outputBytes: number = limits.preview.outputBytes,
): Promise<BundleResult> {
  const needed = new Set<string>();
  const missing = (): BundleResult => missingPackages(order, [...needed].sort());
  try {
    const { want } = order;
    const result =
      want.kind === 'page'
        ? await bundlePage(order, want.title, compile, needed)
        : await bundleWorker(order, want.path, compile, needed);
    if (needed.size > 0) return missing();
    const size = result.ok ? result.files.reduce((sum, { text }) => sum + text.length, 0) : 0;
    if (size > outputBytes)
      return { ok: false, reason: 'too_large', problems: [{ message: 'What is made of the sources is too large.' }] };
    return result;
  } catch (error) {
    if (error instanceof ProjectProblem) return failed([problemOf({ message: error.message, ...error.place })]);
    if (error instanceof Computed) return computed;
    if (!(error instanceof Mistakes)) throw error;
    // A package that is not there may be why something else fails; a build has it.
    return needed.size > 0 ? missing() : failed(error.problems);
  }
}
