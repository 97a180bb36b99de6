import { conflict } from './conflict.ts';
import { attribute, type Element, inlineCode, isModuleScript } from './elements.ts';
import { missingFile } from './meant.ts';
import {
  fileOfPage,
  isClassicScript,
  localUrl,
  moduleOfPage,
  type PageSource,
  publicFile,
  srcsetOf,
  urlAttributesOf,
  valueOffset,
} from './page-files.ts';
import { type InlineCode, linesOf, shownLine, spotAt } from './said.ts';
import type { Told } from './tell.ts';

/** What is wrong with a page itself; a warning is of something that the page may do without. */
export interface PageMistake extends Told {
  readonly level: 'warn' | 'error';
}

/** Code that only a compiler can read. */
const needsCompiling = /\.(?:[cm]?tsx?|jsx)$/i;

const at = ({ path, text }: PageSource, offset: number) => ({ file: path, ...spotAt(text, offset) });

/**
 * What a page names that is not there, and scripts that no browser can run as they are named. A module script that is missing
 * leaves nothing of a game, so it is a mistake; anything else may be meant for the server that the game is played from.
 */
export function pageMistakes(page: PageSource): PageMistake[] {
  return [
    ...conflictOf(page),
    ...page.elements.flatMap((element) => [...scriptMistakes(page, element), ...missing(page, element)]),
  ];
}

function scriptMistakes(page: PageSource, element: Element): PageMistake[] {
  const src = attribute(element, 'src');
  const url = localUrl(src);
  if (src === undefined || url === null || !isClassicScript(element) || !needsCompiling.test(url)) return [];
  if (fileOfPage(page, url) === undefined) return [];
  const message = `No browser can read ${/x$/i.test(url) && !/tsx$/i.test(url) ? 'JSX' : 'TypeScript'}. ${asModule(src)}, and it is made into JavaScript.`;
  return [{ level: 'error', message, ...at(page, element.sourceCodeLocation?.startOffset ?? 0) }];
}

const asModule = (src: string | undefined): string =>
  `Write <script type="module"${src === undefined ? '' : ` src="${src.slice(0, 200)}"`}>`;

function missing(page: PageSource, element: Element): PageMistake[] {
  const { path: from, paths } = page;
  const isModule = isModuleScript(element);
  const found: PageMistake[] = [];
  const look = (url: string | undefined, offset: number): void => {
    const local = localUrl(url);
    if (url === undefined || local === null || local.endsWith('/')) return;
    const isThere = isModule ? moduleOfPage(page, local) : fileOfPage(page, local);
    if ((isThere ?? publicFile(paths, local)) !== undefined) return;
    const gone = missingFile(url.trim(), { from, paths, manner: 'url' });
    const message = isModule ? gone : `${gone} <${element.tagName}> is left as it is.`;
    found.push({ level: isModule ? 'error' : 'warn', message, ...at(page, offset) });
  };
  for (const name of urlAttributesOf(element)) look(attribute(element, name), valueOffset(page, element, name));
  const start = valueOffset(page, element, 'srcset');
  for (const [url = ''] of srcsetOf(element) ?? [])
    look(url, start + Math.max(0, attribute(element, 'srcset')?.indexOf(url) ?? 0));
  return found;
}

/** A page is read whatever stands in it, so what a merge left behind would be shown to whoever plays. */
function conflictOf({ path, text }: PageSource): PageMistake[] {
  const lines = linesOf(text);
  const after = (from: number, mark: RegExp): number =>
    from < 0 ? -1 : lines.findIndex((line, index) => index >= from && mark.test(line));
  const first = after(0, /^<{7} /);
  if (after(after(first, /^={7}$/), /^>{7} /) < 0) return [];
  return [
    { level: 'error', message: conflict, file: path, line: first + 1, column: 0, ...shownLine(lines[first] ?? '') },
  ];
}

/** A classic script of a project: its code is in a file, or in the page. */
export interface ClassicScript {
  /** Of the file that has the code. */
  readonly path: string;
  readonly inline?: InlineCode;
  /** What is told where the page asks for it, should it turn out to be a module. */
  readonly asModule: Told;
}

/** The classic scripts of a page that are the project's own, each file once. */
export function classicScripts(page: PageSource): ClassicScript[] {
  const found = new Map<string, ClassicScript>();
  for (const element of page.elements) {
    if (!isClassicScript(element) || attribute(element, 'nomodule') !== undefined) continue;
    const src = attribute(element, 'src');
    const url = localUrl(src);
    const message = `This script is a module: it has "import", "export", or "await" outside of a function. ${asModule(src)}.`;
    const place = at(page, element.sourceCodeLocation?.startOffset ?? 0);
    const told = { message, ...place };
    const path = url === null ? undefined : fileOfPage(page, url);
    if (path !== undefined && !needsCompiling.test(path)) found.set(path, { path, asModule: told });
    if (src !== undefined) continue;
    const inline = inlineCode(page.text, element);
    if (inline.code.trim() !== '')
      found.set(`${place.line}:${place.column}`, { path: page.path, inline, asModule: told });
  }
  return [...found.values()];
}
