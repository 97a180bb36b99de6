import { describe, expect, it } from 'vitest';
import { compareMigrations, describeSchema } from '../../src/core/migrations.ts';

describe('The schema of a database', () => {
  it('is the same when it has what the release has, in any order', () => {
    expect(compareMigrations(['0001_b', '0000_a'], ['0000_a', '0001_b'])).toEqual({ state: 'same' });
    expect(describeSchema({ state: 'same' })).toBeUndefined();
  });

  it('is behind when a migration is missing, whatever else it has', () => {
    const schema = compareMigrations(['0000_a', '0002_c'], ['0000_a', '0001_b']);
    expect(schema).toEqual({ state: 'behind', missing: ['0001_b'] });
    expect(describeSchema(schema)).toMatch(/^behind: 0001_b missing\./);
    expect(compareMigrations([], ['0000_a'])).toEqual({ state: 'behind', missing: ['0000_a'] });
  });

  it('is ahead when a newer release migrated it', () => {
    const schema = compareMigrations(['0000_a', '0001_b', '0002_c'], ['0000_a', '0001_b']);
    expect(schema).toEqual({ state: 'ahead', extra: ['0002_c'] });
    expect(describeSchema(schema)).toMatch(/^ahead: has 0002_c/);
  });
});
