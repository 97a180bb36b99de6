import * as z from 'zod';
import { Checkpoint } from './checkpoints.ts';
import { Id, Sha256 } from './ids.ts';
import { limits } from './limits.ts';

const Take = z.enum(['ours', 'theirs']);

/** What to do with one conflict. */
export const MergeResolution = z.strictObject({
  path: z.string().max(limits.file.pathMax),
  take: z.union([Take, z.strictObject({ content: z.string().max(limits.file.textMax) })]),
});
export type MergeResolution = z.infer<typeof MergeResolution>;

export const MergeBody = z.strictObject({
  from: Id.meta({ description: 'The fork that comes home, or the project that a fork follows' }),
  preview: z
    .boolean()
    .default(false)
    .meta({ description: 'Apply nothing; the result becomes a checkpoint that can be built' }),
  resolutions: z.array(MergeResolution).max(limits.project.filesMax).default([]),
  takeAll: Take.optional().meta({ description: 'For every conflict that has no resolution of its own' }),
  message: z.string().max(limits.checkpoint.messageMax).optional(),
});
export type MergeBody = z.infer<typeof MergeBody>;

/** One side of a conflict; null: there is no such file on that side. */
export const MergeSide = z
  .object({
    path: z.string(),
    hash: Sha256,
    size: z.int(),
    isText: z.boolean(),
    content: z.string().optional().meta({ description: 'Of text that is not too large' }),
  })
  .nullable();

export const MergeConflict = z
  .object({
    path: z.string(),
    kind: z.enum(['text', 'json', 'binary', 'delete-modify', 'add-add', 'move', 'path']),
    base: MergeSide,
    ours: MergeSide,
    theirs: MergeSide,
    merged: z
      .string()
      .optional()
      .meta({ description: 'Text with conflict markers; JSON with ours in the fields in conflict' }),
    fields: z
      .array(
        z.object({
          pointer: z.string().meta({ description: 'RFC 6901' }),
          base: z.unknown().optional(),
          ours: z.unknown().optional(),
          theirs: z.unknown().optional(),
        }),
      )
      .readonly()
      .optional(),
    reason: z.string().optional(),
  })
  .meta({ id: 'MergeConflict' });
export type MergeConflict = z.infer<typeof MergeConflict>;

export const MergeChangeInfo = z.object({
  op: z.enum(['put', 'delete', 'move']),
  path: z.string(),
  from: z.string().optional(),
});

export const MergeAnswer = z.object({
  applied: z.boolean(),
  conflicts: z
    .array(MergeConflict)
    .meta({ description: 'Those without a resolution; nothing is applied while there are any' }),
  changes: z.array(MergeChangeInfo).meta({ description: 'What the merge does to this project' }),
  checkpoint: Checkpoint.nullable().meta({
    description:
      'The merged state: of this project now, or of a preview, to be built and played. Null while there are conflicts.',
  }),
});
export type MergeAnswer = z.infer<typeof MergeAnswer>;
