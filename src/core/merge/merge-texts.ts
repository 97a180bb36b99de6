import { limits } from '../../contract/limits.ts';
import { isScenePath } from '../../contract/scene.ts';
import { mimeTypeOf } from '../content.ts';
import type { FieldConflict } from './field-conflict.ts';
import { mergeJson } from './merge-json.ts';
import { mergeLines } from './merge-lines.ts';
import type { Work } from './work.ts';

export type TextMerge =
  | { readonly isClean: true; readonly text: string }
  | {
      readonly isClean: false;
      readonly kind: 'text' | 'json';
      /** What could be merged: with conflict markers, or with ours in the fields in conflict. */
      readonly merged?: string | undefined;
      readonly fields?: readonly FieldConflict[] | undefined;
      /** Why nothing could be merged. */
      readonly reason?: string | undefined;
    };

/** Also manifests, import maps and other types that are JSON by their registered name. */
const isStructured = (path: string): boolean => /^application\/(?:.+\+)?json$/.test(mimeTypeOf(path, true));

const encoder = new TextEncoder();

/** Merges two texts that were both changed, by field where all are JSON, else by line. Without a base, both were added. */
export function mergeTexts(path: string, base: string | null, ours: string, theirs: string, work: Work): TextMerge {
  if (!work.read((base?.length ?? 0) + ours.length + theirs.length))
    return { isClean: false, kind: 'text', reason: 'There is too much to compare in one merge.' };
  const json = isStructured(path) ? mergeJson(base, ours, theirs, { isScene: isScenePath(path) }) : null;
  if (json && json.fields.length > 0) return { isClean: false, kind: 'json', merged: json.text, fields: json.fields };
  const merged = json ? { text: json.text, isClean: true } : mergeLines(base ?? '', ours, theirs, work);
  if (!merged) return { isClean: false, kind: 'text', reason: 'The texts differ too much to be compared by line.' };
  if (!merged.isClean) return { isClean: false, kind: 'text', merged: merged.text };
  if (encoder.encode(merged.text).length > limits.file.textMax)
    return {
      isClean: false,
      kind: json ? 'json' : 'text',
      reason: `Together they are larger than the ${limits.file.textMax} bytes of a text.`,
    };
  return { isClean: true, text: merged.text };
}
