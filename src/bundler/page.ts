import { type DefaultTreeAdapterTypes, defaultTreeAdapter, parse } from 'parse5';
import { fileAt, folderOf, property, within } from './source-paths.ts';

type Element = DefaultTreeAdapterTypes.Element;

/** A module script of a page: a file of the project, or code of the page itself. */
export interface PageEntry {
  readonly path: string;
  /** Code of the page; its imports are relative to the page. */
  readonly code?: string;
}

/** What became of an entry, relative to the site. */
export interface EntryOutput {
  readonly script: string;
  readonly style: string | undefined;
}

export interface Page {
  readonly entries: readonly PageEntry[];
  /** What the page's import map says of a specifier: `external` is for the browser, else a URL of the project. */
  mapped(spec: string): { readonly external: true } | { readonly url: string } | undefined;
  /** The text with its module scripts leading to what was bundled of them, in the order of `entries`. All else stays as it is written. */
  finish(outputs: readonly (EntryOutput | undefined)[]): string;
}

function* elementsOf(parent: DefaultTreeAdapterTypes.ParentNode): Generator<Element> {
  for (const node of parent.childNodes) {
    if (!defaultTreeAdapter.isElementNode(node)) continue;
    yield node;
    yield* elementsOf(node);
  }
}

const attribute = (element: Element, name: string): string | undefined =>
  element.attrs.find((one) => one.name === name)?.value;

const textOf = (element: Element): string =>
  element.childNodes.map((node) => (defaultTreeAdapter.isTextNode(node) ? node.value : '')).join('');

const isElsewhere = (url: string): boolean => /^(?:[a-z][a-z\d+.-]*:|\/\/)/i.test(url);

function readImportMap(elements: readonly Element[]): Page['mapped'] {
  const entries = elements
    .filter((element) => element.tagName === 'script' && attribute(element, 'type') === 'importmap')
    .flatMap((element) => {
      try {
        const imports = property(JSON.parse(textOf(element)), 'imports');
        return Object.entries(typeof imports === 'object' && imports !== null ? imports : {});
      } catch {
        // A browser ignores such a map, too.
        return [];
      }
    })
    .sort(([a], [b]) => b.length - a.length);
  return (spec) => {
    for (const [key, target] of entries) {
      if (typeof target !== 'string' || !(key.endsWith('/') ? spec.startsWith(key) : spec === key)) continue;
      return isElsewhere(target) ? { external: true } : { url: target + spec.slice(key.length) };
    }
    return undefined;
  };
}

interface Edit {
  readonly from: number;
  readonly to: number;
  readonly entry: number;
  make(output: EntryOutput): string;
}

const href = (path: string): string => `./${path.split('/').map(encodeURIComponent).join('/')}`;
const link = ({ style }: EntryOutput): string =>
  style === undefined ? '' : `<link rel="stylesheet" href="${href(style)}">`;

export function readPage(path: string, text: string, paths: ReadonlySet<string>): Page {
  const elements = [...elementsOf(parse(text, { sourceCodeLocationInfo: true }))];
  const entries: PageEntry[] = [];
  const edits: Edit[] = [];
  for (const element of elements) {
    const place = element.sourceCodeLocation;
    if (element.tagName !== 'script' || attribute(element, 'type') !== 'module' || !place?.startTag) continue;
    const src = attribute(element, 'src');
    if (src === undefined) {
      const code = textOf(element);
      if (code.trim() === '') continue;
      edits.push({
        from: place.startOffset,
        to: place.endOffset,
        entry: entries.push({ path, code }) - 1,
        make: (output) => `${link(output)}<script type="module" src="${href(output.script)}"></script>`,
      });
      continue;
    }
    if (isElsewhere(src)) continue;
    const [plain = ''] = src.split(/[?#]/, 1);
    const target = within(folderOf(path), plain);
    const file = target === null ? undefined : fileAt(paths, target);
    const at = place.attrs?.src;
    if (file === undefined || !at) continue;
    const entry = entries.push({ path: file }) - 1;
    edits.push({ from: place.startOffset, to: place.startOffset, entry, make: link });
    edits.push({ from: at.startOffset, to: at.endOffset, entry, make: ({ script }) => `src="${href(script)}"` });
    // It was made for the bytes before bundling.
    const { integrity } = place.attrs ?? {};
    if (integrity) edits.push({ from: integrity.startOffset, to: integrity.endOffset, entry, make: () => '' });
  }
  return {
    entries,
    mapped: readImportMap(elements),
    finish: (outputs) => {
      let html = '';
      let at = 0;
      for (const { from, to, entry, make } of edits.sort((a, b) => a.from - b.from)) {
        const output = outputs[entry];
        if (!output) continue;
        html += text.slice(at, from) + make(output);
        at = to;
      }
      return html + text.slice(at);
    },
  };
}

const escaped = (text: string): string => text.replaceAll(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** A page for projects that bring only a script. */
export const generatedPage = (title: string, script: string): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
    <title>${escaped(title)}</title>
    <style>
      html, body { height: 100%; margin: 0; overflow: hidden; background: #000; color: #fff; }
      #app { height: 100%; }
    </style>
  </head>
  <body>
    <div id="app"></div>
    <script type="module" src="/${script.split('/').map(encodeURIComponent).join('/')}"></script>
  </body>
</html>
`;
