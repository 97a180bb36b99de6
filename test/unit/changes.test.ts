import { describe, expect, it } from 'vitest';
import { changesOf } from '../../src/core/changes.ts';

describe('what differs between two records', () => {
  it('is named with what it was and what it is, also where there was none', () => {
    expect(changesOf({ width: 10, alpha: true, tags: ['a'] }, { width: 20, frames: 3, tags: ['a'] })).toEqual({
      alpha: { from: true, to: null },
      frames: { from: null, to: 3 },
      width: { from: 10, to: 20 },
    });
  });

  it('is nothing where nothing does', () => {
    expect(changesOf({ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 })).toEqual({});
    expect(changesOf({ a: null }, {})).toEqual({});
  });
});
