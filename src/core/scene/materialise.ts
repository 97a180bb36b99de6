import * as Y from 'yjs';
import { limits } from '../../contract/limits.ts';
import type { DocumentIssue } from '../../contract/scene.ts';
import { pointerTo } from '../merge/field-conflict.ts';
import type { SceneValue } from './read.ts';

/** Issues as they are found, up to what people are shown. */
export class Issues {
  readonly list: DocumentIssue[] = [];

  add(pointer: string, message: string): void {
    if (this.list.length < limits.scene.issuesMax) this.list.push({ pointer, message });
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null);

/** Yjs values as JSON. What has no JSON is left out and told; undefined is such a thing. */
export function plainValue(value: unknown, issues: Issues, pointer = '', depth = 1): unknown {
  const isLeaf = typeof value !== 'object' || value === null;
  if (!isLeaf && depth > limits.scene.depth) {
    issues.add(pointer, `is nested deeper than ${limits.scene.depth} levels, and left out of the file`);
    return undefined;
  }
  const list = (values: readonly unknown[]): unknown[] =>
    values.map((inner, index) => plainValue(inner, issues, pointerTo(pointer, index), depth + 1) ?? null);
  const record = (entries: Iterable<readonly [string, unknown]>): Record<string, unknown> => {
    const fields: [string, unknown][] = [];
    for (const [key, inner] of entries) {
      const field = plainValue(inner, issues, pointerTo(pointer, key), depth + 1);
      if (field !== undefined) fields.push([key, field]);
    }
    return Object.fromEntries(fields);
  };
  if (value instanceof Y.Map) return record(value.entries());
  if (value instanceof Y.Array) return list(value.toArray());
  // XML types are built on fragments; `Y.Text` is the one that has a plain text.
  if (value instanceof Y.Text && !(value instanceof Y.XmlText)) return value.toString();
  if (Array.isArray(value)) return list(value);
  if (isRecord(value)) return record(Object.entries(value));
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  issues.add(pointer, 'has no JSON, and is left out of the file');
  return undefined;
}

/** The scene that a live document holds. */
export const sceneValue = (root: Y.Map<unknown>, issues: Issues): SceneValue => plainValue(root, issues) as SceneValue;
