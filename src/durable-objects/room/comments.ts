import type * as Y from 'yjs';
import { assetsRoot } from '../../contract/archives.ts';
import type {
  CarriedComment,
  Comment,
  CommentQuery,
  CreateComment,
  Reply,
  UpdateComment,
} from '../../contract/comments.ts';
import { KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import type { Access } from '../../contract/projects.ts';
import { isScenePath } from '../../contract/scene.ts';
import type { Author } from '../../contract/talk.ts';
import { type AnchoredFile, bound, find, type KeptAnchor, locate, type Taken, take } from '../../core/anchors.ts';
import { readScene } from '../../core/scene/read.ts';
import { CommentStore, type KeptComment, type KeptReply, shownReply, shownThread } from './comment-store.ts';
import type { RoomStore } from './store.ts';
import type { StoredFile } from './tree-store.ts';

export interface CommentPorts {
  /** A file with a history, as anchors look at it, edits of this moment included; null for one without. */
  look<T>(file: StoredFile, work: (seen: AnchoredFile) => T): T | null;
  /** Text of a file. */
  text(file: StoredFile): Promise<string>;
  /** The newest checkpoint. */
  checkpoint(): string | null;
}

/** Who asks. */
export interface Commenter {
  readonly userId: string;
  readonly access: Access;
}

/** Comments on files, in threads. [R13] */
export class Comments {
  readonly #store: RoomStore;
  readonly #rows: CommentStore;
  readonly #ports: CommentPorts;

  constructor(store: RoomStore, ports: CommentPorts) {
    this.#store = store;
    this.#rows = new CommentStore(store);
    this.#ports = ports;
  }

  async list(query: CommentQuery): Promise<{ comments: Comment[]; nextCursor: string | null }> {
    const file = query.path === undefined ? undefined : this.#store.files.tree.get(query.path);
    const { threads, nextCursor } = this.#rows.list(query, file?.id ?? null);
    const comments: Comment[] = [];
    const texts = new Map<number, AnchoredFile | null>();
    for (const thread of threads) comments.push(await this.#shown(thread, texts));
    return { comments, nextCursor };
  }

  /** Throws `not_found`. */
  async get(id: string): Promise<Comment> {
    return await this.#shown(this.#thread(id), new Map());
  }

  /** Throws `not_found`, `validation_failed`, `quota_exceeded`. */
  async create(input: CreateComment, author: Author, mentions: readonly Author[]): Promise<Comment> {
    const place = await this.#placeOf(input);
    const comment: KeptComment = {
      id: newId(),
      ...place,
      author,
      body: input.body,
      mentions,
      at: this.#store.now(),
      editedAt: null,
      seq: this.#store.events.seq,
      checkpoint: this.#ports.checkpoint(),
      resolvedAt: null,
      resolvedBy: null,
    };
    const shown = await this.#shown(comment, new Map());
    this.#store.transaction(() => {
      // The file may have gone while its text was fetched.
      const { file } = place;
      this.#rows.add(file === null || this.#store.files.byId(file) ? comment : { ...comment, file: null });
      this.#store.emit('comment.created', author.userId, { comment: shown });
    });
    return shown;
  }

  /** Throws `not_found`, `quota_exceeded`. */
  reply(id: string, body: string, author: Author, mentions: readonly Author[]): Reply {
    const thread = this.#thread(id);
    const reply: KeptReply = {
      id: newId(),
      comment: id,
      author,
      body,
      mentions,
      at: this.#store.now(),
      editedAt: null,
    };
    this.#store.transaction(() => {
      this.#rows.addReply(reply);
      this.#store.emit('comment.replied', author.userId, { id, path: this.#pathOf(thread), reply: shownReply(reply) });
    });
    return shownReply(reply);
  }

  /** Of a thread or a reply; the thread is answered. Throws `not_found`, `forbidden`, `validation_failed`, `quota_exceeded`. */
  async update(
    id: string,
    { body, resolved }: UpdateComment,
    author: Author,
    mentions: readonly Author[],
  ): Promise<Comment> {
    const { thread, reply } = this.#entry(id);
    const entry = reply ?? thread;
    if (resolved !== undefined && reply)
      throw new KilnError('validation_failed', { issues: [{ path: 'body.resolved', message: 'a reply has none' }] });
    if (body !== undefined && entry.author.userId !== author.userId)
      throw new KilnError('forbidden', { detail: 'These are the words of somebody else.' });
    const at = this.#store.now();
    const path = this.#pathOf(thread);
    this.#store.transaction(() => {
      if (body !== undefined) {
        this.#rows.rewrite(entry, body, mentions, at);
        this.#store.emit('comment.updated', author.userId, {
          id: thread.id,
          path,
          replyId: reply?.id ?? null,
          body,
          mentions: [...mentions],
          editedAt: new Date(at).toISOString(),
        });
      }
      if (resolved !== undefined && resolved !== (thread.resolvedAt !== null)) {
        this.#rows.resolve(id, resolved ? at : null, resolved ? author : null);
        this.#store.emit('comment.resolved', author.userId, { id, path, resolved });
      }
    });
    return await this.get(thread.id);
  }

  /** Throws `not_found`, `forbidden`. */
  delete(id: string, { userId, access }: Commenter): void {
    const { thread, reply } = this.#entry(id);
    if ((reply ?? thread).author.userId !== userId && access !== 'owner')
      throw new KilnError('forbidden', { detail: 'Its author may delete it, and the owner of the project.' });
    this.#store.transaction(() => {
      this.#rows.delete(id);
      this.#store.emit('comment.deleted', userId, {
        id: thread.id,
        path: this.#pathOf(thread),
        replyId: reply?.id ?? null,
      });
    });
  }

  // ── What becomes of anchors; inside the transaction of the change ───────────────────────────────

  /** A text has a live history: passages hang on it from now on. `docOf` is asked when there are any; null: it is no text. */
  bind(file: StoredFile, docOf: () => Y.Doc | null, textOf: (doc: Y.Doc) => string): void {
    let text: string | undefined;
    for (const { id, anchor, quote } of this.#rows.onFile(file.id)) {
      if (anchor?.kind !== 'text' || anchor.start !== undefined) continue;
      const doc = docOf();
      if (doc === null) return;
      text ??= textOf(doc);
      const { from, to, orphaned } = locate(anchor, quote, { hash: file.hash, text, doc: null, nodes: null });
      if (!orphaned) this.#rows.anchor(id, { ...anchor, from, to, hash: file.hash, ...bound(doc, from, to) });
    }
  }

  /** The history of a text ends: passages are where they are in its last text. */
  release(file: StoredFile): void {
    const threads = this.#rows.onFile(file.id).filter(({ anchor }) => anchor?.kind === 'text' && anchor.start);
    if (threads.length === 0) return;
    this.#ports.look(file, (seen) => {
      for (const { id, anchor, quote } of threads) this.#rows.anchor(id, loose(anchor as KeptAnchor, quote, seen));
    });
  }

  /** Its file is gone; a later one at this path takes them over. */
  detach(file: StoredFile): void {
    this.#rows.detach(file.id, file.path);
  }

  attach(file: StoredFile): void {
    this.#rows.attach(file.id, file.path);
  }

  // ── To and from other projects ──────────────────────────────────────────────────────────────────

  /** All of them, as of this moment; edits are flushed before. */
  carry(): CarriedComment[] {
    const threads = this.#rows.all();
    const anchors = new Map<string, KeptAnchor>();
    for (const [id, group] of Map.groupBy(threads, ({ file }) => file)) {
      const file = id === null ? undefined : this.#store.files.byId(id);
      if (!file || !group.some(({ anchor }) => anchor?.kind === 'text' && anchor.start !== undefined)) continue;
      this.#ports.look(file, (seen) => {
        for (const thread of group) if (thread.anchor) anchors.set(thread.id, loose(thread.anchor, thread.quote, seen));
      });
    }
    return threads.map((thread) => ({
      ...shownThread(thread, this.#rows.replies(thread.id)),
      path: this.#pathOf(thread),
      anchor: carried(anchors.get(thread.id) ?? thread.anchor),
    }));
  }

  /** The comments of a new project, whose tree is there. Throws `quota_exceeded`. */
  adopt(comments: readonly CarriedComment[]): void {
    for (const comment of comments) {
      const { id, path, anchor, quote, author, body, mentions, checkpointId, resolvedBy } = comment;
      const at = (text: string | null): number | null => (text === null ? null : Date.parse(text));
      this.#rows.add({
        id,
        file: anchor?.kind === 'asset' ? null : (this.#store.files.tree.get(path)?.id ?? null),
        path,
        anchor,
        quote,
        author,
        body,
        mentions,
        at: Date.parse(comment.createdAt),
        editedAt: at(comment.editedAt),
        seq: this.#store.events.seq,
        checkpoint: checkpointId,
        resolvedAt: at(comment.resolvedAt),
        resolvedBy,
      });
      for (const reply of comment.replies)
        this.#rows.addReply({
          id: reply.id,
          comment: id,
          author: reply.author,
          body: reply.body,
          mentions: reply.mentions,
          at: Date.parse(reply.createdAt),
          editedAt: at(reply.editedAt),
        });
    }
  }

  // ── Inside ──────────────────────────────────────────────────────────────────────────────────────

  #thread(id: string): KeptComment {
    const thread = this.#rows.thread(id);
    if (!thread) throw new KilnError('not_found', { detail: 'There is no such comment.' });
    return thread;
  }

  #entry(id: string): { thread: KeptComment; reply: KeptReply | undefined } {
    const reply = this.#rows.reply(id);
    return { thread: this.#thread(reply?.comment ?? id), reply };
  }

  #pathOf({ file, path }: KeptComment): string {
    return (file === null ? undefined : this.#store.files.byId(file)?.path) ?? path;
  }

  /** Where a new comment stands. That there is such an asset its sender has made sure of. */
  async #placeOf(input: CreateComment): Promise<Pick<KeptComment, 'file' | 'path' | 'anchor' | 'quote'>> {
    const { path, anchor } = input;
    if (anchor?.kind === 'asset') return { file: null, path, anchor, quote: path.slice(assetsRoot.length) };
    const file = this.#store.files.tree.get(path);
    if (!file) throw new KilnError('not_found', { detail: 'There is no such file.' });
    return { file: file.id, path: file.path, ...(await this.#taken(file, input)) };
  }

  async #taken(file: StoredFile, { anchor }: CreateComment): Promise<Taken | { anchor: null; quote: null }> {
    if (!anchor) return { anchor: null, quote: null };
    const seen = await this.#seen(file, (view) => take(anchor, view));
    if (typeof seen === 'string')
      throw new KilnError('validation_failed', { issues: [{ path: 'body.anchor', message: seen }] });
    return seen;
  }

  /** Looks at a file as it is now, at one moment. */
  async #seen<T>(file: StoredFile, work: (seen: AnchoredFile) => T): Promise<T> {
    const live = this.#ports.look(file, work);
    if (live !== null) return live;
    return work(await this.#plain(file));
  }

  async #plain(file: StoredFile): Promise<AnchoredFile> {
    const text = file.isText ? await this.#ports.text(file) : null;
    const scene = text !== null && isScenePath(file.path) ? readScene(text) : null;
    const nodes = scene?.isScene && isObject(scene.value.nodes) ? scene.value.nodes : null;
    return { hash: file.hash, text, doc: null, nodes };
  }

  async #shown(thread: KeptComment, texts: Map<number, AnchoredFile | null>): Promise<Comment> {
    const file = thread.file === null ? undefined : this.#store.files.byId(thread.file);
    const { anchor, quote } = thread;
    const place = (seen: AnchoredFile | null) =>
      anchor ? find(anchor, quote, seen) : { anchor: null, orphaned: file === undefined };
    let found = file && anchor ? this.#ports.look(file, place) : null;
    if (!found && file && anchor) {
      const seen = texts.get(file.id) ?? (await this.#plain(file));
      texts.set(file.id, seen);
      found = place(seen);
    }
    return {
      ...shownThread(thread, this.#rows.replies(thread.id)),
      path: this.#pathOf(thread),
      ...(found ?? place(null)),
      seq: thread.seq,
    };
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Positions in the history of this room mean nothing in another. */
const carried = (anchor: KeptAnchor | null): CarriedComment['anchor'] =>
  anchor?.kind === 'text' ? { kind: 'text', from: anchor.from, to: anchor.to, hash: anchor.hash } : anchor;

/** An anchor that needs no history. */
function loose(anchor: KeptAnchor, quote: string | null, seen: AnchoredFile): KeptAnchor {
  if (anchor.kind !== 'text' || anchor.start === undefined) return anchor;
  const { from, to } = locate(anchor, quote, seen);
  return { kind: 'text', from, to, hash: seen.hash };
}
