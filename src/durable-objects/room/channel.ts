import { limits } from '../../contract/limits.ts';
import { ClientMessage, type Presence, type RoomEvent, type ServerMessage } from '../../contract/room.ts';
import type { EventLog } from './event-log.ts';
import type { Peer } from './peer.ts';
import { hear, presenceOf } from './presence.ts';

/** The project channel: presence, cursors, events. One JSON text frame per message. */
export class Channel {
  readonly #events: EventLog;
  readonly #pathOf: (file: number) => string | null;
  readonly #now: () => number;
  /** Sockets of the channel. */
  readonly #peers = new Set<Peer>();
  /** All sockets of the room by user: somebody with only a document open is present too. */
  readonly #users = new Map<string, Set<Peer>>();
  readonly #saved = new Map<string, Map<string, number>>();
  #savedTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(events: EventLog, pathOf: (file: number) => string | null, now: () => number) {
    this.#events = events;
    this.#now = now;
    this.#pathOf = pathOf;
  }

  get socketCount(): number {
    let count = 0;
    for (const peers of this.#users.values()) count += peers.size;
    return count;
  }

  get userCount(): number {
    return this.#users.size;
  }

  socketsOf(userId: string): ReadonlySet<Peer> {
    return this.#users.get(userId) ?? new Set();
  }

  everyone(): Peer[] {
    return [...this.#users.values()].flatMap((peers) => [...peers]);
  }

  /** A socket of any kind came, or came back after hibernation. */
  join(peer: Peer, isNew: boolean): void {
    const { userId } = peer.state.user;
    const known = this.#users.get(userId);
    if (known) known.add(peer);
    else this.#users.set(userId, new Set([peer]));
    if (peer.state.target.kind === 'channel') this.#peers.add(peer);
    if (!isNew) return;
    const self = this.#presenceOf(userId);
    if (!known && self) this.broadcast({ type: 'user.joined', user: self }, peer);
    if (peer.state.target.kind === 'channel' && self)
      send(peer, { type: 'hello', seq: this.#events.seq, self, users: this.presence() });
  }

  leave(peer: Peer): void {
    const { userId } = peer.state.user;
    this.#peers.delete(peer);
    const sockets = this.#users.get(userId);
    sockets?.delete(peer);
    if (!sockets || sockets.size > 0) return;
    this.#users.delete(userId);
    this.broadcast({ type: 'user.left', userId });
  }

  presence(): Presence[] {
    return [...this.#users.keys()].flatMap((userId) => this.#presenceOf(userId) ?? []);
  }

  /** Everybody on the channel hears of a lasting event. */
  tell(event: RoomEvent): void {
    this.broadcast({ type: 'event', event });
  }

  /** Tells the authors of an update that it is durable; batched over a short window. [R2] */
  saved(userIds: Iterable<string>, path: string, seq: number): void {
    for (const userId of userIds) {
      const paths = this.#saved.get(userId) ?? new Map<string, number>();
      paths.set(path, seq);
      this.#saved.set(userId, paths);
    }
    if (this.#savedTimer === null && this.#saved.size > 0)
      this.#savedTimer = setTimeout(() => this.#sendSaved(), limits.room.savedWindow);
  }

  /** One text frame of a client. Throws on frames that are not JSON of a known type. */
  receive(peer: Peer, text: string): void {
    const parsed = ClientMessage.safeParse(parse(text));
    if (!parsed.success) {
      send(peer, { type: 'error', code: 'validation_failed', message: 'unknown message' });
      return;
    }
    const message = parsed.data;
    switch (message.type) {
      case 'ping':
        send(peer, { type: 'pong' });
        return;
      case 'resume': {
        const { events, resync } = this.#events.since(message.since);
        if (resync) send(peer, { type: 'resync', seq: this.#events.seq });
        for (const event of events) send(peer, { type: 'event', event });
        return;
      }
      case 'cursor':
      case 'selection':
      case 'viewport':
      case 'idle':
      case 'typing':
        this.broadcast(hear(peer, message, this.#now()), peer);
        return;
    }
  }

  broadcast(message: ServerMessage, except?: Peer): void {
    if (this.#peers.size === 0) return;
    const frame = JSON.stringify(message);
    for (const peer of this.#peers) if (peer !== except) peer.send(frame);
  }

  /** To every channel socket of one user. */
  sendTo(userId: string, message: ServerMessage): void {
    for (const peer of this.socketsOf(userId)) if (peer.state.target.kind === 'channel') send(peer, message);
  }

  #sendSaved(): void {
    this.#savedTimer = null;
    for (const [userId, paths] of this.#saved)
      for (const [path, seq] of paths) this.sendTo(userId, { type: 'saved', path, seq });
    this.#saved.clear();
  }

  #presenceOf(userId: string): Presence | undefined {
    return presenceOf([...this.socketsOf(userId)], this.#pathOf);
  }
}

const send = (peer: Peer, message: ServerMessage): void => peer.send(JSON.stringify(message));

function parse(text: string): unknown {
  if (text.length > limits.room.channelFrameBytes) throw new Error('frame too large');
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
