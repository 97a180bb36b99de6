import type { OnLoadResult, OnResolveArgs, OnResolveResult, PartialMessage, Plugin } from 'esbuild-wasm';
import { kindOf } from '../contract/loaders.ts';
import type { BundleOrder } from '../contract/preview.ts';
import type { ImportMap } from '../core/game/import-map.ts';
import { missingFile } from '../core/game/meant.ts';
import { packageOf } from '../core/game/packages.ts';
import { encodePath, folderOf, outsideMessage, within } from '../core/game/paths.ts';
import { saidPlace } from '../core/game/said.ts';
import { fileAt } from '../core/game/source-paths.ts';
import { aliasTargets, type CompilerOptions } from '../core/game/tsconfig.ts';
import { findUrlReferences } from '../core/game/url-references.ts';
import type { PageEntry } from './page.ts';

/**
 * The whole file system of a preview's bundle: the sources that came with the order, and nothing else. Every import,
 * of whatever kind, is resolved here by its text alone, so neither the compiler nor its messages learn of anything
 * outside; what is not there and what is outside are told in the same words (hostile case 66).
 */

/** Where everything that is made lies in the site: one folder deep. */
export const madeFolder = '_kiln';

const namespace = 'project';
/** How a file is taken in: as what it is, or as an import's suffix asks. */
type Manner = 'source' | 'asset' | 'raw' | 'worker';

interface Taken {
  readonly manner: Manner;
}

/** What a browser loads from elsewhere, or from the text itself. */
const isElsewhere = (spec: string): boolean => /^(?:https?:|data:|blob:|\/\/)/i.test(spec);
/** Any other scheme but that of Node's own modules, which are told like packages. */
const isForeign = (spec: string): boolean => /^(?!node:)[a-z][a-z\d+.-]*:/i.test(spec);

const isScript = /\.[cm]?[jt]sx?$/;

/** As long as `import.meta.url`, so that what stands behind it keeps its column. */
const ownUrl = '__kilnModuleUrl';

const missing = (spec: string): OnResolveResult => ({ errors: [{ text: `Could not resolve "${spec}"` }] });

export interface PluginOptions {
  readonly order: BundleOrder;
  readonly paths: ReadonlySet<string>;
  /** Of the project's tsconfig. */
  readonly compilerOptions: CompilerOptions;
  readonly inline: readonly PageEntry[];
  readonly mapped: ImportMap;
  /** From where the output will be served up to the site's root: `../` for what is made. */
  readonly toRoot: string;
  /** Told of the packages that the project would need installed. */
  readonly needs: (name: string) => void;
  readonly onWorker: OnWorker;
}

export type WorkerKind = 'module' | 'classic';
/** Told of a file that a source starts as a worker. */
export type OnWorker = (path: string, kind: WorkerKind) => void;

export function projectPlugin(options: PluginOptions): Plugin {
  const { order, paths, compilerOptions, inline, mapped, toRoot, needs, onWorker } = options;
  const { sources, packages } = order;

  /** What a URL of the project means: a file where it is, or one of public/, which is served at the root. */
  const served = (folder: string, url: string): string | undefined => {
    const path = within(folder, url);
    if (path === null) return undefined;
    if (paths.has(path)) return path;
    return paths.has(`public/${path}`) ? path : undefined;
  };

  const aliased = (spec: string): string | undefined => {
    for (const target of aliasTargets(compilerOptions, spec)) {
      const found = fileAt(paths, target);
      if (found !== undefined) return found;
    }
    return undefined;
  };

  const resolveUrl = (args: OnResolveArgs, folder: string): OnResolveResult => {
    if (args.path.startsWith('#')) return { path: args.path, external: true };
    const [, url = '', rest = ''] = /^([^?#]*)(.*)$/s.exec(args.path) ?? [];
    const path = served(folder, url);
    return path === undefined ? missing(args.path) : { path: toRoot + encodePath(path) + rest, external: true };
  };

  const resolveModule = (args: OnResolveArgs, folder: string, spec: string): OnResolveResult => {
    const [, bare = '', query = ''] = /^([^?]*)(\?.*)?$/s.exec(spec) ?? [];
    const isPath = /^\.{0,2}\//.test(bare) || bare === '.' || bare === '..';
    const inCss = args.kind === 'import-rule' || args.kind === 'composes-from';
    const target = isPath || inCss ? within(folder, bare) : null;
    const file = target === null ? undefined : (fileAt(paths, target) ?? fileAt(paths, `public/${target}`));
    const found = file ?? (isPath ? undefined : aliased(bare));
    if (found === undefined) {
      const prepared = isPath ? undefined : resolvePackage(args, spec);
      if (prepared) return prepared;
      if (isPath || inCss) return missing(spec);
      needs(packageOf(bare));
      return { path: spec, external: true };
    }
    const asked = new URLSearchParams(query);
    const manner: Manner = asked.has('raw')
      ? 'raw'
      : asked.has('worker')
        ? 'worker'
        : asked.has('url') || kindOf(found) === 'asset'
          ? 'asset'
          : 'source';
    // One file may be in a bundle in several manners, which are several modules.
    const suffix = manner === 'source' ? '' : `?${manner}`;
    return { path: found, namespace, suffix, pluginData: { manner } satisfies Taken };
  };

  const addressOf = (file: string): string => `${toRoot}${packages?.base}/${encodePath(file)}`;

  /** What the last build prepared: left to the browser where a module can stand for it, else a module around it. */
  const resolvePackage = (args: OnResolveArgs, spec: string): OnResolveResult | undefined => {
    const entry = packages && Object.hasOwn(packages.entries, spec) ? packages.entries[spec] : undefined;
    if (!entry) return undefined;
    if (args.kind === 'import-rule' || args.kind === 'composes-from')
      return entry.style === undefined ? missing(spec) : { path: addressOf(entry.style), external: true };
    const isPlain = entry.format === 'module' && entry.style === undefined && args.kind !== 'require-call';
    if (isPlain && entry.script !== undefined) return { path: addressOf(entry.script), external: true };
    return { path: spec, namespace: 'package', suffix: args.kind === 'require-call' ? '?require' : '' };
  };

  /**
   * A module around a prepared package. Of a CommonJS package the browser gets one value; the compiler takes it apart
   * for each importer as it does in a build, because this module, too, is CommonJS for it.
   */
  const loadPackage = (spec: string, suffix: string): OnLoadResult => {
    const entry = packages?.entries[spec];
    const style = entry?.style === undefined ? '' : `import ${JSON.stringify(`kiln:style/${spec}`)};\n`;
    if (entry?.script === undefined) return { contents: style, loader: 'js' };
    const address = JSON.stringify(addressOf(entry.script));
    if (entry.format === 'value')
      return { contents: `${style}import value from ${address};\nmodule.exports = value;`, loader: 'js' };
    if (suffix === '?require')
      return { contents: `${style}import * as value from ${address};\nmodule.exports = value;`, loader: 'js' };
    const own = entry.hasDefault ? `\nexport { default } from ${address};` : '';
    return { contents: `${style}export * from ${address};${own}`, loader: 'js' };
  };

  const loadPackageStyle = (spec: string): OnLoadResult => ({
    contents: `if (typeof document !== 'undefined') {
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = new URL(${JSON.stringify(addressOf(packages?.entries[spec]?.style ?? ''))}, import.meta.url).href;
  document.head.append(link);
}`,
    loader: 'js',
  });

  const load = (path: string, { manner }: Taken): OnLoadResult => {
    const address = JSON.stringify(toRoot + encodePath(path.replace(/^public\//, '')));
    if (manner === 'asset')
      return { contents: `export default new URL(${address}, import.meta.url).href;`, loader: 'js' };
    if (manner === 'worker') {
      onWorker(path, 'module');
      return {
        contents: `export default function (options) {
  return new Worker(new URL(${address}, import.meta.url), { type: 'module', name: options?.name });
}`,
        loader: 'js',
      };
    }
    const text = sources[path];
    if (text === undefined) return { errors: [{ text: `${path} is no text, or too large for a preview.` }] };
    if (manner === 'raw') return { contents: text, loader: 'text' };
    const kind = kindOf(path);
    if (kind === 'needs-compiler') return { errors: [{ text: `${path} needs a compiler that is not here.` }] };
    if (kind === 'asset') return { contents: text, loader: 'text' };
    const errors = lostWorkers(path, text);
    return errors.length > 0 ? { errors } : { contents: ofItsOwn(path, text), loader: kind.loader };
  };

  /** Workers that a source starts and that are not there; the others are noted. */
  const lostWorkers = (path: string, text: string): PartialMessage[] => {
    if (!isScript.test(path)) return [];
    return findUrlReferences(text).flatMap((reference) => {
      const { spec, worker } = reference;
      if (worker === null) return [];
      const file = within(folderOf(path), spec.replace(/[?#].*$/, ''));
      if (file !== null && paths.has(file)) {
        onWorker(file, worker);
        return [];
      }
      const lost = file === null ? outsideMessage(spec) : missingFile(spec, { from: path, paths, manner: 'url' });
      return [{ text: lost, location: saidPlace(`${namespace}:${path}`, text, reference) }];
    });
  };

  /** A module's own URL is that of its source, which is served beside everything that it may name relative to itself. */
  const ofItsOwn = (path: string, text: string): string =>
    isScript.test(path) && text.includes('import.meta.url')
      ? `${text.replaceAll(/\bimport\.meta\.url\b/g, ownUrl)}\nimport ${ownUrl} from ${JSON.stringify(`kiln:url/${path}`)};\n`
      : text;

  return {
    name: 'kiln',
    setup: (build) => {
      build.onResolve({ filter: /.*/ }, (args): OnResolveResult => {
        if (args.kind === 'entry-point') {
          const index = /^kiln:inline\/(\d+)$/.exec(args.path)?.[1];
          return index === undefined
            ? { path: args.path, namespace, pluginData: { manner: 'source' } satisfies Taken }
            : { path: index, namespace: 'inline' };
        }
        if (args.namespace === 'package')
          return args.path === `kiln:style/${args.importer}`
            ? { path: args.importer, namespace: 'package-style' }
            : { path: args.path, external: true };
        const importer = args.namespace === 'inline' ? (inline[Number(args.importer)]?.path ?? '') : args.importer;
        if (args.path === `kiln:url/${importer}`) return { path: importer, namespace: 'url' };
        const folder = folderOf(importer);
        const map = mapped(args.path);
        if (map && 'external' in map) return { path: args.path, external: true };
        if (isElsewhere(args.path)) return { path: args.path, external: true };
        if (isForeign(args.path)) return missing(args.path);
        if (args.kind === 'url-token') return resolveUrl(args, folder);
        return resolveModule(args, map ? '' : folder, map ? `/${map.url.replace(/^\.?\/+/, '')}` : args.path);
      });
      build.onLoad({ filter: /.*/, namespace }, ({ path, pluginData }) => load(path, pluginData as Taken));
      build.onLoad({ filter: /.*/, namespace: 'package' }, ({ path, suffix }) => loadPackage(path, suffix));
      build.onLoad({ filter: /.*/, namespace: 'package-style' }, ({ path }) => loadPackageStyle(path));
      build.onLoad({ filter: /.*/, namespace: 'inline' }, ({ path }) => ({
        contents: inline[Number(path)]?.inline?.code ?? '',
        loader: 'js',
      }));
      build.onLoad({ filter: /.*/, namespace: 'url' }, ({ path }) => ({
        contents: `export default new URL(${JSON.stringify(toRoot + encodePath(path))}, import.meta.url).href;`,
        loader: 'js',
      }));
    },
  };
}
