import type { ChatMessage, ChatQuery } from '../../contract/chat.ts';
import { newId } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import type { Author } from '../../contract/talk.ts';
import type { RoomStore } from './store.ts';

interface Row {
  id: string;
  seq: number;
  at: number;
  author: string;
  body: string;
  mentions: string;
}

const toMessage = (row: Row): ChatMessage => ({
  id: row.id,
  seq: row.seq,
  author: JSON.parse(row.author) as Author,
  body: row.body,
  mentions: JSON.parse(row.mentions) as Author[],
  createdAt: new Date(row.at).toISOString(),
});

/** What people say to each other. Kept longer than events, and up to a number. [R23] */
export class Chat {
  readonly #store: RoomStore;

  constructor(store: RoomStore) {
    this.#store = store;
  }

  post(author: Author, body: string, mentions: readonly Author[]): ChatMessage {
    const { sql } = this.#store;
    return this.#store.transaction(() => {
      const at = this.#store.now();
      const message: ChatMessage = {
        id: newId(),
        seq: this.#store.events.seq + 1,
        author,
        body,
        mentions: [...mentions],
        createdAt: new Date(at).toISOString(),
      };
      sql.run(
        'INSERT INTO chat (id, seq, at, author, body, mentions) VALUES (?, ?, ?, ?, ?, ?)',
        message.id,
        message.seq,
        at,
        JSON.stringify(author),
        body,
        JSON.stringify(mentions),
      );
      sql.run(
        'DELETE FROM chat WHERE id <= (SELECT id FROM chat ORDER BY id DESC LIMIT 1 OFFSET ?)',
        limits.talk.chatKept,
      );
      this.#store.emit('chat', author.userId, { message });
      return message;
    });
  }

  /** Newest first. */
  list({ limit, before }: ChatQuery): { messages: ChatMessage[]; nextCursor: string | null } {
    const rows = this.#store.sql.all<Row>(
      'SELECT id, seq, at, author, body, mentions FROM chat WHERE (?1 IS NULL OR id < ?1) ORDER BY id DESC LIMIT ?2',
      before ?? null,
      limit + 1,
    );
    const messages = rows.slice(0, limit).map(toMessage);
    return { messages, nextCursor: rows.length > limit ? (messages.at(-1)?.id ?? null) : null };
  }
}
