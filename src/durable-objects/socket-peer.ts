import { type ErrorCode, errorSpec } from '../contract/errors.ts';
import { Flow } from './room/flow.ts';
import type { Peer, PeerState } from './room/peer.ts';

/** Codes that say what happened to a connection and must not be sent (RFC 6455 §7.4.1). */
const unsendable = new Set([1005, 1006, 1015]);

/** What the object does for its sockets. */
export interface SocketShell {
  /** It may never say that it is closed. */
  dropped(socket: WebSocket): void;
  /** Milliseconds since the epoch, of the newest ping that the platform answered by itself; 0 for none. */
  pingedAt(socket: WebSocket): number;
}

/** A WebSocket as the room's core sees it; its state lives in the attachment, so hibernation loses nothing. */
export class SocketPeer implements Peer {
  readonly state: PeerState;
  readonly flow = new Flow();
  readonly #socket: WebSocket;
  #closed = false;
  #dropped = false;
  #isForgotten = false;
  readonly #shell: SocketShell;
  heardAt = 0;

  constructor(socket: WebSocket, state: PeerState, shell: SocketShell) {
    this.#socket = socket;
    this.state = state;
    this.#shell = shell;
  }

  static restore(socket: WebSocket, shell: SocketShell): SocketPeer | null {
    const state = socket.deserializeAttachment() as PeerState | null;
    return state ? new SocketPeer(socket, state, shell) : null;
  }

  pingedAt(): number {
    return this.#shell.pingedAt(this.#socket);
  }

  send(frame: Uint8Array | string): void {
    if (this.#dropped) return;
    try {
      this.#socket.send(frame);
    } catch {
      // The socket is closing; `webSocketClose` will say so.
    }
  }

  /** It was ended from here: what its client has sent before it heard of that is not heard. */
  get isClosed(): boolean {
    return this.#closed;
  }

  close(code: ErrorCode): void {
    this.#closed = true;
    try {
      this.#socket.close(errorSpec(code).close ?? 4500, code);
    } catch {
      // It is closed already.
    }
  }

  drop(code: ErrorCode): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.close(code);
    this.#shell.dropped(this.#socket);
  }

  /** Ends it, and leaves nothing by which a room would know it: what it is about is there no more. */
  forget(code: ErrorCode): void {
    this.close(code);
    this.#isForgotten = true;
    this.#socket.serializeAttachment(null);
  }

  /** The other half of a close that the client began: without it the client waits for its own time-out. */
  answerClose(code: number): void {
    try {
      this.#socket.close(unsendable.has(code) ? 1000 : code);
    } catch {
      // The connection is gone already.
    }
  }

  persist(): void {
    if (!this.#isForgotten) this.#socket.serializeAttachment(this.state);
  }
}
