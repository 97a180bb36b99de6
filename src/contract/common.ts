import * as z from 'zod';
import { limits } from './limits.ts';

/** `?limit=` and `?cursor=` of every list. A cursor is opaque and only good for the list that gave it. */
export const pageQuery = {
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(limits.http.pageMax)
    .default(limits.http.pageDefault)
    .meta({ description: `Rows to return, 1–${limits.http.pageMax}` }),
  cursor: z.string().max(limits.http.cursorMax).optional().meta({ description: '`nextCursor` of the page before' }),
};

export const nextCursor = z
  .string()
  .nullable()
  .meta({ description: 'Send as `cursor` for the next page; null at the end' });

/** `true`/`false`/`1`/`0` in a query string. */
export const queryBoolean = z.stringbool({ truthy: ['true', '1'], falsy: ['false', '0'], case: 'sensitive' });
