import { type ParseError, parse } from 'jsonc-parser';

/** JSON with comments and trailing commas; undefined for what is none. */
export function readJson(text: string): unknown {
  const problems: ParseError[] = [];
  const value: unknown = parse(text, problems, { allowTrailingComma: true });
  return problems.length > 0 ? undefined : value;
}

/** A property of what may be an object. */
export const property = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
