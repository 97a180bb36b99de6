import { LRUCache } from 'lru-cache';
import { limits } from '../../contract/limits.ts';
import { Slug } from '../../contract/publications.ts';
import type { Database } from '../../data/database.ts';
import { type Published, publishedAt } from '../../data/publications.ts';

/** So that the files of one game ask the database once. */
const known = new LRUCache<string, Published>({ max: limits.publication.remembered, ttl: limits.publication.memory });

/** A path that somebody goes to, rather than a page asks for. */
export const isPagePath = (path: string): boolean => /(?:^|\/)[^./]*$|\.html?$/i.test(path);

/**
 * What is published at a label; undefined where nothing is. Pages ask the database each time, so that a game that was
 * taken down, or replaced, is so at once and everywhere; the files of a page that was just shown do not.
 */
export async function publishedUnder(db: Database, label: string, path: string): Promise<Published | undefined> {
  const cached = isPagePath(path) ? undefined : known.get(label);
  if (cached) return cached;
  const found = Slug.safeParse(label).success ? await publishedAt(db, label) : undefined;
  if (found) known.set(label, found);
  else known.delete(label);
  return found;
}

/** The isolate that changed it does not wait for its own memory to fade. */
export function forgetPublished(...slugs: readonly (string | undefined)[]): void {
  for (const slug of slugs) if (slug !== undefined) known.delete(slug);
}
