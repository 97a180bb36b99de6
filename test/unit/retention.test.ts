import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kept } from '../../src/core/retention.ts';

const day = 86_400_000;
const at = (text: string): number => Date.parse(text);
const nightly = (from: string, days: number) =>
  Array.from({ length: days }, (_, n) => {
    const time = at(from) + n * day;
    return { name: new Date(time).toISOString(), at: time };
  });

describe('Retention', () => {
  it('keeps seven days and four weeks of nightly backups', () => {
    const backups = nightly('2026-01-01T03:17:00Z', 60);
    const days = [...kept(backups, 7, 4)].map((name) => name.slice(0, 10)).sort();
    // Sunday 1 March is the last; weeks end on Sundays.
    expect(days).toEqual([
      '2026-02-08',
      '2026-02-15',
      '2026-02-22',
      '2026-02-23',
      '2026-02-24',
      '2026-02-25',
      '2026-02-26',
      '2026-02-27',
      '2026-02-28',
      '2026-03-01',
    ]);
  });

  it('keeps the newest of a day, and of a system that stood still everything that it needs', () => {
    const backups = [
      { name: 'morning', at: at('2026-03-01T01:00:00Z') },
      { name: 'evening', at: at('2026-03-01T23:00:00Z') },
      { name: 'old', at: at('2025-01-01T03:00:00Z') },
    ];
    expect([...kept(backups, 7, 4)].sort()).toEqual(['evening', 'old']);
    expect(kept([], 7, 4)).toEqual(new Set());
  });

  it('always keeps the newest, never more than the sum, and removes nothing more when applied again', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: 400 * day }), { maxLength: 200 }),
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 10 }),
        (times, daily, weekly) => {
          const backups = times.map((time) => ({ name: `n${time}`, at: time }));
          const keep = kept(backups, daily, weekly);
          expect(keep.size).toBeLessThanOrEqual(daily + weekly);
          if (times.length) expect(keep).toContain(`n${Math.max(...times)}`);
          expect(
            kept(
              backups.filter(({ name }) => keep.has(name)),
              daily,
              weekly,
            ),
          ).toEqual(keep);
        },
      ),
    );
  });
});
