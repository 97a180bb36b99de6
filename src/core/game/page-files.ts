import { attribute, type Element } from './elements.ts';
import { folderOf, publicFolder, within } from './paths.ts';
import { fileAt } from './source-paths.ts';

/** What a page is, as far as its files are concerned. */
export interface PageSource {
  /** Project-relative path. */
  readonly path: string;
  readonly text: string;
  /** All of it, in the order of the text. */
  readonly elements: readonly Element[];
  /** Project-relative paths of all files. */
  readonly paths: ReadonlySet<string>;
}

/** Attributes that hold the URL of something the page loads, as Vite knows them. */
const urlAttributes: Readonly<Record<string, readonly string[]>> = {
  audio: ['src'],
  embed: ['src'],
  image: ['href'],
  img: ['src'],
  input: ['src'],
  link: ['href'],
  object: ['data'],
  script: ['src'],
  source: ['src'],
  track: ['src'],
  use: ['href'],
  video: ['src', 'poster'],
};

/** Links to other pages, and hints: nothing is loaded for them. */
const notLoaded = /\b(?:canonical|alternate|preconnect|dns-prefetch|prev|next)\b/i;

/** The names of the attributes of an element that hold one URL each. */
export const urlAttributesOf = (element: Element): readonly string[] =>
  element.tagName === 'link' && notLoaded.test(attribute(element, 'rel') ?? '')
    ? []
    : (urlAttributes[element.tagName] ?? []);

/** The candidates of a `srcset`, each a URL and what it is for; undefined for an element that has none. */
export const srcsetOf = (element: Element): readonly (readonly string[])[] | undefined =>
  (element.tagName === 'img' || element.tagName === 'source' ? attribute(element, 'srcset') : undefined)
    ?.split(/,\s+/)
    .map((candidate) => candidate.trim().split(/\s+/));

export const isStylesheet = (element: Element): boolean =>
  element.tagName === 'link' && (attribute(element, 'rel') ?? '').toLowerCase().split(/\s+/).includes('stylesheet');

/** What a browser takes for JavaScript that is no module; anything else is data. */
const scriptType =
  /^(?:|(?:text|application)\/(?:x-)?(?:java|ecma)script|text\/(?:jscript|livescript|javascript1\.[0-5]))$/i;

export const isClassicScript = (element: Element): boolean =>
  element.tagName === 'script' && scriptType.test((attribute(element, 'type') ?? '').trim());

/** The path of a URL without query and fragment, percent-decoded; null when it leads elsewhere. */
export function localUrl(url: string | undefined): string | null {
  const trimmed = url?.trim() ?? '';
  if (trimmed === '' || /^(?:[a-z][a-z\d+.-]*:|\/\/|#|\?)/i.test(trimmed)) return null;
  const [path = ''] = trimmed.split(/[?#]/, 1);
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Vite serves the folder of the page at the root, so that a path from the root may also mean one beside the page. */
const targetsOf = (page: string, path: string): string[] =>
  (path.startsWith('/')
    ? [within('', path), within(folderOf(page), path.slice(1))]
    : [within(folderOf(page), path)]
  ).filter((target) => target !== null);

/** The file of the project that a local URL of a page means; undefined where there is none. */
export const fileOfPage = ({ path, paths }: Pick<PageSource, 'path' | 'paths'>, url: string): string | undefined =>
  targetsOf(path, url).find((target) => paths.has(target));

/** The source that a module script of a page means, which need not be named as it is on the disk. */
export const moduleOfPage = ({ path, paths }: Pick<PageSource, 'path' | 'paths'>, url: string): string | undefined =>
  fileOfPage({ path, paths }, url) ?? targetsOf(path, url).flatMap((target) => fileAt(paths, target) ?? [])[0];

/** The file of `public/` that a local URL means: `logo.png` and `/logo.png` are the same. */
export const publicFile = (paths: ReadonlySet<string>, url: string): string | undefined => {
  const target = within('', url);
  const file = `${publicFolder}/${target}`;
  return target !== null && paths.has(file) ? file : undefined;
};

/** Where the value of an attribute begins in the text of the page. */
export function valueOffset({ text }: Pick<PageSource, 'text'>, element: Element, name: string): number {
  const place = element.sourceCodeLocation?.attrs?.[name];
  if (!place) return element.sourceCodeLocation?.startOffset ?? 0;
  const [before = ''] = /^[^=]*=\s*["']?/.exec(text.slice(place.startOffset, place.endOffset)) ?? [];
  return place.startOffset + before.length;
}
