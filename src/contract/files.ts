import * as z from 'zod';
import { queryBoolean } from './common.ts';
import { Id, Sha256, Timestamp } from './ids.ts';
import { limits } from './limits.ts';

/** A file of the working tree, without its content. */
export const FileInfo = z
  .object({
    path: z.string(),
    size: z.int(),
    hash: Sha256,
    mimeType: z.string(),
    isText: z.boolean(),
    updatedAt: Timestamp,
    updatedBy: Id.nullable(),
    seq: z.int().meta({ description: "Position in the project's event log of the last change" }),
  })
  .meta({ id: 'File' });
export type FileInfo = z.infer<typeof FileInfo>;

export const Encoding = z.enum(['utf-8', 'base64']);

export const FileWithContent = FileInfo.extend({ content: z.string(), encoding: Encoding }).meta({
  id: 'FileWithContent',
});
export type FileWithContent = z.infer<typeof FileWithContent>;

export const FileEnvelope = z.object({ file: FileInfo });
export const FileContentEnvelope = z.object({ file: FileWithContent });
export const FileList = z.object({ files: z.array(FileInfo), seq: z.int() });

/** Base64 of the largest file is 4/3 of it; the cap of the JSON body is smaller and checked first. */
export const WriteFile = z.strictObject({
  content: z.string().max(Math.ceil(limits.file.sizeMax / 3) * 4),
  encoding: Encoding.default('utf-8'),
});

export const FileListQuery = z.object({ prefix: z.string().max(limits.file.pathMax).optional() });
export const FileReadQuery = z.object({ raw: queryBoolean.default(false) });

/** A directory or file of the nested tree. Children are sorted by name, code unit by code unit. */
export interface TreeNode {
  name: string;
  type: 'directory' | 'file';
  path: string;
  children?: TreeNode[] | undefined;
  size?: number | undefined;
  hash?: string | undefined;
}

export const TreeNode: z.ZodType<TreeNode> = z
  .object({
    name: z.string(),
    type: z.enum(['directory', 'file']),
    path: z.string(),
    get children() {
      return z.array(TreeNode).optional();
    },
    size: z.int().optional(),
    hash: Sha256.optional(),
  })
  .meta({ id: 'TreeNode' });

export const Tree = z.object({
  tree: TreeNode,
  hash: Sha256.meta({ description: 'Content address of the whole tree' }),
  seq: z.int(),
});

const path = z.string().min(1).max(limits.file.pathMax);
const written = {
  path,
  content: WriteFile.shape.content.optional(),
  encoding: Encoding.optional(),
  hash: Sha256.optional().meta({ description: 'Instead of `content`: a blob that was uploaded to this project' }),
  ifMatch: z
    .string()
    .max(limits.http.conditionMax)
    .optional()
    .meta({ description: 'As the header: an entity tag of the file' }),
};

/** One change of a batch; each sees those before it. */
export const BatchOperation = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('put'), ...written }),
  z.strictObject({ op: z.literal('create'), ...written }),
  z.strictObject({ op: z.literal('delete'), path, ifMatch: written.ifMatch }),
  z.strictObject({ op: z.literal('move'), from: path, to: path }),
  z.strictObject({ op: z.literal('copy'), from: path, to: path }),
]);
export type BatchOperation = z.infer<typeof BatchOperation>;

export const Batch = z.strictObject({
  operations: z
    .array(
      BatchOperation.refine(
        (operation) =>
          (operation.op !== 'put' && operation.op !== 'create') ||
          (operation.content === undefined) !== (operation.hash === undefined),
        'exactly one of content and hash',
      ),
    )
    .min(1)
    .max(limits.batch.operationsMax),
  message: z.string().max(limits.batch.messageMax).optional(),
});

export const BatchResult = z.object({
  op: z.enum(['put', 'create', 'delete', 'move', 'copy']),
  path: z.string(),
  file: FileInfo.nullable().meta({ description: 'What the operation wrote; null for a delete and for directories' }),
  files: z.int().meta({ description: 'Files that it touched' }),
});
export type BatchResult = z.infer<typeof BatchResult>;
export const BatchAnswer = z.object({ results: z.array(BatchResult), seq: z.int() });

export const BlobHashes = z.strictObject({ hashes: z.array(Sha256).max(limits.blob.hashesMax) });
export const MissingBlobs = z.object({
  missing: z.array(Sha256).meta({ description: 'To be uploaded; the others may be named for a day' }),
});
export const BlobStored = z.object({ blob: z.object({ hash: Sha256, size: z.int(), isText: z.boolean() }) });
