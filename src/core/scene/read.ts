import { limits } from '../../contract/limits.ts';
import { canonicalText } from '../canonical-json.ts';
import { Interner, isExact, type Json, parseDocument } from '../merge/json-document.ts';

export type SceneValue = Readonly<Record<string, unknown>>;

/** A scene in its text, or why the text cannot be one without losing something. */
export type SceneText =
  | { readonly isScene: true; readonly value: SceneValue; readonly canonical: string }
  | { readonly isScene: false; readonly reason: string };

class Unfit extends Error {}

/** What a live document gives back exactly; anything else stays text. */
function plain(json: Json, depth: number): unknown {
  if (json.kind === 'scalar') {
    const value: unknown = JSON.parse(json.text);
    if (typeof value === 'number' && !isExact(json.text, value))
      throw new Unfit(`the number ${json.text.slice(0, 40)} has more digits than are kept`);
    if (typeof value === 'string' && !value.isWellFormed()) throw new Unfit('a text has half of a character');
    return value;
  }
  if (depth > limits.scene.depth) throw new Unfit(`it is nested deeper than ${limits.scene.depth} levels`);
  if (json.kind === 'array') return json.items.map(({ value }) => plain(value, depth + 1));
  return Object.fromEntries(
    Array.from(json.members, ([key, { value }]) => {
      // Yjs reads an object by assigning its keys, which makes a prototype of this one.
      if (key === '__proto__' || !key.isWellFormed()) throw new Unfit('a key cannot be kept as it is');
      return [key, plain(value, depth + 1)];
    }),
  );
}

/** Reads the text of a scene. Nothing at all is an empty one. */
export function readScene(text: string): SceneText {
  if (text.trim() === '') return { isScene: true, value: {}, canonical: canonicalText({}) };
  const parsed = text.startsWith('\uFEFF') ? null : parseDocument(text, new Interner());
  if (!parsed) return { isScene: false, reason: 'It is no JSON, or has a key twice.' };
  if (parsed.root.kind !== 'object') return { isScene: false, reason: 'A scene is a JSON object.' };
  try {
    const value = plain(parsed.root, 1) as SceneValue;
    const canonical = canonicalText(value);
    if (new TextEncoder().encode(canonical).length > limits.file.textMax)
      return { isScene: false, reason: 'Laid out it is larger than a document may be.' };
    return { isScene: true, value, canonical };
  } catch (error) {
    if (error instanceof Unfit) return { isScene: false, reason: `It cannot be edited as a scene: ${error.message}.` };
    throw error;
  }
}
