import * as z from 'zod';
import { UploadParts } from './assets.ts';
import { ArchivedComment } from './comments.ts';
import { Id, Sha256 } from './ids.ts';
import { limits } from './limits.ts';
import { ProjectDescription, ProjectEnvelope, ProjectName, Settings } from './projects.ts';

/** By this a `kiln.json` is known for the manifest of an archive; any other is a file like others. */
export const manifestFormat = 'kiln-project';

/** Where the assets of a project are: in its archive and in its builds. */
export const assetsRoot = 'assets/';

/**
 * `kiln.json`: what an archive says of its project beside its files. Further parts of a project get
 * fields of their own, absent where it has none, and places outside `files.root`: whoever does not know
 * them passes over them. `version` rises when that would be wrong.
 */
export const ArchiveManifest = z
  .object({
    format: z.literal(manifestFormat),
    version: z.literal(1),
    name: ProjectName,
    description: ProjectDescription,
    settings: Settings,
    treeHash: Sha256.meta({ description: 'Of the tree that was exported; an edited archive has another' }),
    files: z.object({
      root: z
        .string()
        .max(limits.file.pathMax)
        .regex(/^(?:[^/]+\/)*$/)
        .meta({ description: 'The folder of the files: empty, or ending with a slash' }),
      verbatim: z.boolean().meta({ description: 'Nothing is passed over, whatever it is called' }),
    }),
    assets: z
      .object({
        root: z.literal(assetsRoot),
        hash: Sha256.meta({ description: 'Of names and contents as they were exported' }),
      })
      .optional()
      .meta({ description: 'Absent where there are none; the files are in a folder of their own then' }),
    comments: z
      .array(ArchivedComment)
      .max(limits.comment.threadsMax)
      .optional()
      .meta({ description: 'Absent where there are none. Authors are names, not accounts' }),
  })
  .meta({ id: 'ArchiveManifest' });
export type ArchiveManifest = z.infer<typeof ArchiveManifest>;

export const ImportQuery = z.object({
  name: ProjectName.optional().meta({ description: "Instead of the archive's own name for the project" }),
});

/** An archive that is too large for one request. */
export const CreateArchiveUpload = z.strictObject({
  size: z.int().min(1).max(limits.archive.partsBytes).meta({ description: 'Bytes' }),
  name: z.string().max(limits.file.segmentBytes).default('').meta({ description: 'Of the file' }),
  hash: Sha256.optional().meta({ description: 'Of the archive: by it an upload of the same file is taken up again' }),
});

/** The archive of such an upload. */
export const ImportUpload = z.strictObject({
  uploadId: Id,
  parts: UploadParts.shape.parts
    .optional()
    .meta({ description: 'Where the upload is `direct` and nobody told of its parts before' }),
});

export const ImportResult = ProjectEnvelope.extend({
  imported: z.object({
    files: z.int(),
    assets: z.int(),
    bytes: z.int().meta({ description: 'Unpacked' }),
    skipped: z
      .int()
      .meta({ description: 'Entries that were passed over, as `.git/` and `.DS_Store`; folders do not count' }),
  }),
});
