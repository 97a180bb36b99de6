import { diffArrays } from 'diff';
import diff from 'fast-diff';
import type * as Y from 'yjs';
import { limits } from '../contract/limits.ts';

const { diffWork, diffLines } = limits.file;

type Span = readonly [operation: -1 | 0 | 1, text: string];

const isHigh = (code: number): boolean => (code & 0xfc00) === 0xd800;
const isLow = (code: number): boolean => (code & 0xfc00) === 0xdc00;

/** How many characters are the same at the beginning and at the end; no pair of surrogates is cut. */
function commonEnds(current: string, next: string): readonly [head: number, tail: number] {
  const shorter = Math.min(current.length, next.length);
  let head = 0;
  while (head < shorter && current.charCodeAt(head) === next.charCodeAt(head)) head += 1;
  if (head > 0 && isHigh(current.charCodeAt(head - 1))) head -= 1;
  let tail = 0;
  while (
    tail < shorter - head &&
    current.charCodeAt(current.length - 1 - tail) === next.charCodeAt(next.length - 1 - tail)
  )
    tail += 1;
  if (tail > 0 && isLow(current.charCodeAt(current.length - tail))) tail -= 1;
  return [head, tail];
}

const linesOf = (text: string): string[] => (text === '' ? [] : text.split(/(?<=\n)/));

/** Compares spans character by character as long as that is cheap, and then replaces them whole. */
class Closely {
  #left: number = diffWork;

  /** Whether these can be compared. */
  take(before: string, after: string): boolean {
    const work = (before.length + after.length) ** 2;
    if (work > this.#left) return false;
    this.#left -= work;
    return true;
  }

  spans(before: string, after: string): readonly Span[] {
    if (this.take(before, after)) return diff(before, after);
    return [
      [diff.DELETE, before],
      [diff.INSERT, after],
    ];
  }
}

/** What makes one text of the other, in bounded time: near to minimal for what people and tools change in a file. */
function spansBetween(current: string, next: string): readonly Span[] {
  const [head, tail] = commonEnds(current, next);
  const before = current.slice(head, current.length - tail);
  const after = next.slice(head, next.length - tail);
  const closely = new Closely();
  const start: Span = [diff.EQUAL, current.slice(0, head)];
  if (closely.take(before, after)) return [start, ...diff(before, after)];
  const middle: Span[] = [start];
  const changes = diffArrays(linesOf(before), linesOf(after), { maxEditLength: diffLines });
  if (!changes) middle.push(...closely.spans(before, after));
  else {
    let [removed, added] = ['', ''];
    const close = (): void => {
      if (removed || added) middle.push(...closely.spans(removed, added));
      [removed, added] = ['', ''];
    };
    for (const change of changes) {
      const text = change.value.join('');
      if (change.removed) removed += text;
      else if (change.added) added += text;
      else {
        close();
        middle.push([diff.EQUAL, text]);
      }
    }
    close();
  }
  return middle;
}

/**
 * Changes a shared text into `next` by a few spans, in one transaction of `origin`: cursors and edits of others that lie outside the
 * changed spans stay where they are. Returns whether it changed.
 */
export function applyText(text: Y.Text, next: string, origin: unknown): boolean {
  const current = text.toString();
  if (current === next) return false;
  const change = (): void => {
    let index = 0;
    for (const [operation, span] of spansBetween(current, next)) {
      if (span === '') continue;
      if (operation === diff.EQUAL) index += span.length;
      else if (operation === diff.DELETE) text.delete(index, span.length);
      else {
        text.insert(index, span);
        index += span.length;
      }
    }
  };
  if (text.doc) text.doc.transact(change, origin);
  else change();
  return true;
}
