import { limits } from '../../contract/limits.ts';
import type { Peer } from './peer.ts';

/**
 * What a socket has been sent and is not known to have read. workerd does not say how much it holds back
 * for a connection (`bufferedAmount` is typed, and undefined in Durable Objects), so the room asks now and
 * then: a question is answered only by who has read all that came before it. [R12]
 */
export class Flow {
  /** Bytes since the newest question, or since the newest answer when none is open. */
  #sent = 0;
  #asked = 0;
  #open = false;

  /** What a frame of so many bytes calls for. */
  sent(bytes: number): 'ask' | 'drop' | null {
    this.#sent += bytes;
    if (this.#open) return this.#sent > limits.room.sendBuffer ? 'drop' : null;
    return this.#sent > limits.room.askAfter ? 'ask' : null;
  }

  /** Whether a question was not answered yet. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** The number of a new question. */
  ask(): number {
    this.#asked += 1;
    this.#open = true;
    this.#sent = 0;
    return this.#asked;
  }

  /** `n`: the question that was answered; without, the newest. */
  answered(n = this.#asked): void {
    if (n === this.#asked) this.#open = false;
  }
}

/** Sends a frame; `question` is one whose answer proves that all before it was read. */
export function deliver(peer: Peer, frame: Uint8Array | string, question: (n: number) => Uint8Array | string): void {
  peer.send(frame);
  const due = peer.flow.sent(frame.length);
  if (due === 'ask') peer.send(question(peer.flow.ask()));
  else if (due === 'drop') peer.drop('slow_reader');
}
