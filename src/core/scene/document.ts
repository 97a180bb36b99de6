import * as Y from 'yjs';
import {
  cuts,
  type DocumentForm,
  type DocumentIssue,
  documentTypes,
  isScenePath,
  Scene,
} from '../../contract/scene.ts';
import { canonicalText } from '../canonical-json.ts';
import { pointerTo } from '../merge/field-conflict.ts';
import { applyText } from '../text-diff.ts';
import { Issues, sceneValue } from './materialise.ts';
import { readScene, type SceneValue } from './read.ts';
import { writeMap } from './write.ts';

/**
 * What a live document is of its file. A document has a form, text or scene, that says which of its types
 * is the file. It follows the file's path and text when the first socket opens it, and stays as it is
 * while somebody has it open. A write through HTTP that is no scene makes a scene a text at once.
 */

const content = (doc: Y.Doc): Y.Text => doc.getText(documentTypes.text);
const root = (doc: Y.Doc): Y.Map<unknown> => doc.getMap(documentTypes.scene);
const meta = (doc: Y.Doc): Y.Map<unknown> => doc.getMap(documentTypes.meta);

export function formOf(doc: Y.Doc, path: string): DocumentForm {
  const said = meta(doc).get('form');
  if (said === 'text' || said === 'scene') return said;
  // A history from before there were scenes, or from another name, is text until it is opened anew.
  return isScenePath(path) && (content(doc).length === 0 || root(doc).size > 0) ? 'scene' : 'text';
}

/** The text of the file. */
export const textOf = (doc: Y.Doc, path: string): string =>
  formOf(doc, path) === 'text' ? content(doc).toString() : canonicalText(sceneValue(root(doc), new Issues()));

function become(doc: Y.Doc, form: DocumentForm): void {
  if (meta(doc).get('form') !== form) meta(doc).set('form', form);
}

function becomeScene(doc: Y.Doc, value: SceneValue, origin: unknown): void {
  doc.transact(() => {
    become(doc, 'scene');
    content(doc).delete(0, content(doc).length);
    writeMap(root(doc), value);
  }, origin);
}

function becomeText(doc: Y.Doc, text: string, origin: unknown): void {
  doc.transact(() => {
    become(doc, 'text');
    for (const key of [...root(doc).keys()]) root(doc).delete(key);
    applyText(content(doc), text, origin);
  }, origin);
}

/** The beginning of a history. */
export function begin(doc: Y.Doc, path: string, text: string): void {
  if (!isScenePath(path)) {
    if (text) content(doc).insert(0, text);
    return;
  }
  const scene = readScene(text);
  if (scene.isScene) becomeScene(doc, scene.value, null);
  else becomeText(doc, text, null);
}

/** Brings the form in line with path and text. Only while nobody has it open. Returns whether it changed. */
export function reform(doc: Y.Doc, path: string): boolean {
  const form = formOf(doc, path);
  if (isScenePath(path) && form === 'text') {
    const scene = readScene(content(doc).toString());
    if (scene.isScene) becomeScene(doc, scene.value, null);
    return scene.isScene;
  }
  if (!isScenePath(path) && form === 'scene') {
    becomeText(doc, textOf(doc, path), null);
    return true;
  }
  return false;
}

/** Makes the document one of this text, by as few operations as that takes. */
export function write(doc: Y.Doc, path: string, text: string, origin: unknown): void {
  if (formOf(doc, path) === 'text') {
    applyText(content(doc), text, origin);
    return;
  }
  const scene = readScene(text);
  if (scene.isScene) doc.transact(() => writeMap(root(doc), scene.value), origin);
  else becomeText(doc, text, origin);
}

/** A written text stays as it is laid out, byte for byte, where it is what the document says. */
export function layout(doc: Y.Doc, path: string, written: string): string {
  const text = textOf(doc, path);
  if (text === written || formOf(doc, path) === 'text') return text;
  const scene = readScene(written);
  return scene.isScene && scene.canonical === text ? written : text;
}

function hierarchyOf(nodes: unknown): Map<string, string | null> {
  const hierarchy = new Map<string, string | null>();
  if (typeof nodes === 'object' && nodes !== null && !Array.isArray(nodes))
    for (const [id, node] of Object.entries(nodes)) {
      const parent: unknown = typeof node === 'object' && node !== null && 'parent' in node ? node.parent : null;
      hierarchy.set(id, typeof parent === 'string' ? parent : null);
    }
  return hierarchy;
}

/** The nodes of a scene, as they are in its file. */
export function nodesIn(doc: Y.Doc): SceneValue | null {
  const { nodes } = sceneValue(root(doc), new Issues());
  return typeof nodes === 'object' && nodes !== null && !Array.isArray(nodes) ? (nodes as SceneValue) : null;
}

/** Two moves at one time may have made a circle: the rule takes it apart, for everybody. Returns whether it did. */
export function mend(doc: Y.Doc, path: string): boolean {
  if (formOf(doc, path) !== 'scene') return false;
  const value = sceneValue(root(doc), new Issues());
  const loose = cuts(hierarchyOf(value.nodes));
  if (loose.length === 0) return false;
  const nodes = { ...(value.nodes as Record<string, SceneValue>) };
  for (const id of loose) nodes[id] = { ...nodes[id], parent: null };
  const shared = root(doc).get('nodes');
  doc.transact(() => {
    // What has no JSON must not go with the mending: only the parents are written.
    for (const id of loose) {
      const node = shared instanceof Y.Map ? shared.get(id) : undefined;
      if (node instanceof Y.Map) node.set('parent', null);
      else if (shared instanceof Y.Map) shared.set(id, nodes[id]);
      else root(doc).set('nodes', nodes);
    }
  });
  return true;
}

/** What people should see to. Nothing of it is lost meanwhile. */
export function issuesOf(doc: Y.Doc, path: string): DocumentIssue[] {
  if (!isScenePath(path)) return [];
  const issues = new Issues();
  if (formOf(doc, path) === 'text') {
    const scene = readScene(content(doc).toString());
    issues.add('', scene.isScene ? 'It is a scene once everybody has closed it.' : scene.reason);
    return issues.list;
  }
  if (content(doc).length > 0) issues.add('', 'Text was typed into it that is in no field.');
  const value = sceneValue(root(doc), issues);
  for (const { path: at, message } of Scene.safeParse(value).error?.issues ?? [])
    issues.add(
      at.reduce<string>((pointer, part) => pointerTo(pointer, String(part)), ''),
      message,
    );
  const hierarchy = hierarchyOf(value.nodes);
  for (const [id, parent] of hierarchy)
    if (parent !== null && !hierarchy.has(parent))
      issues.add(pointerTo(pointerTo('/nodes', id), 'parent'), 'hangs on a node that is not there');
  return issues.list;
}
