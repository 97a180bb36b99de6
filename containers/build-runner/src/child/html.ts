import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { html as html5, parse, serialize, defaultTreeAdapter as tree } from 'parse5';
import {
  allElements,
  attribute,
  type Element,
  inlineCode,
  isModuleScript,
  textOf,
} from '../../../../src/core/game/elements.ts';
import { type ImportMap, readImportMap } from '../../../../src/core/game/import-map.ts';
import { gamePage } from '../../../../src/core/game/page.ts';
import { encodePath } from '../../../../src/core/game/paths.ts';
import type { BundledEntry, BundleEntry } from './bundle.ts';
import { findPublic, type Project, resolveInProject } from './project.ts';
import type { Log } from './report.ts';

/** A page before its scripts and styles are bundled. */
export interface Page {
  readonly entries: readonly BundleEntry[];
  /** What the page's import map makes of specifiers. */
  readonly mapped: ImportMap;
  /** False when the page has nothing to bundle, so that it is served as the static site that it is. */
  readonly hasModules: boolean;
  /** The page with every URL relative; `copies` then names the project files it needs, by their path in the site. */
  finish(bundled: ReadonlyMap<string, BundledEntry>): Promise<{ html: string; copies: ReadonlyMap<string, string> }>;
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

/** Reads an HTML entry the way Vite does: module scripts and stylesheets become entries, other local files are copied or found in public/. */
export const readPage = async (project: Project, path: string, log: Log): Promise<Page> => {
  const text = await readFile(join(project.root, path), 'utf8');
  const document = parse(text, { sourceCodeLocationInfo: true });
  const elements = [...allElements(document)];
  const folder = posix.dirname(path);
  const entries: BundleEntry[] = [];
  const targets = new Map<Element, string>();
  const byPath = new Map<string, string>();

  const addEntry = (element: Element, entry: Omit<BundleEntry, 'id'>): void => {
    const known = entry.inline === undefined ? byPath.get(entry.path) : undefined;
    const id = known ?? String(entries.length);
    if (known === undefined) entries.push({ ...entry, id });
    if (entry.inline === undefined) byPath.set(entry.path, id);
    targets.set(element, id);
  };

  for (const element of elements) {
    const source = localUrl(attribute(element, isStylesheet(element) ? 'href' : 'src'));
    if (isModuleScript(element) && source === null && attribute(element, 'src') === undefined) {
      const inline = inlineCode(text, element);
      if (inline.code.trim() !== '') addEntry(element, { path, inline: { ...inline, loader: 'js' } });
    } else if (source !== null && (isModuleScript(element) || isStylesheet(element))) {
      const file = findFile(project, folder, source);
      if (file !== null) addEntry(element, { path: file });
      else if (findPublic(project, publicUrl(source)) === null) warnMissing(log, path, element, source);
    } else if (element.tagName === 'style' && /@import|url\(/i.test(textOf(element))) {
      addEntry(element, { path, inline: { ...inlineCode(text, element), loader: 'css' } });
    }
  }

  return {
    entries,
    mapped: readImportMap(elements),
    hasModules: elements.some(isModuleScript),
    finish: async (bundled) => {
      const copies = new Map<string, string>();
      const head = elements.find((element) => element.tagName === 'head');
      const linked = new Set<string>();
      for (const element of elements) {
        const output = bundled.get(targets.get(element) ?? '');
        if (output === undefined) {
          await rewriteUrls(element, async (url) => {
            const file = localUrl(url);
            return file === null ? url : await placeFile(project, { folder, url, path, element, copies, log });
          });
          continue;
        }
        replaceByOutput(element, output, head, linked);
      }
      return { html: serialize(document), copies };
    },
  };
};

const isStylesheet = (element: Element): boolean =>
  element.tagName === 'link' && (attribute(element, 'rel') ?? '').toLowerCase().split(/\s+/).includes('stylesheet');

const setAttribute = (element: Element, name: string, value: string): void => {
  const known = element.attrs.find((attr) => attr.name === name);
  if (known === undefined) element.attrs.push({ name, value });
  else known.value = value;
};

const dropAttributes = (element: Element, names: readonly string[]): void => {
  element.attrs = element.attrs.filter((attr) => !names.includes(attr.name));
};

/** The path of a URL without query and fragment, percent-decoded; null when it leads elsewhere. */
const localUrl = (url: string | undefined): string | null => {
  const trimmed = url?.trim() ?? '';
  if (trimmed === '' || /^(?:[a-z][a-z\d+.-]*:|\/\/|#|\?)/i.test(trimmed)) return null;
  const [path = ''] = trimmed.split(/[?#]/, 1);
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
};

/** Vite serves the folder of the page at the root, so that `logo.png` and `/logo.png` mean the same public file. */
const publicUrl = (path: string): string => posix.join('/', path);

const findFile = (project: Project, folder: string, path: string): string | null => {
  for (const from of path.startsWith('/') ? ['.', folder] : [folder]) {
    const file = resolveInProject(project, from, path.startsWith('/') ? `.${path}` : path);
    if (file !== null && project.files.has(file)) return file;
  }
  return null;
};

const relativeUrl = (sitePath: string): string => `./${encodePath(sitePath)}`;

interface Placing {
  readonly folder: string;
  readonly url: string;
  readonly path: string;
  readonly element: Element;
  readonly copies: Map<string, string>;
  readonly log: Log;
}

/** The relative URL under which a local file will be found; its place is noted in `copies` when it is not public. */
const placeFile = async (project: Project, placing: Placing): Promise<string> => {
  const { folder, url, path, element, copies, log } = placing;
  const local = localUrl(url) ?? '';
  const rest = url.trim().slice(url.trim().search(/[?#]|$/));
  const site = findPublic(project, publicUrl(local));
  if (site !== null) return relativeUrl(site) + rest;
  const file = findFile(project, folder, local);
  if (file === null) {
    if (!local.endsWith('/')) warnMissing(log, path, element, url);
    return url;
  }
  if (element.tagName === 'script') {
    // Classic scripts may look for other files beside themselves, so they keep their place.
    copies.set(file, file);
    return relativeUrl(file) + rest;
  }
  const { name, ext } = posix.parse(file);
  const hash = createHash('sha256')
    .update(await readFile(join(project.root, file)))
    .digest('hex')
    .slice(0, 8)
    .toUpperCase();
  const place = `assets/${name}-${hash}${ext}`;
  copies.set(place, file);
  return relativeUrl(place) + rest;
};

const warnMissing = (log: Log, file: string, element: Element, url: string): void => {
  const line = element.sourceCodeLocation?.startLine;
  log({
    level: 'warn',
    step: 'bundle',
    message: `<${element.tagName}> names "${url.slice(0, 200)}", which is not a file of this project. It is left as it is.`,
    file,
    ...(line === undefined ? {} : { line }),
  });
};

const rewriteUrls = async (element: Element, rewrite: (url: string) => Promise<string>): Promise<void> => {
  if (
    element.tagName === 'link' &&
    /\b(?:canonical|alternate|preconnect|dns-prefetch|prev|next)\b/i.test(attribute(element, 'rel') ?? '')
  )
    return;
  for (const name of urlAttributes[element.tagName] ?? []) {
    const url = attribute(element, name);
    if (url !== undefined) setAttribute(element, name, await rewrite(url));
  }
  const srcset = element.tagName === 'img' || element.tagName === 'source' ? attribute(element, 'srcset') : undefined;
  if (srcset === undefined) return;
  const candidates = [];
  for (const candidate of srcset.split(/,\s+/)) {
    const [url = '', ...descriptor] = candidate.trim().split(/\s+/);
    candidates.push([await rewrite(url), ...descriptor].join(' '));
  }
  setAttribute(element, 'srcset', candidates.join(', '));
};

const replaceByOutput = (
  element: Element,
  output: BundledEntry,
  head: Element | undefined,
  linked: Set<string>,
): void => {
  const link = (rel: string, href: string): void => {
    if (head === undefined || linked.has(href)) return;
    linked.add(href);
    tree.appendChild(head, makeLink(rel, href));
  };
  if (element.tagName === 'script') {
    for (const child of [...element.childNodes]) tree.detachNode(child);
    // Written for the bytes and the place before bundling.
    dropAttributes(element, ['integrity', 'async']);
    if (output.style !== null) link('stylesheet', relativeUrl(output.style));
    for (const chunk of output.chunks) link('modulepreload', relativeUrl(chunk));
    if (output.script !== null) setAttribute(element, 'src', relativeUrl(output.script));
    return;
  }
  if (output.style === null) return;
  if (element.tagName === 'link') {
    dropAttributes(element, ['integrity']);
    setAttribute(element, 'href', relativeUrl(output.style));
    return;
  }
  const media = attribute(element, 'media');
  const replacement = makeLink('stylesheet', relativeUrl(output.style));
  if (media !== undefined) setAttribute(replacement, 'media', media);
  if (element.parentNode !== null) {
    tree.insertBefore(element.parentNode, replacement, element);
    tree.detachNode(element);
  }
};

const makeLink = (rel: string, href: string): Element =>
  tree.createElement('link', html5.NS.HTML, [
    { name: 'rel', value: rel },
    { name: 'href', value: href },
  ]);

/** A page for projects that bring only a script. */
export const generatePage = (title: string, output: BundledEntry): string => {
  const document = parse(gamePage(title, ''));
  const elements = [...allElements(document)];
  const head = elements.find((element) => element.tagName === 'head');
  const script = elements.find((element) => element.tagName === 'script');
  if (script !== undefined) replaceByOutput(script, output, head, new Set());
  return serialize(document);
};
