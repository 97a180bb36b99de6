import type { CarriedComment, Comment, CommentQuery, Reply } from '../../contract/comments.ts';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Author } from '../../contract/talk.ts';
import type { KeptAnchor } from '../../core/anchors.ts';
import { decodeCursor, page } from '../../data/cursor.ts';
import type { RoomStore } from './store.ts';

/** A thread as it is kept, without its replies. */
export interface KeptComment {
  readonly id: string;
  /** Null while there is no file at its path. */
  readonly file: number | null;
  readonly path: string;
  readonly anchor: KeptAnchor | null;
  readonly quote: string | null;
  readonly author: Author;
  readonly body: string;
  readonly mentions: readonly Author[];
  readonly at: number;
  readonly editedAt: number | null;
  readonly seq: number;
  readonly checkpoint: string | null;
  readonly resolvedAt: number | null;
  readonly resolvedBy: Author | null;
}

export interface KeptReply extends Pick<KeptComment, 'id' | 'author' | 'body' | 'mentions' | 'at' | 'editedAt'> {
  /** Of the thread. */
  readonly comment: string;
}

interface Row {
  id: string;
  file: number | null;
  path: string;
  anchor: string | null;
  quote: string | null;
  author: string;
  body: string;
  mentions: string;
  at: number;
  edited_at: number | null;
  seq: number;
  checkpoint: string | null;
  resolved_at: number | null;
  resolved_by: string | null;
}

interface ReplyRow {
  id: string;
  comment: string;
  author: string;
  body: string;
  mentions: string;
  at: number;
  edited_at: number | null;
}

const toComment = (row: Row): KeptComment => ({
  id: row.id,
  file: row.file,
  path: row.path,
  anchor: row.anchor === null ? null : (JSON.parse(row.anchor) as KeptAnchor),
  quote: row.quote,
  author: JSON.parse(row.author) as Author,
  body: row.body,
  mentions: JSON.parse(row.mentions) as Author[],
  at: row.at,
  editedAt: row.edited_at,
  seq: row.seq,
  checkpoint: row.checkpoint,
  resolvedAt: row.resolved_at,
  resolvedBy: row.resolved_by === null ? null : (JSON.parse(row.resolved_by) as Author),
});

const toReply = (row: ReplyRow): KeptReply => ({
  id: row.id,
  comment: row.comment,
  author: JSON.parse(row.author) as Author,
  body: row.body,
  mentions: JSON.parse(row.mentions) as Author[],
  at: row.at,
  editedAt: row.edited_at,
});

const time = (at: number): string => new Date(at).toISOString();
const timeOrNull = (at: number | null): string | null => (at === null ? null : time(at));

/** A reply as people see it. */
export const shownReply = ({ id, author, body, mentions, at, editedAt }: KeptReply): Reply => ({
  id,
  author,
  body,
  mentions: [...mentions],
  createdAt: time(at),
  editedAt: timeOrNull(editedAt),
});

/** What of a thread is the same wherever it is shown. */
export const shownThread = (comment: KeptComment, replies: readonly KeptReply[]) =>
  ({
    id: comment.id,
    author: comment.author,
    body: comment.body,
    mentions: [...comment.mentions],
    createdAt: time(comment.at),
    editedAt: timeOrNull(comment.editedAt),
    quote: comment.quote,
    checkpointId: comment.checkpoint,
    resolvedAt: timeOrNull(comment.resolvedAt),
    resolvedBy: comment.resolvedBy,
    replies: replies.map(shownReply),
  }) satisfies Partial<Comment> & Partial<CarriedComment>;

/** Bytes that an entry takes of its project's share: about what it is in an archive. */
const sizeOf = (entry: object): number => new TextEncoder().encode(JSON.stringify(entry)).length + 100;

/** The asset that a comment is about; null for one on a file. Only such an anchor has the field. */
const assetOf = "json_extract(anchor, '$.asset')";

/** Rows of threads and replies. What changes something runs inside the caller's transaction. */
export class CommentStore {
  readonly #store: RoomStore;

  constructor(store: RoomStore) {
    this.#store = store;
  }

  thread(id: string): KeptComment | undefined {
    return this.#store.sql.all<Row>('SELECT * FROM comments WHERE id = ?', id).map(toComment)[0];
  }

  reply(id: string): KeptReply | undefined {
    return this.#store.sql.all<ReplyRow>('SELECT * FROM replies WHERE id = ?', id).map(toReply)[0];
  }

  replies(comment: string): KeptReply[] {
    return this.#store.sql.all<ReplyRow>('SELECT * FROM replies WHERE comment = ? ORDER BY id', comment).map(toReply);
  }

  /** Newest first. `file`: of that file; null: of the path that has none. */
  list(query: CommentQuery, file: number | null): { threads: KeptComment[]; nextCursor: string | null } {
    const rows = this.#store.sql.all<Row>(
      `SELECT * FROM comments WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR (file IS NOT NULL AND file = ?3) OR (file IS NULL AND path = ?2 AND ${assetOf} IS NULL))
       AND (?4 IS NULL OR (resolved_at IS NOT NULL) = ?4) AND (?5 IS NULL OR ${assetOf} = ?5) ORDER BY id DESC LIMIT ?6`,
      query.cursor === undefined ? null : decodeCursor(query.cursor, 'string').id,
      query.path ?? null,
      file,
      query.resolved === undefined ? null : Number(query.resolved),
      query.asset ?? null,
      query.limit + 1,
    );
    const cut = page(rows, query.limit, ({ id }) => ({ value: id, id }));
    return { threads: cut.rows.map(toComment), nextCursor: cut.nextCursor };
  }

  all(): KeptComment[] {
    return this.#store.sql.all<Row>('SELECT * FROM comments ORDER BY id').map(toComment);
  }

  onFile(file: number): KeptComment[] {
    return this.#store.sql.all<Row>('SELECT * FROM comments WHERE file = ?', file).map(toComment);
  }

  /** Throws `quota_exceeded`. */
  add(comment: KeptComment): void {
    const { sql } = this.#store;
    const [row] = sql.all<{ n: number }>('SELECT count(*) AS n FROM comments');
    if ((row?.n ?? 0) >= limits.comment.threadsMax)
      throw new KilnError('quota_exceeded', {
        detail: `A project has at most ${limits.comment.threadsMax} comments, resolved ones included.`,
      });
    const anchor = comment.anchor && JSON.stringify(comment.anchor);
    sql.run(
      `INSERT INTO comments (id, file, path, anchor, quote, author, body, mentions, at, edited_at, seq, checkpoint, resolved_at, resolved_by, size)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      comment.id,
      comment.file,
      comment.path,
      anchor,
      comment.quote,
      JSON.stringify(comment.author),
      comment.body,
      JSON.stringify(comment.mentions),
      comment.at,
      comment.editedAt,
      comment.seq,
      comment.checkpoint,
      comment.resolvedAt,
      comment.resolvedBy && JSON.stringify(comment.resolvedBy),
      sizeOf(comment),
    );
    this.#refuseBulk();
  }

  /** Throws `quota_exceeded`. */
  addReply(reply: KeptReply): void {
    const { sql } = this.#store;
    const [row] = sql.all<{ n: number }>('SELECT count(*) AS n FROM replies WHERE comment = ?', reply.comment);
    if ((row?.n ?? 0) >= limits.comment.repliesMax)
      throw new KilnError('quota_exceeded', {
        detail: `A thread has at most ${limits.comment.repliesMax} replies: begin another.`,
      });
    sql.run(
      'INSERT INTO replies (id, comment, author, body, mentions, at, edited_at, size) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      reply.id,
      reply.comment,
      JSON.stringify(reply.author),
      reply.body,
      JSON.stringify(reply.mentions),
      reply.at,
      reply.editedAt,
      sizeOf(reply),
    );
    this.#refuseBulk();
  }

  /** New words of a thread or a reply. Throws `quota_exceeded`. */
  rewrite(entry: KeptComment | KeptReply, body: string, mentions: readonly Author[], at: number): void {
    this.#store.sql.run(
      `UPDATE ${'comment' in entry ? 'replies' : 'comments'} SET body = ?, mentions = ?, edited_at = ?, size = ? WHERE id = ?`,
      body,
      JSON.stringify(mentions),
      at,
      sizeOf({ ...entry, body, mentions, editedAt: at }),
      entry.id,
    );
    this.#refuseBulk();
  }

  resolve(id: string, at: number | null, by: Author | null): void {
    this.#store.sql.run(
      'UPDATE comments SET resolved_at = ?, resolved_by = ? WHERE id = ?',
      at,
      by && JSON.stringify(by),
      id,
    );
  }

  delete(id: string): void {
    this.#store.sql.run('DELETE FROM replies WHERE comment = ?1 OR id = ?1', id);
    this.#store.sql.run('DELETE FROM comments WHERE id = ?', id);
  }

  anchor(id: string, anchor: KeptAnchor): void {
    this.#store.sql.run('UPDATE comments SET anchor = ? WHERE id = ?', JSON.stringify(anchor), id);
  }

  /** A file went, and left its path behind. */
  detach(file: number, path: string): void {
    this.#store.sql.run('UPDATE comments SET file = NULL, path = ? WHERE file = ?', path, file);
  }

  /** A file came to a path where comments wait for one. */
  attach(file: number, path: string): void {
    this.#store.sql.run(
      `UPDATE comments SET file = ? WHERE file IS NULL AND path = ? AND ${assetOf} IS NULL`,
      file,
      path,
    );
  }

  #refuseBulk(): void {
    const [row] = this.#store.sql.all<{ size: number }>(
      'SELECT (SELECT coalesce(sum(size), 0) FROM comments) + (SELECT coalesce(sum(size), 0) FROM replies) AS size',
    );
    if ((row?.size ?? 0) > limits.comment.totalBytes)
      throw new KilnError('quota_exceeded', {
        detail: `All comments of a project take at most ${limits.comment.totalBytes} bytes.`,
      });
  }
}
