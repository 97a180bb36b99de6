import { property, readJson } from './json.ts';
import { within } from './paths.ts';

/** Where a game starts. `path` is relative to the project. */
export type Entry = { readonly kind: 'html' | 'script'; readonly path: string };

const scripts = ['main', 'game', 'index'].flatMap((name) =>
  ['ts', 'tsx', 'js', 'jsx'].map((extension) => `src/${name}.${extension}`),
);

/** What is tried, in this order, when nothing names the entry. */
const conventions = ['index.html', 'src/index.html', ...scripts];

/** Files that may name the entry. */
export const entryFiles = ['kiln.json', 'package.json'] as const;

const isHtml = (path: string): boolean => /\.html?$/i.test(path);
const isScript = (path: string): boolean => /\.[cm]?[jt]sx?$/i.test(path) && !/\.d\.[cm]?ts$/i.test(path);

/** What may say where a game starts. */
export interface EntrySources {
  readonly paths: Pick<ReadonlySet<string>, 'has'>;
  /** Texts of `entryFiles`, as far as they are there. */
  readonly texts: Readonly<Partial<Record<(typeof entryFiles)[number], string>>>;
  /** Of the build. */
  readonly option?: string | undefined;
}

/**
 * Finds where a game starts: the option, else `entry` of kiln.json, else `kiln.entry` of package.json, else the
 * conventions. A name that is given but wrong is a problem, not a reason to guess.
 */
export function findEntry({ paths, texts, option }: EntrySources): Entry | { readonly problem: string } {
  const values = new Map<string, unknown>();
  for (const name of entryFiles) {
    const text = texts[name];
    if (text === undefined) continue;
    const value = readJson(text);
    if (value === undefined) return { problem: `${name} is not valid JSON.` };
    values.set(name, value);
  }
  const named: readonly [source: string, value: unknown][] = [
    ['options.entry', option],
    ['entry of kiln.json', property(values.get('kiln.json'), 'entry')],
    ['kiln.entry of package.json', property(property(values.get('package.json'), 'kiln'), 'entry')],
  ];
  for (const [source, value] of named) {
    if (value === undefined) continue;
    if (typeof value !== 'string') return { problem: `${source} must be a text.` };
    const path = within('', value);
    if (path === null || !paths.has(path))
      return { problem: `${source} names "${value.slice(0, 200)}", which is not a file of this project.` };
    if (isHtml(path)) return { kind: 'html', path };
    if (isScript(path)) return { kind: 'script', path };
    return { problem: `${source} names "${path}", which is neither HTML nor a script.` };
  }
  const path = conventions.find((candidate) => paths.has(candidate));
  if (path !== undefined) return { kind: isHtml(path) ? 'html' : 'script', path };
  return {
    problem:
      'The project has no index.html, no src/index.html, and none of src/{main,game,index}.{ts,tsx,js,jsx}. Make one of them, or name another in kiln.json: {"entry": "…"}.',
  };
}
