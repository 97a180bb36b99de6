import * as z from 'zod';
import { Id } from './ids.ts';
import { limits } from './limits.ts';

/** Text that people write to each other: no control characters but tabs and line ends. */
export const talkBody = (max: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(max)
    .refine((text) => !/(?![\t\n\r])\p{Cc}/u.test(text) && text.isWellFormed(), 'no control characters');

/** Who wrote something, by the room's word. `userId` is null for what came with an archive. */
export const Author = z
  .object({ userId: Id.nullable(), username: z.string(), displayName: z.string() })
  .meta({ id: 'Author' });
export type Author = z.infer<typeof Author>;

/** Members who are to look at something. Whoever is no member is refused. */
export const Mentions = z
  .array(Id)
  .max(limits.talk.mentionsMax)
  .default([])
  .meta({ description: 'Ids of members, who are told' });
