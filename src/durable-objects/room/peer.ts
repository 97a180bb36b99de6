import type { ErrorCode } from '../../contract/errors.ts';
import type { Access } from '../../contract/projects.ts';
import type { Presence } from '../../contract/room.ts';
import type { Flow } from './flow.ts';

/** Who is behind a socket, as the room itself knows it: nothing in here comes from a frame. [R7] */
export interface PeerUser {
  readonly userId: string;
  readonly username: string;
  readonly displayName: string;
  readonly color: string;
}

/** One awareness client of a socket: `[clientId, clock, state]`. */
export type AwarenessEntry = readonly [clientId: number, clock: number, state: Record<string, unknown>];

/** What a socket is for. */
export type PeerTarget =
  | {
      readonly kind: 'channel';
      /** What comes at one time is one frame, a JSON array. */
      readonly batched?: boolean;
    }
  | { readonly kind: 'document'; readonly file: number };

/** What a user does on one channel socket, as the client says. */
export interface Doing {
  /** Milliseconds since the epoch, of the last thing said. */
  readonly at: number;
  readonly idle: boolean;
  readonly cursor: Presence['cursor'];
  readonly nodes: Presence['nodes'];
  readonly view: Presence['view'];
}

/** Everything about a socket that must survive hibernation. [R10] */
export interface PeerState {
  readonly id: string;
  readonly user: PeerUser;
  /** The sign-in that its ticket came from: it ends with that. Missing in sockets of a release that did not say. */
  readonly session?: string;
  readonly target: PeerTarget;
  access: Access;
  /** Milliseconds since the epoch. */
  readonly since: number;
  awareness: AwarenessEntry[];
  /** File that the user looks at, as last said on the channel. */
  path: string | null;
  /** Milliseconds since the epoch: when it was last heard after it was asked whether it is there. Other signs of life are not kept over hibernation. */
  heard?: number;
  /** Absent before the first word; a socket of an earlier release has none. */
  doing?: Doing;
}

/** A socket as the core sees it. */
export interface Peer {
  readonly state: PeerState;
  readonly flow: Flow;
  /** Milliseconds since the epoch, of its newest frame that this life of the room has heard; 0 for none. */
  heardAt: number;
  /** Milliseconds since the epoch, of the newest ping that was answered without the room; 0 for none. */
  pingedAt(): number;
  /** Never throws; a socket that is gone drops the frame. */
  send(frame: Uint8Array | string): void;
  /** Ends the socket with the close code of an error. */
  close(code: ErrorCode): void;
  /** As `close`, for one that may never say that it is closed: it leaves the room soon, whatever it does. */
  drop(code: ErrorCode): void;
  /** Keeps the changed state over hibernation. */
  persist(): void;
}
