import { findNodeAtLocation, type ParseError, parse, parseTree, printParseErrorCode } from 'jsonc-parser';
import { conflict, isConflictMark } from './conflict.ts';
import { type Spot, spotAt } from './said.ts';

/** What is wrong with a text that should be JSON, and where. */
export interface JsonProblem {
  readonly problem: string;
  readonly spot: Spot;
}

/** `strict`: as npm reads it. `relaxed`: with comments and trailing commas, as people write settings. */
export type JsonManner = 'strict' | 'relaxed';

/** The value of a text, or what is wrong with it. */
export function parseJson(text: string, manner: JsonManner = 'relaxed'): { readonly value: unknown } | JsonProblem {
  const problems: ParseError[] = [];
  const options = { allowTrailingComma: manner === 'relaxed', disallowComments: manner === 'strict' };
  // Editors of Windows write a mark of byte order before it.
  const value: unknown = parse(text.replace(/^\uFEFF/, ' '), problems, options);
  const [first] = problems;
  return first === undefined ? { value } : { problem: wordsFor(text, first), spot: spotAt(text, first.offset) };
}

/** JSON with comments and trailing commas; undefined for what is none. */
export function readJson(text: string): unknown {
  const read = parseJson(text);
  return 'problem' in read ? undefined : read.value;
}

/** Where the value of a property is in a text of JSON. */
export function spotOfValue(text: string, path: readonly (string | number)[]): Spot | undefined {
  const root = parseTree(text);
  const node = root && findNodeAtLocation(root, [...path]);
  return node && spotAt(text, node.offset);
}

const notAsItIs =
  'A text has a character here that it cannot have as it is. A backslash is written twice, a new line as \\n.';

/** By the names that the parser has for what is wrong. */
const words: Readonly<Record<string, string>> = {
  PropertyNameExpected: 'Here a name in double quotes is needed.',
  ColonExpected: 'Here ":" is needed, between a name and its value.',
  CommaExpected: 'Here a comma is needed, between two entries.',
  EndOfFileExpected: 'Everything is closed before this. A } or ] is one too many.',
  InvalidCommentToken: 'JSON has no comments: take it away.',
  UnexpectedEndOfString: 'A text begins here and does not end. Close it with a double quote.',
  UnexpectedEndOfComment: 'A comment begins with "/*" and does not end. Write "*/" where it does.',
  InvalidEscapeCharacter: notAsItIs,
  InvalidUnicode: notAsItIs,
  InvalidCharacter: notAsItIs,
};

function wordsFor(text: string, { error, offset, length }: ParseError): string {
  if (isConflictMark(spotAt(text, offset).source)) return conflict;
  const name = printParseErrorCode(error);
  const before = text.slice(0, offset).trimEnd();
  const rest = text.slice(offset).trimStart();
  if (rest === '')
    return before === ''
      ? 'The file is empty.'
      : 'The file ends before everything is closed. Look for a missing } or ].';
  if (before.endsWith(',') && /^[}\]]/.test(rest))
    return 'There is a comma after the last entry. JSON has none there: take it away.';
  if (before.endsWith(',') && rest.startsWith(',')) return 'This comma is one too many.';
  if (name === 'InvalidSymbol')
    return `JSON has no place for ${text.slice(offset, offset + length).slice(0, 40)} here. Names and texts are in double quotes.`;
  return (
    words[name] ?? 'Here a value is needed: a text in double quotes, a number, true, false, null, a list or an object.'
  );
}

/** A property of what may be an object. */
export const property = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
