import { limits } from '../contract/limits.ts';
import {
  batchedFrames,
  type ClientMessage,
  type HeardMessage,
  type Presence,
  type RoomEvent,
  readFrame,
  type ServerMessage,
} from '../contract/room.ts';
import type { KilnClient } from './api.ts';
import { Backoff } from './backoff.ts';
import { RoomChat } from './chat.ts';
import { RoomComments } from './comments.ts';
import { type Deferred, deferred } from './deferred.ts';
import { type DocumentLink, RoomDocument } from './document.ts';
import { Emitter } from './emitter.ts';
import { errorFromClose, isFinal, isFinalClose, KilnApiError } from './errors.ts';
import type { OfflineStore } from './offline.ts';
import { RoomPresence } from './presence.ts';

/** `closed` is final: by `leave()`, or by an error that connecting again would only meet again. */
export type RoomStatus = 'connecting' | 'online' | 'offline' | 'closed';

/** Every message of the room by its type, and what happens to the connection. */
export type RoomEvents = { [M in HeardMessage as M['type']]: M } & {
  status: RoomStatus;
  /** Who is in the room, or what they do, has changed. */
  users: ReadonlyMap<string, Presence>;
  /** The room ended the connection for good: removed, deleted, signed out. */
  ended: KilnApiError;
};

export interface JoinOptions {
  /** For runtimes without a global one. */
  WebSocket?: typeof WebSocket;
  /** Keeps documents on this device, so that they open and are edited without a connection. See `indexedDbStore`. */
  offline?: OfflineStore;
}

/** Where a `file.moved` event takes the file at `path`; undefined: it stays. */
export const pathAfterMove = (path: string, { from, path: to, files }: RoomEvent['data']): string | undefined => {
  if (typeof from !== 'string' || typeof to !== 'string') return undefined;
  if (files === undefined) return path === from ? to : undefined;
  return path.startsWith(`${from}/`) ? to + path.slice(from.length) : undefined;
};

/** The project channel: presence, chat, comments, events, acknowledgements; and the door to the documents. */
export class ProjectRoom {
  readonly projectId: string;
  readonly presence: RoomPresence;
  readonly chat: RoomChat;
  readonly comments: RoomComments;
  readonly #client: KilnClient;
  readonly #Socket: typeof WebSocket;
  readonly #wsBase: string;
  readonly #events = new Emitter<RoomEvents>();
  readonly #aborter = new AbortController();
  readonly #documents = new Set<RoomDocument>();
  readonly #offline: OfflineStore | undefined;
  #status: RoomStatus = 'connecting';
  #socket: WebSocket | undefined;
  /** Newest event seen; undefined until the first `hello`. */
  #lastSeq: number | undefined;
  /** The channel is up, and has told where files are by now. */
  #online: Deferred<void> = deferred();
  #areLetIn = false;
  /** Number of the event up to which a replay goes that is on its way. */
  #awaited: number | undefined;
  /** Moves that came while those before them are being asked for. */
  #laterMoves: RoomEvent['data'][] | undefined;
  /** What is kept on this device has been told where files went while nobody was here, or nobody can say now. */
  readonly #caughtUp: Deferred<void> = deferred();
  /** One move after the other. */
  #keeping: Promise<void> = Promise.resolve();

  constructor(client: KilnClient, projectId: string, options: JoinOptions = {}) {
    this.#client = client;
    this.projectId = projectId;
    this.#Socket = options.WebSocket ?? globalThis.WebSocket;
    this.#offline = options.offline;
    const send = (message: ClientMessage) => this.#send(message);
    this.presence = new RoomPresence(send);
    this.chat = new RoomChat(client, projectId, send);
    this.comments = new RoomComments(client, projectId);
    this.#wsBase = client.baseUrl.replace(/^http/, 'ws').replace(/\/+$/, '');
    if (this.#offline === undefined) this.#caughtUp.resolve();
    else setTimeout(() => this.#caughtUp.resolve(), limits.client.followPatience);
    void this.#run();
  }

  get status(): RoomStatus {
    return this.#status;
  }

  /** Who the room says this user is; undefined until the first `hello`. */
  get self(): Presence | undefined {
    return this.presence.self;
  }

  /** Everyone in the room by user id, this user included. */
  get users(): ReadonlyMap<string, Presence> {
    return this.presence.users;
  }

  on<K extends keyof RoomEvents>(type: K, listener: (event: RoomEvents[K]) => void): () => void {
    return this.#events.on(type, listener);
  }

  /** Opens the live document of a text file or a scene. Each call makes a socket: keep the document, and close it. */
  openDocument(path: string): RoomDocument {
    const link: DocumentLink = {
      wsBase: this.#wsBase,
      projectId: this.projectId,
      WebSocket: this.#Socket,
      ticket: (signal) => this.#documentTicket(signal),
      offline: this.#offline,
      followed: () => this.#caughtUp.promise.then(() => this.#keeping),
      onClose: (document) => void this.#documents.delete(document),
    };
    const document = new RoomDocument(link, path);
    this.#documents.add(document);
    return document;
  }

  /** Closes the channel and every document. */
  leave(): void {
    if (this.#status === 'closed') return;
    this.#aborter.abort();
    this.presence.stop();
    this.chat.stop();
    this.comments.stop();
    for (const document of [...this.#documents]) document.close();
    this.#socket?.close(1000);
    this.#setStatus('closed');
    this.#events.clear();
  }

  async #documentTicket(signal: AbortSignal): Promise<string> {
    const backoff = new Backoff();
    while (!signal.aborted) {
      await this.#online.promise;
      try {
        const { ticket } = await this.#client.call('createTicket', {
          params: { id: this.projectId },
          signal,
        });
        return ticket;
      } catch (error) {
        if (isFinal(error)) {
          this.#end(error);
          break;
        }
        backoff.failed();
        await backoff.wait(signal);
      }
    }
    return '';
  }

  async #run(): Promise<void> {
    const { signal } = this.#aborter;
    const backoff = new Backoff();
    while (!signal.aborted) {
      let waitAtLeast = 0;
      try {
        const { ticket } = await this.#client.call('createTicket', {
          params: { id: this.projectId },
          signal,
        });
        const close = await this.#connect(ticket, () => backoff.opened());
        const error = isFinalClose(close.code) ? errorFromClose(close.code, close.reason) : undefined;
        if (error !== undefined) return this.#end(error);
      } catch (error) {
        if (signal.aborted) return;
        if (isFinal(error)) return this.#end(error);
        if (error instanceof KilnApiError) waitAtLeast = (error.retryAfter ?? 0) * 1000;
      }
      if (signal.aborted) return;
      this.#setStatus('offline');
      backoff.failed();
      await backoff.wait(signal, waitAtLeast);
    }
  }

  /** One socket from open to close. */
  #connect(ticket: string, opened: () => void): Promise<{ code: number; reason: string }> {
    const { signal } = this.#aborter;
    if (signal.aborted) return Promise.resolve({ code: 1000, reason: '' });
    const id = encodeURIComponent(this.projectId);
    const query = new URLSearchParams({ ticket, [batchedFrames.name]: batchedFrames.value });
    const socket = new this.#Socket(`${this.#wsBase}/api/projects/${id}/room?${query}`);
    this.#socket = socket;
    let silence: ReturnType<typeof setTimeout> | undefined;
    const ping = setInterval(() => {
      if (socket.readyState !== 1) return;
      // Exactly this text: the platform's automatic answer compares bytes, and does not wake the room.
      socket.send('{"type":"ping"}');
      silence ??= setTimeout(() => socket.close(4000, 'silent'), limits.client.pong);
    }, limits.client.ping);
    return new Promise((resolve) => {
      const finish = (code: number, reason: string) => {
        clearInterval(ping);
        clearTimeout(silence);
        if (this.#socket === socket) this.#socket = undefined;
        resolve({ code, reason });
      };
      socket.addEventListener('open', opened);
      socket.addEventListener('message', (event: MessageEvent) => {
        clearTimeout(silence);
        silence = undefined;
        if (this.#socket === socket && typeof event.data === 'string') this.#receive(event.data);
      });
      socket.addEventListener('close', (event: CloseEvent) => finish(event.code, event.reason));
      // A dead network may never deliver the close event of a socket that was closed for silence.
      signal.addEventListener('abort', () => finish(1000, ''), { once: true });
    });
  }

  #receive(text: string): void {
    let messages: HeardMessage[];
    try {
      messages = readFrame(text);
    } catch {
      return;
    }
    for (const message of messages) this.#hear(message);
  }

  #hear(message: HeardMessage): void {
    // A replay may overlap what has arrived live.
    if (message.type === 'event' && message.event.seq <= (this.#lastSeq ?? -1)) return;
    // One that came in between is in the replay, behind those that were missed.
    if (message.type === 'event' && this.#awaited !== undefined && message.event.seq !== (this.#lastSeq ?? 0) + 1)
      return;
    if (this.presence.hear(message) && message.type !== 'hello') this.#events.emit('users', this.users);
    switch (message.type) {
      case 'hello':
        this.#hello(message);
        break;
      case 'saved':
        for (const document of this.#documents) if (document.path === message.path) document.acknowledge();
        break;
      case 'probe':
        this.#send({ type: 'probe', n: message.n });
        break;
      case 'event':
        this.#lastSeq = message.event.seq;
        if (this.#laterMoves !== undefined) {
          if (message.event.type === 'file.moved') this.#laterMoves.push(message.event.data);
          break;
        }
        if (message.event.type === 'file.moved') this.#follow(message.event.data);
        this.#noteSeen(message.event.seq);
        if (message.event.seq >= (this.#awaited ?? Number.POSITIVE_INFINITY)) this.#replayed();
        break;
      case 'resync':
        void this.#followMissed(this.#lastSeq ?? message.seq, message.seq);
        this.#lastSeq = message.seq;
        // What fails here is read again by whoever asks for more.
        void this.chat.refresh().catch(() => undefined);
        break;
      default:
        break;
    }
    this.chat.hear(message);
    this.comments.hear(message);
    this.#events.emit(message.type, message as never);
  }

  /** Documents go with their files. */
  #follow(move: RoomEvent['data'], documents: readonly RoomDocument[] = [...this.#documents]): void {
    for (const document of documents) {
      const path = pathAfterMove(document.path, move);
      if (path !== undefined) document.moved(path);
    }
    this.#keep(async (offline) => {
      await offline.follow(this.projectId, (path) => pathAfterMove(path, move));
    });
  }

  /** Does something with what is kept here, in order. A device that cannot keep anything must not keep anybody from working. */
  #keep(work: (offline: OfflineStore) => Promise<void>): void {
    const offline = this.#offline;
    if (offline !== undefined) this.#keeping = this.#keeping.then(() => work(offline)).catch(() => undefined);
  }

  #noteSeen(seq: number): void {
    this.#keep(async (offline) => await offline.setSeen(this.projectId, seq));
  }

  /** Documents may connect: they know where their files are. */
  #replayed(): void {
    this.#awaited = undefined;
    if (this.#status !== 'online') return;
    this.#areLetIn = true;
    this.#online.resolve();
  }

  /** Undefined where nobody can say. They reach further back than a replay does: typing makes most of the events. */
  async #movesBetween(since: number, newest: number): Promise<RoomEvent['data'][] | undefined> {
    const query = { since, type: 'file.moved' };
    const known = await this.#client
      .call('listEvents', { params: { id: this.projectId }, query, signal: this.#aborter.signal })
      .catch(() => undefined);
    return known?.events.filter(({ seq }) => seq <= newest).map(({ data }) => data);
  }

  /** Too much has happened to be replayed; where files went is followed all the same, before documents connect. [R14] */
  async #followMissed(since: number, newest: number): Promise<void> {
    const awaited = this.#awaited;
    this.#laterMoves ??= [];
    const moves = await this.#movesBetween(since, newest);
    for (const move of [...(moves ?? []), ...(this.#laterMoves ?? [])]) this.#follow(move);
    this.#laterMoves = undefined;
    if (moves !== undefined) this.#noteSeen(this.#lastSeq ?? newest);
    // Another connection may wait for another replay by now.
    if (this.#awaited === awaited) this.#replayed();
  }

  /** Files may have gone elsewhere since this device was here last. */
  async #catchUp(newest: number): Promise<void> {
    const since = await this.#offline?.seen(this.projectId).catch(() => undefined);
    if (since !== undefined && since < newest) {
      const moves = await this.#movesBetween(since, newest);
      // What cannot be asked is asked at the next visit.
      if (moves === undefined) return;
      // What came in the meantime is followed as it comes. Who opened a document and waits for this knows where it is by now.
      const waited = [...this.#documents].filter(({ isFromDevice }) => isFromDevice);
      for (const move of moves) this.#follow(move, waited);
    }
    this.#noteSeen(newest);
  }

  #hello(message: Extract<ServerMessage, { type: 'hello' }>): void {
    const again = this.#lastSeq !== undefined;
    if (this.#lastSeq === undefined) this.#lastSeq = message.seq;
    else if (this.#lastSeq !== message.seq) {
      this.#awaited = message.seq;
      this.#send({ type: 'resume', since: this.#lastSeq });
    }
    // What was read before the room was there may have changed unheard.
    if (!again) void this.chat.refresh().catch(() => undefined);
    this.presence.repeat();
    this.#setStatus('online');
    if (!again && this.#offline !== undefined)
      void this.#catchUp(message.seq).finally(() => {
        this.#caughtUp.resolve();
        this.#replayed();
      });
    else if (this.#awaited === undefined) this.#replayed();
    this.#events.emit('users', this.users);
    // Acknowledgements may have been sent while this channel was down, and silent sockets found dead.
    if (again) for (const document of this.#documents) document.verify();
  }

  #send(message: ClientMessage): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  #end(error: KilnApiError): void {
    if (this.#status === 'closed') return;
    for (const document of [...this.#documents]) document.end(error);
    this.#events.emit('ended', error);
    this.leave();
  }

  #setStatus(status: RoomStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    if (status !== 'online') {
      // Without a network nobody says where files are.
      this.#caughtUp.resolve();
      this.#awaited = undefined;
      // One that nobody was let in by is what those who wait go on waiting for.
      if (this.#areLetIn) this.#online = deferred();
      this.#areLetIn = false;
    }
    this.#events.emit('status', status);
  }
}

/** Joins a project's room: connects, and stays connected until `leave()` or a final refusal. */
export const joinProject = (client: KilnClient, projectId: string, options?: JoinOptions): ProjectRoom =>
  new ProjectRoom(client, projectId, options);
