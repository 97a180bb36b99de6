import { limits } from '../../contract/limits.ts';

/**
 * JSON as it stands in its file. A value knows its own text, so what nobody changed is written back byte for
 * byte: numbers beyond doubles, escapes and layout survive. White space is kept with what it stands before.
 */
export type Json = Scalar | JsonObject | JsonArray;

interface Value {
  readonly text: string;
  /** Two values of one `Interner` have the same id if and only if they are the same, whatever their layout and order of keys. */
  readonly id: number;
}

export interface Scalar extends Value {
  readonly kind: 'scalar';
}

export interface JsonObject extends Value {
  readonly kind: 'object';
  readonly members: ReadonlyMap<string, Member>;
  /** White space before the closing brace. */
  readonly tail: string;
}

export interface JsonArray extends Value {
  readonly kind: 'array';
  readonly items: readonly Item[];
  readonly tail: string;
}

export interface Item {
  /** White space before it. */
  readonly lead: string;
  readonly value: Json;
}

export interface Member extends Item {
  /** The key and the colon, as they are written. */
  readonly name: string;
}

export interface JsonDocument {
  /** Byte-order mark and white space before the value, white space after it. */
  readonly head: string;
  readonly root: Json;
  readonly tail: string;
}

/** Numbers values, so that comparing any two takes one comparison of numbers. */
export class Interner {
  readonly #ids = new Map<string, number>();
  readonly #keys = new Map<string, number>();

  scalar(text: string): number {
    // Strings are the same whatever their escapes; numbers are not the same for being the same double.
    return numberIn(this.#ids, text.includes('\\') ? JSON.stringify(JSON.parse(text)) : text);
  }

  array(items: readonly Item[]): number {
    return numberIn(this.#ids, `[${items.map(({ value }) => value.id).join()}`);
  }

  object(members: ReadonlyMap<string, Member>): number {
    const fields: { readonly key: number; readonly value: number }[] = [];
    for (const [key, { value }] of members) fields.push({ key: numberIn(this.#keys, key), value: value.id });
    fields.sort((a, b) => a.key - b.key);
    return numberIn(this.#ids, `{${fields.map(({ key, value }) => `${key}:${value}`).join()}`);
  }
}

function numberIn(numbers: Map<string, number>, identity: string): number {
  const known = numbers.get(identity);
  if (known !== undefined) return known;
  numbers.set(identity, numbers.size);
  return numbers.size - 1;
}

/** A value that was put together is compared with nothing any more, so it is the same as none. */
const noId = Number.NaN;

export function arrayOf(items: readonly Item[], tail: string): JsonArray {
  const text = `[${items.map(({ lead, value }) => lead + value.text).join()}${tail}]`;
  return { kind: 'array', text, id: noId, items, tail };
}

export function objectOf(members: ReadonlyMap<string, Member>, tail: string): JsonObject {
  const text = `{${Array.from(members.values(), ({ lead, name, value }) => lead + name + value.text).join()}${tail}}`;
  return { kind: 'object', text, id: noId, members, tail };
}

class Unmergeable extends Error {}

const isSpace = (character = ''): boolean =>
  character === ' ' || character === '\n' || character === '\r' || character === '\t';
const isSign = (character: string): boolean => character !== '' && '{}[]:,'.includes(character);
const isDelimiter = (character = ''): boolean => isSpace(character) || isSign(character);

/** Reads text that is known to be JSON, so it only has to find the parts. */
class Reader {
  readonly #source: string;
  readonly #interner: Interner;
  #at = 0;
  /** White space before the current token. */
  lead = '';
  /** A string, a sign, a number or a literal; nothing at the end. */
  token = '';

  constructor(source: string, interner: Interner) {
    this.#source = source;
    this.#interner = interner;
    this.next();
  }

  next(): void {
    const start = this.#at;
    while (isSpace(this.#source[this.#at])) this.#at += 1;
    this.lead = this.#source.slice(start, this.#at);
    const from = this.#at;
    const first = this.#source[from] ?? '';
    if (first === '"') this.#toEndOfString();
    else if (isSign(first)) this.#at += 1;
    else while (this.#at < this.#source.length && !isDelimiter(this.#source[this.#at])) this.#at += 1;
    this.token = this.#source.slice(from, this.#at);
  }

  #toEndOfString(): void {
    for (this.#at += 1; this.#source[this.#at] !== '"'; this.#at += 1)
      if (this.#source[this.#at] === '\\') this.#at += 1;
    this.#at += 1;
  }

  /** Reads the value that the current token begins, and goes to the token behind it. */
  value(depth: number): Json {
    if (this.token === '{' || this.token === '[') {
      if (depth > limits.merge.jsonDepth) throw new Unmergeable();
      const start = this.#at - this.token.length;
      return this.token === '{' ? this.#object(start, depth) : this.#array(start, depth);
    }
    const text = this.token;
    this.next();
    return { kind: 'scalar', text, id: this.#interner.scalar(text) };
  }

  #object(start: number, depth: number): JsonObject {
    const members = new Map<string, Member>();
    for (this.next(); this.token !== '}'; this.#skipComma()) {
      const [lead, quoted, keyStart] = [this.lead, this.token, this.#at - this.token.length];
      const key: string = quoted.includes('\\') ? JSON.parse(quoted) : quoted.slice(1, -1);
      // Readers disagree about which of two equal keys counts.
      if (members.has(key)) throw new Unmergeable();
      this.next();
      this.next();
      const name = this.#source.slice(keyStart, this.#at - this.token.length);
      members.set(key, { lead, name, value: this.value(depth + 1) });
    }
    const tail = this.lead;
    const text = this.#source.slice(start, this.#at);
    this.next();
    return { kind: 'object', text, id: this.#interner.object(members), members, tail };
  }

  #array(start: number, depth: number): JsonArray {
    const items: Item[] = [];
    for (this.next(); this.token !== ']'; this.#skipComma())
      items.push({ lead: this.lead, value: this.value(depth + 1) });
    const tail = this.lead;
    const text = this.#source.slice(start, this.#at);
    this.next();
    return { kind: 'array', text, id: this.#interner.array(items), items, tail };
  }

  #skipComma(): void {
    if (this.token === ',') this.next();
  }
}

/**
 * Null when the text cannot be merged by field: it is not JSON, an object has a key twice, or it is nested
 * deeper than `limits.merge.jsonDepth`.
 */
export function parseDocument(text: string, interner: Interner): JsonDocument | null {
  const mark = text.startsWith('\uFEFF') ? '\uFEFF' : '';
  const source = text.slice(mark.length);
  try {
    JSON.parse(source);
    const reader = new Reader(source, interner);
    const head = mark + reader.lead;
    const root = reader.value(1);
    return { head, root, tail: reader.lead };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof Unmergeable) return null;
    throw error;
  }
}

/**
 * The value for a program to look at. A number that a double cannot hold comes as its text.
 */
export function plainValue(json: Json): unknown {
  if (json.kind === 'array') return json.items.map(({ value }) => plainValue(value));
  // `fromEntries` defines properties, so a key "__proto__" is one like any other.
  if (json.kind === 'object')
    return Object.fromEntries(Array.from(json.members, ([key, { value }]) => [key, plainValue(value)]));
  const value: unknown = JSON.parse(json.text);
  return typeof value === 'number' && !isExact(json.text, value) ? json.text : value;
}

/** Up to 15 significant digits survive a double (IEEE 754), unless the exponent is out of its range. */
export function isExact(text: string, value: number): boolean {
  const digits = text.replace(/[eE].*|[-.]/g, '').replace(/^0+|0+$/g, '');
  return Number.isFinite(value) && digits.length <= 15 && (value !== 0 || digits === '');
}
