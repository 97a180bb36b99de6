import type { ChatMessage, ChatQuery } from '../../contract/chat.ts';
import type { Comment, CreateComment, CreateReply, Reply, UpdateComment } from '../../contract/comments.ts';
import type { Author } from '../../contract/talk.ts';
import { Chat } from './chat.ts';
import type { Comments } from './comments.ts';
import type { Members } from './members.ts';
import type { RoomStore } from './store.ts';
import { Talkers } from './talkers.ts';

interface Said {
  readonly body: string;
  readonly mentions: readonly string[];
}

/** What people write to each other: who they are and whom they mention is seen to before. [R7, R23] */
export class Talk {
  readonly #chat: Chat;
  readonly #comments: Comments;
  readonly #talkers: Talkers;

  constructor(store: RoomStore, comments: Comments, members: Members) {
    this.#chat = new Chat(store);
    this.#comments = comments;
    this.#talkers = new Talkers(members, () => store.now());
  }

  /** `author`: by the word of a ticket; else the members are asked. Throws `rate_limited`, `validation_failed`. */
  async chat(userId: string, { body, mentions }: Said, author?: Author): Promise<ChatMessage> {
    this.#talkers.pace(userId);
    const names = author
      ? { author, mentions: await this.#talkers.mentions(mentions) }
      : await this.#talkers.names(userId, mentions);
    return this.#chat.post(names.author, body, names.mentions);
  }

  history(query: ChatQuery): { messages: ChatMessage[]; nextCursor: string | null } {
    return this.#chat.list(query);
  }

  async comment(userId: string, input: CreateComment): Promise<Comment> {
    this.#talkers.pace(userId);
    const { author, mentions } = await this.#talkers.names(userId, input.mentions);
    return await this.#comments.create(input, author, mentions);
  }

  async reply(userId: string, id: string, { body, mentions }: CreateReply): Promise<Reply> {
    this.#talkers.pace(userId);
    const names = await this.#talkers.names(userId, mentions);
    return this.#comments.reply(id, body, names.author, names.mentions);
  }

  async update(userId: string, id: string, change: UpdateComment): Promise<Comment> {
    this.#talkers.pace(userId);
    const { author, mentions } = await this.#talkers.names(userId, change.mentions ?? []);
    return await this.#comments.update(id, change, author, mentions);
  }
}
