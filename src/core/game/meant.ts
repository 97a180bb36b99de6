import { limits } from '../../contract/limits.ts';
import { folderOf, publicFolder, within } from './paths.ts';

/** How many letters two names differ by (Levenshtein); more than `most` is not counted further. */
function distance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most || a.length > limits.build.slipMax) return most + 1;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1)
      next.push(
        Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
    row = next;
  }
  return row[b.length] ?? most + 1;
}

/** The name that somebody most likely meant: a slip or two away, fewer in a short one. */
export function nearest(name: string, candidates: Iterable<string>): string | null {
  const most = name.length < 4 ? 1 : 2;
  let best: { name: string; off: number } | null = null;
  for (const candidate of candidates) {
    const off = distance(name.toLowerCase(), candidate.toLowerCase(), most);
    if (off <= most && (best === null || off < best.off)) best = { name: candidate, off };
  }
  return best?.name ?? null;
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const stem = (name: string): string => name.replace(/\.[^.]+$/, '');

/** As an import writes it in a file of `folder`. */
function relative(folder: string, path: string): string {
  const [from, to] = [folder === '' ? [] : folder.split('/'), path.split('/')];
  let same = 0;
  while (same < from.length && same < to.length - 1 && from[same] === to[same]) same += 1;
  return `${same === from.length ? './' : '../'.repeat(from.length - same)}${to.slice(same).join('/')}`;
}

const codeFile = /\.[cm]?[jt]sx?$/;
/** Found only with their ending. */
const namedWhole = /\.[cm][jt]s$/;

/** Where a name was looked for. */
export interface Search {
  /** Project-relative path of the file that names it. */
  readonly from: string;
  /** Project-relative paths of all files. */
  readonly paths: Iterable<string>;
  /** `import`: of a script, which may leave the ending away. `url`: of a page, and of what is loaded by its address. */
  readonly manner: 'import' | 'url';
}

/** The name that would have been found, and whether only its case is wrong. */
export interface Meant {
  readonly spec: string;
  readonly byCase: boolean;
}

/** What a name that leads to no file was meant to be: with another case, a slip less, or from another folder. */
export function meantBy(spec: string, { from, paths, manner }: Search): Meant | null {
  const folder = folderOf(from);
  const [plain = ''] = spec.split(/[?#]/, 1);
  const target = within(folder, plain);
  if (target === null || target === '') return null;
  const wanted = nameOf(target);
  const hasEnding = /\.\w+$/.test(wanted);

  const asWritten = (path: string): string => {
    const isPublic = path.startsWith(`${publicFolder}/`);
    const found = isPublic
      ? path.slice(publicFolder.length)
      : plain.startsWith('/')
        ? `/${path}`
        : relative(folder, path).replace(manner === 'url' && !plain.startsWith('.') ? /^\.\// : /^$/, '');
    // As the one that was wrong was written: with its ending, or without.
    const isWhole = manner === 'url' || hasEnding || !codeFile.test(path) || namedWhole.test(path);
    return (isWhole ? found : found.replace(codeFile, '').replace(/\/index$/, '')) + spec.slice(plain.length);
  };

  const all = [...paths];
  for (const path of all) {
    for (const place of [target, `${publicFolder}/${target}`]) {
      const rest = path.slice(place.length);
      if (path.toLowerCase().startsWith(place.toLowerCase()) && /^(?:\.[a-z]+|\/index\.[a-z]+)?$/.test(rest))
        return { spec: asWritten(path), byCase: !path.startsWith(place) };
    }
  }
  const beside = new Map<string, string>();
  for (const path of all)
    if (folderOf(path) === folderOf(target)) beside.set(hasEnding ? nameOf(path) : stem(nameOf(path)), path);
  const near = nearest(wanted, beside.keys());
  const elsewhere = all.find(
    (path) => (!hasEnding && codeFile.test(path) ? stem(nameOf(path)) : nameOf(path)) === wanted,
  );
  const path = near === null ? elsewhere : beside.get(near);
  return path === undefined ? null : { spec: asWritten(path), byCase: false };
}

/** The first file of a folder that an import may name, as it is written; null for what is no folder. */
export function inFolder(spec: string, { from, paths }: Search): string | null {
  const target = within(folderOf(from), spec);
  if (target === null || target === '') return null;
  const inside = [...paths].filter((path) => path.startsWith(`${target}/`)).sort();
  const first = inside.find((path) => codeFile.test(path)) ?? inside[0];
  return first === undefined ? null : relative(folderOf(from), first).replace(codeFile, '');
}

/** "There is no file …", with the one that was most likely meant. */
export function missingFile(spec: string, search: Search): string {
  const gone = `There is no file "${spec.slice(0, 200)}".`;
  const meant = meantBy(spec, search);
  if (meant === null) return `${gone} Look at the name; it is searched for from ${search.from}.`;
  return `${gone} Did you mean "${meant.spec}"?${meant.byCase ? ' Upper and lower case are different names.' : ''}`;
}
