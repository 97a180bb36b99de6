import { z } from 'zod';
import { Id } from './ids.ts';
import { limits } from './limits.ts';
import { Access } from './projects.ts';

/** A socket is opened with `?ticket=` or the subprotocols `kiln` and `kiln.ticket.<ticket>`. */
export const ticketProtocol = 'kiln';
export const ticketProtocolPrefix = 'kiln.ticket.';

export const Ticket = z.object({
  ticket: z.string(),
  expiresIn: z.int().meta({ description: 'Seconds' }),
});

/** Who is in the room, once per user. */
export const Presence = z
  .object({
    userId: Id,
    username: z.string(),
    displayName: z.string(),
    color: z.string().meta({ description: 'CSS colour, the same for a user in every room' }),
    role: Access,
    path: z.string().nullable().meta({ description: 'File the user is in' }),
    since: z.iso.datetime(),
  })
  .meta({ id: 'Presence' });
export type Presence = z.infer<typeof Presence>;

export const PresenceList = z.object({ users: z.array(Presence) });

/** A lasting event of the project's log. */
export const RoomEvent = z
  .object({
    seq: z.int(),
    type: z
      .string()
      .meta({ description: 'file.*, document.*, member.*, checkpoint.*, build.*, chat, comment.*, project.*' }),
    at: z.iso.datetime(),
    by: Id.nullable(),
    data: z.record(z.string(), z.json()),
  })
  .meta({ id: 'RoomEvent' });
export type RoomEvent = z.infer<typeof RoomEvent>;

export const EventQuery = z.object({ since: z.coerce.number().int().min(0).default(0) });
export const EventList = z.object({
  events: z.array(RoomEvent),
  seq: z.int().meta({ description: "The room's newest sequence number" }),
  resync: z.boolean().meta({ description: 'True when events after `since` are gone: read everything again' }),
});

const position = z.int().min(0).max(limits.file.textMax);

/** Client → server on the project channel. */
export const ClientMessage = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('resume'), since: z.int().min(0) }),
  z.strictObject({
    type: z.literal('cursor'),
    path: z.string().max(limits.file.pathMax).nullable(),
    position: position.optional(),
    selection: z.strictObject({ from: position, to: position }).optional(),
  }),
  z.strictObject({ type: z.literal('ping') }),
]);
export type ClientMessage = z.infer<typeof ClientMessage>;

/** Server → client on the project channel. */
export type ServerMessage =
  | { type: 'hello'; seq: number; self: Presence; users: Presence[] }
  | { type: 'user.joined'; user: Presence }
  | { type: 'user.left'; userId: string }
  | {
      type: 'cursor';
      userId: string;
      path: string | null;
      position?: number | undefined;
      selection?: { from: number; to: number } | undefined;
    }
  | { type: 'saved'; path: string; seq: number }
  | { type: 'event'; event: RoomEvent }
  | { type: 'resync'; seq: number }
  | { type: 'pong' }
  | { type: 'error'; code: string; message: string };
