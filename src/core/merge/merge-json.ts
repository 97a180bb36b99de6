import { type FieldConflict, fieldConflict, pointerTo } from './field-conflict.ts';
import {
  arrayOf,
  Interner,
  type Item,
  type Json,
  type JsonArray,
  type JsonDocument,
  type JsonObject,
  type Member,
  objectOf,
  parseDocument,
} from './json-document.ts';
import { reconcileScene } from './scene.ts';

export interface JsonMerge {
  /** In the layout of ours, with ours in the fields in conflict. */
  readonly text: string;
  readonly fields: readonly FieldConflict[];
}

/** How ours is written, for what comes from theirs. */
interface Style {
  readonly lineEnd: string;
  /** One level of indentation; null when ours is on one line. */
  readonly unit: string | null;
}

/** Fields that say which element of a list an object is. A `name` does not: lists of named things are often referred to by index. */
const identities = ['id', 'key'];

const isSame = (a: Json | undefined, b: Json | undefined): boolean => a?.id === b?.id;

/** What follows the last line break, or null when there is none. */
function indentOf(lead: string): string | null {
  const line = lead.lastIndexOf('\n');
  return line === -1 ? null : lead.slice(line + 1);
}

function firstLead(json: Json): string | undefined {
  if (json.kind === 'object') return json.members.values().next().value?.lead;
  return json.kind === 'array' ? json.items[0]?.lead : undefined;
}

function styleOf(ours: JsonDocument, theirs: JsonDocument): Style {
  const lead = firstLead(ours.root);
  const unit = indentOf(lead ?? firstLead(theirs.root) ?? '');
  return { lineEnd: (lead ?? ours.tail).includes('\r\n') ? '\r\n' : '\n', unit: unit === '' ? '  ' : unit };
}

/**
 * The order of what both lists have: that of `skeleton`, with what only `other` has behind its neighbour
 * there. What both put at one place comes one after the other.
 */
function arrange<K>(skeleton: Iterable<K>, other: Iterable<K>, isKept: (key: K) => boolean): K[] {
  const kept = [...skeleton].filter(isKept);
  const inSkeleton = new Set(kept);
  const inOther = new Set<K>();
  const behind = new Map<K | undefined, K[]>();
  let neighbour: K | undefined;
  for (const key of other) {
    if (!isKept(key)) continue;
    inOther.add(key);
    if (inSkeleton.has(key)) neighbour = key;
    else {
      const group = behind.get(neighbour);
      if (group) group.push(key);
      else behind.set(neighbour, [key]);
    }
  }
  const order: K[] = [];
  let waiting = behind.get(undefined) ?? [];
  const serve = (): void => {
    for (const key of waiting) order.push(key);
  };
  for (const key of kept) {
    if (inOther.has(key)) {
      serve();
      waiting = behind.get(key) ?? [];
    }
    order.push(key);
  }
  serve();
  return order;
}

class Merger {
  readonly fields: FieldConflict[] = [];
  readonly #style: Style;

  constructor(style: Style) {
    this.#style = style;
  }

  /** The merged value at a pointer; undefined: it is not there. `indent` is that of the line on which it stands. */
  merge(
    base: Json | undefined,
    ours: Json | undefined,
    theirs: Json | undefined,
    pointer: string,
    indent: string,
  ): Json | undefined {
    if (isSame(ours, theirs) || isSame(base, theirs)) return ours;
    if (!theirs && isSame(base, ours)) return undefined;
    if (ours && theirs && ours.text !== base?.text) {
      if (ours.kind === 'object' && theirs.kind === 'object' && (!base || base.kind === 'object'))
        return this.#mergeObjects(base, ours, theirs, pointer, indent);
      if (ours.kind === 'array' && theirs.kind === 'array' && (!base || base.kind === 'array')) {
        const merged = this.#mergeLists(base, ours, theirs, pointer, indent);
        if (merged) return merged;
      }
    }
    if (theirs && isSame(base, ours)) return this.#adopt(theirs, indent);
    this.fields.push(fieldConflict(pointer, base, ours, theirs));
    return ours;
  }

  #mergeObjects(
    base: JsonObject | undefined,
    ours: JsonObject,
    theirs: JsonObject,
    pointer: string,
    indent: string,
  ): JsonObject {
    const inner = this.#innerIndent(ours, indent);
    const merged = new Map<string, Json>();
    for (const key of new Set([...ours.members.keys(), ...theirs.members.keys()])) {
      const value = this.merge(
        base?.members.get(key)?.value,
        ours.members.get(key)?.value,
        theirs.members.get(key)?.value,
        pointerTo(pointer, key),
        inner,
      );
      if (value) merged.set(key, value);
    }
    const order = arrange(ours.members.keys(), theirs.members.keys(), (key) => merged.has(key));
    const leads = this.#leads([...ours.members.values()], inner, order.length, (index) =>
      ours.members.get(order[index] ?? ''),
    );
    const members = new Map<string, Member>();
    for (const [index, key] of order.entries()) {
      const value = merged.get(key);
      const name = (ours.members.get(key) ?? theirs.members.get(key))?.name;
      if (value && name !== undefined) members.set(key, { lead: leads[index] ?? '', name, value });
    }
    return objectOf(members, this.#tail(ours, members.size, leads[0], indent));
  }

  /** Lists of things with an identity, element by element. Null when these are not such, or both sides sorted them differently. */
  #mergeLists(
    base: JsonArray | undefined,
    ours: JsonArray,
    theirs: JsonArray,
    pointer: string,
    indent: string,
  ): JsonArray | null {
    for (const identity of identities) {
      const b = keyed(base?.items ?? [], identity);
      const o = keyed(ours.items, identity);
      const t = keyed(theirs.items, identity);
      if (b && o && t) return this.#mergeKeyed(b, o, t, ours, pointer, indent);
    }
    return null;
  }

  #mergeKeyed(
    base: ReadonlyMap<number, Entry>,
    ours: ReadonlyMap<number, Entry>,
    theirs: ReadonlyMap<number, Entry>,
    list: JsonArray,
    pointer: string,
    indent: string,
  ): JsonArray | null {
    const common = (side: ReadonlyMap<number, Entry>): string =>
      [...side.keys()].filter((id) => base.has(id) && ours.has(id) && theirs.has(id)).join();
    const [baseOrder, ourOrder, theirOrder] = [common(base), common(ours), common(theirs)];
    const isSortedByUs = ourOrder !== baseOrder;
    if (isSortedByUs && theirOrder !== baseOrder && ourOrder !== theirOrder) return null;

    const inner = this.#innerIndent(list, indent);
    const merged = new Map<number, Json>();
    for (const id of new Set([...ours.keys(), ...theirs.keys()])) {
      const [o, t] = [ours.get(id), theirs.get(id)];
      const value = this.merge(
        base.get(id)?.value,
        o?.value,
        t?.value,
        pointerTo(pointer, (o ?? t)?.index ?? 0),
        inner,
      );
      if (value) merged.set(id, value);
    }
    const isKept = (id: number): boolean => merged.has(id);
    const order =
      isSortedByUs || theirOrder === baseOrder
        ? arrange(ours.keys(), theirs.keys(), isKept)
        : arrange(theirs.keys(), ours.keys(), isKept);
    const leads = this.#leads(list.items, inner, order.length, (index) => ours.get(order[index] ?? -1)?.item);
    const items = order.flatMap((id, index) => {
      const value = merged.get(id);
      return value ? [{ lead: leads[index] ?? '', value }] : [];
    });
    return arrayOf(items, this.#tail(list, items.length, leads[0], indent));
  }

  #innerIndent(container: JsonObject | JsonArray, indent: string): string {
    const lead = firstLead(container);
    return lead === undefined ? indent + (this.#style.unit ?? '') : (indentOf(lead) ?? indent);
  }

  /**
   * White space before each of `count` parts: their own in ours, and that of a neighbour for what is new.
   * The first part of a container on one line often stands closer than the rest.
   */
  #leads(parts: readonly Item[], inner: string, count: number, ownOf: (index: number) => Item | undefined): string[] {
    const first = parts[0]?.lead ?? (this.#style.unit === null ? '' : this.#style.lineEnd + inner);
    const rest = parts[1]?.lead ?? (indentOf(first) === null && this.#style.unit !== null ? ' ' : first);
    return Array.from({ length: count }, (_, index) => {
      if (index === 0) return first;
      const own = ownOf(index);
      return own && own !== parts[0] ? own.lead : rest;
    });
  }

  #tail(ours: JsonObject | JsonArray, count: number, lead: string | undefined, indent: string): string {
    if (count === 0) return '';
    if (firstLead(ours) !== undefined) return ours.tail;
    return lead?.includes('\n') ? this.#style.lineEnd + indent : '';
  }

  /** A value of theirs, laid out as it is there, with the line ends and indentation of ours. */
  #adopt(json: Json, indent: string): Json {
    if (json.kind === 'scalar') return json;
    const { lineEnd, unit } = this.#style;
    const inner = indent + (unit ?? '');
    const adapt = (space: string, indentation: string): string =>
      space.includes('\n') ? (unit === null ? '' : lineEnd + indentation) : space;
    const adopt = <I extends Item>(item: I): I => ({
      ...item,
      lead: adapt(item.lead, inner),
      value: this.#adopt(item.value, indentOf(item.lead) === null ? indent : inner),
    });
    const tail = adapt(json.tail, indent);
    if (json.kind === 'array') return arrayOf(json.items.map(adopt), tail);
    return objectOf(new Map(Array.from(json.members, ([key, member]) => [key, adopt(member)])), tail);
  }
}

interface Entry {
  readonly index: number;
  readonly item: Item;
  readonly value: Json;
}

/** The elements of a list by what they are called, or null when one is no object, has no such field, or shares it. */
function keyed(items: readonly Item[], identity: string): ReadonlyMap<number, Entry> | null {
  const entries = new Map<number, Entry>();
  for (const [index, item] of items.entries()) {
    const { value } = item;
    const name = value.kind === 'object' ? value.members.get(identity)?.value : undefined;
    if (name?.kind !== 'scalar' || !/^["\d-]/.test(name.text) || entries.has(name.id)) return null;
    entries.set(name.id, { index, item, value });
  }
  return entries;
}

/**
 * Merges JSON by field, and lists of things with an `id` or `key` by element. Null when a text is not JSON
 * that `parseDocument` takes. Without a base, both sides have made the file.
 */
export function mergeJson(
  base: string | null,
  ours: string,
  theirs: string,
  options: { readonly isScene: boolean },
): JsonMerge | null {
  const interner = new Interner();
  const [b, o, t] = [base ?? '{}', ours, theirs].map((text) => parseDocument(text, interner));
  if (!b || !o || !t) return null;
  const before = base === null ? undefined : b.root;
  const merger = new Merger(styleOf(o, t));
  const scene = options.isScene ? reconcileScene(before, o.root, t.root) : null;
  const merged = merger.merge(before, o.root, scene?.theirs ?? t.root, '', '');
  const fields = [...(scene?.fields ?? []), ...merger.fields];
  return { text: o.head + (merged ?? o.root).text + o.tail, fields };
}
