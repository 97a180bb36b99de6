import { type ParseError, parse } from 'jsonc-parser';

/** Joins and normalises project-relative paths; null for what leads outside. */
export function within(folder: string, path: string): string | null {
  if (/[\\\0]/.test(path)) return null;
  const parts: string[] = [];
  for (const part of [...(path.startsWith('/') ? [] : folder.split('/')), ...path.split('/')]) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return null;
  }
  return parts.join('/');
}

export const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

const extensions = ['', '.tsx', '.ts', '.jsx', '.js', '.mts', '.mjs', '.css', '.json'] as const;
/** TypeScript's way of naming what a source will become. */
const written: Readonly<Record<string, readonly string[]>> = {
  '.js': ['.ts', '.tsx'],
  '.jsx': ['.tsx'],
  '.mjs': ['.mts'],
};

/** The file that an import of this path means; undefined where there is none. */
export function fileAt(paths: ReadonlySet<string>, path: string): string | undefined {
  for (const extension of extensions) if (paths.has(path + extension)) return path + extension;
  const [, stem = '', ending = ''] = /^(.*)(\.m?jsx?)$/.exec(path) ?? [];
  for (const extension of written[ending] ?? []) if (paths.has(stem + extension)) return stem + extension;
  for (const extension of extensions.slice(1)) {
    const index = path === '' ? `index${extension}` : `${path}/index${extension}`;
    if (paths.has(index)) return index;
  }
  return undefined;
}

/** JSON with comments; undefined for what is none. */
export function readJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  const problems: ParseError[] = [];
  const value: unknown = parse(text, problems, { allowTrailingComma: true });
  return problems.length > 0 ? undefined : value;
}

/** A property of what may be an object. */
export const property = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;

const entryScripts = ['main', 'game', 'index'].flatMap((name) =>
  ['ts', 'tsx', 'js', 'jsx'].map((extension) => `src/${name}.${extension}`),
);

/** Where a game starts: as in a build, see docs/guides/builds.md. */
export function findEntry(paths: ReadonlySet<string>, sources: Readonly<Record<string, string>>): string | undefined {
  const named = [
    property(readJson(sources['kiln.json']), 'entry'),
    property(property(readJson(sources['package.json']), 'kiln'), 'entry'),
  ].find((value) => value !== undefined);
  if (named !== undefined) {
    const path = typeof named === 'string' ? within('', named.replace(/^\.?\/+/, '')) : null;
    return path !== null && paths.has(path) ? path : undefined;
  }
  return ['index.html', 'src/index.html', ...entryScripts].find((path) => paths.has(path));
}

export interface Aliases {
  /** The project path that an aliased specifier means; undefined for what is no alias. */
  resolve(spec: string): string | undefined;
  /** Options that change what is emitted. */
  readonly compilerOptions: Readonly<Record<string, unknown>>;
}

const emitOptions = [
  ...['jsx', 'jsxFactory', 'jsxFragmentFactory', 'jsxImportSource'],
  ...['experimentalDecorators', 'useDefineForClassFields', 'verbatimModuleSyntax', 'target'],
];

/** `paths`, `baseUrl` and what changes the output, of the project's tsconfig.json alone: `extends` is for a build. */
export function readTsconfig(paths: ReadonlySet<string>, sources: Readonly<Record<string, string>>): Aliases {
  const options = property(readJson(sources['tsconfig.json'] ?? sources['jsconfig.json']), 'compilerOptions');
  const baseUrl = property(options, 'baseUrl');
  const base = typeof baseUrl === 'string' ? within('', baseUrl) : null;
  const mapped = property(options, 'paths');
  const patterns = Object.entries(typeof mapped === 'object' && mapped !== null ? mapped : {}).flatMap(
    ([pattern, targets]) =>
      Array.isArray(targets) ? [[pattern, targets.filter((one) => typeof one === 'string')] as const] : [],
  );
  const fileOf = (target: string): string | undefined => {
    const path = within(base ?? '', target);
    return path === null ? undefined : fileAt(paths, path);
  };
  return {
    compilerOptions: Object.fromEntries(
      emitOptions.flatMap((name) => {
        const value = property(options, name);
        return value === undefined ? [] : [[name, value]];
      }),
    ),
    resolve: (spec) => {
      for (const [pattern, targets] of patterns) {
        const [before = '', after] = pattern.split('*');
        const fits = after === undefined ? spec === pattern : spec.startsWith(before) && spec.endsWith(after);
        if (!fits) continue;
        const middle = after === undefined ? '' : spec.slice(before.length, spec.length - after.length);
        for (const target of targets) {
          const found = fileOf(target.replace('*', middle));
          if (found !== undefined) return found;
        }
      }
      return base === null ? undefined : fileOf(spec);
    },
  };
}
