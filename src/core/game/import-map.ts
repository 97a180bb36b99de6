import { attribute, type Element, textOf } from './elements.ts';
import { property } from './json.ts';

/** What an import map makes of a specifier: `external` is for the browser, else a URL of the project. Undefined: nothing. */
export type ImportMap = (spec: string) => { readonly external: true } | { readonly url: string } | undefined;

/** Whether a URL leads to another server. */
export const isElsewhere = (url: string): boolean => /^(?:[a-z][a-z\d+.-]*:|\/\/)/i.test(url);

/** The import maps of a page; the longest name that fits counts, as in a browser. */
export function readImportMap(elements: readonly Element[]): ImportMap {
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
