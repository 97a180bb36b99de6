import { limits } from '../../contract/limits.ts';
import { ClientMessage, type Presence, type RoomEvent, type ServerMessage } from '../../contract/room.ts';
import type { EventLog } from './event-log.ts';
import { deliver } from './flow.ts';
import { Paces } from './paces.ts';
import type { Peer } from './peer.ts';
import { hear, type Moving, presenceOf } from './presence.ts';
import type { Turns } from './turns.ts';

/** The project channel: presence, cursors, events. */
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
  /** What people did within the running window, by kind and person. */
  readonly #moving = new Map<string, Moving>();
  #movingTimer: ReturnType<typeof setTimeout> | null = null;
  readonly #paces = new Paces(limits.presence.perSecond);

  readonly #turns: Turns;

  constructor(events: EventLog, turns: Turns, pathOf: (file: number) => string | null, now: () => number) {
    this.#events = events;
    this.#turns = turns;
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

  has(peer: Peer): boolean {
    return this.socketsOf(peer.state.user.userId).has(peer);
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
      this.send(peer, { type: 'hello', seq: this.#events.seq, self, users: this.presence() });
  }

  leave(peer: Peer): void {
    const { userId } = peer.state.user;
    this.#peers.delete(peer);
    const sockets = this.#users.get(userId);
    sockets?.delete(peer);
    if (!sockets) return;
    if (sockets.size > 0) {
      // Where the others saw this user may have been said on the socket that went.
      if (peer.state.target.kind === 'channel') this.changed(userId);
      return;
    }
    this.#users.delete(userId);
    for (const [key, message] of this.#moving) if (message.userId === userId) this.#moving.delete(key);
    this.broadcast({ type: 'user.left', userId });
  }

  presence(): Presence[] {
    return [...this.#users.keys()].flatMap((userId) => this.#presenceOf(userId) ?? []);
  }

  /** Everybody on the channel hears of a lasting event. */
  tell(event: RoomEvent): void {
    this.broadcast(event);
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

  /** One text frame of a client; what it says in the chat is for the room to take. Throws on frames that are too large. */
  receive(peer: Peer, text: string): Said | undefined {
    const parsed = ClientMessage.safeParse(parse(text));
    if (!parsed.success) {
      this.send(peer, { type: 'error', code: 'validation_failed', message: 'unknown message' });
      return;
    }
    const message = parsed.data;
    switch (message.type) {
      case 'ping':
        this.send(peer, { type: 'pong' });
        return;
      case 'resume':
        this.#turns.ask(peer, 'events', () => this.#replay(peer, message.since));
        return;
      case 'chat':
        return message;
      case 'probe':
        peer.flow.answered(message.n);
        return;
      case 'cursor':
      case 'selection':
      case 'viewport':
      case 'idle':
      case 'typing':
        if (this.#paces.take(peer, this.#now())) this.#gather(hear(peer, message, this.#now()));
        return;
    }
  }

  /** What came after that event; returns how many bytes that was. */
  #replay(peer: Peer, since: number): number {
    if (!this.#peers.has(peer)) return 0;
    const { events, resync } = this.#events.since(since);
    if (resync) this.send(peer, { type: 'resync', seq: this.#events.seq });
    let bytes = 0;
    for (const event of events) bytes += this.send(peer, event);
    return bytes;
  }

  broadcast(message: ServerMessage | RoomEvent, except?: Peer): void {
    if (this.#peers.size === 0) return;
    const frame = JSON.stringify(message);
    for (const peer of this.#peers) if (peer !== except) deliver(peer, frame, probe);
  }

  /** To every channel socket of one user. */
  sendTo(userId: string, message: ServerMessage): void {
    for (const peer of this.socketsOf(userId)) if (peer.state.target.kind === 'channel') this.send(peer, message);
  }

  /** Wants a sign of life, if that is not on its way. [R24] */
  ask(peer: Peer): void {
    if (!peer.flow.isOpen) peer.send(probe(peer.flow.ask()));
  }

  /** Returns how long it was. */
  send(peer: Peer, message: ServerMessage | RoomEvent): number {
    const frame = JSON.stringify(message);
    deliver(peer, frame, probe);
    return frame.length;
  }

  /** Somebody who stays has another role, or fewer sockets. */
  changed(userId: string): void {
    const user = this.#presenceOf(userId);
    if (user) this.broadcast({ type: 'user.changed', user });
  }

  #sendSaved(): void {
    this.#savedTimer = null;
    for (const [userId, paths] of this.#saved) {
      const tell = teller([...paths].map(([path, seq]) => ({ type: 'saved', path, seq })));
      for (const peer of this.socketsOf(userId)) if (peer.state.target.kind === 'channel') tell(peer);
    }
    this.#saved.clear();
  }

  /** What is not lasting waits for a moment; of each kind of each person the newest is sent, in one frame for all. */
  #gather(message: Moving): void {
    this.#moving.set(`${message.type} ${message.userId}`, message);
    this.#movingTimer ??= setTimeout(() => this.#sendMoving(), limits.presence.window);
  }

  #sendMoving(): void {
    this.#movingTimer = null;
    const gathered = [...this.#moving.values()];
    this.#moving.clear();
    const tellAll = teller(gathered);
    const movers = new Set(gathered.map(({ userId }) => userId));
    for (const peer of this.#peers) {
      const { userId } = peer.state.user;
      if (!movers.has(userId)) tellAll(peer);
      else if (movers.size > 1) teller(gathered.filter((message) => message.userId !== userId))(peer);
    }
  }

  #presenceOf(userId: string): Presence | undefined {
    return presenceOf([...this.socketsOf(userId)], this.#pathOf);
  }
}

/** A line of the chat, as a client sends it. */
type Said = Extract<ClientMessage, { type: 'chat' }>;

const probe = (n: number): string => JSON.stringify({ type: 'probe', n } satisfies ServerMessage);

/** Sends what came at one time as a socket wants it, written once for all who want it alike. */
function teller(messages: readonly ServerMessage[]): (peer: Peer) => void {
  const written = new Map<boolean, string[]>();
  return (peer) => {
    const { target } = peer.state;
    const batched = messages.length > 1 && target.kind === 'channel' && target.batched === true;
    const frames =
      written.get(batched) ??
      (batched ? [JSON.stringify(messages)] : messages.map((message) => JSON.stringify(message)));
    written.set(batched, frames);
    for (const frame of frames) deliver(peer, frame, probe);
  };
}

function parse(text: string): unknown {
  if (text.length > limits.room.channelFrameBytes) throw new Error('frame too large');
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
