import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { hashOfKey, isApiKey, newApiKey, ownerOfKey } from '../../src/core/api-keys.ts';
import { fromBase62, toBase62 } from '../../src/core/base62.ts';

describe('API keys', () => {
  it('say what they are, whose they are, and that they are spelt right', () => {
    for (let n = 0; n < 200; n += 1) {
      const owner = newId();
      const { secret, prefix, hash } = newApiKey(owner);
      expect(secret).toMatch(/^kiln_[0-9A-Za-z]{71}$/);
      expect(secret.startsWith(prefix)).toBe(true);
      expect(prefix).toHaveLength(11);
      expect(hash).toBe(hashOfKey(secret));
      expect(isApiKey(secret)).toBe(true);
      expect(ownerOfKey(secret)).toBe(owner);
    }
  });

  it('are never the same twice', () => {
    const owner = newId();
    expect(new Set(Array.from({ length: 100 }, () => newApiKey(owner).secret)).size).toBe(100);
  });

  it('with one changed character are nobody’s, before anything is looked up', () => {
    const { secret } = newApiKey(newId());
    for (let index = 5; index < secret.length; index += 1) {
      const other = secret[index] === 'A' ? 'B' : 'A';
      expect(ownerOfKey(secret.slice(0, index) + other + secret.slice(index + 1)), String(index)).toBeNull();
    }
    for (const text of ['', 'kiln_', secret.slice(1), `${secret}0`, secret.slice(0, -1), secret.toLowerCase()])
      expect(ownerOfKey(text), text).toBeNull();
  });

  it('have numbers that come back from base 62', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), (value) => {
        const text = toBase62(value, 43);
        expect(text).toHaveLength(43);
        expect(fromBase62(text)).toBe(value);
      }),
    );
    expect(fromBase62('-')).toBeNull();
  });
});
