import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { build } from 'esbuild';
import { html as html5, parse, serialize, defaultTreeAdapter as tree } from 'parse5';
import { classicMistakes } from '../../../../src/bundler/classic-scripts.ts';
import {
  allElements,
  attribute,
  type Element,
  inlineCode,
  isModuleScript,
  textOf,
} from '../../../../src/core/game/elements.ts';
import { packagesOf } from '../../../../src/core/game/explain.ts';
import { type ImportMap, readImportMap } from '../../../../src/core/game/import-map.ts';
import { gamePage } from '../../../../src/core/game/page.ts';
import {
  fileOfPage,
  isStylesheet,
  localUrl,
  moduleOfPage,
  type PageSource,
  publicFile,
  srcsetOf,
  urlAttributesOf,
} from '../../../../src/core/game/page-files.ts';
import { classicScripts, pageMistakes } from '../../../../src/core/game/page-mistakes.ts';
import { encodePath, publicFolder } from '../../../../src/core/game/paths.ts';
import { BuildFailure } from '../failure.ts';
import type { BundledEntry, BundleEntry } from './bundle.ts';
import type { Project } from './project.ts';
import type { Log } from './report.ts';
import { summary } from './tell.ts';

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

/** Reads an HTML entry the way Vite does: module scripts and stylesheets become entries, other local files are copied or found in public/. */
export const readPage = async (project: Project, path: string, log: Log): Promise<Page> => {
  const text = await readFile(join(project.root, path), 'utf8');
  const document = parse(text, { sourceCodeLocationInfo: true });
  const elements = [...allElements(document)];
  const page: PageSource = { path, text, elements, paths: project.files };
  await refuseMistakes(project, page, log);
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
      const file = isModuleScript(element) ? moduleOfPage(page, source) : fileOfPage(page, source);
      if (file !== undefined) addEntry(element, { path: file });
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
            return file === null ? url : await placeFile(project, { page, url, element, copies });
          });
          continue;
        }
        replaceByOutput(element, output, head, linked);
      }
      return { html: serialize(document), copies };
    },
  };
};

const setAttribute = (element: Element, name: string, value: string): void => {
  const known = element.attrs.find((attr) => attr.name === name);
  if (known === undefined) element.attrs.push({ name, value });
  else known.value = value;
};

const dropAttributes = (element: Element, names: readonly string[]): void => {
  element.attrs = element.attrs.filter((attr) => !names.includes(attr.name));
};

const relativeUrl = (sitePath: string): string => `./${encodePath(sitePath)}`;

/** Tells what is wrong with a page, and throws where that leaves nothing to play. */
const refuseMistakes = async (project: Project, page: PageSource, log: Log): Promise<void> => {
  const mistakes = pageMistakes(page);
  for (const { level, ...told } of mistakes) log({ level, step: 'bundle', ...told });
  const scripts = await Promise.all(
    classicScripts(page).map(async (script) => ({
      ...script,
      text: script.inline?.code ?? (await readFile(join(project.root, script.path), 'utf8')),
    })),
  );
  const telling = { paths: project.files, packages: packagesOf(undefined) };
  const ofScripts = await classicMistakes(build, scripts, telling);
  for (const told of ofScripts) log({ level: 'error', step: 'bundle', ...told });
  const errors = [...mistakes.filter(({ level }) => level === 'error'), ...ofScripts];
  if (errors.length > 0) throw new BuildFailure('user', 'build_failed', summary(errors));
};

interface Placing {
  readonly page: PageSource;
  readonly url: string;
  readonly element: Element;
  readonly copies: Map<string, string>;
}

/** The relative URL under which a local file will be found; its place is noted in `copies` when it is not public. */
const placeFile = async (project: Project, placing: Placing): Promise<string> => {
  const { page, url, element, copies } = placing;
  const local = localUrl(url) ?? '';
  const rest = url.trim().slice(url.trim().search(/[?#]|$/));
  const site = publicFile(project.files, local);
  if (site !== undefined) return relativeUrl(site.slice(`${publicFolder}/`.length)) + rest;
  const file = fileOfPage(page, local);
  if (file === undefined) return url;
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

const rewriteUrls = async (element: Element, rewrite: (url: string) => Promise<string>): Promise<void> => {
  for (const name of urlAttributesOf(element)) {
    const url = attribute(element, name);
    if (url !== undefined) setAttribute(element, name, await rewrite(url));
  }
  const srcset = srcsetOf(element);
  if (srcset === undefined) return;
  const candidates = [];
  for (const [url = '', ...descriptor] of srcset) candidates.push([await rewrite(url), ...descriptor].join(' '));
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
