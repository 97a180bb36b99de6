import * as z from 'zod';
import { queryBoolean } from './common.ts';
import { limits } from './limits.ts';

export const SearchQuery = z.object({
  q: z.string().min(1).max(limits.search.queryMax).meta({ description: 'What to find, within one line' }),
  regex: queryBoolean
    .default(false)
    .meta({ description: '`q` is a regular expression in RE2 syntax, which has no backreferences and no lookaround' }),
  case: queryBoolean.default(false).meta({ description: 'Upper and lower case differ' }),
  path: z.string().max(limits.search.pathMax).optional().meta({
    description:
      'Files to look into: beginnings of paths (`src/`) and globs (`*.ts`, `levels/**/*.{json,csv}`), separated by commas; those after `!` are left out. Case does not matter.',
  }),
});
export type SearchQuery = z.infer<typeof SearchQuery>;

/** A place of the project. Lines end with `\n`; what is counted in a line are UTF-16 units, as editors count. */
export const SearchMatch = z
  .object({
    path: z.string(),
    line: z.int().meta({ description: 'From 1' }),
    column: z.int().meta({ description: 'UTF-16 units, from 1' }),
    length: z.int().meta({ description: 'UTF-16 units; 0 for a pattern like `^`' }),
    preview: z.string().meta({ description: 'The line, or of a long one the part around the match' }),
    offset: z.int().meta({ description: 'Where in `preview` the match begins' }),
  })
  .meta({ id: 'SearchMatch' });
export type SearchMatch = z.infer<typeof SearchMatch>;

export const SearchResults = z.object({
  matches: z.array(SearchMatch).meta({ description: 'Sorted by path, line and column' }),
  truncated: z.boolean().meta({ description: 'There may be more: a limit was reached' }),
});
export type SearchResults = z.infer<typeof SearchResults>;
