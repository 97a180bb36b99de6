import { z } from 'zod';
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
