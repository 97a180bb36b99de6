/** RFC 9110 §8.8.3: one strong entity tag from a value that holds no quotes. */
export const etag = (value: string | number): string => `"${value}"`;

const tags = (header: string): string[] => header.split(',').map((tag) => tag.trim());

/** If-Match: strong comparison; `*` matches whatever exists. */
export const matches = (header: string, current: string | null): boolean =>
  header.trim() === '*' ? current !== null : current !== null && tags(header).includes(current);

/** If-None-Match: weak comparison. */
export const matchesWeakly = (header: string, current: string | null): boolean =>
  header.trim() === '*'
    ? current !== null
    : current !== null && tags(header).some((tag) => tag.replace(/^W\//, '') === current);
