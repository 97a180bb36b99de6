import { Buffer } from 'node:buffer';
import * as z from 'zod';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';

/**
 * A page cursor: the sort value and id of the last row shown. It is not secret and grants nothing:
 * every page is authorised and filtered again.
 */
export interface Cursor {
  readonly value: string | number;
  readonly id: string;
}

const Shape = z.tuple([
  z.union([z.string().max(limits.http.cursorTextMax), z.int()]),
  z.string().max(limits.http.cursorIdMax),
]);

export const encodeCursor = (cursor: Cursor): string =>
  Buffer.from(JSON.stringify([cursor.value, cursor.id])).toString('base64url');

/** Throws `validation_failed` for anything that `encodeCursor` did not make, and for the cursor of another sorting. */
export function decodeCursor<V extends 'string' | 'number'>(
  text: string,
  kind: V,
): { value: V extends 'string' ? string : number; id: string } {
  try {
    const [value, id] = Shape.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
    if (typeof value !== kind) throw new TypeError('another column');
    return { value: value as V extends 'string' ? string : number, id };
  } catch {
    throw new KilnError('validation_failed', {
      issues: [{ path: 'query.cursor', message: 'is not a cursor of this list' }],
    });
  }
}

/** Cuts one row more than asked for into a page and its cursor. */
export function page<Row>(
  rows: readonly Row[],
  limit: number,
  cursorOf: (row: Row) => Cursor,
): { rows: Row[]; nextCursor: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { rows: shown, nextCursor: rows.length > limit && last !== undefined ? encodeCursor(cursorOf(last)) : null };
}
