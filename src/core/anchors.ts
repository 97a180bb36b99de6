import { Buffer } from 'node:buffer';
import * as Y from 'yjs';
import type { Anchor, NewAnchor } from '../contract/comments.ts';
import { limits } from '../contract/limits.ts';
import { documentTypes } from '../contract/scene.ts';

/**
 * What a comment is about, as it is kept. A passage has offsets in the text of the file with `hash`, and
 * positions in its history where it has one: those follow every edit, the offsets and the quote survive
 * the end of the history.
 */
export type KeptAnchor =
  | {
      readonly kind: 'text';
      readonly from: number;
      readonly to: number;
      readonly hash: string | null;
      readonly start?: string | undefined;
      readonly end?: string | undefined;
    }
  | Exclude<Anchor, { readonly kind: 'text' }>;

/** A file as anchors look at it. */
export interface AnchoredFile {
  readonly hash: string;
  /** Null for bytes. */
  readonly text: string | null;
  /** Its history, where it has one that is text. */
  readonly doc: Y.Doc | null;
  /** Its nodes, where it is a scene. */
  readonly nodes: Readonly<Record<string, unknown>> | null;
}

export interface Found {
  readonly anchor: Anchor;
  readonly orphaned: boolean;
}

const encode = (position: Y.RelativePosition): string =>
  Buffer.from(Y.encodeRelativePosition(position)).toString('base64');

/** An offset in the text of a document; null for what is no position in it. */
function offsetOf(doc: Y.Doc, position: string): number | null {
  try {
    const relative = Y.decodeRelativePosition(new Uint8Array(Buffer.from(position, 'base64')));
    const absolute = Y.createAbsolutePositionFromRelativePosition(relative, doc);
    return absolute?.type === doc.getText(documentTypes.text) ? absolute.index : null;
  } catch {
    return null;
  }
}

/** Offsets as positions that stay with what is between them: what is typed at either end is outside. */
export function bound(doc: Y.Doc, from: number, to: number): { start: string; end: string } {
  const text = doc.getText(documentTypes.text);
  return {
    start: encode(Y.createRelativePositionFromTypeIndex(text, from, 0)),
    end: encode(Y.createRelativePositionFromTypeIndex(text, to, from === to ? 0 : -1)),
  };
}

export const quoteOf = (text: string): string => text.slice(0, limits.comment.quoteMax).toWellFormed();

/** Where a quote stands nearest to an offset. */
function search(text: string, quote: string | null, near: number): { from: number; to: number } | null {
  if (quote === null || quote.length < limits.comment.quoteSearchMin) return null;
  const before = text.lastIndexOf(quote, near);
  const after = text.indexOf(quote, near);
  if (before === -1 && after === -1) return null;
  const from = before === -1 || (after !== -1 && after - near < near - before) ? after : before;
  return { from, to: from + quote.length };
}

/** Offsets of a passage now. */
export function locate(
  anchor: Extract<KeptAnchor, { kind: 'text' }>,
  quote: string | null,
  file: AnchoredFile,
): { from: number; to: number; orphaned: boolean } {
  const text = file.text ?? '';
  let near = Math.min(anchor.from, text.length);
  if (file.doc && anchor.start !== undefined && anchor.end !== undefined) {
    const from = offsetOf(file.doc, anchor.start);
    const to = offsetOf(file.doc, anchor.end);
    if (from !== null && to !== null && (to > from || quote === null))
      return { from, to: Math.max(from, to), orphaned: false };
    near = from ?? to ?? near;
  } else if (anchor.hash === file.hash) {
    const to = Math.min(anchor.to, text.length);
    if (to > near || quote === null) return { from: near, to: Math.max(near, to), orphaned: false };
  }
  const found = search(text, quote, near);
  return found ? { ...found, orphaned: false } : { from: near, to: near, orphaned: quote !== null };
}

function isThere(nodes: AnchoredFile['nodes'], node: string, pointer: string): boolean {
  let value: unknown = nodes !== null && Object.hasOwn(nodes, node) ? nodes[node] : undefined;
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Record<string, unknown>)[key];
  }
  return value !== undefined;
}

/** Where it is now; what is gone is said to be. */
export function find(anchor: KeptAnchor, quote: string | null, file: AnchoredFile | null): Found {
  if (anchor.kind === 'text') {
    const { from, to, start = null, end = null } = anchor;
    if (!file) return { anchor: { kind: 'text', from, to, start: null, end: null }, orphaned: true };
    const place = locate(anchor, quote, file);
    return {
      anchor: { kind: 'text', from: place.from, to: place.to, start: file.doc && start, end: file.doc && end },
      orphaned: place.orphaned,
    };
  }
  if (anchor.kind === 'node')
    return { anchor, orphaned: file === null || !isThere(file.nodes, anchor.node, anchor.pointer) };
  // Assets are in no tree: whether this one is there, others know.
  if (anchor.kind === 'asset') return { anchor, orphaned: false };
  return { anchor, orphaned: file === null };
}

export type Taken = { readonly anchor: KeptAnchor; readonly quote: string | null };

/** A new anchor as it is kept, with what it is about; a text in place of it says what is wrong. */
export function take(anchor: NewAnchor, file: AnchoredFile): Taken | string {
  if (anchor.kind === 'asset') return 'an asset is no file';
  if (anchor.kind === 'region') return { anchor, quote: null };
  if (anchor.kind === 'node') {
    if (!isThere(file.nodes, anchor.node, anchor.pointer)) return 'there is no such node, or nothing there in it';
    const node = file.nodes?.[anchor.node];
    const name = typeof node === 'object' && node !== null && 'name' in node ? node.name : undefined;
    return { anchor, quote: quoteOf(typeof name === 'string' ? name : anchor.node) };
  }
  if (file.text === null) return 'only a text has passages';
  let [from, to] = [0, 0];
  if ('from' in anchor) [from, to] = [anchor.from, anchor.to];
  else {
    const [start, end] = file.doc ? [offsetOf(file.doc, anchor.start), offsetOf(file.doc, anchor.end)] : [null, null];
    if (start === null || end === null) return 'these are no positions in the document';
    [from, to] = [start, end];
  }
  if (from > to || to > file.text.length) return 'the passage is not within the text';
  const positions = file.doc ? bound(file.doc, from, to) : {};
  return {
    anchor: { kind: 'text', from, to, hash: file.hash, ...positions },
    quote: from === to ? null : quoteOf(file.text.slice(from, to)),
  };
}
