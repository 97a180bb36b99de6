import * as z from 'zod';
import { nextCursor, pageQuery, queryBoolean } from './common.ts';
import { Id, Sha256, Timestamp } from './ids.ts';
import { limits } from './limits.ts';
import { Author, Mentions, talkBody } from './talk.ts';

const position = z.int().min(0).max(limits.file.textMax);
/** A Yjs relative position (`Y.encodeRelativePosition`) as base64. */
const relative = z.base64().max(limits.comment.relativeMax);
const nodeId = z.string().min(1).max(limits.scene.idMax);
const pointer = z
  .string()
  .max(limits.comment.pointerMax)
  .regex(/^(?:\/(?:[^~/]|~[01])*)*$/, 'a JSON pointer (RFC 6901)');
const share = z.number().min(0).max(1);

/** A part of a picture. */
const region = {
  x: share.meta({ description: 'Of the width; the picture goes from 0 to 1' }),
  y: share,
  width: share,
  height: share,
};

/**
 * What a new comment is about. A text client that has the document open says it by relative positions,
 * which nobody's typing moves; whoever has only read it says UTF-16 offsets.
 */
export const NewAnchor = z.union([
  z.strictObject({ kind: z.literal('text'), from: position, to: position }),
  z.strictObject({ kind: z.literal('text'), start: relative, end: relative }),
  z.strictObject({ kind: z.literal('node'), node: nodeId, pointer: pointer.default('') }),
  z.strictObject({ kind: z.literal('region'), ...region }),
  z.strictObject({ kind: z.literal('asset'), asset: Id, ...region }),
]);
export type NewAnchor = z.infer<typeof NewAnchor>;

/** Where it is now. */
export const Anchor = z
  .discriminatedUnion('kind', [
    z.object({
      kind: z.literal('text'),
      from: position,
      to: position,
      start: z.string().nullable().meta({ description: 'Yjs relative position, base64; null without a live history' }),
      end: z.string().nullable(),
    }),
    z.object({
      kind: z.literal('node'),
      node: nodeId,
      pointer: z.string().meta({ description: 'JSON pointer within the node; empty for the whole' }),
    }),
    z.object({ kind: z.literal('region'), ...region }),
    z.object({
      kind: z.literal('asset'),
      asset: Id.meta({ description: 'An asset of the project: whatever its name and its newest version are' }),
      ...region,
    }),
  ])
  .meta({ id: 'Anchor' });
export type Anchor = z.infer<typeof Anchor>;

export const Reply = z
  .object({
    id: Id,
    author: Author,
    body: z.string(),
    mentions: z.array(Author),
    createdAt: Timestamp,
    editedAt: Timestamp.nullable(),
  })
  .meta({ id: 'Reply' });
export type Reply = z.infer<typeof Reply>;

/** A thread: the comment that began it, and its replies. */
export const Comment = Reply.extend({
  path: z.string().meta({
    description: 'Where its file is; where it was, for one that is gone. Of an asset where builds find it: `assets/…`',
  }),
  anchor: Anchor.nullable().meta({ description: 'Null for a comment on the whole file' }),
  quote: z.string().nullable().meta({ description: 'What stood there when it was written' }),
  orphaned: z.boolean().meta({ description: 'What it was about is gone: text, node, file or asset' }),
  seq: z.int().meta({ description: 'Newest event of the project when it was written' }),
  checkpointId: Id.nullable().meta({ description: 'Newest checkpoint when it was written' }),
  resolvedAt: Timestamp.nullable(),
  resolvedBy: Author.nullable(),
  replies: z.array(Reply).meta({ description: 'Oldest first' }),
}).meta({ id: 'Comment' });
export type Comment = z.infer<typeof Comment>;

const body = talkBody(limits.comment.bodyMax);

export const NewComment = z
  .strictObject({
    path: z.string().min(1).max(limits.file.pathMax).optional().meta({ description: 'Of the file; an asset has none' }),
    anchor: NewAnchor.optional(),
    body,
    mentions: Mentions,
  })
  .refine(({ path, anchor }) => (path === undefined) === (anchor?.kind === 'asset'), {
    path: ['path'],
    message: 'names a file, unless the anchor names an asset',
  })
  .meta({ example: { path: 'src/main.ts', anchor: { kind: 'text', from: 0, to: 12 }, body: 'Why twice?' } });
export type NewComment = z.infer<typeof NewComment>;
/** The same once it is known where the asset stands. */
export type CreateComment = NewComment & { readonly path: string };

export const CreateReply = z.strictObject({ body, mentions: Mentions });
export type CreateReply = z.infer<typeof CreateReply>;

export const UpdateComment = z
  .strictObject({
    resolved: z.boolean().optional().meta({ description: 'Of a thread' }),
    body: body.optional().meta({ description: "The author's own words" }),
    mentions: z.array(Id).max(limits.talk.mentionsMax).optional(),
  })
  .refine(({ resolved, body: text }) => resolved !== undefined || text !== undefined, 'resolved, or a body')
  .refine(({ mentions, body: text }) => mentions === undefined || text !== undefined, {
    path: ['mentions'],
    message: 'come with a body',
  })
  .meta({ example: { resolved: true } });
export type UpdateComment = z.infer<typeof UpdateComment>;

export const CommentQuery = z.object({
  ...pageQuery,
  path: z.string().max(limits.file.pathMax).optional().meta({ description: 'Of one file' }),
  asset: Id.optional().meta({ description: 'Of one asset' }),
  resolved: queryBoolean.optional().meta({ description: 'Only resolved threads, or only open ones' }),
});
export type CommentQuery = z.infer<typeof CommentQuery>;

export const CommentEnvelope = z.object({ comment: Comment });
export const ReplyEnvelope = z.object({ reply: Reply });
/** Newest threads first. */
export const CommentList = z.object({ comments: z.array(Comment), nextCursor });

/** As `Anchor`, where there is no live history: offsets hold in the text with that hash, in others the quote is looked for. */
const CarriedAnchor = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('text'), from: position, to: position, hash: Sha256.nullable() }),
  z.object({ kind: z.literal('node'), node: nodeId, pointer }),
  z.object({ kind: z.literal('region'), ...region }),
  /** The `path` of its comment says which asset of the other project it is. */
  z.object({ kind: z.literal('asset'), asset: Id, ...region }),
]);

/** A thread on its way to another project. */
const carried = <A extends z.ZodType>(author: A) => {
  const said = { id: Id, author, body, mentions: z.array(author).max(limits.talk.mentionsMax) };
  return z.object({
    ...said,
    path: z.string().min(1).max(limits.file.pathMax),
    anchor: CarriedAnchor.nullable(),
    quote: z.string().max(limits.comment.quoteMax).nullable(),
    checkpointId: Id.nullable(),
    createdAt: Timestamp,
    editedAt: Timestamp.nullable(),
    resolvedAt: Timestamp.nullable(),
    resolvedBy: author.nullable(),
    replies: z
      .array(z.object({ ...said, createdAt: Timestamp, editedAt: Timestamp.nullable() }))
      .max(limits.comment.repliesMax),
  });
};

/** In an archive people have names only: who they are elsewhere nobody can prove. */
const Signature = z.object({
  username: z.string().max(limits.auth.usernameMax),
  displayName: z.string().max(limits.auth.displayNameMax),
});
export const ArchivedComment = carried(Signature);
export type ArchivedComment = z.infer<typeof ArchivedComment>;
export type CarriedComment = z.infer<ReturnType<typeof carried<typeof Author>>>;

type Said<A> = { readonly author: A; readonly mentions: readonly A[] };
type Thread<A> = Said<A> & { readonly resolvedBy: A | null; readonly replies: readonly Said<A>[] };

/** The same thread, with each of its people as `map` has them. */
const withPeople = <A, B>(thread: Thread<A>, map: (person: A) => B): Thread<B> => {
  const said = (one: Said<A>): Said<B> => ({ ...one, author: map(one.author), mentions: one.mentions.map(map) });
  return {
    ...thread,
    ...said(thread),
    resolvedBy: thread.resolvedBy && map(thread.resolvedBy),
    replies: thread.replies.map(said),
  };
};

export const toArchived = (comment: CarriedComment): ArchivedComment =>
  withPeople(comment, ({ username, displayName }) => ({ username, displayName })) as ArchivedComment;
export const fromArchived = (comment: ArchivedComment): CarriedComment =>
  withPeople(comment, (person) => ({ userId: null, ...person })) as CarriedComment;
