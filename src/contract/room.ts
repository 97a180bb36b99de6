import * as z from 'zod';
import type { ChatMessage } from './chat.ts';
import { PostChat } from './chat.ts';
import type { Comment, Reply } from './comments.ts';
import { Id } from './ids.ts';
import { limits } from './limits.ts';
import { Access } from './projects.ts';
import type { DocumentProblems } from './scene.ts';
import type { Author } from './talk.ts';

/** A socket is opened with `?ticket=` or the subprotocols `kiln` and `kiln.ticket.<ticket>`. */
export const ticketProtocol = 'kiln';
export const ticketProtocolPrefix = 'kiln.ticket.';

export const Ticket = z.object({
  ticket: z.string(),
  expiresIn: z.int().meta({ description: 'Seconds' }),
});

const position = z.int().min(0).max(limits.file.textMax);
const filePath = z.string().max(limits.file.pathMax).nullable();

/** Where somebody is in a text, in UTF-16 units. */
const Place = z.strictObject({
  position: position.optional(),
  selection: z.strictObject({ from: position, to: position }).optional(),
});

/** A viewport: numbers that the client itself gives a meaning (first and last line; a camera). */
const View = z
  .record(z.string().max(limits.presence.viewKeyMax), z.number())
  .refine((view) => Object.keys(view).length <= limits.presence.viewMax, `at most ${limits.presence.viewMax} numbers`);

/**
 * Who is in the room, once per user. With several sockets, where the user was last active counts.
 */
export const Presence = z
  .object({
    userId: Id,
    username: z.string(),
    displayName: z.string(),
    color: z.string().meta({ description: 'CSS colour, the same for a user in every room' }),
    role: Access,
    path: z.string().nullable().meta({ description: 'File the user is in' }),
    idle: z.boolean().meta({ description: 'Nothing was done for a while, by the word of the client' }),
    cursor: Place.nullable().meta({ description: 'In a text' }),
    nodes: z.array(z.string()).meta({ description: 'Selected nodes of a scene' }),
    view: View.nullable().meta({ description: 'What is on the screen: follow it to follow the person' }),
    since: z.iso.datetime(),
  })
  .meta({ id: 'Presence' });
export type Presence = z.infer<typeof Presence>;

export const PresenceList = z.object({ users: z.array(Presence) });

/** A lasting event of the project's log. */
export const RoomEvent = z
  .object({
    seq: z.int(),
    type: z.string().meta({
      description: 'file.*, document.*, member.*, checkpoint.*, build.*, chat, comment.*, project.*; see the guide',
    }),
    at: z.iso.datetime(),
    by: Id.nullable(),
    data: z.record(z.string(), z.json()),
  })
  .meta({ id: 'RoomEvent' });
export type RoomEvent = z.infer<typeof RoomEvent>;

export const EventQuery = z.object({
  since: z.coerce.number().int().min(0).default(0),
  type: z.string().max(limits.room.eventTypeMax).optional().meta({
    description:
      'Only events of this type, for example `file.moved`. With it, what is left of older ones is listed along with `resync`',
  }),
});
export const EventList = z.object({
  events: z.array(RoomEvent),
  seq: z.int().meta({ description: "The room's newest sequence number" }),
  resync: z.boolean().meta({ description: 'True when events after `since` are gone: read everything again' }),
});

/** Chosen by the client; comes back with what became of its message. */
const ref = z.string().max(limits.room.refMax).optional();

/** Client → server on the project channel. What is not lasting (all but `chat`) is throttled by the client and dropped when it comes too fast. */
export const ClientMessage = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('resume'), since: z.int().min(0) }),
  z.strictObject({ type: z.literal('cursor'), path: filePath, ...Place.shape }),
  /** Nodes of a scene that are selected; none clears it. */
  z.strictObject({
    type: z.literal('selection'),
    path: filePath,
    nodes: z.array(z.string().max(limits.scene.idMax)).max(limits.presence.nodesMax),
  }),
  z.strictObject({ type: z.literal('viewport'), path: filePath, view: View.nullable() }),
  z.strictObject({ type: z.literal('idle'), idle: z.boolean() }),
  /** Being written: in the chat, or in the thread of a comment. Said again every few seconds; it fades by itself. */
  z.strictObject({ type: z.literal('typing'), thread: Id.nullable() }),
  z.strictObject({ type: z.literal('chat'), ref, ...PostChat.shape }),
  z.strictObject({ type: z.literal('ping') }),
  /** The answer to `probe`: everything up to it has arrived. */
  z.strictObject({ type: z.literal('probe'), n: z.int().min(0) }),
]);
export type ClientMessage = z.infer<typeof ClientMessage>;

/**
 * Server → client on the project channel: one JSON text frame each. A lasting event is sent as it is, `{seq, type, at, by, data}`.
 * A socket that asked for `batchedFrames` gets what came at one time as one frame, a JSON array.
 */
export type ServerMessage =
  | { type: 'hello'; seq: number; self: Presence; users: Presence[] }
  | { type: 'user.joined'; user: Presence }
  | { type: 'user.left'; userId: string }
  /** Role or sockets of somebody who stays changed. */
  | { type: 'user.changed'; user: Presence }
  | {
      type: 'cursor';
      userId: string;
      path: string | null;
      position?: number | undefined;
      selection?: { from: number; to: number } | undefined;
    }
  | { type: 'selection'; userId: string; path: string | null; nodes: string[] }
  | { type: 'viewport'; userId: string; path: string | null; view: Record<string, number> | null }
  | { type: 'idle'; userId: string; idle: boolean }
  | { type: 'typing'; userId: string; thread: string | null }
  | { type: 'saved'; path: string; seq: number }
  /** To the sender of a `chat` that had a `ref`, after the event. */
  | { type: 'posted'; ref: string; id: string; seq: number }
  | { type: 'resync'; seq: number }
  | { type: 'pong' }
  /** Answer with the same `n`. Who does not read, and so does not answer, is dropped. */
  | { type: 'probe'; n: number }
  | { type: 'error'; code: string; message: string; ref?: string | undefined };

/** In the address of the channel: `?frames=batched`. */
export const batchedFrames = { name: 'frames', value: 'batched' } as const;

/** What a client hears: a message, or a lasting event. */
export type HeardMessage = ServerMessage | { type: 'event'; event: RoomEvent };

/** The messages of a text frame of the channel. Throws a `SyntaxError` where it is no JSON. */
export function readFrame(text: string): HeardMessage[] {
  const frame = JSON.parse(text) as (ServerMessage | RoomEvent) | (ServerMessage | RoomEvent)[];
  return (Array.isArray(frame) ? frame : [frame]).map((message) =>
    'data' in message ? { type: 'event', event: message } : message,
  );
}

/**
 * `data` of the lasting events of talk and documents, by their type. `file.*`, `member.*`, `checkpoint.*`,
 * `build.*` and `project.*` have their own.
 */
export interface TalkEvents {
  chat: { message: ChatMessage };
  'comment.created': { comment: Comment };
  'comment.replied': { id: string; path: string; reply: Reply };
  /** Of a thread, or of one of its replies. */
  'comment.updated': {
    id: string;
    path: string;
    replyId: string | null;
    body: string;
    mentions: Author[];
    editedAt: string;
  };
  'comment.resolved': { id: string; path: string; resolved: boolean };
  'comment.deleted': { id: string; path: string; replyId: string | null };
  /** A structured document does not fit to its schema; none of its edits is lost. No issues: it does again. */
  'document.checked': DocumentProblems;
}
