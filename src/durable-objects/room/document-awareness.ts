import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate, removeAwarenessStates } from 'y-protocols/awareness';
import type * as Y from 'yjs';
import { limits } from '../../contract/limits.ts';
import { awarenessFrame, encodeAwareness, stampAwareness } from './awareness.ts';
import { Paces } from './paces.ts';
import type { Peer } from './peer.ts';

interface Change {
  readonly added: number[];
  readonly updated: number[];
  readonly removed: number[];
}

/** Who is where in one open document, as its clients say and the room vouches for. [R7] */
export class DocumentAwareness {
  readonly #awareness: Awareness;
  readonly #peers: ReadonlySet<Peer>;
  /** Clients whose states have changed and were not sent on. */
  readonly #pending = new Set<number>();
  readonly #paces = new Paces<Peer>(limits.room.awarenessPerSecond);
  readonly #late = new Map<Peer, Uint8Array>();
  #lateTimer: ReturnType<typeof setTimeout> | null = null;

  /** `onChange`: there is something to be sent on. */
  constructor(doc: Y.Doc, peers: ReadonlySet<Peer>, onChange: () => void) {
    this.#peers = peers;
    this.#awareness = new Awareness(doc);
    // Its timer would keep the object from hibernating; sockets that close take their states along.
    clearInterval(this.#awareness._checkInterval as Parameters<typeof clearInterval>[0]);
    this.#awareness.setLocalState(null);
    this.#awareness.on('update', ({ added, updated, removed }: Change) => {
      for (const clientId of [...added, ...updated, ...removed]) this.#pending.add(clientId);
      onChange();
    });
  }

  /** A socket that came back after hibernation still has what it said before. */
  join(peer: Peer): void {
    if (peer.state.awareness.length) applyAwarenessUpdate(this.#awareness, encodeAwareness(peer.state.awareness), peer);
  }

  leave(peer: Peer): void {
    removeAwarenessStates(
      this.#awareness,
      peer.state.awareness.map(([clientId]) => clientId),
      peer,
    );
    peer.state.awareness = [];
  }

  /** Everybody's states. */
  whole(): Uint8Array {
    return awarenessFrame(encodeAwarenessUpdate(this.#awareness, [...this.#awareness.getStates().keys()]));
  }

  get isEmpty(): boolean {
    return this.#awareness.getStates().size === 0;
  }

  /** What is to be sent on, which is then as good as sent; null for nothing. */
  changes(): Uint8Array | null {
    if (this.#pending.size === 0) return null;
    const known = [...this.#pending].filter((clientId) => this.#awareness.meta.has(clientId));
    this.#pending.clear();
    return known.length === 0 ? null : awarenessFrame(encodeAwarenessUpdate(this.#awareness, known));
  }

  /** What comes too fast waits for the next second; of that, the newest is heard. Throws on what is no awareness. */
  receive(peer: Peer, payload: Uint8Array): void {
    if (this.#paces.take(peer, Date.now())) {
      this.#late.delete(peer);
      this.#hear(peer, payload);
      return;
    }
    this.#late.set(peer, payload);
    this.#lateTimer ??= setTimeout(() => {
      this.#lateTimer = null;
      const late = [...this.#late];
      this.#late.clear();
      for (const [one, newest] of late)
        try {
          if (this.#peers.has(one)) this.#hear(one, newest);
        } catch {
          one.close('malformed_request');
        }
    }, 1000);
  }

  #hear(peer: Peer, payload: Uint8Array): void {
    const own = new Set(peer.state.awareness.map(([clientId]) => clientId));
    const entries = stampAwareness(
      peer.state,
      payload,
      (clientId) => this.#awareness.states.has(clientId) && !own.has(clientId),
    );
    if (entries.length === 0) return;
    peer.persist();
    applyAwarenessUpdate(this.#awareness, encodeAwareness(entries), peer);
  }

  destroy(): void {
    if (this.#lateTimer !== null) clearTimeout(this.#lateTimer);
    this.#lateTimer = null;
    this.#awareness.destroy();
  }
}
