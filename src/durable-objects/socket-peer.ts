import { type ErrorCode, errorSpec } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import type { Peer, PeerState } from './room/peer.ts';

/** A WebSocket as the room's core sees it; its state lives in the attachment, so hibernation loses nothing. */
export class SocketPeer implements Peer {
  readonly state: PeerState;
  readonly #socket: WebSocket;
  #second = 0;
  #frames = 0;

  constructor(socket: WebSocket, state: PeerState) {
    this.#socket = socket;
    this.state = state;
  }

  static restore(socket: WebSocket): SocketPeer | null {
    const state = socket.deserializeAttachment() as PeerState | null;
    return state ? new SocketPeer(socket, state) : null;
  }

  send(frame: Uint8Array | string): void {
    try {
      this.#socket.send(frame);
    } catch {
      // The socket is closing; `webSocketClose` will say so.
    }
  }

  close(code: ErrorCode): void {
    try {
      this.#socket.close(errorSpec(code).close ?? 4500, code);
    } catch {
      // It is closed already.
    }
  }

  persist(): void {
    this.#socket.serializeAttachment(this.state);
  }

  /** False when this frame is one too many within its second. */
  countFrame(now: number): boolean {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#frames = 0;
    }
    this.#frames += 1;
    return this.#frames <= limits.room.framesPerSecond;
  }
}
