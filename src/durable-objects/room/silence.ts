import { limits } from '../../contract/limits.ts';
import type { Peer } from './peer.ts';

const { channel, document, answer, pace } = limits.room.silence;

/** A timer and the clock may disagree by so many milliseconds. */
const early = 100;

/** What it needs of the room. */
export interface SilencePorts {
  now(): number;
  /** Asks for `check()` at that time or before. */
  schedule(at: number): void;
  everyone(): readonly Peer[];
  /** Sends a question that its client answers without its user, and without a timer of the page. */
  ask(peer: Peer): void;
}

/**
 * Ends sockets whose other end is gone without having said so: a network that was cut sends no FIN, and TCP gives up after many minutes. Who was
 * not heard for a while is asked, and dropped when nothing comes. A tab in the background, whose timers run once a minute, answers as any other does. [R24]
 */
export class Silence {
  readonly #ports: SilencePorts;
  /** Since when. */
  readonly #asked = new Map<Peer, number>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(ports: SilencePorts) {
    this.#ports = ports;
  }

  /** Looks again when the next one may have been silent for too long. Nobody sees who is alone in a room: then nothing is due. */
  arrange(): void {
    const peers = this.#ports.everyone();
    const [first] = peers;
    if (!first || peers.every(({ state }) => state.user.userId === first.state.user.userId)) return;
    const due = Math.min(...peers.map((peer) => heardAt(peer) + allowanceOf(peer)));
    this.#ports.schedule(Math.max(due, this.#ports.now() + pace));
  }

  /** Asks whoever was not heard for too long. */
  check(): void {
    const now = this.#ports.now();
    this.#ask((peer) => now - heardAt(peer) >= allowanceOf(peer));
    this.arrange();
  }

  /** A socket that is gone owes nothing. */
  forget(peer: Peer): void {
    this.#asked.delete(peer);
  }

  #ask(isSilent: (peer: Peer) => boolean): void {
    for (const peer of this.#ports.everyone()) {
      if (this.#asked.has(peer) || !isSilent(peer)) continue;
      this.#asked.set(peer, this.#ports.now());
      this.#ports.ask(peer);
    }
    // In memory: an object that sleeps would forget whom it has asked.
    if (this.#asked.size > 0) this.#timer ??= setTimeout(() => this.#judge(), answer);
  }

  #judge(): void {
    this.#timer = null;
    const now = this.#ports.now();
    const gone = new Set<string>();
    for (const [peer, since] of [...this.#asked]) {
      if (now - since < answer - early) continue;
      this.#asked.delete(peer);
      const heard = heardAt(peer);
      if (heard >= since) {
        // It counts after a sleep, too, so that the next question is as far away as it would have been.
        peer.state.heard = heard;
        peer.persist();
        continue;
      }
      peer.drop('slow_reader');
      gone.add(peer.state.user.userId);
    }
    // What else that person has open is most likely gone the same way.
    this.#ask((peer) => gone.has(peer.state.user.userId) && now - heardAt(peer) >= channel);
  }
}

const allowanceOf = ({ state }: Peer): number => (state.target.kind === 'channel' ? channel : document);

/** Milliseconds since the epoch, of the last sign of life. */
const heardAt = (peer: Peer): number => Math.max(peer.heardAt, peer.pingedAt(), peer.state.heard ?? peer.state.since);
