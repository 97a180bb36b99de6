/** Keys in their order, whatever order they came in. */
const sorted = (_key: string, value: unknown): unknown =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** JSON with sorted keys: one value, one text. */
export const canonicalJson = (value: unknown): string => JSON.stringify(value, sorted);

/** The same for people, as it stands in a file: laid out by two spaces, with a line end. */
export const canonicalText = (value: unknown): string => `${JSON.stringify(value, sorted, 2)}\n`;
