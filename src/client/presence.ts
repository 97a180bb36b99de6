import { limits } from '../contract/limits.ts';
import type { ClientMessage, HeardMessage, Presence } from '../contract/room.ts';

type Said<T extends ClientMessage['type']> = Omit<Extract<ClientMessage, { type: T }>, 'type'>;
export type Cursor = Said<'cursor'>;
export type NodeSelection = Said<'selection'>;
export type Viewport = Said<'viewport'>;

/** Of each kind the newest is sent, and again after a reconnect. */
const kinds = ['cursor', 'selection', 'viewport'] as const;
type Kind = (typeof kinds)[number];

/** Who is in the room and what they do; and what this user does. */
export class RoomPresence {
  readonly #send: (message: ClientMessage) => void;
  readonly #users = new Map<string, Presence>();
  #selfId: string | undefined;
  readonly #said = new Map<Kind, ClientMessage>();
  readonly #unsent = new Set<Kind>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sentAt = 0;
  #idle = false;

  constructor(send: (message: ClientMessage) => void) {
    this.#send = send;
  }

  /** Everyone by user id, this user included. */
  get users(): ReadonlyMap<string, Presence> {
    return this.#users;
  }

  /** Who the room says this user is; undefined until the first `hello`. */
  get self(): Presence | undefined {
    return this.#selfId === undefined ? undefined : this.#users.get(this.#selfId);
  }

  /** Says where this user is. Throttled, like the others: the last one of a burst is what gets sent. */
  setCursor(cursor: Cursor): void {
    this.#say('cursor', { type: 'cursor', ...cursor });
  }

  /** Says which nodes of a scene are selected. */
  setSelection(selection: NodeSelection): void {
    this.#say('selection', { type: 'selection', ...selection });
  }

  /** Says what is on the screen, in numbers that the client gives a meaning. */
  setViewport(viewport: Viewport): void {
    this.#say('viewport', { type: 'viewport', ...viewport });
  }

  setIdle(idle: boolean): void {
    if (idle === this.#idle) return;
    this.#idle = idle;
    this.#send({ type: 'idle', idle });
  }

  /** Takes a message of the room in; true when it changed who is there or what they do. */
  hear(message: HeardMessage): boolean {
    switch (message.type) {
      case 'hello':
        this.#users.clear();
        for (const user of message.users) this.#users.set(user.userId, user);
        this.#users.set(message.self.userId, message.self);
        this.#selfId = message.self.userId;
        return true;
      case 'user.joined':
      case 'user.changed':
        this.#users.set(message.user.userId, message.user);
        return true;
      case 'user.left':
        return this.#users.delete(message.userId);
      case 'cursor': {
        const { position, selection } = message;
        const cursor =
          position === undefined && selection === undefined
            ? null
            : { ...(position !== undefined && { position }), ...(selection && { selection }) };
        return this.#change(message.userId, message.path, { cursor, idle: false });
      }
      case 'selection':
        return this.#change(message.userId, message.path, { nodes: message.nodes, idle: false });
      case 'viewport':
        return this.#change(message.userId, message.path, { view: message.view, idle: false });
      case 'idle':
        return this.#change(message.userId, undefined, { idle: message.idle });
      default:
        return false;
    }
  }

  /** A room that has just been joined knows nothing of this user. */
  repeat(): void {
    for (const kind of this.#said.keys()) this.#unsent.add(kind);
    this.#flush();
    if (this.#idle) this.#send({ type: 'idle', idle: true });
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #change(userId: string, path: string | null | undefined, change: Partial<Presence>): boolean {
    const user = this.#users.get(userId);
    if (user === undefined) return false;
    // What was said of one file says nothing of another.
    const elsewhere = path !== undefined && path !== user.path;
    this.#users.set(userId, {
      ...user,
      ...(elsewhere && { path, cursor: null, nodes: [], view: null }),
      ...change,
    });
    return true;
  }

  #say(kind: Kind, message: ClientMessage & { path: string | null }): void {
    for (const other of kinds) {
      const said = this.#said.get(other);
      if (said !== undefined && 'path' in said && said.path !== message.path) this.#said.delete(other);
    }
    this.#idle = false;
    // The room tells others, and not who says it.
    if (this.#selfId !== undefined) this.#change(this.#selfId, message.path, { idle: false });
    this.#said.set(kind, message);
    this.#unsent.add(kind);
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        this.#flush();
      },
      Math.max(0, this.#sentAt + limits.client.cursor - Date.now()),
    );
  }

  #flush(): void {
    this.#sentAt = Date.now();
    for (const kind of this.#unsent) {
      const message = this.#said.get(kind);
      if (message !== undefined) this.#send(message);
    }
    this.#unsent.clear();
  }
}
