import { parse } from 'parse5';
import { allElements, attribute, inlineCode, isModuleScript } from '../core/game/elements.ts';
import { type ImportMap, readImportMap } from '../core/game/import-map.ts';
import { localUrl, moduleOfPage, type PageSource } from '../core/game/page-files.ts';
import { encodePath } from '../core/game/paths.ts';
import type { InlineCode } from '../core/game/said.ts';

/** A module script of a page: a file of the project, or code of the page itself. */
export interface PageEntry {
  readonly path: string;
  /** Code of the page; its imports are relative to the page. */
  readonly inline?: InlineCode;
}

/** What became of an entry, relative to the site. */
export interface EntryOutput {
  readonly script: string;
  readonly style: string | undefined;
}

export interface Page {
  readonly source: PageSource;
  readonly entries: readonly PageEntry[];
  /** What the page's import map makes of specifiers. */
  readonly mapped: ImportMap;
  /** The text with its module scripts leading to what was bundled of them, in the order of `entries`. All else stays as it is written. */
  finish(outputs: readonly (EntryOutput | undefined)[]): string;
}

interface Edit {
  readonly from: number;
  readonly to: number;
  readonly entry: number;
  make(output: EntryOutput): string;
}

const href = (path: string): string => `./${encodePath(path)}`;
const link = ({ style }: EntryOutput): string =>
  style === undefined ? '' : `<link rel="stylesheet" href="${href(style)}">`;

export function readPage(path: string, text: string, paths: ReadonlySet<string>): Page {
  const elements = [...allElements(parse(text, { sourceCodeLocationInfo: true }))];
  const entries: PageEntry[] = [];
  const edits: Edit[] = [];
  const source: PageSource = { path, text, elements, paths };
  for (const element of elements) {
    const place = element.sourceCodeLocation;
    if (!isModuleScript(element) || !place?.startTag) continue;
    const src = attribute(element, 'src');
    if (src === undefined) {
      const inline = inlineCode(text, element);
      if (inline.code.trim() === '') continue;
      edits.push({
        from: place.startOffset,
        to: place.endOffset,
        entry: entries.push({ path, inline }) - 1,
        make: (output) => `${link(output)}<script type="module" src="${href(output.script)}"></script>`,
      });
      continue;
    }
    const url = localUrl(src);
    const file = url === null ? undefined : moduleOfPage(source, url);
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
    source,
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
