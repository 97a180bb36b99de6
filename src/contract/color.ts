/** Twelve hues that tell apart on dark and light grounds and from each other. */
const palette = [
  '#f97316',
  '#22c55e',
  '#3b82f6',
  '#ec4899',
  '#a855f7',
  '#14b8a6',
  '#eab308',
  '#ef4444',
  '#06b6d4',
  '#84cc16',
  '#f472b6',
  '#818cf8',
] as const;

/** The colour of a user: the same in every room and after every reload. The last hex digits of a UUIDv7 are random. */
export function colorOf(userId: string): string {
  const number = Number.parseInt(userId.slice(-6), 16);
  return palette[(Number.isNaN(number) ? 0 : number) % palette.length] ?? palette[0];
}
