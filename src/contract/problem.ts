import * as z from 'zod';
import { errorCodes } from './errors.ts';

/** RFC 9457 problem document: the body of every answer of 400 and above. */
export const Problem = z
  .object({
    type: z.string().meta({ description: 'Link to the page of this error code' }),
    title: z.string(),
    status: z.int(),
    code: z.enum(errorCodes).meta({ description: 'Stable, machine-readable' }),
    detail: z.string().optional(),
    requestId: z.string(),
    issues: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    quota: z.object({ used: z.int(), limit: z.int(), left: z.int() }).optional().meta({
      description: 'With `quota_exceeded` of assets: bytes, of whichever is fuller, the project or all of its owner',
    }),
  })
  .meta({ id: 'Problem' });

export type Problem = z.infer<typeof Problem>;
