import { limits } from '../../contract/limits.ts';
import { property, readJson } from './json.ts';
import { folderOf, outsideMessage, ProjectProblem, within } from './paths.ts';

export type CompilerOptions = Readonly<Record<string, unknown>>;

/** The files that `extends` may lead to. */
export interface ConfigFiles {
  /** The text of a project-relative path, which may lie below `node_modules/`; undefined where there is none. */
  read(path: string): Promise<string | undefined>;
}

/**
 * The compiler options of the project's `tsconfig.json` (else `jsconfig.json`) with `extends` followed inside the
 * project and its packages only, and `paths` and `baseUrl` made relative to its root. Compilers get these options and
 * never read a tsconfig by themselves: they would follow `extends` anywhere, and look for a file in the folders
 * above. Throws `ProjectProblem`.
 */
export async function readTsconfig(files: ConfigFiles): Promise<CompilerOptions> {
  for (const path of ['tsconfig.json', 'jsconfig.json']) {
    const text = await files.read(path);
    if (text === undefined) continue;
    const own = await load(files, path, text, 0);
    if (Object.keys(own).length > 0) return own;
    // Vite's templates keep the options of the sources in a file of their own.
    const app = await files.read('tsconfig.app.json');
    return app === undefined ? own : await load(files, 'tsconfig.app.json', app, 0);
  }
  return {};
}

const wrong = (path: string, why: string): ProjectProblem => new ProjectProblem(`${path} cannot be used: ${why}`, path);
const outside = (spec: string, path: string): ProjectProblem => new ProjectProblem(outsideMessage(spec), path);

async function load(files: ConfigFiles, path: string, text: string, depth: number): Promise<CompilerOptions> {
  if (depth > limits.build.tsconfigDepth) throw wrong(path, '"extends" goes too deep.');
  const config = readJson(text);
  if (config === undefined) throw wrong(path, 'it is not valid JSON.');
  const bases = property(config, 'extends');
  let options: CompilerOptions = {};
  for (const base of Array.isArray(bases) ? bases : bases === undefined ? [] : [bases]) {
    if (typeof base !== 'string') throw wrong(path, '"extends" must be a text.');
    const found = await findBase(files, path, base);
    // A package that is only there for development need not be installed to build.
    if (found) options = { ...options, ...(await load(files, found.path, found.text, depth + 1)) };
  }
  const own = property(config, 'compilerOptions');
  return typeof own === 'object' && own !== null ? { ...options, ...rebase(path, own) } : options;
}

async function findBase(
  files: ConfigFiles,
  from: string,
  base: string,
): Promise<{ readonly path: string; readonly text: string } | null> {
  const isPath = base.startsWith('.') || base.startsWith('/');
  const target = within(isPath ? folderOf(from) : 'node_modules', base);
  if (target === null || (!isPath && !target.startsWith('node_modules/'))) throw outside(base, from);
  for (const path of [target, `${target}.json`, `${target}/tsconfig.json`]) {
    if (!path.endsWith('.json')) continue;
    const text = await files.read(path);
    if (text !== undefined) return { path, text };
  }
  if (isPath) throw outside(base, from);
  return null;
}

/** Paths in a config are relative to its own folder; what we hand on is relative to the root. */
function rebase(path: string, options: object): CompilerOptions {
  const { baseUrl, paths, ...rest } = options as { baseUrl?: unknown; paths?: unknown } & Record<string, unknown>;
  const place = (from: string, target: string): string => {
    const found = target.startsWith('/') ? null : within(from, target);
    if (found === null) throw outside(target, path);
    return found;
  };
  const base = typeof baseUrl === 'string' ? place(folderOf(path), baseUrl) : folderOf(path);
  const mapped: Record<string, string[]> = {};
  for (const [alias, targets] of Object.entries(typeof paths === 'object' && paths !== null ? paths : {})) {
    const texts = Array.isArray(targets) ? targets.filter((target) => typeof target === 'string') : [];
    mapped[alias] = texts.map((target) => `./${place(base, target)}`);
  }
  return {
    ...rest,
    ...(typeof baseUrl === 'string' ? { baseUrl: `./${base}` } : {}),
    ...(paths === undefined ? {} : { paths: mapped }),
  };
}

/** Options that change what is emitted; the rest is for the type checker. */
const emitOptions = new Set([
  ...['alwaysStrict', 'strict', 'target', 'experimentalDecorators', 'useDefineForClassFields'],
  ...['jsx', 'jsxFactory', 'jsxFragmentFactory', 'jsxImportSource'],
  ...['verbatimModuleSyntax', 'importsNotUsedAsValues', 'preserveValueImports'],
]);
const resolveOptions = new Set(['baseUrl', 'paths']);

const only = (options: CompilerOptions, names: ReadonlySet<string>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(options).filter(([name]) => names.has(name)));

/** `paths` as esbuild reads them: relative to `baseUrl` where there is one. */
function fromBase({ baseUrl, paths }: CompilerOptions): Record<string, unknown> {
  if (typeof baseUrl !== 'string' || typeof paths !== 'object' || paths === null) return {};
  const depth = within('', baseUrl)?.split('/').filter(Boolean).length ?? 0;
  const up = `./${'../'.repeat(depth)}`;
  return {
    paths: Object.fromEntries(
      Object.entries(paths as Record<string, readonly string[]>).map(([alias, targets]) => [
        alias,
        targets.map((target) => up + target.slice('./'.length)),
      ]),
    ),
  };
}

/** What a compiler of sources is told, as esbuild's `tsconfigRaw`. `resolves`: it looks for files itself. */
export const emitSettings = (options: CompilerOptions, resolves: boolean): { compilerOptions: object } => ({
  compilerOptions: {
    jsx: 'react-jsx',
    ...only(options, emitOptions),
    ...(resolves ? { ...only(options, resolveOptions), ...fromBase(options) } : {}),
  },
});

/**
 * The project-relative places that a specifier may mean by `paths` and `baseUrl`, in the order in which esbuild
 * tries them: an exact name before patterns, the pattern with the longest beginning first, then the base itself.
 */
export function aliasTargets(options: CompilerOptions, spec: string): string[] {
  const { baseUrl } = options;
  const paths = (options.paths ?? {}) as Readonly<Record<string, readonly string[]>>;
  const found: string[] = [];
  const exact = Object.hasOwn(paths, spec) ? paths[spec] : undefined;
  if (exact) found.push(...exact);
  else {
    const [best] = Object.keys(paths)
      .flatMap((pattern) => {
        const at = pattern.indexOf('*');
        if (at < 0) return [];
        const [before, after] = [pattern.slice(0, at), pattern.slice(at + 1)];
        const fits = spec.length >= before.length + after.length && spec.startsWith(before) && spec.endsWith(after);
        return fits ? [{ pattern, before, after }] : [];
      })
      .sort((a, b) => b.before.length - a.before.length || b.after.length - a.after.length);
    const middle = best && spec.slice(best.before.length, spec.length - best.after.length);
    for (const target of (best && paths[best.pattern]) ?? []) found.push(target.replace('*', () => middle ?? ''));
  }
  if (typeof baseUrl === 'string') found.push(`${baseUrl}/${spec}`);
  return found.flatMap((target) => within('', target) ?? []);
}
