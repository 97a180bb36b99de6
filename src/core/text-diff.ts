import diff from 'fast-diff';
import type * as Y from 'yjs';

/**
 * Changes a shared text into `next` with a minimal diff, in one transaction of `origin`: cursors and
 * edits of others that lie outside the changed spans stay where they are. Returns whether it changed.
 */
export function applyText(text: Y.Text, next: string, origin: unknown): boolean {
  const current = text.toString();
  if (current === next) return false;
  const change = (): void => {
    let index = 0;
    for (const [operation, span] of diff(current, next)) {
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
