import * as z from 'zod';
import { nextCursor, pageQuery } from './common.ts';
import { FileInfo } from './files.ts';
import { Id, Sha256, Timestamp } from './ids.ts';
import { limits } from './limits.ts';

/** Why a checkpoint was made: by hand, on its own, for a build, or as the state that a restore left behind. */
export const CheckpointKind = z.enum(['manual', 'auto', 'build', 'restore']);
export type CheckpointKind = z.infer<typeof CheckpointKind>;

/** A state of the whole tree that can be read, compared, built and restored. */
export const Checkpoint = z
  .object({
    id: Id,
    seq: z.int().meta({ description: "Position in the project's event log of the state" }),
    treeHash: Sha256,
    name: z.string().nullable(),
    message: z.string().nullable(),
    kind: CheckpointKind,
    author: Id.nullable(),
    fileCount: z.int(),
    totalSize: z.int(),
    createdAt: Timestamp,
  })
  .meta({ id: 'Checkpoint' });
export type Checkpoint = z.infer<typeof Checkpoint>;

const name = z.string().trim().min(1).max(limits.checkpoint.nameMax);
const message = z.string().max(limits.checkpoint.messageMax);

export const CreateCheckpoint = z.strictObject({
  name: name.optional().meta({ description: 'A named checkpoint is kept for ever' }),
  message: message.optional(),
});
export const UpdateCheckpoint = z.strictObject({
  name: name.nullable().optional(),
  message: message.nullable().optional(),
});
export type UpdateCheckpoint = z.infer<typeof UpdateCheckpoint>;

export const CheckpointQuery = z.object({ ...pageQuery, kind: CheckpointKind.optional() });

export const CheckpointEnvelope = z.object({ checkpoint: Checkpoint });
export const CheckpointList = z.object({ checkpoints: z.array(Checkpoint), nextCursor });

/** A file as it was then. */
export const CheckpointFile = FileInfo.pick({ path: true, size: true, hash: true, mimeType: true, isText: true }).meta({
  id: 'CheckpointFile',
});
export type CheckpointFile = z.infer<typeof CheckpointFile>;

export const CheckpointDetail = z.object({ checkpoint: Checkpoint.extend({ files: z.array(CheckpointFile) }) });

export const CheckpointFileContent = z.object({
  file: CheckpointFile.extend({ content: z.string(), encoding: z.enum(['utf-8', 'base64']) }),
});

export const DiffQuery = z.object({
  against: z
    .union([Id, z.literal('head')])
    .default('head')
    .meta({ description: 'The newer side: another checkpoint, or the newest state' }),
});

export const Diff = z.object({
  added: z.array(CheckpointFile),
  removed: z.array(CheckpointFile),
  modified: z.array(
    z.object({
      path: z.string(),
      before: CheckpointFile,
      after: CheckpointFile,
      patch: z.string().optional().meta({ description: 'Unified, for text that is not too large' }),
    }),
  ),
  truncated: z.boolean().meta({ description: 'Some patches were left out: the whole would be too large' }),
});

export const Restored = z.object({
  checkpoint: Checkpoint.meta({ description: 'The state before, to go back to' }),
  treeHash: Sha256,
  seq: z.int(),
  changed: z.int().meta({ description: 'Files that the restore wrote or removed' }),
});
