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

  scalar(text: string): number {
    // Strings are the same whatever their escapes; numbers are not the same for being the same double.
    return this.#number(text.includes('\\') ? JSON.stringify(JSON.parse(text)) : text);
  }

  array(items: readonly Item[]): number {
    return this.#number(`[${items.map(({ value }) => value.id).join()}`);
  }

  object(members: ReadonlyMap<string, Member>): number {
    const keys = [...members.keys()].sort();
    return this.#number(`{${keys.map((key) => `${JSON.stringify(key)}${members.get(key)?.value.id}`).join()}`);
  }

  #number(identity: string): number {
    const id = this.#ids.get(identity) ?? this.#ids.size;
    this.#ids.set(identity, id);
    return id;
  }
}

export function arrayOf(items: readonly Item[], tail: string, interner: Interner): JsonArray {
  const text = `[${items.map(({ lead, value }) => lead + value.text).join()}${tail}]`;
  return { kind: 'array', text, id: interner.array(items), items, tail };
}

export function objectOf(members: ReadonlyMap<string, Member>, tail: string, interner: Interner): JsonObject {
  const text = `{${Array.from(members.values(), ({ lead, name, value }) => lead + name + value.text).join()}${tail}}`;
  return { kind: 'object', text, id: interner.object(members), members, tail };
}

/** Complete for text that is known to be JSON: white space, then a string, a sign, or a number or literal. */
const tokens = /([\t\n\r ]*)("[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]|[^\t\n\r {}[\]:,"]+|$)/y;

class Unmergeable extends Error {}

class Reader {
  readonly #source: string;
  readonly #interner: Interner;
  #at = 0;
  lead = '';
  token = '';

  constructor(source: string, interner: Interner) {
    this.#source = source;
    this.#interner = interner;
    this.next();
  }

  next(): void {
    tokens.lastIndex = this.#at;
    const match = tokens.exec(this.#source);
    if (!match) throw new Unmergeable();
    [, this.lead = '', this.token = ''] = match;
    this.#at = tokens.lastIndex;
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
    // The judge of what is JSON, and of string escapes; the reader below only has to find the parts.
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
function isExact(text: string, value: number): boolean {
  const digits = text.replace(/[eE].*|[-.]/g, '').replace(/^0+|0+$/g, '');
  return Number.isFinite(value) && digits.length <= 15 && (value !== 0 || digits === '');
}
