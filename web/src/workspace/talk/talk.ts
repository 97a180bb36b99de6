import { computed, signal } from '@preact/signals';
import type { ProjectRoom } from '../../../../src/client/index.ts';
import type { ChatMessage } from '../../../../src/contract/chat.ts';
import type { Comment, NewAnchor } from '../../../../src/contract/comments.ts';
import { limits } from '../../../../src/contract/limits.ts';
import type { Presence } from '../../../../src/contract/room.ts';
import { attempt, toast } from '../../state/toasts.ts';

export type TalkPanel = 'people' | 'chat' | 'comments';

/** A comment that is being written. */
export interface Draft {
  /** Undefined where the anchor names an asset. */
  readonly path: string | undefined;
  readonly anchor: NewAnchor | undefined;
  /** What it is about, in words. */
  readonly quote: string;
}

/** Who is here, what they say, and whom this person follows. */
export class Talk {
  readonly panel = signal<TalkPanel | undefined>(undefined);
  readonly users = signal<readonly Presence[]>([]);
  readonly self = signal<Presence | undefined>(undefined);
  readonly messages = signal<readonly ChatMessage[]>([]);
  readonly hasMore = signal(false);
  readonly threads = signal<readonly Comment[]>([]);
  /** Names of those who write in the chat. */
  readonly writing = signal<readonly string[]>([]);
  readonly unread = signal(0);
  readonly following = signal<string | undefined>(undefined);
  readonly draft = signal<Draft | undefined>(undefined);
  /** The thread that is shown opened. */
  readonly thread = signal<string | undefined>(undefined);

  readonly followed = computed(() => this.users.value.find((user) => user.userId === this.following.value));
  readonly others = computed(() => this.users.value.filter((user) => user.userId !== this.self.value?.userId));
  readonly openThreads = computed(() => this.threads.value.filter((thread) => thread.resolvedAt === null));
  /** Everybody who may be meant by a name: who is here, and who wrote something. */
  readonly people = computed(() => {
    const people = new Map<string, { userId: string; username: string; displayName: string }>();
    const authors = [...this.messages.value, ...this.threads.value.flatMap((thread) => [thread, ...thread.replies])];
    for (const { author } of authors)
      if (author.userId !== null) people.set(author.userId, { ...author, userId: author.userId });
    for (const user of this.users.value) people.set(user.userId, user);
    return [...people.values()];
  });

  #room: ProjectRoom | undefined;
  #stops: (() => void)[] = [];

  join(room: ProjectRoom): void {
    this.#room = room;
    const { chat, comments } = room;
    this.#stops = [
      room.on('users', (users) => {
        this.self.value = room.self;
        this.users.value = [...users.values()].sort((a, b) => a.since.localeCompare(b.since));
        if (this.following.value !== undefined && !users.has(this.following.value)) this.following.value = undefined;
      }),
      chat.on('messages', (messages) => {
        this.messages.value = messages;
        this.hasMore.value = chat.hasMore === true;
      }),
      chat.on('message', ({ author }) => {
        if (this.panel.value !== 'chat' && author.userId !== this.self.value?.userId) this.unread.value += 1;
      }),
      chat.on('typing', (typing) => {
        this.writing.value = [...typing].flatMap(([id, thread]) => {
          const name = room.users.get(id)?.displayName;
          return thread === null && name !== undefined ? [name] : [];
        });
      }),
      comments.on('threads', (threads) => {
        this.threads.value = threads;
      }),
      comments.on('written', ({ message, path, thread }) => {
        if (!message.mentions.some(({ userId }) => userId === this.self.value?.userId)) return;
        toast({
          kind: 'info',
          title: `${message.author.displayName} mentioned you`,
          detail: `${path}: ${message.body}`,
        });
        this.thread.value = thread;
      }),
      watchIdle((idle) => room.presence.setIdle(idle)),
    ];
    void attempt(() => Promise.all([chat.more(), comments.load()]));
  }

  leave(): void {
    for (const stop of this.#stops) stop();
    this.#room = undefined;
  }

  show(panel: TalkPanel | undefined): void {
    this.panel.value = panel;
    if (panel === 'chat') this.unread.value = 0;
  }

  showThread(id: string): void {
    this.thread.value = id;
    this.show('comments');
  }

  begin(draft: Draft): void {
    this.draft.value = draft;
    this.show('comments');
  }

  follow(userId: string | undefined): void {
    this.following.value = this.following.value === userId ? undefined : userId;
  }

  older(): Promise<unknown> {
    return attempt(async () => this.#room?.chat.more());
  }

  typing(): void {
    this.#room?.chat.setTyping(null);
  }

  /** The ids of those whom a text names by `@username`. */
  mentionsIn(text: string): string[] {
    const names = new Set([...text.matchAll(/@([\w.-]+)/g)].map(([, name]) => name?.toLowerCase()));
    return this.people.value
      .filter(({ username }) => names.has(username.toLowerCase()))
      .slice(0, limits.talk.mentionsMax)
      .map(({ userId }) => userId);
  }

  async say(body: string): Promise<boolean> {
    const sent = await attempt(async () => this.#room?.chat.send(body, this.mentionsIn(body)));
    return sent !== undefined;
  }

  async comment(body: string): Promise<boolean> {
    const draft = this.draft.value;
    if (draft === undefined) return false;
    const made = await attempt(async () =>
      this.#room?.comments.create({
        ...(draft.path !== undefined && { path: draft.path }),
        ...(draft.anchor && { anchor: draft.anchor }),
        body,
        mentions: this.mentionsIn(body),
      }),
    );
    if (made === undefined) return false;
    this.draft.value = undefined;
    this.thread.value = made.id;
    return true;
  }

  async reply(thread: string, body: string): Promise<boolean> {
    return (await attempt(async () => this.#room?.comments.reply(thread, body, this.mentionsIn(body)))) !== undefined;
  }

  resolve(thread: string, resolved: boolean): Promise<unknown> {
    return attempt(async () => this.#room?.comments.resolve(thread, resolved));
  }

  remove(id: string): Promise<unknown> {
    return attempt(async () => this.#room?.comments.delete(id));
  }
}

/** Tells when this person did nothing for a while, or looks at something else, and when they are back. */
const watchIdle = (tell: (idle: boolean) => void): (() => void) => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const active = () => {
    clearTimeout(timer);
    tell(document.hidden);
    timer = setTimeout(() => tell(true), limits.client.idleAfter);
  };
  const signs = ['pointermove', 'pointerdown', 'keydown', 'wheel'] as const;
  for (const sign of signs) window.addEventListener(sign, active, { passive: true });
  document.addEventListener('visibilitychange', active);
  active();
  return () => {
    clearTimeout(timer);
    for (const sign of signs) window.removeEventListener(sign, active);
    document.removeEventListener('visibilitychange', active);
  };
};
