import { stripLiteral } from 'strip-literal';
import { linesOf, type Spot, shownLine, spotAt } from './said.ts';

/** What one `new URL('…', import.meta.url)` of a source text is for. */
export interface UrlReference {
  readonly spec: string;
  readonly worker: 'module' | 'classic' | null;
  /** Offsets of the text literal with its quotes. */
  readonly start: number;
  readonly end: number;
}

const pattern = /\bnew\s+URL\s*\(\s*(?<literal>'[^']*'|"[^"]*"|`[^`]*`)\s*,\s*import\.meta\.url\s*,?\s*\)/dg;
const startsWorker = /\bnew\s+(?:Shared)?Worker\s*\(\s*$/;
const startsWorklet = /\.addModule\s*\(\s*$/;
const moduleOption = /^\s*,\s*\{[^}]*\btype\s*:\s*['"`]\s*['"`]/;

/**
 * Finds `new URL('./file', import.meta.url)`, the form that Vite and webpack 5 share. Comments and the
 * insides of texts are blanked first (same offsets), so that only code counts; the real text is read from
 * the source. Template literals with a part to compute are left alone.
 */
export const findUrlReferences = (source: string): UrlReference[] => {
  if (!source.includes('import.meta.url')) return [];
  const code = stripLiteral(source);
  const found: UrlReference[] = [];
  for (const match of code.matchAll(pattern)) {
    const range = match.indices?.groups?.literal;
    if (range === undefined) continue;
    const [start, end] = range;
    const spec = source.slice(start + 1, end - 1);
    if (spec.includes('${') || spec.includes('\\') || !isRelative(spec)) continue;
    const before = code.slice(0, match.index);
    const after = code.slice(match.index + match[0].length);
    const isModule =
      moduleOption.test(after) && /^[^}]*['"`]module['"`]/.test(source.slice(match.index + match[0].length));
    const worker = startsWorklet.test(before)
      ? 'module'
      : startsWorker.test(before)
        ? isModule
          ? 'module'
          : 'classic'
        : null;
    found.push({ spec, worker, start, end });
  }
  return found;
};

const isRelative = (spec: string): boolean =>
  spec !== '' && !/^(?:[a-z][a-z\d+.-]*:|\/|#|\?)/i.test(spec) && !spec.endsWith('/') && spec !== '.' && spec !== '..';

/** Begins the names that stand for literals. */
const placeholder = '__kilnUrl';

/** A source text of which literals were replaced. */
export interface Rewritten {
  readonly source: string;
  readonly references: readonly UrlReference[];
}

/**
 * Replaces the literals by names that imports at the end of the file bind (imports are hoisted, and lines
 * stay where they are for messages and maps). Each import yields a whole URL, to which `import.meta.url` as
 * base changes nothing.
 */
export const rewriteUrlReferences = (
  source: string,
  references: readonly { reference: UrlReference; importSpec: string }[],
): string => {
  let code = '';
  let at = 0;
  let imports = '';
  references.forEach(({ reference, importSpec }, index) => {
    code += source.slice(at, reference.start) + nameFor(index, reference);
    at = reference.end;
    imports += `\nimport ${placeholder}${index} from ${JSON.stringify(importSpec)};`;
  });
  return `${code}${source.slice(at)}${imports}\n`;
};

/** As long as what it stands for, where that is long enough, so that columns stay what they are. */
const nameFor = (index: number, { start, end }: UrlReference): string => `${placeholder}${index}`.padEnd(end - start);

/** Where a place of the rewritten text is in the text that somebody wrote; an import of ours is the literal that it stands for. */
export const writtenSpot = ({ source, references }: Rewritten, spot: { line: number; column: number }): Spot => {
  const lines = linesOf(source);
  const imported = references[spot.line - lines.length - 1];
  if (imported !== undefined) return spotAt(source, imported.start);
  let { column } = spot;
  references.forEach((one, index) => {
    const { line, column: from } = spotAt(source, one.start);
    if (line === spot.line && column > from)
      column = Math.max(from, column - (nameFor(index, one).length - (one.end - one.start)));
  });
  return { line: spot.line, column, ...shownLine(lines[spot.line - 1] ?? '') };
};
