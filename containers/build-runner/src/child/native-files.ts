import { byExtension, type Loader } from '../../../../src/contract/loaders.ts';
import { runnerLimits } from '../runner-limits.ts';
import type { Project } from './project.ts';

/** What esbuild is told of the files that it loads by itself: the same as `kindOf` says. */
export const nativeLoaders: Readonly<Record<string, Loader>> = { ...byExtension, '.module.css': 'local-css' };

/**
 * Patterns of the files that esbuild must not load by itself, but ask us for. What no pattern matches is a file of the snapshot with
 * an ending that esbuild knows: the folder of the project holds nothing else but a link to the packages.
 *
 * Most modules of a game are that, and asking for each costs more than reading it. The patterns are written out, as Go's
 * expressions have no negation, and are matched against absolute paths without `.` and `..` before a file is opened.
 */
export const askedFor = ({ root, marked }: Pick<Project, 'root' | 'marked'>): RegExp[] => {
  if (marked.size > runnerLimits.markedFiles) return [/.*/];
  const inside = `${root}/`;
  return [
    new RegExp(`^${notBeginningWith([...inside])}`),
    // Packages are reached by a link, which could lead on.
    new RegExp(`^${escaped(inside)}node_modules/`),
    new RegExp(notEndingWith(Object.keys(byExtension))),
    // A name that is nothing but an ending has none.
    /\/\.[^/.]*$/,
    // Yarn's names for other places, which esbuild follows when it opens a file: `a/__virtual__/x/2/b` is `a/../../b`.
    /__virtual__|\$\$virtual|\.zip\/|\\/i,
    ...(marked.size === 0 ? [] : [new RegExp(`^${escaped(inside)}(?:${[...marked].map(escaped).join('|')})$`)]),
  ];
};

const escaped = (text: string): string => [...text].map(one).join('');

/** A character that stands for itself, in and out of a class. */
const one = (character: string): string => (/[\w/\u0080-\uffff]/.test(character) ? character : `\\${character}`);

/** Matches what begins otherwise, and what ends before. */
const notBeginningWith = ([first, ...rest]: readonly string[]): string =>
  first === undefined
    ? ''
    : `(?:$|[^${one(first)}]${rest.length === 0 ? '' : `|${one(first)}${notBeginningWith(rest)}`})`;

/** Matches what ends with none of the words, character by character from the end. */
const notEndingWith = (words: readonly string[]): string => {
  const byLast = Map.groupBy(words, (word) => word.at(-1) ?? '');
  const others = [...byLast.keys()].map(one).join('');
  const longer = [...byLast].flatMap(([last, same]) =>
    same.some((word) => word.length === 1)
      ? []
      : [`${notBeforeEnd(same.map((word) => word.slice(0, -1)))}${one(last)}`],
  );
  return `(?:${['^', `[^${others}]`, ...longer].join('|')})$`;
};

const notBeforeEnd = (words: readonly string[]): string => notEndingWith(words).slice(0, -1);
