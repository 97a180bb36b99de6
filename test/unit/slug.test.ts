import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { previewPrefix, reservedLabels, Slug } from '../../src/contract/publications.ts';
import { assetLabel } from '../../src/core/links.ts';
import { slugFrom, slugVariant } from '../../src/core/slug.ts';

const isSlug = (text: string): boolean => Slug.safeParse(text).success;

describe('A slug', () => {
  it.each(['a', '7', 'star-catcher', 'x-1-y', 'a-b--c', 'a'.repeat(63)])('may be %s', (slug) =>
    expect(isSlug(slug)).toBe(true),
  );

  it.each([
    '',
    '-a',
    'a-',
    'Star',
    'a.b',
    'a_b',
    'a b',
    'sté',
    'a'.repeat(64),
    'a\n',
    'xn--80ak6aa92e',
    'ab--cd',
    '../cdn',
    '%61',
    newId(),
    `game-${newId()}`,
    `${newId()}-game`,
    `${previewPrefix}me`,
  ])('#52 may not be %j', (slug) => expect(isSlug(slug)).toBe(false));

  it('#52 is none of the labels that are reserved, each of which would be one', () => {
    for (const label of reservedLabels) {
      expect(isSlug(label), label).toBe(false);
      expect(isSlug(`${label}-7`), label).toBe(label !== 'preview');
    }
    for (const label of [assetLabel, 'www', 'api', 'preview']) expect(reservedLabels).toContain(label);
  });
});

describe('A slug made of a name', () => {
  it.each([
    ['Star Catcher!', 'star-catcher'],
    ['  Émile & the Ωther—side ', 'emile-the-ther-side'],
    ['API', 'game-api'],
    ['Preview 2', 'game-preview-2'],
    ['星の王子', 'game'],
    ['', 'game'],
    ['xn--test', 'xn-test'],
    ['ﬁnal ½', 'final-1-2'],
  ])('%j is %s', (name, slug) => expect(slugFrom(name)).toBe(slug));

  it('is a slug whatever the name is, also with a suffix', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.uuid(), fc.constantFrom(...reservedLabels)), (name) => {
        const slug = slugFrom(name);
        for (let n = 0; n < limits.publication.slugTries; n += 1) {
          const variant = slugVariant(slug, n);
          expect(isSlug(variant), variant).toBe(true);
          expect(variant.startsWith(slug)).toBe(true);
        }
      }),
    );
  });

  it('differs with every try', () => {
    const tries = Array.from({ length: limits.publication.slugTries }, (_, n) => slugVariant('game', n, () => 0.5));
    expect(new Set(tries).size).toBe(tries.length);
  });
});
