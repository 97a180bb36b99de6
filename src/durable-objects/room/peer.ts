import type { ErrorCode } from '../../contract/errors.ts';
import type { Access } from '../../contract/projects.ts';

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
export type PeerTarget = { readonly kind: 'channel' } | { readonly kind: 'document'; readonly file: number };

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
}

/** A socket as the core sees it. */
export interface Peer {
  readonly state: PeerState;
  /** Never throws; a socket that is gone drops the frame. */
  send(frame: Uint8Array | string): void;
  /** Ends the socket with the close code of an error. */
  close(code: ErrorCode): void;
  /** Keeps the changed state over hibernation. */
  persist(): void;
}
