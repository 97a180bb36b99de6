import * as z from 'zod';
import { nextCursor, pageQuery } from './common.ts';
import { Id, Timestamp } from './ids.ts';
import { limits } from './limits.ts';
import { Author, Mentions, talkBody } from './talk.ts';

export const ChatMessage = z
  .object({
    id: Id,
    seq: z.int().meta({ description: 'Of its event' }),
    author: Author,
    body: z.string(),
    mentions: z.array(Author),
    createdAt: Timestamp,
  })
  .meta({ id: 'ChatMessage' });
export type ChatMessage = z.infer<typeof ChatMessage>;

export const PostChat = z.strictObject({ body: talkBody(limits.talk.chatMax), mentions: Mentions });

export const ChatQuery = z.object({
  limit: pageQuery.limit,
  before: Id.optional().meta({ description: 'Messages older than this one: `nextCursor` of the page before' }),
});
export type ChatQuery = z.infer<typeof ChatQuery>;

export const ChatEnvelope = z.object({ message: ChatMessage });
/** Newest first. */
export const ChatList = z.object({
  messages: z.array(ChatMessage),
  nextCursor: nextCursor.meta({ description: 'Send as `before` for older ones; null at the beginning' }),
});
