import { posix } from 'node:path';
import { byExtension, type Loader } from '../../../../src/contract/loaders.ts';
import { runnerLimits } from '../runner-limits.ts';
import type { Project } from './project.ts';

/** What esbuild is told of the files that it loads by itself: the same as `kindOf` says. */
export const nativeLoaders: Readonly<Record<string, Loader>> = { ...byExtension, '.module.css': 'local-css' };

/**
 * Patterns of the files that esbuild must not load by itself, but ask us for. What no pattern matches is a file of the snapshot with
 * an ending that esbuild knows: the folder of the project holds nothing else but a link to the packages.
 *
 * Most modules of a game are that, and asking for each costs more than reading it. Go's expressions have no negation, so what is written
 * out are the other endings that the snapshot has: "none of ours" as one expression takes a third of the time of a bundle.
 * For the same reason each begins with `^` or with text to look for. They are matched against absolute paths without `.` and `..` before a file is opened.
 */
export const askedFor = ({ root, files, marked }: Pick<Project, 'root' | 'files' | 'marked'>): RegExp[] => {
  const others = otherEndings(files);
  if (marked.size > runnerLimits.askedNames || others.size > runnerLimits.askedNames) return [/.*/];
  const inside = `${root}/`;
  return [
    new RegExp(`^${notBeginningWith([...inside])}`),
    // Packages are reached by a link, which could lead on.
    new RegExp(`^${escaped(inside)}node_modules/`),
    // A name without an ending, and one that is nothing but an ending, which has none either.
    /\/[^/.]+$/,
    /\/\.[^/.]*$/,
    ...(others.size === 0 ? [] : [new RegExp(`\\.(?:${alternatives(others)})$`)]),
    // Yarn's names for other places, which esbuild follows when it opens a file: `a/__virtual__/x/2/b` is `a/../../b`.
    /__virtual__/,
    /\$\$virtual/,
    /\.zip\//,
    /\\/,
    ...(marked.size === 0 ? [] : [new RegExp(`^${escaped(inside)}(?:${alternatives(marked)})$`)]),
  ];
};

/** What follows the last point of names that esbuild has no loader for. */
const otherEndings = (files: Iterable<string>): Set<string> => {
  const found = new Set<string>();
  for (const path of files) {
    const ending = posix.extname(path);
    if (ending !== '' && !Object.hasOwn(byExtension, ending)) found.add(ending.slice(1));
  }
  return found;
};

const alternatives = (texts: Iterable<string>): string => [...texts].map(escaped).join('|');

const escaped = (text: string): string => [...text].map(one).join('');

/** A character that stands for itself, in and out of a class. */
const one = (character: string): string => (/[\w/\u0080-\uffff]/.test(character) ? character : `\\${character}`);

/** Matches what begins otherwise, and what ends before. */
const notBeginningWith = ([first, ...rest]: readonly string[]): string =>
  first === undefined
    ? ''
    : `(?:$|[^${one(first)}]${rest.length === 0 ? '' : `|${one(first)}${notBeginningWith(rest)}`})`;
