import { limits } from '../../contract/limits.ts';
import { parseJson, property, spotOfValue } from './json.ts';
import { folderOf, outsideMessage, ProjectProblem, within } from './paths.ts';
import type { Place } from './said.ts';

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
    const own = await load(files, { path, text }, 0);
    if (Object.keys(own).length > 0) return own;
    // Vite's templates keep the options of the sources in a file of their own.
    const app = await files.read('tsconfig.app.json');
    return app === undefined ? own : await load(files, { path: 'tsconfig.app.json', text: app }, 0);
  }
  return {};
}

/** A config that is read. */
interface Config {
  readonly path: string;
  readonly text: string;
}

/** Where a value of a config is, by the names that lead to it. */
const placeOf = ({ path, text }: Config, names: readonly (string | number)[]): Place => ({
  file: path,
  ...spotOfValue(text, names),
});
const wrong = (config: Config, why: string, place: Place = placeOf(config, ['extends'])): ProjectProblem =>
  new ProjectProblem(`${config.path} cannot be used: ${why}`, place);
const outside = (spec: string, place: Place): ProjectProblem => new ProjectProblem(outsideMessage(spec), place);

async function load(files: ConfigFiles, from: Config, depth: number): Promise<CompilerOptions> {
  if (depth > limits.build.tsconfigDepth) throw wrong(from, '"extends" goes too deep.');
  const read = parseJson(from.text);
  if ('problem' in read) throw wrong(from, `it is not valid JSON. ${read.problem}`, { file: from.path, ...read.spot });
  const config = read.value;
  const bases = property(config, 'extends');
  let options: CompilerOptions = {};
  for (const [index, base] of (Array.isArray(bases) ? bases : bases === undefined ? [] : [bases]).entries()) {
    if (typeof base !== 'string') throw wrong(from, '"extends" must be a text.');
    const place = placeOf(from, Array.isArray(bases) ? ['extends', index] : ['extends']);
    const found = await findBase(files, from.path, base, place);
    // A package that is only there for development need not be installed to build.
    if (found) options = { ...options, ...(await load(files, found, depth + 1)) };
  }
  const own = property(config, 'compilerOptions');
  return typeof own === 'object' && own !== null ? { ...options, ...rebase(from, own) } : options;
}

async function findBase(files: ConfigFiles, from: string, base: string, place: Place): Promise<Config | null> {
  const isPath = base.startsWith('.') || base.startsWith('/');
  const target = within(isPath ? folderOf(from) : 'node_modules', base);
  if (target === null || (!isPath && !target.startsWith('node_modules/'))) throw outside(base, place);
  for (const path of [target, `${target}.json`, `${target}/tsconfig.json`]) {
    if (!path.endsWith('.json')) continue;
    const text = await files.read(path);
    if (text !== undefined) return { path, text };
  }
  if (isPath) throw outside(base, place);
  return null;
}

/** Paths in a config are relative to its own folder; what we hand on is relative to the root. */
function rebase(config: Config, options: object): CompilerOptions {
  const { path } = config;
  const { baseUrl, paths, ...rest } = options as { baseUrl?: unknown; paths?: unknown } & Record<string, unknown>;
  const place = (from: string, target: string, names: readonly (string | number)[]): string => {
    const found = target.startsWith('/') ? null : within(from, target);
    if (found === null) throw outside(target, placeOf(config, ['compilerOptions', ...names]));
    return found;
  };
  const base = typeof baseUrl === 'string' ? place(folderOf(path), baseUrl, ['baseUrl']) : folderOf(path);
  const mapped: Record<string, string[]> = {};
  for (const [alias, targets] of Object.entries(typeof paths === 'object' && paths !== null ? paths : {})) {
    mapped[alias] = (Array.isArray(targets) ? targets : []).flatMap((target: unknown, index) =>
      typeof target === 'string' ? [`./${place(base, target, ['paths', alias, index])}`] : [],
    );
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
