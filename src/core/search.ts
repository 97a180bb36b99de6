import { RE2JS, RE2JSException, RE2JSSyntaxException } from 're2js';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import type { SearchMatch, SearchQuery } from '../contract/search.ts';

/*
 * Patterns and globs come from users, so all of them run on RE2, whose time is proportional to text times
 * pattern whatever they say. That product is counted in steps (`limits.search.steps`), and the caller is
 * asked for a pause before more of them are done at a stretch: inside an object of the platform a clock
 * stands still while code runs, so time cannot be measured there.
 */

/** Where a line matches, from its start. UTF-16 units. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** A compiled query. */
export interface Finder {
  /** Steps per character. */
  readonly cost: number;
  /** The form of a text that is searched, unit for unit as long as the text. */
  prepare(text: string): string;
  /** The matches in a prepared line, from left to right; each is looked for when it is asked for. */
  spans(line: string): Iterable<Span>;
}

/** Which paths are looked into. */
export interface PathFilter {
  /** Steps per character. */
  readonly cost: number;
  test(path: string): boolean;
}

export type LineMatch = Omit<SearchMatch, 'path'>;

const invalid = (field: string, message: string): KilnError =>
  new KilnError('validation_failed', { issues: [{ path: `query.${field}`, message }] });

/** Throws `validation_failed` with RE2's own words. */
function compile(field: string, source: string, exact: boolean): RE2JS {
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(source, exact ? 0 : RE2JS.CASE_INSENSITIVE);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    if (!(error instanceof RE2JSSyntaxException)) throw invalid(field, error.message);
    const part = error.getPattern() ?? '';
    const isPart = part !== '' && part.length < source.length && source.includes(part);
    throw invalid(field, `${error.getDescription()}${isPart ? `: ${part}` : ''}`);
  }
  if (compiled.programSize() > limits.search.programMax) throw invalid(field, 'the pattern is too large');
  return compiled;
}

/** Lower case, unit for unit: İ alone would become two, and a sigma depends on what stands after it. */
const fold = (text: string): string => text.replaceAll('İ', 'i').toLowerCase().replaceAll('ς', 'σ');

function literal(q: string, exact: boolean): Finder {
  const prepare = exact ? (text: string): string => text : fold;
  const needle = prepare(q);
  return {
    cost: 1,
    prepare,
    *spans(line) {
      for (let start = line.indexOf(needle); start !== -1; start = line.indexOf(needle, start + needle.length))
        yield { start, end: start + needle.length };
    },
  };
}

function pattern(q: string, exact: boolean): Finder {
  const compiled = compile('q', q, exact);
  const matcher = compiled.matcher('');
  return {
    cost: compiled.programSize(),
    prepare: (text) => text,
    *spans(line) {
      matcher.resetMatcherInput(line);
      while (matcher.find()) yield { start: matcher.start(), end: matcher.end() };
    },
  };
}

/** Throws `validation_failed` on what is no pattern, and on one that is too large. */
export function finderOf(query: Pick<SearchQuery, 'q' | 'regex' | 'case'>): Finder {
  // Half of a character would be found in the middle of others.
  if (!query.q.isWellFormed()) throw invalid('q', 'is not valid Unicode');
  return query.regex ? pattern(query.q, query.case) : literal(query.q, query.case);
}

/** The parts of a list between commas, which do not separate inside of braces. */
function partsOf(list: string): string[] {
  let depth = 0;
  const parts = [''];
  for (const character of list) {
    if (character === '{') depth += 1;
    else if (character === '}') depth -= 1;
    if (character === ',' && depth <= 0) parts.push('');
    else parts.push(`${parts.pop()}${character}`);
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

const globToken = /\*\*\/|\*\*|\[!?[^\]/]+\]|[*?{},]|[^*?{},[]+|\[/gu;
const globWords: ReadonlyMap<string, string> = new Map([
  ['**/', '(?:.*/)?'],
  ['**', '.*'],
  ['*', '[^/]*'],
  ['?', '[^/]'],
  ['{', '(?:'],
  [',', '|'],
  ['}', ')'],
]);

/** A class of characters; a negated one never takes a slash. */
function classSource(body: string): string {
  const negated = body.startsWith('!');
  return `[${negated ? '^/' : ''}${(negated ? body.slice(1) : body).replace(/[\\[\]^]/g, '\\$&')}]`;
}

/**
 * RE2 source of the paths that a part of the list means. Without a wildcard they begin with it; a glob
 * without a slash is a name at any depth; a directory means all that is in it.
 */
function pathSource(part: string): string {
  const glob = part.replace(/^(?:\.?\/)+/, '');
  if (!/[*?{]/.test(glob)) return `${RE2JS.quote(glob)}.*`;
  const source = [...glob.matchAll(globToken)]
    .map(
      ([token]) =>
        globWords.get(token) ??
        (token.length > 1 && token.startsWith('[') ? classSource(token.slice(1, -1)) : RE2JS.quote(token)),
    )
    .join('');
  return `${glob.includes('/') ? '' : '(?:.*/)?'}${source}${glob.endsWith('/') ? '.*' : '(?:/.*)?'}`;
}

/** Throws `validation_failed` on what is no glob. Paths that differ only in case cannot stand side by side, so case does not matter. */
export function pathFilterOf(list: string | undefined): PathFilter {
  const parts = partsOf(list ?? '');
  const oneOf = (sources: readonly string[]): RE2JS => {
    // Each by itself first: alternatives must not complete each other.
    for (const source of sources) compile('path', source, false);
    return compile('path', `^(?:${sources.join('|')})$`, false);
  };
  const wanted = parts.filter((part) => !part.startsWith('!')).map(pathSource);
  const unwanted = parts.filter((part) => part.startsWith('!')).map((part) => pathSource(part.slice(1)));
  const include = wanted.length ? oneOf(wanted) : null;
  const exclude = unwanted.length ? oneOf(unwanted) : null;
  return {
    cost: (include?.programSize() ?? 0) + (exclude?.programSize() ?? 0),
    test: (path) => (include?.test(path) ?? true) && !(exclude?.test(path) ?? false),
  };
}

/** Counts steps, and says when it is time for a pause. */
export class Effort {
  #left: number = limits.search.steps;

  /** True: pause first, then do it. */
  spend(steps: number): boolean {
    const over = steps > this.#left;
    this.#left = (over ? limits.search.steps : this.#left) - steps;
    return over;
  }
}

/** Steps that calling the engine costs, however short the line. */
const callCost = 50;

const splitsPair = (text: string, at: number): boolean =>
  /[\ud800-\udbff]/.test(text.charAt(at - 1)) && /[\udc00-\udfff]/.test(text.charAt(at));

/** A line, or the part of a long one in which a match begins. Never cuts a character in two. */
export function previewOf(line: string, start: number): { preview: string; offset: number } {
  const max = limits.search.preview;
  const first = Math.max(0, Math.min(start - Math.floor(max / 4), line.length - max));
  const from = splitsPair(line, first) ? first + 1 : first;
  const to = splitsPair(line, first + max) ? first + max - 1 : first + max;
  // A copy: a slice would keep the whole text in memory for as long as the match.
  return { preview: structuredClone(line.slice(from, to)), offset: start - from };
}

/**
 * The matches of a text from top to bottom. `pause`: let others go first; `cut`: the rest of a line was too
 * long for this pattern and was not searched.
 */
export function* searchText(text: string, finder: Finder, effort: Effort): Generator<LineMatch | 'pause' | 'cut'> {
  const reach = Math.floor((limits.search.steps - callCost) / finder.cost);
  const prepared = finder.prepare(text);
  let number = 0;
  for (let from = 0; from <= text.length; number += 1) {
    const newline = prepared.indexOf('\n', from);
    const next = newline === -1 ? text.length : newline;
    // Of `\r\n`, the first half belongs to the end of the line, not to what `$` stands behind.
    const end = next > from && text[next - 1] === '\r' ? next - 1 : next;
    const cut = end - from > reach;
    const stop = cut ? from + reach - (splitsPair(text, from + reach) ? 1 : 0) : end;
    if (effort.spend(callCost + (stop - from) * finder.cost)) yield 'pause';
    for (const span of finder.spans(prepared.slice(from, stop))) {
      // What touches the cut might go on behind it.
      if (cut && span.end === stop - from) break;
      yield {
        line: number + 1,
        column: span.start + 1,
        length: span.end - span.start,
        ...previewOf(text.slice(from, end), span.start),
      };
      if (effort.spend(callCost + (stop - from - span.end) * finder.cost)) yield 'pause';
    }
    if (cut) yield 'cut';
    from = next + 1;
  }
}
