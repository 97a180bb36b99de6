import { limits } from '../../contract/limits.ts';

/** Who may keep an answer: every cache on its way, or the browser that asked. */
type Keeper = 'public' | 'private';

/** `Cache-Control` of what is believed for so many milliseconds. */
export const keptFor = (keeper: Keeper, ms: number): string => `${keeper}, max-age=${ms / 1000}`;

/** `Cache-Control` of what never changes at its address. */
export const immutable = (keeper: Keeper, ms: number = limits.http.immutableAge): string =>
  `${keptFor(keeper, ms)}, immutable`;
