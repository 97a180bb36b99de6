import { limits } from '../contract/limits.ts';
import { Slug } from '../contract/publications.ts';

/** Where nothing of a name can be part of a slug. */
const nameless = 'game';

const trim = (text: string): string => text.replaceAll(/^-+|-+$/g, '');

/** A slug made of a project's name. One that the name alone cannot give is made with `game` before it. */
export function slugFrom(name: string): string {
  const plain = trim(
    name
      .normalize('NFKD')
      .replaceAll(/\p{M}/gu, '')
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .slice(0, limits.publication.derivedMax),
  );
  if (Slug.safeParse(plain).success) return plain;
  const prefixed = trim(`${nameless}-${plain}`).slice(0, limits.publication.derivedMax);
  return Slug.safeParse(trim(prefixed)).success ? trim(prefixed) : nameless;
}

/** Letters and digits that are not taken for one another. */
const letters = 'abcdefghjkmnpqrstuvwxyz23456789';

/** The `n`-th try to find a slug that is free: itself, then with ever more letters behind it. */
export function slugVariant(slug: string, n: number, random: () => number = Math.random): string {
  if (n === 0) return slug;
  const suffix = Array.from({ length: n + 2 }, () => letters.charAt(Math.floor(random() * letters.length))).join('');
  return `${slug}-${suffix}`;
}
