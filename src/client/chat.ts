import type { ChatMessage } from '../contract/chat.ts';
import { limits } from '../contract/limits.ts';
import type { ClientMessage, HeardMessage, RoomEvent, TalkEvents } from '../contract/room.ts';
import type { KilnClient } from './api.ts';
import { Emitter } from './emitter.ts';

export interface ChatEvents {
  /** The messages that are here changed. */
  messages: readonly ChatMessage[];
  /** One that has just been written, by whomever. */
  message: ChatMessage;
  /** Who is writing: in the chat (null) or in a thread, by user id. */
  typing: ReadonlyMap<string, string | null>;
}

/** What people of a project say to each other. */
export class RoomChat {
  readonly #client: KilnClient;
  readonly #projectId: string;
  readonly #send: (message: ClientMessage) => void;
  readonly #events = new Emitter<ChatEvents>();
  #messages: readonly ChatMessage[] = [];
  #older: string | null | undefined;
  /** The last reading of a page, however it ended. */
  #reading: Promise<void> = Promise.resolve();
  readonly #typing = new Map<string, string | null>();
  readonly #fading = new Map<string, ReturnType<typeof setTimeout>>();
  #typingSaidAt = 0;

  constructor(client: KilnClient, projectId: string, send: (message: ClientMessage) => void) {
    this.#client = client;
    this.#projectId = projectId;
    this.#send = send;
  }

  /** Oldest first; none before the first {@link RoomChat.more}. */
  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  get typing(): ReadonlyMap<string, string | null> {
    return this.#typing;
  }

  /** Whether there are messages older than these. Undefined before anything was loaded. */
  get hasMore(): boolean | undefined {
    return this.#older === undefined ? undefined : this.#older !== null;
  }

  on<K extends keyof ChatEvents>(type: K, listener: (event: ChatEvents[K]) => void): () => void {
    return this.#events.on(type, listener);
  }

  /** Loads the newest page, then older ones. */
  async more(limit: number = limits.http.pageDefault): Promise<void> {
    const reading = this.#readMore(limit);
    this.#reading = reading.catch(() => undefined);
    await reading;
  }

  async #readMore(limit: number): Promise<void> {
    if (this.#older === null) return;
    const page = await this.#client.call('listChat', {
      params: { id: this.#projectId },
      query: { limit, ...(this.#older !== undefined && { before: this.#older }) },
    });
    this.#older = page.nextCursor;
    this.#take(page.messages);
  }

  /** @throws {KilnApiError} what the room refused: too fast, not a member. */
  async send(body: string, mentions: readonly string[] = []): Promise<ChatMessage> {
    const { message } = await this.#client.call('postChat', {
      params: { id: this.#projectId },
      body: { body, mentions: [...mentions] },
    });
    this.#typingSaidAt = 0;
    this.#take([message]);
    return message;
  }

  /** Call at every key; it is said every few seconds. `thread` is the comment, null the chat. */
  setTyping(thread: string | null = null): void {
    if (Date.now() - this.#typingSaidAt < limits.client.typing) return;
    this.#typingSaidAt = Date.now();
    this.#send({ type: 'typing', thread });
  }

  hear(message: HeardMessage): void {
    if (message.type === 'typing') this.#show(message.userId, message.thread);
    else if (message.type === 'user.left') this.#fade(message.userId);
    else if (message.type === 'event') this.#hearEvent(message.event);
  }

  /** Messages were missed: the newest page is read again. */
  async refresh(): Promise<void> {
    // What is being read may be older than what was missed.
    await this.#reading;
    if (this.#older === undefined) return;
    const page = await this.#client.call('listChat', {
      params: { id: this.#projectId },
      query: { limit: limits.http.pageDefault },
    });
    const oldest = page.messages.at(-1);
    const known = new Set(this.#messages.map(({ id }) => id));
    // With a gap between them, what is here already would look as if nothing was said in between.
    if (oldest !== undefined && !known.has(oldest.id) && page.nextCursor !== null) {
      this.#messages = [];
      this.#older = page.nextCursor;
    }
    this.#take(page.messages);
  }

  stop(): void {
    for (const timer of this.#fading.values()) clearTimeout(timer);
    this.#events.clear();
  }

  #hearEvent({ type, data, by }: RoomEvent): void {
    if (type !== 'chat') return;
    const { message } = data as unknown as TalkEvents['chat'];
    if (by !== null) this.#fade(by);
    this.#take([message]);
    this.#events.emit('message', message);
  }

  #take(messages: readonly ChatMessage[]): void {
    const byId = new Map([...this.#messages, ...messages].map((message) => [message.id, message]));
    this.#messages = [...byId.values()].sort((a, b) => a.seq - b.seq);
    this.#events.emit('messages', this.#messages);
  }

  #show(userId: string, thread: string | null): void {
    clearTimeout(this.#fading.get(userId));
    this.#fading.set(
      userId,
      setTimeout(() => this.#fade(userId), limits.client.typingFades),
    );
    this.#typing.set(userId, thread);
    this.#events.emit('typing', this.#typing);
  }

  #fade(userId: string): void {
    clearTimeout(this.#fading.get(userId));
    this.#fading.delete(userId);
    if (this.#typing.delete(userId)) this.#events.emit('typing', this.#typing);
  }
}
