import { day } from '../contract/units.ts';

/** A backup as far as keeping it is concerned. Milliseconds since the epoch. */
export interface Dated {
  readonly name: string;
  readonly at: number;
}

/** The Monday, UTC, of the week that a moment lies in, as a number of days. 1970-01-01 was a Thursday. */
const weekOf = (at: number): number => Math.floor((Math.floor(at / day) + 3) / 7);

/**
 * Which backups to keep: the newest of each of the last `daily` days, and of each of the last `weekly`
 * weeks, that have one. Counted in days and weeks with a backup, not by the calendar: a system that
 * stood still for a month keeps what it has. The newest is always kept.
 */
export function kept(backups: readonly Dated[], daily: number, weekly: number): Set<string> {
  const newestFirst = [...backups].sort((a, b) => b.at - a.at || (a.name < b.name ? 1 : -1));
  const keep = new Set<string>();
  const rule = (slot: (at: number) => number, count: number): void => {
    const seen = new Set<number>();
    for (const { name, at } of newestFirst) {
      if (seen.has(slot(at))) continue;
      if (seen.size === count) return;
      seen.add(slot(at));
      keep.add(name);
    }
  };
  rule((at) => Math.floor(at / day), daily);
  rule(weekOf, weekly);
  return keep;
}

/**
 * Which of these to remove: all of the last `allFor` milliseconds stay, and of each day (UTC) of the last
 * `dailyFor` the newest. The newest of all always stays.
 */
export function expired(items: readonly Dated[], now: number, allFor: number, dailyFor: number): string[] {
  const newestFirst = [...items].sort((a, b) => b.at - a.at || (a.name < b.name ? 1 : -1));
  const days = new Set<number>();
  return newestFirst
    .filter(({ at }, index) => {
      const isNewest = !days.has(Math.floor(at / day));
      days.add(Math.floor(at / day));
      return index > 0 && at <= now - allFor && !(isNewest && at > now - dailyFor);
    })
    .map(({ name }) => name);
}
