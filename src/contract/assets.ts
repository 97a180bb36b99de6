import * as z from 'zod';
import { nextCursor, pageQuery, queryBoolean } from './common.ts';
import { errorCodes } from './errors.ts';
import { Id, Sha256, Timestamp } from './ids.ts';
import { limits } from './limits.ts';
import { day } from './units.ts';

export const AssetType = z.enum(['image', 'audio', 'video', 'font', 'model', 'data', 'other']);
export type AssetType = z.infer<typeof AssetType>;

/** A file name; what a path segment may be is said in `src/core/paths.ts`. */
export const AssetName = z
  .string()
  .min(1)
  .max(limits.file.segmentBytes)
  .meta({ description: 'A file name without slashes; names that differ only in case are one' });

const count = z.int().nonnegative();
/**
 * What the bytes say of themselves, read when they are accepted. A field is absent where the format has no such
 * thing, or where it could not be read: that refuses nothing.
 */
export const AssetMetadata = z
  .looseObject({
    width: count.meta({ description: 'Pixels, as shown: a turned photograph is turned' }),
    height: count.meta({ description: 'Pixels' }),
    alpha: z.boolean().meta({ description: 'Whether its format keeps transparency for it' }),
    frames: count.meta({ description: 'Pictures of an animation' }),
    duration: z.number().nonnegative().meta({ description: 'Seconds' }),
    videoCodec: z.string().meta({ description: 'As `avc`, `vp9`, `av1`' }),
    audioCodec: z.string().meta({ description: 'As `aac`, `opus`, `mp3`, `pcm-s16`' }),
    sampleRate: count.meta({ description: 'Hertz' }),
    channels: count,
    family: z.string().meta({ description: 'Of a font, as `Press Start 2P`' }),
    style: z.string().meta({ description: 'Of a font, as `Bold Italic`' }),
    glyphs: count,
    scenes: count,
    nodes: count,
    meshes: count,
    materials: count,
    textures: count,
    animations: count,
    skins: count,
    vertices: count.meta({ description: 'Of all meshes, each counted once' }),
    triangles: count.meta({ description: 'Of all meshes, each counted once' }),
    extensions: z.array(z.string()).meta({ description: 'That a glTF model needs' }),
    optimized: z
      .object({
        format: z.string(),
        quality: z.int().nullable().meta({ description: 'null where nothing is lost' }),
        maxWidth: z.int().nullable(),
        maxHeight: z.int().nullable(),
        compressMeshes: z.boolean().optional().meta({ description: 'Of a model' }),
        savedBytes: z.int(),
      })
      .meta({ description: 'How this version was made of the one before it, where it was' }),
  })
  .partial()
  .meta({
    id: 'AssetMetadata',
    description: 'Fields are absent where the format has none, or where they cannot be read',
  });
export type AssetMetadata = z.infer<typeof AssetMetadata>;

export const Asset = z
  .object({
    id: Id,
    projectId: Id,
    name: z.string(),
    type: AssetType.meta({ description: 'From the bytes' }),
    mimeType: z.string(),
    size: z.int(),
    hash: Sha256,
    version: z.int().meta({ description: 'Counts up from 1' }),
    url: z.string().meta({ description: 'Of this version; of a private project it expires, so read the asset again' }),
    thumbnailUrl: z.string().nullable().meta({
      description:
        'A picture of at most 256 pixels a side where one can be made, else the picture itself; null: there is none',
    }),
    metadata: AssetMetadata,
    uploadedBy: Id,
    uploadedAt: Timestamp,
    deletedAt: Timestamp.nullable().meta({ description: 'Since when it is in the trash' }),
  })
  .meta({ id: 'Asset' });
export type Asset = z.infer<typeof Asset>;

export const AssetEnvelope = z.object({ asset: Asset });
export const AssetList = z.object({ assets: z.array(Asset), nextCursor });

export const AssetQuery = z.object({
  ...pageQuery,
  type: AssetType.optional(),
  q: z.string().max(limits.asset.searchMax).optional().meta({ description: 'Part of the name' }),
  trashed: queryBoolean.default(false).meta({ description: 'Those in the trash instead' }),
});
export type AssetQuery = z.infer<typeof AssetQuery>;

/** A file of a form. */
const file = z.string().meta({ format: 'binary' });

export const AssetUploadForm = z.object({
  projectId: Id,
  file,
  name: AssetName.optional().meta({ description: 'Instead of the file name' }),
  type: AssetType.optional().meta({ description: 'What it is expected to be' }),
});

export const AssetBatchForm = z.object({ projectId: Id, files: z.array(file) });

export const AssetBatchResult = z.object({
  assets: z.array(Asset),
  errors: z.array(z.object({ name: z.string(), code: z.enum(errorCodes), detail: z.string() })),
});
export type AssetBatchResult = z.infer<typeof AssetBatchResult>;

export const UpdateAsset = z.strictObject({ name: AssetName });

export const AssetVersion = z
  .object({
    version: z.int(),
    mimeType: z.string(),
    size: z.int(),
    hash: Sha256,
    url: z.string(),
    metadata: AssetMetadata,
    changes: z.record(z.string(), z.object({ from: z.json().nullable(), to: z.json().nullable() })).meta({
      description:
        'What differs from the version before it that is kept: fields of `metadata`, `size` and `mimeType`, null where there is none. Empty for the oldest.',
    }),
    uploadedBy: Id,
    uploadedAt: Timestamp,
  })
  .meta({ id: 'AssetVersion' });
export type AssetVersion = z.infer<typeof AssetVersion>;

export const AssetVersionList = z.object({ versions: z.array(AssetVersion) });

/** Formats in which pictures are written. */
export const PictureFormat = z.enum(['webp', 'avif', 'png', 'jpeg']);

const pixels = z.int().min(1).max(limits.variant.side);
/** How a picture is written anew. */
export const PictureOrder = z.strictObject({
  format: PictureFormat,
  quality: z.int().min(1).max(100).meta({ description: 'Of formats that lose something' }),
  maxWidth: pixels.nullable().meta({ description: 'Pixels; nothing is made larger' }),
  maxHeight: pixels.nullable(),
});
export type PictureOrder = z.infer<typeof PictureOrder>;

export const OptimizeAsset = z.strictObject({
  format: PictureFormat.optional().meta({
    description: 'Another one changes the extension of the name, too; its own unless said',
  }),
  quality: z
    .int()
    .min(1)
    .max(100)
    .default(limits.variant.quality)
    .meta({ description: 'Of formats that lose something' }),
  maxWidth: pixels.optional().meta({ description: 'Pixels; a larger picture is made smaller, in its proportions' }),
  maxHeight: pixels.optional().meta({ description: 'Pixels' }),
  compressMeshes: z.boolean().optional().meta({
    description: 'Of a model: also by EXT_meshopt_compression, which the loader of the game has to decode',
  }),
});
export type OptimizeAsset = z.infer<typeof OptimizeAsset>;
export const OptimizeResult = z.object({
  asset: Asset,
  savedBytes: z.int().meta({
    description: 'By which the new version is smaller; 0 where there is none, negative where another format is larger',
  }),
});

export const Optimization = z
  .object({
    id: Id,
    assetId: Id,
    version: z.int().meta({ description: 'Of the asset, that is made smaller' }),
    status: z.enum(['queued', 'running', 'done', 'failed']),
    savedBytes: z.int().meta({
      description:
        'Once it is done; 0: nothing was gained, and there is no new version; negative where another format is larger',
    }),
    errorCode: z.enum(errorCodes).nullable().meta({ description: 'Why it failed' }),
    createdAt: Timestamp,
    endedAt: Timestamp.nullable(),
  })
  .meta({
    id: 'Optimization',
    description:
      'An asset that a runner makes smaller: a drawing, a model, or a picture where Cloudflare Images is not bound',
  });
export type Optimization = z.infer<typeof Optimization>;
export const OptimizeQueued = z.object({
  asset: Asset,
  savedBytes: z.literal(0).meta({ description: 'So far' }),
  optimization: Optimization,
});
export const OptimizationState = z.object({
  asset: Asset,
  optimization: Optimization.nullable().meta({
    description: `The newest; null: none within ${limits.optimize.kept / day} days`,
  }),
});

export const PackAssets = z.strictObject({
  assetIds: z.array(Id).min(1).max(limits.atlas.pictures).meta({ description: 'Pictures of the project, each once' }),
  name: AssetName.meta({ description: 'Of both, before `.png` and `.json`' }),
  maxSize: z.int().min(16).max(limits.atlas.size).default(limits.atlas.size).meta({ description: 'Pixels a side' }),
  padding: z.int().min(0).max(limits.atlas.padding).default(2).meta({ description: 'Pixels between two pictures' }),
});
export type PackAssets = z.infer<typeof PackAssets>;
export const PackedAssets = z.object({
  image: Asset.meta({ description: 'The sheet, a PNG' }),
  atlas: Asset.meta({ description: 'Where each picture lies, by its name: a JSON hash, as Phaser and PixiJS load it' }),
});

export const CleanAssets = z.strictObject({
  dryRun: z.boolean().default(true).meta({ description: 'Only says what would go' }),
  keep: z
    .int()
    .min(1)
    .max(limits.asset.versionsKept)
    .default(limits.asset.versionsSpared)
    .meta({ description: 'Newest versions of each asset that stay, whatever their age' }),
  olderThanDays: z
    .int()
    .min(0)
    .max(limits.gc.ageMax / day)
    .default(limits.asset.versionTtl / day)
    .meta({ description: 'Younger versions stay' }),
});
export const CleanedAssets = z.object({
  dryRun: z.boolean(),
  versions: z
    .array(z.object({ assetId: Id, name: z.string(), version: z.int(), size: z.int(), uploadedAt: Timestamp }))
    .meta({ description: `The largest ${limits.asset.reported}` }),
  count: z.int().meta({ description: 'All of them' }),
  bytes: z.int().meta({ description: 'That they take' }),
  kept: z
    .object({ count: z.int(), bytes: z.int() })
    .meta({ description: 'As old, and kept because checkpoints name them; forget those and they can go' }),
});

/** What `asset.url` takes beside its token, for pictures: a copy of another width or format. */
export const VariantQuery = z.object({
  w: z.coerce
    .number()
    .refine(
      (width) => limits.variant.widths.includes(width as 64),
      `must be one of ${limits.variant.widths.join(', ')}`,
    )
    .optional(),
  format: PictureFormat.optional(),
});
export type VariantQuery = z.infer<typeof VariantQuery>;

const versionNumber = z.coerce.number().int().min(1).max(limits.asset.versionMax);
export const AssetDownloadQuery = z.object({
  version: versionNumber.optional().meta({ description: 'An earlier one; else the newest' }),
});

export const DeleteAssetQuery = z.object({
  permanent: queryBoolean.default(false).meta({ description: 'Now and for good, in place of the trash' }),
});

export const CreateUpload = z.strictObject({
  projectId: Id,
  name: AssetName,
  size: z.int().min(1).max(limits.upload.size),
  mimeType: z.string().max(limits.asset.mimeTypeMax).optional().meta({ description: 'What it is expected to be' }),
  hash: Sha256.optional().meta({ description: 'Checked in the end; one that the project has already needs no upload' }),
});
export type CreateUpload = z.infer<typeof CreateUpload>;

export const Upload = z
  .object({
    id: Id,
    projectId: Id.nullable().meta({ description: 'Null: an archive, which becomes a project of its own' }),
    name: z.string(),
    size: z.int(),
    status: z
      .enum(['open', 'pending', 'done', 'refused'])
      .meta({ description: '`pending`: all parts are there and are being verified' }),
    partSize: z.int().meta({ description: 'Of all parts but the last' }),
    direct: z.boolean().meta({
      description:
        'Parts go straight into the bucket. Tell which have arrived, by their tags, so that the upload can be taken up again',
    }),
    parts: z.array(
      z.object({
        number: z.int(),
        size: z.int(),
        url: z.string().meta({ description: 'PUT the bytes here; the address is signed' }),
        etag: z.string().nullable().meta({ description: 'Of the part that has arrived; null where none has' }),
      }),
    ),
    assetId: Id.nullable().meta({ description: 'Once it is done' }),
    errorCode: z.enum(errorCodes).nullable().meta({ description: 'Why it was refused' }),
    expiresAt: Timestamp,
  })
  .meta({ id: 'Upload' });
export type Upload = z.infer<typeof Upload>;

export const UploadEnvelope = z.object({ upload: Upload });

export const UploadList = z.object({ uploads: z.array(Upload) });

export const UploadPartQuery = z.object({ token: z.string().max(limits.upload.tokenMax).default('') });
export const UploadPart = z.object({ part: z.object({ number: z.int(), size: z.int(), etag: z.string() }) });

export const UploadParts = z.strictObject({
  parts: z
    .array(z.strictObject({ number: z.int().min(1), etag: z.string().max(limits.upload.etagMax) }))
    .max(limits.upload.parts),
});
