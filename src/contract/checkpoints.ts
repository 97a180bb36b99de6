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
    assetCount: z
      .int()
      .nullable()
      .meta({ description: 'Assets that it has; null: it has none of them, and a restore leaves them as they are' }),
    assetSize: z.int().nullable().meta({ description: 'Bytes of those' }),
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

/** The version of an asset as a checkpoint names it. */
export const CheckpointAsset = z
  .object({
    assetId: Id,
    name: z.string().meta({ description: 'As it was called then' }),
    version: z.int(),
    size: z.int().nullable(),
    hash: Sha256.nullable().meta({ description: 'null: somebody erased the asset for good' }),
    mimeType: z.string().nullable(),
  })
  .meta({ id: 'CheckpointAsset' });
export type CheckpointAsset = z.infer<typeof CheckpointAsset>;

export const CheckpointDetail = z.object({
  checkpoint: Checkpoint.extend({
    files: z.array(CheckpointFile),
    assets: z.array(CheckpointAsset).nullable().meta({ description: 'null: it names none' }),
  }),
});

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
  assets: z
    .object({
      added: z.array(CheckpointAsset),
      removed: z.array(CheckpointAsset),
      modified: z.array(z.object({ before: CheckpointAsset, after: CheckpointAsset })),
    })
    .nullable()
    .meta({
      description: 'Assets that came, went, or have other bytes or another name; null: one of the two names none',
    }),
});
export type Diff = z.infer<typeof Diff>;

/** What became of the assets in a restore. */
export const RestoredAssets = z
  .object({
    isPending: z
      .boolean()
      .meta({ description: 'The database was away at that moment: they follow, and are not counted' }),
    restored: z.int().meta({ description: 'That have their bytes or name of then again, or came out of the trash' }),
    trashed: z.int().meta({ description: 'That were not there then, and are in the trash' }),
    missing: z
      .array(z.object({ assetId: Id, name: z.string(), version: z.int() }))
      .meta({ description: 'What cannot be brought back, because somebody erased it for good' }),
  })
  .meta({ id: 'RestoredAssets' });
export type RestoredAssets = z.infer<typeof RestoredAssets>;

export const Restored = z.object({
  checkpoint: Checkpoint.meta({ description: 'The state before, to go back to' }),
  treeHash: Sha256,
  seq: z.int(),
  changed: z.int().meta({ description: 'Files that the restore wrote or removed' }),
  assets: RestoredAssets.nullable().meta({ description: 'null: the checkpoint names none, so they are as they were' }),
});
