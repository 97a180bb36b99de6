import * as z from 'zod';
import { nextCursor } from './common.ts';
import { isDefineName, isDefineValue } from './defines.ts';
import { errorCodes } from './errors.ts';
import { Id, Sha256, Timestamp } from './ids.ts';
import { limits } from './limits.ts';
import { day } from './units.ts';

export const BuildTarget = z.enum(['web', 'electron', 'cordova']);
export type BuildTarget = z.infer<typeof BuildTarget>;

export const BuildStatus = z.enum(['queued', 'building', 'success', 'failed', 'cancelled']);
export type BuildStatus = z.infer<typeof BuildStatus>;

export const BuildOptions = z
  .strictObject({
    entry: z
      .string()
      .min(1)
      .max(limits.file.pathMax)
      .optional()
      .meta({ description: 'Path of the entry (HTML or script); found by itself when absent' }),
    minify: z.boolean().default(true),
    sourcemap: z.boolean().default(false),
    typecheck: z.boolean().default(false),
    optimizeAssets: z.boolean().default(false),
    compressMeshes: z
      .boolean()
      .optional()
      .meta({ description: 'With optimizeAssets: models need a loader that decodes EXT_meshopt_compression' }),
    offline: z.boolean().optional().meta({
      description:
        'Target `web`: a service worker keeps every file of the game, and a web app manifest lets people install it',
    }),
    define: z
      .record(
        z
          .string()
          .regex(/^[A-Za-z_$][\w$.]*$/)
          .max(limits.build.defineNameMax),
        z.string().max(limits.build.defineValueMax),
        {
          error: ({ code }) =>
            code === 'invalid_key'
              ? `letters, digits, _ and $, with dots between names, no digit first, at most ${limits.build.defineNameMax}`
              : undefined,
        },
      )
      .refine(
        (value) => Object.keys(value).length <= limits.build.defineMax,
        `at most ${limits.build.defineMax} entries`,
      )
      .default({})
      .meta({ description: 'Compile-time constants: name → JSON, or the name of something in the code' }),
  })
  .meta({ id: 'BuildOptions' });
export type BuildOptions = z.infer<typeof BuildOptions>;

export const Build = z
  .object({
    id: Id,
    projectId: Id,
    userId: Id,
    target: BuildTarget,
    status: BuildStatus,
    progress: z.number().min(0).max(1),
    step: z.string().nullable(),
    options: BuildOptions,
    treeHash: Sha256.meta({ description: 'Of what is built: the files, and the assets below `assets/`' }),
    checkpointId: Id.nullable(),
    cached: z.boolean(),
    attempt: z.int(),
    errorCode: z.enum(errorCodes).nullable(),
    errorMessage: z.string().nullable(),
    artifactUrl: z.string().nullable().meta({ description: 'The first download of a finished build' }),
    artifactSize: z.int().nullable(),
    playUrl: z.string().nullable().meta({ description: 'Origin of its own on which the web build plays' }),
    timings: z.record(z.string(), z.number()).meta({ description: 'Milliseconds by step, `queued` and `total`' }),
    createdAt: Timestamp,
    startedAt: Timestamp.nullable(),
    completedAt: Timestamp.nullable(),
  })
  .meta({ id: 'Build' });
export type Build = z.infer<typeof Build>;

export const CreateBuild = z
  .strictObject({
    projectId: Id,
    checkpointId: Id.optional().meta({
      description: 'A state of the past, or the preview of a merge; else the newest state',
    }),
    target: BuildTarget.default('web'),
    options: BuildOptions.prefault({}),
  })
  // Here, as builds of old are read by `BuildOptions`, too.
  .superRefine(({ options }, context) => {
    for (const [name, value] of Object.entries(options.define)) {
      const path = ['options', 'define', name];
      if (!isDefineName(name))
        context.addIssue({
          code: 'custom',
          path,
          message: 'must be a name, or names with dots between, such as Config.debug',
        });
      else if (!isDefineValue(value))
        context.addIssue({
          code: 'custom',
          path,
          message: 'must be JSON (a text with its double quotes) or the name of something that the game has',
        });
    }
  });

export const CleanBuilds = z.strictObject({
  dryRun: z.boolean().default(true).meta({ description: 'Only says what would go' }),
  keep: z
    .int()
    .min(1)
    .max(limits.build.retention.newestMax)
    .default(limits.build.retention.newest)
    .meta({ description: 'Newest builds of each target that stay, whatever their age; successes and others apart' }),
  olderThanDays: z
    .int()
    .min(0)
    .max(limits.gc.ageMax / day)
    .default(limits.build.retention.age / day)
    .meta({ description: 'Builds that ended later stay' }),
});
export const CleanedBuilds = z.object({
  dryRun: z.boolean(),
  builds: z
    .array(
      z.object({
        buildId: Id,
        target: BuildTarget,
        status: BuildStatus,
        size: z.int().meta({ description: 'Bytes of what it made' }),
        completedAt: Timestamp.nullable(),
      }),
    )
    .meta({
      description: `The largest ${limits.build.retention.reported}; without \`dryRun\` those that went. Ask again while they are fewer than \`count\``,
    }),
  count: z.int().meta({ description: 'All of them' }),
  bytes: z.int().meta({ description: 'That are free when all are gone: what other builds show, too, stays' }),
  kept: z.object({ count: z.int(), bytes: z.int() }).meta({ description: 'As old, and kept because it is published' }),
});

export const BuildEnvelope = z.object({ build: Build });
export const BuildList = z.object({ builds: z.array(Build), nextCursor });

export const BuildLogLine = z
  .object({
    seq: z.int(),
    at: Timestamp,
    level: z.enum(['debug', 'info', 'warn', 'error']),
    step: z.string(),
    message: z.string().meta({ description: 'Plain text without ANSI codes' }),
    file: z.string().optional(),
    line: z.int().optional().meta({ description: 'From 1' }),
    column: z.int().optional().meta({ description: 'From 0, in UTF-16 units, as editors and JavaScript count' }),
    source: z.string().optional().meta({ description: 'The line of the file that is meant, as it was built' }),
  })
  .meta({ id: 'BuildLogLine' });
export type BuildLogLine = z.infer<typeof BuildLogLine>;

export const BuildLogs = z.object({ logs: z.array(BuildLogLine), done: z.boolean() });

export const Artifact = z
  .object({ name: z.string(), size: z.int(), mimeType: z.string(), sha256: Sha256, url: z.string() })
  .meta({ id: 'Artifact' });
export type Artifact = z.infer<typeof Artifact>;

export const ArtifactList = z.object({ artifacts: z.array(Artifact) });
