import { runnerLimits } from '../runner-limits.ts';

/** Where a text stands that may name files. */
export interface Place {
  readonly file: string;
  /** 1-based; counted when somebody is told. */
  line(): number;
}

/** A name of which something is computed. */
interface Pattern {
  readonly expression: RegExp;
  readonly text: string;
  readonly ending: string | undefined;
  readonly place: Place;
}

/**
 * The names of files that the texts of a game hold, as a page resolves them: against the root of the site, and for texts in files that are
 * loaded themselves against their folder, too.
 */
export class Mentions {
  readonly #names = new Map<string, Place>();
  /** With something of the path in them. */
  readonly #patterns = new Map<string, Pattern>();
  /** With nothing but slashes and an ending: they mean files of folders that are named elsewhere. */
  readonly #loose = new Map<string, Pattern>();

  /** `folders`: those that the name may be relative to. */
  add(parts: readonly string[], folders: readonly string[], place: Place): void {
    const fixed = withoutQuery(parts);
    if (fixed.reduce((sum, part) => sum + part.length, 0) > runnerLimits.nameInCode) return;
    for (const folder of folders) {
      const [first = ''] = fixed;
      const name = urlPath(folder, first);
      if (fixed.length === 1) {
        if (name !== null && name !== '' && !this.#names.has(name)) this.#names.set(name, place);
      } else if (name !== null || first === '') this.#addPattern([name ?? '', ...fixed.slice(1)], fixed, place);
    }
  }

  /** Where a file is named whose path in the site is `path`. `withStems`: also without its ending. */
  find(path: string, withStems: boolean): Place | undefined {
    const stem = path.replace(/(?<=[^/])\.[^./]*$/, '');
    const named = this.#names.get(path) ?? (withStems && path.includes('/') ? this.#names.get(stem) : undefined);
    if (named !== undefined) return named;
    for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) {
      const folder = path.slice(0, end);
      const all = this.#names.get(`${folder}/`);
      if (all !== undefined) return all;
      const place = this.#names.get(folder);
      if (place === undefined) continue;
      const rest = path.slice(end + 1);
      if (this.#names.has(rest) || (withStems && this.#names.has(stem.slice(end + 1)))) return place;
      for (const { expression } of this.#loose.values()) if (expression.test(rest)) return place;
    }
    for (const { expression, place } of this.#patterns.values()) if (expression.test(path)) return place;
    if (this.#names.has(stem))
      for (const { expression, place } of this.#loose.values()) if (expression.test(path)) return place;
    return undefined;
  }

  /** Where a text that names a file whole stands. */
  whole(path: string): Place | undefined {
    return this.#names.get(path);
  }

  /** Texts that may mean a file by its ending alone. */
  *loosely(path: string): Generator<Pattern & { readonly ending: string }> {
    for (const { ending, ...pattern } of this.#loose.values())
      if (ending !== undefined && path.endsWith(ending)) yield { ...pattern, ending };
  }

  #addPattern(parts: readonly string[], written: readonly string[], place: Place): void {
    const [head = ''] = parts;
    const ending = /\.\w+$/.exec(parts.at(-1) ?? '')?.[0];
    const isNamed = parts.some((part) => /[\w-]\/|\/[\w-]/.test(part)) || (head !== '' && ending !== undefined);
    const known = isNamed ? this.#patterns : this.#loose;
    if (!isNamed && ending === undefined) return;
    const expression = expressionOf(parts);
    if (known.has(expression) || known.size >= runnerLimits.patternsInCode) return;
    known.set(expression, { expression: new RegExp(`^${expression}$`), text: written.join('…'), ending, place });
  }
}

const expressionOf = ([head = '', ...rest]: readonly string[]): string => {
  const all = rest.map(escaped).join('.*');
  // What is computed before a slash may be the root.
  return head === '' && all.startsWith('/') ? `(?:.*/)?${all.slice(1)}` : `${escaped(head)}.*${all}`;
};

/** A text as an expression that matches it alone. */
export const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');

const withoutQuery = (parts: readonly string[]): string[] => {
  const at = parts.findIndex((part) => /[?#]/.test(part));
  return at === -1 ? [...parts] : [...parts.slice(0, at), (parts[at] ?? '').replace(/[?#][\s\S]*$/, '')];
};

/** A URL, or the beginning of one, as a path of the site; null when it leads elsewhere. A slash at its end stays. */
const urlPath = (folder: string, url: string): string | null => {
  if (url === '' || /^(?:[a-z][a-z\d+.-]*:|\/\/)|[\0\\\n]/i.test(url)) return null;
  const parts = url.startsWith('/') || folder === '' ? [] : folder.split('/');
  for (const part of url.split('/')) {
    // A browser stays at the root, too.
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  const path = `${parts.join('/')}${parts.length > 0 && url.endsWith('/') ? '/' : ''}`;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
};
