import { type JsonManner, parseJson, property, spotOfValue } from './json.ts';
import { meantBy } from './meant.ts';
import { within } from './paths.ts';
import type { Place } from './said.ts';

/** Where a game starts. `path` is relative to the project. */
export type Entry = { readonly kind: 'html' | 'script'; readonly path: string };

const scripts = ['main', 'game', 'index'].flatMap((name) =>
  ['ts', 'tsx', 'js', 'jsx'].map((extension) => `src/${name}.${extension}`),
);

/** What is tried, in this order, when nothing names the entry. */
const conventions = ['index.html', 'src/index.html', ...scripts];

/** Files that may name the entry. */
export const entryFiles = ['kiln.json', 'package.json'] as const;

/** npm reads it, too, and takes nothing that is not JSON. */
const mannerOf = (name: (typeof entryFiles)[number]): JsonManner => (name === 'package.json' ? 'strict' : 'relaxed');

const isHtml = (path: string): boolean => /\.html?$/i.test(path);
const isScript = (path: string): boolean => /\.[cm]?[jt]sx?$/i.test(path) && !/\.d\.[cm]?ts$/i.test(path);

/** What may say where a game starts. */
export interface EntrySources {
  readonly paths: Pick<ReadonlySet<string>, 'has' | 'keys'>;
  /** Texts of `entryFiles`, as far as they are there. */
  readonly texts: Readonly<Partial<Record<(typeof entryFiles)[number], string>>>;
  /** Of the build. */
  readonly option?: string | undefined;
}

/**
 * Finds where a game starts: the option, else `entry` of kiln.json, else `kiln.entry` of package.json, else the
 * conventions. A name that is given but wrong is a problem, not a reason to guess.
 */
export function findEntry({
  paths,
  texts,
  option,
}: EntrySources): Entry | { readonly problem: string; readonly place: Place } {
  const values = new Map<string, unknown>();
  for (const name of entryFiles) {
    const text = texts[name];
    if (text === undefined) continue;
    const read = parseJson(text, mannerOf(name));
    if ('problem' in read)
      return { problem: `${name} is not valid JSON. ${read.problem}`, place: { file: name, ...read.spot } };
    values.set(name, read.value);
  }
  const named: readonly [source: string, value: unknown, file?: keyof typeof texts, names?: readonly string[]][] = [
    ['options.entry', option],
    ['entry of kiln.json', property(values.get('kiln.json'), 'entry'), 'kiln.json', ['entry']],
    [
      'kiln.entry of package.json',
      property(property(values.get('package.json'), 'kiln'), 'entry'),
      'package.json',
      ['kiln', 'entry'],
    ],
  ];
  for (const [source, value, file, names = []] of named) {
    if (value === undefined) continue;
    const wrong = (problem: string) => ({
      problem,
      place: file === undefined ? {} : { file, ...spotOfValue(texts[file] ?? '', names) },
    });
    if (typeof value !== 'string') return wrong(`${source} must be a text.`);
    const path = within('', value);
    if (path === null || !paths.has(path)) {
      const meant = meantBy(value, { from: '', paths: paths.keys(), manner: 'url' });
      const gone = `${source} names "${value.slice(0, 200)}", which is not a file of this project.`;
      return wrong(meant === null ? gone : `${gone} Did you mean "${meant.spec}"?`);
    }
    if (isHtml(path)) return { kind: 'html', path };
    if (isScript(path)) return { kind: 'script', path };
    return wrong(`${source} names "${path}", which is neither HTML nor a script.`);
  }
  const path = conventions.find((candidate) => paths.has(candidate));
  if (path !== undefined) return { kind: isHtml(path) ? 'html' : 'script', path };
  return {
    place: {},
    problem:
      'The project has no index.html, no src/index.html, and none of src/{main,game,index}.{ts,tsx,js,jsx}. Make one of them, or name another in kiln.json: {"entry": "…"}.',
  };
}
