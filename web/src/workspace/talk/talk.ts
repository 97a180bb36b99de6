import { computed, signal } from '@preact/signals';
import type { ProjectRoom } from '../../../../src/client/index.ts';
import type { ChatMessage } from '../../../../src/contract/chat.ts';
import type { Comment, NewAnchor } from '../../../../src/contract/comments.ts';
import { limits } from '../../../../src/contract/limits.ts';
import type { Presence } from '../../../../src/contract/room.ts';
import type { Author } from '../../../../src/contract/talk.ts';
import { attempt, toast } from '../../state/toasts.ts';
import type { MemberNames } from '../member-names.ts';

export type TalkPanel = 'people' | 'chat' | 'comments';

/** A comment that is being written. */
export interface Draft {
  /** Undefined where the anchor names an asset. */
  readonly path: string | undefined;
  readonly anchor: NewAnchor | undefined;
  /** What it is about, in words. */
  readonly quote: string;
}

/** Somebody who can be mentioned. */
interface Mentionable {
  readonly userId: string;
  readonly username: string;
  readonly displayName: string;
  /** Not in the room, or not doing anything there: they find it when they are back. */
  readonly isAway: boolean;
}

/** A user name after an `@`, without the punctuation of the sentence around it. */
export const mention = /@[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*/g;

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
  /** Everybody who may be meant by a name, those who are here first: members only, for the room refuses others. */
  readonly people = computed((): readonly Mentionable[] => {
    const here = new Map(this.users.value.map((user) => [user.userId, user]));
    const known = new Map([...this.#names.members.value, ...here.values()].map((person) => [person.userId, person]));
    const people = [...known.values()].map(({ userId, username, displayName }) => ({
      userId,
      username,
      displayName,
      isAway: here.get(userId)?.idle !== false,
    }));
    return people.sort((a, b) => Number(a.isAway) - Number(b.isAway));
  });

  readonly #names: MemberNames;
  #room: ProjectRoom | undefined;
  #stops: (() => void)[] = [];

  constructor(names: MemberNames) {
    this.#names = names;
  }

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
      chat.on('message', (message) => {
        if (this.panel.value === 'chat') return;
        if (message.author.userId !== this.self.value?.userId) this.unread.value += 1;
        this.#tellMentioned(message, 'Chat');
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
        if (this.#tellMentioned(message, path)) this.thread.value = thread;
      }),
      watchIdle((idle) => room.presence.setIdle(idle)),
      // Who began without a network reads them when there is one.
      room.on('hello', () => {
        if (isRead === false) read();
      }),
    ];
    /** Undefined while it is being found out. */
    let isRead: boolean | undefined;
    const read = () => {
      isRead = undefined;
      void attempt(() => Promise.all([chat.more(), comments.load()])).then((done) => {
        isRead = done !== undefined;
      });
    };
    read();
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

  /** Says it where somebody else has written to this person; whether that was so. */
  #tellMentioned(message: { author: Author; body: string; mentions: readonly Author[] }, where: string): boolean {
    const mine = this.self.value?.userId;
    if (message.author.userId === mine || !message.mentions.some(({ userId }) => userId === mine)) return false;
    toast({
      kind: 'info',
      title: `${message.author.displayName} mentioned you`,
      detail: `${where}: ${message.body}`,
    });
    return true;
  }

  /** The ids of those whom a text names by `@username`. */
  mentionsIn(text: string): string[] {
    const names = new Set(Array.from(text.matchAll(mention), ([name]) => name.slice(1).toLowerCase()));
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
