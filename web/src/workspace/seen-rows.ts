/** Rows that are on somebody's screen, counted from 1: lines of a text, nodes of a scene in their order. */
export interface SeenRows {
  readonly first: number;
  readonly last: number;
}

/** What a viewport says of rows; undefined for one that says something else. */
export const seenRows = (view: Readonly<Record<string, number>> | null | undefined): SeenRows | undefined => {
  const { first, last } = view ?? {};
  return first !== undefined && last !== undefined && first >= 1 && last >= first ? { first, last } : undefined;
};
