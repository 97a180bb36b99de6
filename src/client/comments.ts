import { fromBase64, toBase64 } from 'lib0/buffer';
import * as Y from 'yjs';
import type { Comment, NewAnchor, NewComment, Reply } from '../contract/comments.ts';
import { limits } from '../contract/limits.ts';
import type { HeardMessage, RoomEvent, TalkEvents } from '../contract/room.ts';
import type { KilnClient } from './api.ts';
import { Emitter } from './emitter.ts';

export interface CommentEvents {
  /** The threads that are here changed. */
  threads: readonly Comment[];
  /** A comment or reply that has just been written, by whomever. */
  written: { readonly thread: string; readonly path: string; readonly message: Reply };
}

/** The comments of a project, kept up to date by its events. */
export class RoomComments {
  readonly #client: KilnClient;
  readonly #projectId: string;
  readonly #events = new Emitter<CommentEvents>();
  readonly #threads = new Map<string, Comment>();
  #loaded = false;
  #stale = false;
  #loading: Promise<void> | undefined;
  /** Whether threads changed since reading them began: what that finds may be older. */
  #overtaken = false;
  /** Whether the room tells what changes: before its first `hello` it does not. */
  #isTold = false;

  constructor(client: KilnClient, projectId: string) {
    this.#client = client;
    this.#projectId = projectId;
  }

  /** Oldest first; none before {@link RoomComments.load}. */
  get threads(): readonly Comment[] {
    return [...this.#threads.values()].sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  }

  on<K extends keyof CommentEvents>(type: K, listener: (event: CommentEvents[K]) => void): () => void {
    return this.#events.on(type, listener);
  }

  /** Reads all threads; again, where some may have been missed, and as long as they change meanwhile. */
  load(): Promise<void> {
    this.#overtaken = true;
    this.#loading ??= this.#readAgain().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #readAgain(): Promise<void> {
    while (this.#overtaken) {
      this.#overtaken = false;
      const found = await this.#read();
      this.#loaded = true;
      this.#threads.clear();
      for (const comment of found) this.#threads.set(comment.id, comment);
      this.#changed();
    }
  }

  async #read(): Promise<Comment[]> {
    const found: Comment[] = [];
    let cursor: string | null = null;
    do {
      const page: { comments: Comment[]; nextCursor: string | null } = await this.#client.call('listComments', {
        params: { id: this.#projectId },
        query: { limit: limits.client.commentsPage, ...(cursor !== null && { cursor }) },
      });
      found.push(...page.comments);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return found;
  }

  async create(comment: NewComment): Promise<Comment> {
    const params = { id: this.#projectId };
    return this.#take((await this.#client.call('createComment', { params, body: comment })).comment);
  }

  async reply(thread: string, body: string, mentions: readonly string[] = []): Promise<Reply> {
    const params = { id: this.#projectId, commentId: thread };
    const { reply } = await this.#client.call('replyToComment', { params, body: { body, mentions: [...mentions] } });
    this.#replied(thread, reply);
    return reply;
  }

  async resolve(thread: string, resolved = true): Promise<Comment> {
    const params = { id: this.#projectId, commentId: thread };
    return this.#take((await this.#client.call('updateComment', { params, body: { resolved } })).comment);
  }

  /** Changes this user's own words. `id` is a thread or a reply. */
  async edit(id: string, body: string): Promise<Comment> {
    const params = { id: this.#projectId, commentId: id };
    return this.#take((await this.#client.call('updateComment', { params, body: { body } })).comment);
  }

  /** `id` is a thread or a reply. */
  async delete(id: string): Promise<void> {
    await this.#client.call('deleteComment', { params: { id: this.#projectId, commentId: id } });
    this.#removed(id);
  }

  hear(message: HeardMessage): void {
    const isMissed = message.type === 'resync' || (message.type === 'hello' && !this.#isTold);
    this.#isTold ||= message.type === 'hello';
    this.#overtaken ||= isMissed || (message.type === 'event' && touchesThreads(message.event.type));
    if (!this.#loaded) return;
    if (message.type === 'event') this.#hearEvent(message.event);
    else if (isMissed) this.#stale = true;
    if (this.#stale) this.#reload();
  }

  stop(): void {
    this.#events.clear();
  }

  #hearEvent({ type, data, by, at }: RoomEvent): void {
    const talk = data as unknown;
    if (type === 'comment.created') {
      const { comment } = talk as TalkEvents['comment.created'];
      this.#take(comment);
      this.#events.emit('written', { thread: comment.id, path: comment.path, message: comment });
    } else if (type === 'comment.replied') {
      const { id, path, reply } = talk as TalkEvents['comment.replied'];
      this.#replied(id, reply);
      this.#events.emit('written', { thread: id, path, message: reply });
    } else if (type === 'comment.updated') this.#edited(talk as TalkEvents['comment.updated']);
    else if (type === 'comment.resolved') {
      const { id, resolved } = talk as TalkEvents['comment.resolved'];
      const thread = this.#threads.get(id);
      const resolver = [thread, ...(thread?.replies ?? [])].find((message) => message?.author.userId === by)?.author;
      if (thread !== undefined)
        this.#take({
          ...thread,
          resolvedAt: resolved ? at : null,
          resolvedBy: resolved ? (resolver ?? { userId: by, username: '', displayName: '' }) : null,
        });
    } else if (type === 'comment.deleted') {
      const { id, replyId } = talk as TalkEvents['comment.deleted'];
      this.#removed(replyId ?? id);
    } else if (type === 'file.moved' && typeof data.from === 'string') this.#reload();
    // It may have another name now, be gone, or be back.
    else if (type.startsWith('asset.') && this.#isOn(data.assetId)) this.#reload();
  }

  #isOn(asset: unknown): boolean {
    return [...this.#threads.values()].some(({ anchor }) => anchor?.kind === 'asset' && anchor.asset === asset);
  }

  #edited({ id, replyId, body, mentions, editedAt }: TalkEvents['comment.updated']): void {
    const thread = this.#threads.get(id);
    if (thread === undefined) return;
    const change = { body, mentions, editedAt };
    if (replyId === null) this.#take({ ...thread, ...change });
    else
      this.#take({
        ...thread,
        replies: thread.replies.map((reply) => (reply.id === replyId ? { ...reply, ...change } : reply)),
      });
  }

  #replied(id: string, reply: Reply): void {
    const thread = this.#threads.get(id);
    if (thread === undefined || thread.replies.some((other) => other.id === reply.id)) return;
    this.#take({ ...thread, replies: [...thread.replies, reply] });
  }

  #removed(id: string): void {
    if (!this.#threads.delete(id))
      for (const thread of this.#threads.values())
        if (thread.replies.some((reply) => reply.id === id))
          this.#threads.set(thread.id, { ...thread, replies: thread.replies.filter((reply) => reply.id !== id) });
    this.#changed();
  }

  #take(comment: Comment): Comment {
    this.#threads.set(comment.id, comment);
    this.#changed();
    return comment;
  }

  /** Where it fails, the next message of the room tries again. */
  #reload(): void {
    this.#stale = false;
    this.load().catch(() => {
      this.#stale = true;
    });
  }

  #changed(): void {
    this.#events.emit('threads', this.threads);
  }
}

const touchesThreads = (type: string): boolean =>
  type.startsWith('comment.') || type.startsWith('asset.') || type === 'file.moved';

/** A passage of a live text as an anchor that nobody's typing moves. [R13] */
export const anchorOf = (text: Y.Text, from: number, to: number): NewAnchor => {
  const at = (index: number, assoc: number) =>
    toBase64(Y.encodeRelativePosition(Y.createRelativePositionFromTypeIndex(text, index, assoc)));
  // Each end sticks to the character inside: what is typed before or behind is not part of it.
  return { kind: 'text', start: at(from, 0), end: at(to, -1) };
};

/** Where a passage is now; undefined where it is gone. */
export const placeOf = (text: Y.Text, { anchor }: Comment): { from: number; to: number } | undefined => {
  if (anchor?.kind !== 'text' || text.doc === null) return undefined;
  const { doc } = text;
  const indexOf = (encoded: string | null, fallback: number): number | undefined => {
    if (encoded === null) return Math.min(fallback, text.length);
    const position = Y.createAbsolutePositionFromRelativePosition(Y.decodeRelativePosition(fromBase64(encoded)), doc);
    return position?.type === text ? position.index : undefined;
  };
  const from = indexOf(anchor.start, anchor.from);
  const to = indexOf(anchor.end, anchor.to);
  return from === undefined || to === undefined || to < from ? undefined : { from, to };
};
