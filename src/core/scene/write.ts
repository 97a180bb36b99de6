import * as Y from 'yjs';
import { canonicalJson } from '../canonical-json.ts';
import { applyText } from '../text-diff.ts';
import { Issues, plainValue } from './materialise.ts';
import type { SceneValue } from './read.ts';

const isObject = (value: unknown): value is SceneValue =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Objects become maps, so that two people may change two fields of one. A list is one value. */
function toShared(value: unknown): unknown {
  if (!isObject(value)) return value;
  return new Y.Map(Object.entries(value).map(([key, inner]) => [key, toShared(inner)]));
}

const isSame = (shared: unknown, value: unknown): boolean =>
  shared === value ||
  (typeof value === 'object' &&
    value !== null &&
    canonicalJson(plainValue(shared, new Issues()) ?? null) === canonicalJson(value));

/**
 * Makes a shared map what `next` says, by as few operations as that takes: a field that is the same is not
 * touched, so what others change in it meanwhile stays. Inside a transaction.
 */
export function writeMap(map: Y.Map<unknown>, next: SceneValue): void {
  for (const key of [...map.keys()]) if (!Object.hasOwn(next, key)) map.delete(key);
  for (const [key, value] of Object.entries(next)) {
    const current = map.get(key);
    if (current instanceof Y.Map && isObject(value)) writeMap(current, value);
    else if (current instanceof Y.Array && Array.isArray(value)) writeArray(current, value);
    else if (current instanceof Y.Text && typeof value === 'string') applyText(current, value, null);
    else if (current instanceof Y.AbstractType || !isSame(current, value)) map.set(key, toShared(value));
  }
}

/** A client may have put a shared list there: what is before and behind the change stays. */
function writeArray(array: Y.Array<unknown>, next: readonly unknown[]): void {
  const current = array.toArray();
  const shorter = Math.min(current.length, next.length);
  let head = 0;
  while (head < shorter && isSame(current[head], next[head])) head += 1;
  let tail = 0;
  while (tail < shorter - head && isSame(current.at(-1 - tail), next.at(-1 - tail))) tail += 1;
  array.delete(head, current.length - head - tail);
  array.insert(head, next.slice(head, next.length - tail).map(toShared));
}
