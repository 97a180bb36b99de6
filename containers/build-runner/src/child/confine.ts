/**
 * The resolver and loader of every bundle. Plain esbuild follows `../../secret`, absolute paths,
 * package.json and tsconfig fields, template-literal globs and source map comments wherever they lead, and
 * quotes what it finds in its messages. Three fences, each enough for what it sees:
 *
 * 1. `onResolve` refuses by text alone what leaves the project, before anybody looks at the disk, so that a
 *    build cannot even learn whether something is there.
 * 2. `onLoad` admits every module, however it was resolved, and hands esbuild the bytes. What esbuild opens by itself is package.json
 *    files on its way through `node_modules`, and modules whose absolute path says that they are files of the snapshot of a kind
 *    that needs nothing of ours: see `native-files.ts`.
 * 3. After the build `assertConfined` reads the metafile: inputs that are no files of the project and glob patterns that point
 *    outside fail the build even when they matched nothing. Messages about such places are not told (`bundle.ts`).
 *
 * The same plugin gives imports the meaning that they have in Vite: `?url`, `?raw`, `?inline`, `?worker`,
 * root-absolute paths, asset imports, `new URL('./x', import.meta.url)`.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import type {
  BuildFailure as EsbuildFailure,
  ImportKind,
  Message,
  Metafile,
  OnLoadResult,
  OnResolveArgs,
  OnResolveResult,
  PartialMessage,
  Plugin,
  PluginBuild,
} from 'esbuild';
import { assetExtensions, kindOf } from '../../../../src/contract/loaders.ts';
import type { ImportMap } from '../../../../src/core/game/import-map.ts';
import { missingFile } from '../../../../src/core/game/meant.ts';
import { isBare } from '../../../../src/core/game/packages.ts';
import { outsideMessage } from '../../../../src/core/game/paths.ts';
import { saidPlace, spotAt } from '../../../../src/core/game/said.ts';
import type { Told } from '../../../../src/core/game/tell.ts';
import { findUrlReferences, type Rewritten, rewriteUrlReferences } from '../../../../src/core/game/url-references.ts';
import { BuildFailure } from '../failure.ts';
import { askedFor } from './native-files.ts';
import { admit, findPublic, outside, type Project, resolveInProject, toRelative } from './project.ts';

/** Builds a worker (or a stylesheet to be inlined) on its own; the text of its one output. */
export type BuildNested = (kind: 'module' | 'classic' | 'style', path: string) => Promise<string>;

export interface ConfineOptions {
  readonly project: Project;
  /** Code of inline scripts and styles of the page, by the name under which they are entries. */
  readonly inline: ReadonlyMap<
    string,
    { readonly code: string; readonly loader: 'js' | 'css'; readonly resolveDir: string }
  >;
  /** Absolute paths of the entries, which come from us and not from a source text. */
  readonly entries: ReadonlySet<string>;
  /** What the import map of the page makes of specifiers. */
  readonly mapped: ImportMap;
  readonly sourcemap: boolean;
  /** The workers that are being bundled, each started by the one before. */
  readonly chain: readonly string[];
  readonly buildNested: BuildNested;
  /** Told of a source of which esbuild gets another text. */
  readonly onRewritten: (path: string, text: Rewritten) => void;
  readonly onWarning: (told: Told) => void;
  /** Told what a package that is an entry is called in the metafile: two specifiers may mean one file. */
  readonly onPackage: (spec: string, input: string) => void;
  readonly onLoaded: (path: string) => void;
}

/** Before the specifier of a package that is an entry. */
export const packageEntry = 'kiln-package:';

/** Virtual modules. Their paths are relative to the project, so that no path of this machine reaches an output. */
const namespaces = [
  ...(['inline', 'asset', 'asset-url', 'public-url', 'raw', 'data-url', 'style-text'] as const),
  ...(['worker', 'worker-url', 'worker-file', 'classic-url', 'classic-file'] as const),
];
type Namespace = (typeof namespaces)[number];

/** Which bytes the URL in a generated module leads to, where it is not the file itself. */
const fileNamespaces: Readonly<Record<string, Namespace>> = {
  worker: 'worker-file',
  'worker-url': 'worker-file',
  'classic-url': 'classic-file',
};

/** Marks our own questions to esbuild's resolver, and the imports of code that we generated. Not to be forged by a source text. */
const ours = Symbol('ours');

const assetPattern = `\\.(?:${assetExtensions.join('|')})$`;

/** What can be escape, query, URL or asset; all else is left to esbuild's own resolver and checked when it is loaded. */
const suspicious = new RegExp(`\\.\\.|^/|[?#:\\\\]|${assetPattern}`, 'i');

const isAsset = new RegExp(assetPattern, 'i');
const isUrl = /^(?:https?:)?\/\//i;
const cssKinds = new Set<ImportKind>(['url-token', 'import-rule', 'composes-from']);

export const confine = (options: ConfineOptions): Plugin => ({
  name: 'kiln',
  setup: (build) => {
    const { project } = options;

    build.onResolve({ filter: new RegExp(`^${packageEntry}`) }, async (args): Promise<OnResolveResult> => {
      const spec = args.path.slice(packageEntry.length);
      if (args.kind !== 'entry-point' || !isBare(spec)) return refuse(spec);
      // As if a source of the project imported it.
      const { path, namespace, errors, external, pluginData } = await build.resolve(spec, {
        kind: 'import-statement',
        resolveDir: project.root,
      });
      if (errors.length > 0) return { errors };
      const file = namespace === 'file' ? toRelative(project, path) : path;
      if (external || !file?.startsWith('node_modules/')) return refuse(spec);
      options.onPackage(spec, namespace === 'file' ? file : `${namespace}:${file}`);
      return { path, namespace, pluginData };
    });

    build.onResolve({ filter: /^kiln:/ }, (args): OnResolveResult | undefined => {
      if (args.kind === 'entry-point')
        return { path: args.path.slice('kiln:'.length), namespace: 'inline' satisfies Namespace };
      if (args.pluginData !== ours) return undefined;
      // Modules that we generated import the file that they are about.
      const about = args.namespace === 'file' ? toRelative(project, args.importer) : args.importer;
      return about === null ? refuse(args.path) : { path: about, namespace: fileNamespaces[args.namespace] ?? 'asset' };
    });

    build.onResolve({ filter: suspicious }, (args) => resolveSuspicious(build, options, args));
    build.onResolve({ filter: /^[^./]/ }, (args) =>
      args.pluginData === ours || args.kind === 'entry-point' ? undefined : resolveMapped(build, options, args),
    );

    for (const filter of askedFor(project))
      build.onLoad({ filter, namespace: 'file' }, (args) => loadFile(options, args.path));

    const onVirtual = (namespace: Namespace, load: (path: string) => Promise<OnLoadResult> | OnLoadResult): void => {
      build.onLoad({ filter: /.*/, namespace }, (args) => load(args.path));
    };
    const read = async (path: string): Promise<Uint8Array> => {
      const absolute = join(project.root, path);
      if ((await admit(project, absolute)) === null) throw outside(path);
      return await readFile(absolute);
    };
    /** A URL that is right wherever the page lies: chunks and assets share a folder, and a chunk knows its own URL. */
    const urlModule = (rest: string): OnLoadResult => ({
      contents: `import file from 'kiln:file'; const url = new URL(file, import.meta.url).href; ${rest}`,
      loader: 'js',
      pluginData: ours,
    });

    onVirtual('asset', async (path) => ({ contents: await read(path), loader: 'file' }));
    onVirtual('asset-url', () => urlModule('export default url;'));
    onVirtual('public-url', (path) => ({
      contents: `export default new URL(${JSON.stringify(`../${path}`)}, import.meta.url).href;`,
      loader: 'js',
    }));
    onVirtual('raw', async (path) => ({ contents: await read(path), loader: 'text' }));
    onVirtual('data-url', async (path) => ({ contents: await read(path), loader: 'dataurl' }));
    onVirtual('worker-url', () => urlModule('export default url;'));
    onVirtual('worker', () =>
      urlModule("export default (options) => new Worker(url, { ...options, type: 'module' });"),
    );
    onVirtual('classic-url', () => urlModule('export default url;'));
    onVirtual('worker-file', (path) =>
      ofNested(async () => ({ contents: await options.buildNested('module', sourceOfWorker(path)), loader: 'file' })),
    );
    onVirtual('classic-file', (path) =>
      ofNested(async () => ({ contents: await options.buildNested('classic', sourceOfWorker(path)), loader: 'file' })),
    );
    onVirtual('style-text', (path) =>
      ofNested(async () => ({ contents: await options.buildNested('style', path), loader: 'text' })),
    );
    onVirtual('inline', (path) => {
      const inline = options.inline.get(path);
      if (inline === undefined) throw outside(path);
      return { contents: withoutMap(inline.code), loader: inline.loader, resolveDir: inline.resolveDir };
    });
  },
});

/** The output of a worker is named after its path, and a browser wants `.js` there whatever the source is. */
const workerPath = (path: string): string => `${path}.js`;
export const sourceOfWorker = (path: string): string => path.slice(0, -'.js'.length);

export const isEsbuildFailure = (error: unknown): error is EsbuildFailure =>
  error instanceof Error && 'errors' in error && Array.isArray(error.errors);

/** What went wrong in a bundle within this one, as mistakes of it: they keep their places. */
const ofNested = async (work: () => Promise<OnLoadResult>): Promise<OnLoadResult> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BuildFailure) return { errors: [{ text: error.message }] };
    if (!isEsbuildFailure(error)) throw error;
    return { errors: error.errors.map(handedOn), warnings: error.warnings.map(handedOn) };
  }
};

const handedOn = ({ text, location, notes }: Message): PartialMessage => {
  const place = (one: Message['location']) => one && { ...one, file: withoutNamespace(one.file) };
  return {
    text,
    location: place(location),
    notes: notes.map((note) => ({ text: note.text, location: place(note.location) })),
  };
};

/** What the page's import map names: left to the browser, or the file of the project that its URL leads to. */
const resolveMapped = (
  build: PluginBuild,
  options: ConfineOptions,
  args: OnResolveArgs,
): OnResolveResult | Promise<OnResolveResult | undefined> | undefined => {
  const map = options.mapped(args.path);
  if (map === undefined) return undefined;
  if ('external' in map) return { path: args.path, external: true };
  const path = `/${map.url.replace(/^\.?\/+/, '')}`;
  return resolveSuspicious(build, { ...options, mapped: () => undefined }, { ...args, path });
};

const resolveSuspicious = async (
  build: PluginBuild,
  options: ConfineOptions,
  args: OnResolveArgs,
): Promise<OnResolveResult | undefined> => {
  const { project } = options;
  if (args.pluginData === ours) return undefined;
  if (args.kind === 'entry-point') return options.entries.has(args.path) ? undefined : refuse(args.path);
  const byMap = resolveMapped(build, options, args);
  if (byMap !== undefined) return await byMap;
  const fromCss = cssKinds.has(args.kind);
  if (isUrl.test(args.path)) return { path: args.path, external: true };
  if (fromCss && /^(?:#|data:)/i.test(args.path)) return { path: args.path, external: true };
  if (/^[a-z][a-z\d+.-]*:/i.test(args.path)) {
    // `node:` gets esbuild's own explanation; any other scheme has no place in a game's sources.
    return args.path.startsWith('node:') ? undefined : refuse(args.path);
  }
  // A leading # is a package's own `imports`.
  const { path, query, suffix } = args.path.startsWith('#')
    ? { path: args.path, query: '', suffix: '' }
    : splitQuery(args.path);
  const isRelative = /^\.{0,2}(?:\/|$)/.test(path);
  if (path.includes('\0') || path.includes('\\')) return refuse(args.path);

  const from = toRelative(project, args.resolveDir) ?? '.';
  const target = isRelative || fromCss ? resolveInProject(project, from, path) : null;
  if (isRelative && target === null) return refuse(args.path);
  if (!isRelative && path.split('/').includes('..')) return refuse(args.path);

  if (path.startsWith('/') && target !== null && !(await isThere(project, target))) {
    const site = findPublic(project, path);
    if (site !== null && fromCss) return { path: `../${site}${suffix}`, external: true };
    if (site !== null) return { path: site, namespace: 'public-url' satisfies Namespace };
  }

  const native = path.startsWith('/') && target !== null ? `./${target}` : path;
  const resolveDir = path.startsWith('/') ? project.root : args.resolveDir;
  const changed = native !== args.path;
  const wantsFile = isAsset.test(path) || query !== '';
  if (!changed && !wantsFile) return undefined;

  const found = await build.resolve(native, {
    kind: args.kind,
    importer: args.importer,
    resolveDir,
    namespace: args.namespace,
    pluginData: ours,
  });
  if (found.errors.length > 0) {
    return {
      errors: found.errors.map((error) => ({ ...error, text: error.text.replace(`"${native}"`, `"${args.path}"`) })),
    };
  }
  if (found.external) return { path: found.path, external: true };
  const file = await admit(project, found.path);
  // As what is not there: on this disk another case of a name is found, too.
  if (file === null) return { errors: [{ text: `Could not resolve "${args.path}"` }] };

  const as = (namespace: Namespace, name = file): OnResolveResult => ({ path: name, namespace });
  if (/^worker\b/.test(query)) {
    if (options.chain.includes(file))
      return { errors: [{ text: `The worker ${file} starts itself, which cannot be bundled.` }] };
    return as(
      /\bclassic\b/.test(query) ? 'classic-url' : /\burl\b/.test(query) ? 'worker-url' : 'worker',
      workerPath(file),
    );
  }
  if (fromCss && args.kind === 'url-token') return { ...as('asset'), suffix };
  if (/^raw\b/.test(query)) return as('raw');
  if (/^url\b/.test(query)) return as('asset-url');
  if (/^inline\b/.test(query)) return as(file.endsWith('.css') ? 'style-text' : 'data-url');
  if (!fromCss && kindOf(file) === 'asset') return as('asset-url');
  return { path: found.path, sideEffects: found.sideEffects };
};

/** Said by the second fence, which does not know what the import was called; `explain` in bundle.ts finds that out. */
export const leadsOutside = 'An import leads to something that is not a file of this project.';

/** For every import with a computed path, whether it matched something or not. */
export const computedOutside = 'An import with a computed path leads out of this project.';

const refuse = (spec: string): OnResolveResult => ({ errors: [{ text: outsideMessage(spec) }] });

const splitQuery = (spec: string): { path: string; query: string; suffix: string } => {
  const at = spec.search(/[?#]/);
  if (at < 0) return { path: spec, query: '', suffix: '' };
  const suffix = spec.slice(at);
  return { path: spec.slice(0, at), query: suffix.startsWith('?') ? suffix.slice(1) : '', suffix };
};

/** Whether a root-absolute path, with or without its extension, is a file or a folder of the project itself. */
const isThere = async (project: Project, target: string): Promise<boolean> => {
  if (project.files.has(target) || (await admit(project, join(project.root, target))) !== null) return true;
  for (const file of project.files) if (file.startsWith(`${target}.`) || file.startsWith(`${target}/`)) return true;
  return false;
};

const loadFile = async (options: ConfineOptions, path: string): Promise<OnLoadResult> => {
  const { project } = options;
  const file = await admit(project, path);
  if (file === null) return { errors: [{ text: leadsOutside }] };
  const kind = kindOf(file);
  if (kind === 'needs-compiler') {
    const extension = posix.extname(file);
    return {
      errors: [
        {
          text: `${extension} files need a compiler that is not part of Kiln's builds. Compile ${basename(file)} to CSS or JavaScript first.`,
        },
      ],
    };
  }
  if (kind === 'asset') {
    return {
      contents: `import file from 'kiln:file'; export default new URL(file, import.meta.url).href;`,
      loader: 'js',
      pluginData: ours,
    };
  }
  // Synchronous on purpose: esbuild waits for us at every step of an import chain, and the file is in the page cache.
  const bytes = readFileSync(path);
  options.onLoaded(file);
  const isScript = ['js', 'jsx', 'ts', 'tsx'].includes(kind.loader);
  const mayHaveMap =
    options.sourcemap && (isScript || kind.loader.endsWith('css')) && bytes.includes('sourceMappingURL=');
  if (!mayHaveMap && !(isScript && bytes.includes('import.meta.url'))) return { contents: bytes, loader: kind.loader };
  let text = bytes.toString('utf8');
  if (mayHaveMap) text = withoutMap(text);
  if (!isScript) return { contents: text, loader: kind.loader };
  return await withUrls(options, file, text, kind.loader);
};

/** esbuild would open whatever file such a comment names. */
const withoutMap = (text: string): string => text.replace(sourceMapComment, '$1');

const sourceMapComment = /(\/[/*][#@]\s*)sourceMappingURL=/g;

const withUrls = async (
  options: ConfineOptions,
  file: string,
  text: string,
  loader: NonNullable<OnLoadResult['loader']>,
): Promise<OnLoadResult> => {
  const { project } = options;
  const references = [];
  const errors: PartialMessage[] = [];
  for (const reference of findUrlReferences(text)) {
    const { path } = splitQuery(reference.spec);
    const target = resolveInProject(project, dirname(file), path);
    const admitted = target === null ? null : await admit(project, join(project.root, target));
    if (admitted === null) {
      // A package's own files are none of the author's concern.
      if (file.startsWith('node_modules/')) continue;
      const missing =
        target === null
          ? outsideMessage(reference.spec)
          : missingFile(reference.spec, { from: file, paths: project.files, manner: 'url' });
      // A worker is code, which is here or nowhere; anything else may be meant for the server that the game is played from.
      if (reference.worker !== null) errors.push({ text: missing, location: saidPlace(file, text, reference) });
      else
        options.onWarning({ message: `${missing} The URL is left as it is.`, file, ...spotAt(text, reference.start) });
      continue;
    }
    const isTypeScript = /\.[cm]?tsx?$/.test(admitted);
    const query =
      reference.worker === 'classic'
        ? '?worker&url&classic'
        : reference.worker === 'module' || isTypeScript
          ? '?worker&url'
          : '?url';
    references.push({ reference, importSpec: `${path.startsWith('.') ? '' : './'}${path}${query}` });
  }
  if (errors.length > 0) return { errors };
  if (references.length === 0) return { contents: text, loader };
  options.onRewritten(file, { source: text, references: references.map(({ reference }) => reference) });
  return { contents: rewriteUrlReferences(text, references), loader };
};

/** Whether a path as esbuild writes it names a file of the project or of its packages; `isVirtual`: or is a name of our own. */
export const isInside = (project: Project, path: string, isVirtual: boolean): boolean =>
  isVirtual || path.startsWith('node_modules/')
    ? !path.startsWith('/') && !path.split('/').includes('..')
    : project.files.has(path) || esbuildsOwn.test(path);

/** Of which no file exists. */
const esbuildsOwn = /^<(?:runtime|define:[^/]*)>$/;

/** The third fence: see the head of this file. */
export const assertConfined = (project: Project, metafile: Metafile): void => {
  for (const [input, { imports }] of Object.entries(metafile.inputs)) {
    const path = withoutNamespace(input);
    if (!isInside(project, path, path !== input)) throw outside('An import');
    for (const { path: target, external, kind } of imports) {
      if (external !== true || cssKinds.has(kind) || !/^\.{0,2}\//.test(target)) continue;
      // A glob: esbuild turns `./levels/${name}.ts` into `./levels/**/*.ts`, and names it as external.
      const fixed = target.slice(0, Math.max(0, target.search(/\*|$/)));
      if (resolveInProject(project, posix.dirname(path), `${fixed}x`) === null)
        throw new BuildFailure('user', 'build_failed', computedOutside);
    }
  }
};

/** `inline:src/index.html` → `src/index.html`. */
export const withoutNamespace = (path: string): string => path.replace(namespacePrefix, '');

/** Ours, and what esbuild says of a file for which an empty module stands. */
const namespacePrefix = new RegExp(`^(?:${namespaces.join('|')}|\\(disabled\\)):`);
