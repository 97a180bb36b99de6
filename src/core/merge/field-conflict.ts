import { type Json, plainValue } from './json-document.ts';

/** A field that the sides disagree about. A value that is not there is left out. */
export interface FieldConflict {
  /**
   * RFC 6901. An element of a list is named by its index in ours, or in theirs when ours lacks it.
   */
  readonly pointer: string;
  readonly base?: unknown;
  readonly ours?: unknown;
  readonly theirs?: unknown;
}

/** RFC 6901: one step further. */
export const pointerTo = (parent: string, key: string | number): string =>
  `${parent}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;

export function fieldConflict(
  pointer: string,
  base: Json | undefined,
  ours: Json | undefined,
  theirs: Json | undefined,
): FieldConflict {
  return {
    pointer,
    ...(base && { base: plainValue(base) }),
    ...(ours && { ours: plainValue(ours) }),
    ...(theirs && { theirs: plainValue(theirs) }),
  };
}
