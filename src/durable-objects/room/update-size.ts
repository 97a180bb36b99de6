import * as decoding from 'lib0/decoding';
import * as Y from 'yjs';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';

/**
 * What updates and documents take of memory, in items: one is a struct of Yjs as it is in a text, `limits.room.itemBytes`. Other things
 * count by what they take beside that, as measured with yjs 13 in V8 (`docs/decisions/0030-items-of-a-document.md`).
 */
const costs = {
  /** A value in a map: its key, and its entry there. */
  key: 1,
  /** A shared type, beside its item. */
  type: 1,
  /** A subdocument. */
  document: 15,
  /** A struct of a client that has none yet: a list, and its entry. */
  client: 1,
  /** An object, list or string within a value. */
  container: 1 / 4,
  /** Anything else within a value. */
  value: 1 / 16,
} as const;

/** What an update holds, counted without making anything of it. */
export interface UpdateSize {
  /** Items, GC and skip structs. */
  readonly structs: number;
  /** What they take beside being structs, in items. */
  readonly extras: number;
  /** Ranges of deletions. */
  readonly ranges: number;
}

/** Hears of what is in an update, in its order; the ranges come last. */
export interface UpdateVisitor {
  struct?(client: number, clock: number, length: number): void;
  /** The struct that begins at `client`, `clock` hangs on that id. */
  reference?(client: number, clock: number, to: 'origin' | 'right' | 'parent', ofClient: number, ofClock: number): void;
  range?(client: number, clock: number, length: number): void;
}

/** Reads an update (format 1) as `Y.decodeUpdate` does, and keeps nothing of it: a frame of 4 MiB can hold a million structs, which would take 200 MB. */
class UpdateReader {
  readonly #decoder: decoding.Decoder;
  readonly #visitor: UpdateVisitor;
  readonly #max: number;
  structs = 0;
  extras = 0;
  ranges = 0;

  constructor(update: Uint8Array, max: number, visitor: UpdateVisitor) {
    this.#decoder = decoding.createDecoder(update);
    this.#max = max;
    this.#visitor = visitor;
  }

  read(): UpdateSize {
    for (let clients = this.#uint(); clients > 0; clients -= 1) this.#readStructs();
    for (let clients = this.#uint(); clients > 0; clients -= 1) this.#readRanges();
    return { structs: this.structs, extras: this.extras, ranges: this.ranges };
  }

  #uint(): number {
    return decoding.readVarUint(this.#decoder);
  }

  #text(): string {
    return decoding.readVarString(this.#decoder);
  }

  /** UTF-16 units of a text. What is ASCII, as most of what is typed, is not decoded. */
  #textLength(): number {
    const { pos, arr } = this.#decoder;
    const length = this.#uint();
    const from = this.#decoder.pos;
    const end = from + length;
    if (end <= arr.length) {
      let at = from;
      while (at < end && (arr[at] as number) < 0x80) at += 1;
      if (at === end) {
        this.#decoder.pos = end;
        return length;
      }
    }
    this.#decoder.pos = pos;
    return this.#text().length;
  }

  #count(extras: number): void {
    this.extras += extras;
    if (this.structs + this.extras > this.#max) throw new KilnError('payload_too_large');
  }

  #readStructs(): void {
    const count = this.#uint();
    const client = this.#uint();
    let clock = this.#uint();
    this.#count(costs.client);
    for (let index = 0; index < count; index += 1) {
      const info = decoding.readUint8(this.#decoder);
      this.structs += 1;
      this.#count(0);
      const length = info === 10 || (info & 0x1f) === 0 ? this.#uint() : this.#readItem(client, clock, info);
      this.#visitor.struct?.(client, clock, length);
      clock += length;
    }
  }

  #readItem(client: number, clock: number, info: number): number {
    if (info & 0x80) this.#readReference(client, clock, 'origin');
    if (info & 0x40) this.#readReference(client, clock, 'right');
    if ((info & 0xc0) === 0) {
      if (this.#uint() === 1) this.#text();
      else this.#readReference(client, clock, 'parent');
      if (info & 0x20) {
        this.#text();
        this.#count(costs.key);
      }
    }
    return this.#readContent(info & 0x1f);
  }

  #readReference(client: number, clock: number, to: 'origin' | 'right' | 'parent'): void {
    const ofClient = this.#uint();
    const ofClock = this.#uint();
    this.#visitor.reference?.(client, clock, to, ofClient, ofClock);
  }

  /** Returns how long it is. */
  #readContent(kind: number): number {
    switch (kind) {
      case 1:
        return this.#uint();
      case 2: {
        const length = this.#uint();
        for (let index = 0; index < length; index += 1) this.#readJson(true);
        return length;
      }
      case 3:
        decoding.readVarUint8Array(this.#decoder);
        return 1;
      case 4:
        return this.#textLength();
      case 5:
        this.#readJson();
        return 1;
      case 6:
        this.#text();
        this.#readJson();
        return 1;
      case 7: {
        const type = this.#uint();
        if (type > 6) throw new Error('unknown type');
        // Elements and hooks of XML have a name.
        if (type === 3 || type === 5) this.#text();
        this.#count(costs.type);
        return 1;
      }
      case 8: {
        const length = this.#uint();
        for (let index = 0; index < length; index += 1) this.#readValue(0);
        return length;
      }
      case 9: {
        this.#text();
        const { pos } = this.#decoder;
        this.#readValue(0);
        const options = this.#decoder.arr[pos];
        if (options === 126 || options === 127) throw new Error('a subdocument without options');
        this.#count(costs.document);
        return 1;
      }
      default:
        throw new Error('unknown content');
    }
  }

  #readJson(mayBeUndefined = false): void {
    const text = this.#text();
    if (mayBeUndefined && text === 'undefined') {
      this.#count(costs.value);
      return;
    }
    let extras = costs.value;
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (code === 0x7b || code === 0x5b) extras += costs.container;
      else if (code === 0x22) extras += costs.container / 2;
      else if (code === 0x2c || code === 0x3a) extras += costs.value;
    }
    this.#count(extras);
    JSON.parse(text);
  }

  #readValue(depth: number): void {
    if (depth > limits.room.valueDepth) throw new Error('a value that nests too deep');
    const decoder = this.#decoder;
    const kind = decoding.readUint8(decoder);
    this.#count(kind === 117 || kind === 118 || kind === 119 ? costs.container : costs.value);
    switch (kind) {
      case 127:
      case 126:
      case 121:
      case 120:
        return;
      case 125:
        decoding.readVarInt(decoder);
        return;
      case 124:
        decoding.readFloat32(decoder);
        return;
      case 123:
        decoding.readFloat64(decoder);
        return;
      case 122:
        decoding.readBigInt64(decoder);
        return;
      case 119:
        this.#text();
        return;
      case 118:
        for (let left = this.#uint(); left > 0; left -= 1) {
          this.#text();
          this.#readValue(depth + 1);
        }
        return;
      case 117:
        for (let left = this.#uint(); left > 0; left -= 1) this.#readValue(depth + 1);
        return;
      case 116:
        decoding.readVarUint8Array(decoder);
        return;
      default:
        throw new Error('unknown value');
    }
  }

  #readRanges(): void {
    const client = this.#uint();
    for (let left = this.#uint(); left > 0; left -= 1) {
      this.ranges += 1;
      if (this.ranges > this.#max) throw new KilnError('payload_too_large');
      const clock = this.#uint();
      const length = this.#uint();
      this.#visitor.range?.(client, clock, length);
    }
  }
}

/**
 * Counts what an update holds. Throws where `Y.decodeUpdate` would, and `payload_too_large` as soon as structs with their extras, or
 * ranges, are more than `max`.
 */
export const sizeOfUpdate = (
  update: Uint8Array,
  max: number = limits.room.documentItems,
  visitor: UpdateVisitor = {},
): UpdateSize => new UpdateReader(update, max, visitor).read();

/** Structs of a document. */
export function structsIn(doc: Y.Doc): number {
  let structs = 0;
  for (const list of doc.store.clients.values()) structs += list.length;
  return structs;
}

/** What they take beside being structs, in items; reads all of them. */
export function extrasIn(doc: Y.Doc): number {
  let extras = doc.store.clients.size * costs.client;
  for (const list of doc.store.clients.values())
    for (const struct of list) {
      if (!(struct instanceof Y.Item)) continue;
      if (struct.parentSub !== null && struct.right === null) extras += costs.key;
      extras += extrasOf(struct.content);
    }
  return extras;
}

function extrasOf(content: Y.Item['content']): number {
  if (content instanceof Y.ContentType) return costs.type;
  if (content instanceof Y.ContentAny || content instanceof Y.ContentJSON) return costOf(content.arr) - costs.container;
  if (content instanceof Y.ContentEmbed) return costOf(content.embed);
  if (content instanceof Y.ContentFormat) return costOf(content.value);
  return content instanceof Y.ContentDoc ? costs.document : 0;
}

function costOf(value: unknown): number {
  if (typeof value === 'string') return costs.container;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return costs.value;
  let cost: number = costs.container;
  for (const inner of Object.values(value)) cost += costOf(inner);
  return cost;
}

/** Where structs begin that are none yet, up to a number. */
class Cuts {
  readonly #doc: Y.Doc;
  readonly #max: number;
  readonly #clients = new Map<number, Set<number>>();
  count = 0;

  constructor(doc: Y.Doc, max: number) {
    this.#doc = doc;
    this.#max = max;
  }

  /** A struct begins there. One that is deleted is not cut by a deletion, nor is one cut of which nothing is left. */
  add(client: number, clock: number, by: 'struct' | 'reference' | 'deletion'): void {
    if (this.count > this.#max) return;
    const structs = this.#doc.store.clients.get(client);
    const last = structs?.at(-1);
    const end = last ? last.id.clock + last.length : 0;
    // Nothing is cut at the end of what is there; what may come after it is counted itself.
    if (clock === end && by !== 'struct') return;
    if (structs && clock < end) {
      const struct = structs[Y.findIndexSS(structs, clock)];
      if (!struct || struct.id.clock === clock || struct instanceof Y.GC || (by === 'deletion' && struct.deleted))
        return;
    }
    let clocks = this.#clients.get(client);
    if (!clocks) {
      clocks = new Set();
      this.#clients.set(client, clocks);
    }
    if (clocks.has(clock)) return;
    clocks.add(clock);
    this.count += 1;
  }
}

/**
 * Structs that a document may have more when an update is part of it: what it does not have yet, and what is cut in two where
 * something is inserted or deleted. Never less than it will be; more where Yjs joins them again. Over `max`, anything above.
 */
export function structsAddedBy(doc: Y.Doc, update: Uint8Array, max: number): number {
  const cuts = new Cuts(doc, max);
  sizeOfUpdate(update, Number.POSITIVE_INFINITY, {
    struct: (client, clock, length) => {
      const state = Y.getState(doc.store, client);
      if (clock + length > state) cuts.add(client, Math.max(clock, state), 'struct');
    },
    // Also of a struct which is there already: Yjs cuts before it looks whether it is, and joins again what it cut.
    reference: (_client, _clock, to, ofClient, ofClock) => {
      if (to !== 'parent') cuts.add(ofClient, to === 'origin' ? ofClock + 1 : ofClock, 'reference');
    },
    range: (client, clock, length) => {
      cuts.add(client, clock, 'deletion');
      cuts.add(client, clock + length, 'deletion');
    },
  });
  return cuts.count;
}
