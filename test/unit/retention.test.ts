import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expired, kept } from '../../src/core/retention.ts';

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

describe('Ageing', () => {
  const month = 30 * day;
  const left = (items: readonly { name: string; at: number }[], now: number): string[] => {
    const gone = new Set(expired(items, now, day, month));
    return items.filter(({ name }) => !gone.has(name)).map(({ name }) => name);
  };

  it('keeps all of a day, the newest of each day of a month, and the newest of all', () => {
    const now = at('2026-03-01T12:00:00Z');
    const items = [
      'newest 2026-03-01T11:00:00Z',
      'today 2026-03-01T01:00:00Z',
      'within a day 2026-02-28T12:00:01Z',
      'last but over a day 2026-02-28T12:00:00Z',
      'last of its day 2026-02-27T23:59:59Z',
      'not the last 2026-02-27T23:59:58Z',
      'first of a day 2026-02-26T00:00:00Z',
      'within a month 2026-01-30T12:00:01Z',
      'a month old 2026-01-30T12:00:00Z',
      'older 2026-01-29T23:00:00Z',
    ].map((line) => ({ name: line.slice(0, -21), at: at(line.slice(-20)) }));
    expect(left(items, now)).toEqual([
      'newest',
      'today',
      'within a day',
      'last of its day',
      'first of a day',
      'within a month',
    ]);
    expect(left(items.slice(-1), now)).toEqual(['older']);
    expect(left([], now)).toEqual([]);
  });

  it('equals its rule said plainly, in any order, and removes nothing more when applied again', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: -3 * day, max: 45 * day }), { maxLength: 80 }),
        fc.integer({ min: 0, max: 45 * day }),
        (times, now) => {
          const items = times.map((time) => ({ name: `n${time}`, at: time }));
          const plain = items.filter(
            (item) =>
              item.at > now - day ||
              items.every((other) => other.at <= item.at) ||
              (item.at > now - month &&
                items.every(
                  (other) => other.at <= item.at || Math.floor(other.at / day) !== Math.floor(item.at / day),
                )),
          );
          expect(left(items, now)).toEqual(plain.map(({ name }) => name));
          expect(left(plain, now)).toEqual(plain.map(({ name }) => name));
        },
      ),
    );
  });
});
