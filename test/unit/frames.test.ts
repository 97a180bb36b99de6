import { describe, expect, it } from 'vitest';
import { framedSize, frames, readFrames } from '../../src/contract/frames.ts';
import { sha256 } from '../../src/core/tree.ts';

const contents = ['', 'a', 'ä'.repeat(300)].map((text) => {
  const bytes = new TextEncoder().encode(text);
  return { hash: sha256(bytes), bytes };
});

describe('frames', () => {
  it('give back what was put into them, and are as long as they say', () => {
    const whole = frames(contents);
    expect(readFrames(whole)).toEqual(contents);
    expect(whole.length).toBe(framedSize(contents.length, 601));
  });

  it('are read where they lie in a larger buffer', () => {
    const whole = frames(contents);
    const around = new Uint8Array(whole.length + 10);
    around.set(whole, 7);
    expect(readFrames(around.subarray(7, 7 + whole.length))).toEqual(contents);
  });

  it('that are cut anywhere but between two are none', () => {
    const whole = frames(contents);
    const ends = new Set(contents.map((_, index) => frames(contents.slice(0, index)).length));
    for (let length = 0; length < whole.length; length += 1)
      expect(readFrames(whole.subarray(0, length)) === null, String(length)).toBe(length > 0 && !ends.has(length));
  });

  it('that claim to be longer than everything are none', () => {
    const whole = frames(contents.slice(1, 2));
    whole.fill(0xff, 32, 36);
    expect(readFrames(whole)).toBeNull();
  });
});
