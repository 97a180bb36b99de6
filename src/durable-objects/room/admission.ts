import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Sql } from '../sql.ts';
import type { Channel } from './channel.ts';
import { Paces } from './paces.ts';
import type { Peer } from './peer.ts';

const { framesPerSecond: frames, frameBytesPerSecond: frameBytes, busySockets } = limits.room;

/** How many sockets come in, each by a ticket of its own, and how much they may say. [R12, R15] */
export class Admission {
  readonly #sql: Sql;
  readonly #channel: Channel;
  readonly #now: () => number;
  readonly #socketPaces = new Paces<Peer>(frames, frameBytes);
  /** Of a user, by the sockets that the channel holds. */
  readonly #userPaces = new Paces<ReadonlySet<Peer>>(frames * busySockets, frameBytes * busySockets);

  constructor(sql: Sql, channel: Channel, now: () => number) {
    this.#sql = sql;
    this.#channel = channel;
    this.#now = now;
  }

  /** Spends a ticket. False when it was spent before. */
  spendTicket(jti: string, expires: number): boolean {
    const now = this.#now();
    // A ticket is taken for the leeway of clocks longer than it says.
    this.#sql.run('DELETE FROM tickets WHERE expires < ?', now - limits.auth.clockLeeway - limits.room.ticketTtl);
    return (
      this.#sql.all(
        'INSERT INTO tickets (jti, expires) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING jti',
        jti,
        expires,
      ).length === 1
    );
  }

  /** Refuses a socket over the room's limits. */
  refuseCrowd(userId: string): void {
    const { socketsMax, socketsPerUser, usersMax } = limits.room;
    const sockets = this.#channel.socketsOf(userId).size;
    if (
      this.#channel.socketCount >= socketsMax ||
      sockets >= socketsPerUser ||
      (sockets === 0 && this.#channel.userCount >= usersMax)
    )
      throw new KilnError('rate_limited', { detail: 'The room is full.' });
  }

  /** False when this frame is one too many of its socket or of its user, or too much. */
  admits(peer: Peer, bytes: number): boolean {
    const now = this.#now();
    const isInPace = this.#socketPaces.take(peer, now, bytes);
    return this.#userPaces.take(this.#channel.socketsOf(peer.state.user.userId), now, bytes) && isInPace;
  }
}
