import { limits } from '../../contract/limits.ts';

/** Where a compiler points: lines from 1, columns from 0 and lengths in bytes of UTF-8, as esbuild has them. */
export interface SaidPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly length: number;
  readonly lineText: string;
}

/** What esbuild says of a mistake, as far as it is read here. */
export interface Said {
  readonly text: string;
  readonly location: SaidPlace | null;
  readonly notes: readonly { readonly text: string; readonly location: SaidPlace | null }[];
}

/** A place within a text. */
export interface Spot {
  /** From 1. */
  readonly line: number;
  /** From 0, in UTF-16 units, as editors and language servers count. */
  readonly column: number;
  /** The text of that line. */
  readonly source?: string;
}

/** A place within a project, as far as it is known. */
export interface Place extends Partial<Spot> {
  /** Project-relative path. */
  readonly file?: string;
}

/** Code that stands in a page. */
export interface InlineCode {
  readonly code: string;
  /** The line of the page on which it begins, and what stands before it there. */
  readonly line: number;
  readonly before: string;
}

const bytes = new TextEncoder();
const characters = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });

/** The part of a line before a column that counts bytes. */
const beforeColumn = (lineText: string, column: number): string =>
  characters.decode(bytes.encode(lineText).subarray(0, column));

/** What a place quotes of its line. */
export const quotedAt = ({ lineText, column, length }: SaidPlace): string =>
  characters.decode(bytes.encode(lineText).subarray(column, column + length));

/** A line as it is shown beside a message; not one of a minified file, which is no line that anybody wrote. */
export const shownLine = (source: string): { source?: string } =>
  source.trim() === '' || bytes.encode(source).byteLength > limits.build.sourceLineBytes ? {} : { source };

/** A place as an editor counts. `inline`: of the code in a page that was compiled. */
export function spotOf({ line, column, lineText }: SaidPlace, inline?: InlineCode): Spot {
  const before = inline && line === 1 ? inline.before : '';
  return {
    line: line + (inline ? inline.line - 1 : 0),
    column: before.length + beforeColumn(lineText, column).length,
    ...shownLine(before + lineText),
  };
}

/** The lines of a text, as editors have them. */
export const linesOf = (text: string): string[] => text.split(/\r\n|\n|\r/);

/** The place of an offset in a text. */
export function spotAt(text: string, offset: number): Spot {
  const lines = linesOf(text.slice(0, offset));
  const before = lines.at(-1) ?? '';
  const [after = ''] = linesOf(text.slice(offset));
  return { line: lines.length, column: before.length, ...shownLine(before + after) };
}

/** Of use to whoever has plugins, or a command line. */
const ofTheTool = /^(?:You can (?:mark|use) |This error came from |The plugin "|The esbuild loader )/;

export interface Reading {
  /** The code of a page that was compiled, when it is that. */
  readonly inline?: InlineCode | undefined;
  /** What a file of a place is called in the project; undefined for one that is not told. */
  readonly nameOf: (file: string) => string | undefined;
}

/** A part of a text as a compiler points at it. */
export function saidPlace(file: string, text: string, { start, end }: { start: number; end: number }): SaidPlace {
  const { line, column } = spotAt(text, start);
  const lineText = linesOf(text)[line - 1] ?? '';
  const size = (part: string): number => bytes.encode(part).byteLength;
  return { file, line, column: size(lineText.slice(0, column)), length: size(text.slice(start, end)), lineText };
}

/**
 * What is said in one text, with the notes that say more than the message. One that points ("… is here:") names the line instead:
 * what it points at is not shown.
 */
export function wordsOf({ text, notes, location }: Said, { inline, nameOf }: Reading): string {
  const said = notes.flatMap((note) => {
    if (note.text === '' || ofTheTool.test(note.text)) return [];
    if (!/ here:?$/.test(note.text)) return [note.text.replace(/:$/, '.')];
    const file = note.location === null ? undefined : nameOf(note.location.file);
    if (note.location === null || file === undefined) return [];
    const isSame = note.location.file === location?.file;
    const line = note.location.line + (isSame && inline ? inline.line - 1 : 0);
    return [note.text.replace(/ here:?$/, ` in line ${line}${isSame ? '' : ` of ${file}`}.`)];
  });
  return said.length === 0 ? text : [text.replace(/(?<=["\w])$/, '.'), ...said].join(' ');
}
