import * as z from 'zod';
import { PictureOrder } from './assets.ts';
import { BuildOptions, BuildTarget } from './builds.ts';
import { errorCodes } from './errors.ts';
import { Id, Sha256 } from './ids.ts';
import { limits } from './limits.ts';

/**
 * What platform and build runner say to each other. The runner asks the platform at its configured
 * URL, never at one that a job names:
 *
 *     POST {runner}/jobs                                    Job → 202, or 503 when full
 *     POST {runner}/previews                                RunnerOrder → RunnerBundle (preview.ts), or 503 when full;
 *                                                           its token is of purpose `bundle`
 *     POST {runner}/pictures                                a picture → the picture of a PictureOrder, or 503 when too many wait;
 *                                                           its token is of purpose `picture`
 *     GET  {runner}/health                                  → 200 {status, running, free, capacity}
 *     POST {platform}/api/runner/builds/{id}/start          JobStart → StartedJob, for who pulled a JobTicket
 *     GET  {platform}/api/runner/builds/{id}/manifest       → JobManifest
 *     GET  {platform}/api/runner/builds/{id}/blobs/{hash}   → bytes of a file of the manifest
 *     POST {platform}/api/runner/builds/{id}/blobs          BlobsRequest → small ones of them, as `contract/frames.ts` has it
 *     PUT  {platform}/api/runner/builds/{id}/outputs/{sha256}  raw bytes, verified → 201 (stored), 200 (was there)
 *     POST {platform}/api/runner/builds/{id}/outputs/missing  OutputsQuestion → OutputsMissing, before large ones are sent
 *     POST {platform}/api/runner/builds/{id}/outputs        small ones together, as frames, each verified → 201
 *     POST {platform}/api/runner/builds/{id}/provenance     ProvenanceRequest → DsseEnvelope
 *     POST {platform}/api/runner/builds/{id}/events         EventBatch → EventAnswer
 *     POST {platform}/api/runner/builds/{id}/success        frames: an EventBatch that ends with `success`, then small outputs
 *                                                           that are not stored yet → EventAnswer; the platform adds `provenanceName`
 *
 * All of the platform's carry `Authorization: Bearer <job.token>`: a JWT of purpose `build` that opens one attempt of one build.
 */
export const JobTicket = z.object({
  v: z.literal(1),
  buildId: Id,
  /** 1 for the first try; an outcome of an earlier attempt is refused. */
  attempt: z.int().min(1),
  token: z.string(),
});
/** A message of the queue that runners pull from: it holds a reference, since a job may be larger than a message. */
export type JobTicket = z.infer<typeof JobTicket>;

const ManifestFile = z.object({ path: z.string(), hash: Sha256, size: z.int().min(0), mode: z.int() });

export const Job = JobTicket.extend({
  projectId: Id,
  target: BuildTarget,
  options: BuildOptions,
  treeHash: Sha256,
  /** Name of the project, for titles and package names. Untrusted text. */
  projectName: z.string(),
  /** Milliseconds that the attempt may take once the runner has it: a duration, since the clocks of the two need not agree. */
  timeout: z.int().positive(),
  /** Lock of the project's last build, as `package-lock.json` text, when it brings none of its own. */
  lock: z.string().optional(),
  /** The files of its manifest, where they are at most `limits.build.jobFiles`; else the runner asks for them. */
  files: z.array(ManifestFile).optional(),
  /** Files of the manifest that were written of late, in UTF-8: by its hash a runner knows which file a text is of. It asks for all others. */
  texts: z.array(z.string()).optional(),
});
export type Job = z.infer<typeof Job>;

/** A runner that pulled a ticket asks for the job, once for each try. */
export const JobStart = z.object({
  attempt: z.int().min(1),
  /** Of this try alone. The first one that asks has the attempt: a message may be delivered to two runners. */
  execution: Id,
});
export type JobStart = z.infer<typeof JobStart>;

/** The job of a ticket; its token is the one that was asked with. */
export const StartedJob = Job.omit({ token: true });
export type StartedJob = z.infer<typeof StartedJob>;

/**
 * An asset that is to be made smaller, in the same queues and at the same `POST {runner}/jobs` as builds. The runner
 * asks for the rest with its token, a JWT of purpose `optimize` that opens one attempt:
 *
 *     POST {platform}/api/runner/optimizations/{id}/start   AssetStart → AssetJob
 *     GET  {platform}/api/runner/optimizations/{id}/source  → its bytes
 *     PUT  {platform}/api/runner/optimizations/{id}/result  smaller bytes of the same type, or the picture that was asked for
 *     POST {platform}/api/runner/optimizations/{id}/end     AssetOutcome, where there is no result
 */
export const AssetTicket = z.object({
  v: z.literal(1),
  optimizationId: Id,
  /** Counts the offers of the job; what an earlier one brings is refused. */
  attempt: z.int().min(1),
  token: z.string(),
});
export type AssetTicket = z.infer<typeof AssetTicket>;

/**
 * A picture that is to be written anew for whoever looks at it, where Cloudflare Images is not bound and runners pull. What is to be
 * made says its token, a JWT of purpose `picture`. There is no attempt: a picture that is made twice is the same, and one that is lost
 * is asked for again by whoever looks next.
 *
 *     GET  {platform}/api/runner/pictures/{hash}/source  → its bytes; 409: it is made by now
 *     PUT  {platform}/api/runner/pictures/{hash}/result  the picture that was ordered
 *     POST {platform}/api/runner/pictures/{hash}/end     PictureEnd, where it cannot be made
 */
export const PictureTicket = z.object({ v: z.literal(1), pictureHash: Sha256, token: z.string() });
export type PictureTicket = z.infer<typeof PictureTicket>;

export const PictureEnd = z.object({ code: z.enum(['asset_broken', 'payload_too_large']) });
export type PictureEnd = z.infer<typeof PictureEnd>;

export const AssetStart = z.object({
  /** Of this try alone. The first one that asks has the attempt. */
  execution: Id,
});

/** What only a runner can make smaller. */
export const OptimizedType = z.enum(['image/svg+xml', 'model/gltf-binary', 'model/gltf+json']);
export type OptimizedType = z.infer<typeof OptimizedType>;

/** As what a runner makes an asset smaller; undefined: it does not. An avatar is a GLB with parts that no general tool keeps. */
export const optimizedTypeOf = ({ name, mimeType }: { name: string; mimeType: string }): OptimizedType | undefined =>
  /\.vrm$/i.test(name) ? undefined : OptimizedType.safeParse(mimeType).data;

const ofAsset = z.object({
  size: z.int().min(0),
  hash: Sha256,
  /** Milliseconds that the attempt may take. */
  timeout: z.int().positive(),
});

export const AssetJob = z.union([
  ofAsset.extend({ mimeType: OptimizedType, compressMeshes: z.boolean() }),
  /** A picture, where Cloudflare Images is not bound. */
  ofAsset.extend({ picture: PictureOrder }),
]);
export type AssetJob = z.infer<typeof AssetJob>;

export const AssetOutcome = z.discriminatedUnion('type', [
  /** Nothing smaller was found. */
  z.object({ type: z.literal('unchanged') }),
  z.object({
    type: z.literal('failure'),
    /** `user`, `limit`: final. `infra`: not the asset's fault, tried again. */
    kind: z.enum(['user', 'limit', 'infra']),
    code: z.enum(['asset_broken', 'payload_too_large', 'runner_lost']),
  }),
]);
export type AssetOutcome = z.infer<typeof AssetOutcome>;

/** The immutable snapshot that is built. Files are sorted by path. */
export const JobManifest = z.object({
  treeHash: Sha256,
  files: z.array(ManifestFile),
});
export type JobManifest = z.infer<typeof JobManifest>;

/** Files of the manifest that are fetched together: none larger than `limits.build.batch.partBytes`. */
export const BlobsRequest = z.object({ hashes: z.array(Sha256).min(1).max(limits.build.batch.parts) });
export type BlobsRequest = z.infer<typeof BlobsRequest>;

/** Outputs that a runner is about to send. */
export const OutputsQuestion = z.object({ hashes: z.array(Sha256).min(1).max(limits.build.batch.parts) });

/** Those of them that are not stored yet, in the same order. */
export const OutputsMissing = z.object({ missing: z.array(Sha256) });

export const BuildStep = z.enum(['source', 'dependencies', 'typecheck', 'bundle', 'assets', 'package', 'upload']);
export type BuildStep = z.infer<typeof BuildStep>;

export const OutputFile = z.object({
  /** Path inside the site, or file name of a download. */
  name: z.string().min(1).max(limits.file.pathMax),
  size: z.int().min(0).max(limits.build.programBytes),
  sha256: Sha256,
  mimeType: z.string().max(limits.build.mimeTypeMax),
  /**
   * `site`: served at the play URL. `download`: an artifact a person takes. `report`: an artifact about the build.
   * `prebundle`: packages of the game for previews, see `Prebundle`; shown in no list.
   */
  role: z.enum(['site', 'download', 'report', 'prebundle']),
});
export type OutputFile = z.infer<typeof OutputFile>;

/**
 * What the runner states of its outputs before it stores them. What they were made of, and for whom, is the
 * platform's own word; it signs both together. The runner holds no key.
 */
export const ProvenanceRequest = z.object({
  attempt: z.int().min(1),
  outputs: z
    .array(OutputFile.pick({ name: true, sha256: true, role: true }))
    .min(1)
    .max(limits.build.outputFiles),
  /** SHA-256 of the `package-lock.json` text of what was installed; null when the game has no packages. */
  lock: Sha256.nullable(),
});
export type ProvenanceRequest = z.infer<typeof ProvenanceRequest>;

/** https://github.com/secure-systems-lab/dsse/blob/master/envelope.md; `payload` and `sig` are base64. */
export const DsseEnvelope = z.object({
  payloadType: z.string(),
  payload: z.base64(),
  signatures: z.array(z.object({ keyid: z.string(), sig: z.base64() })).min(1),
});
export type DsseEnvelope = z.infer<typeof DsseEnvelope>;

const LogEvent = z.object({
  type: z.literal('log'),
  at: z.int(),
  level: z.enum(['debug', 'info', 'warn', 'error']),
  step: BuildStep,
  message: z.string(),
  file: z.string().max(limits.file.pathMax).optional(),
  /** From 1. */
  line: z.int().min(1).optional(),
  /** From 0, in UTF-16 units. */
  column: z.int().min(0).optional(),
  /** The line of the file that is meant. */
  source: z.string().max(limits.build.sourceLineBytes).optional(),
});

const ProgressEvent = z.object({
  type: z.literal('progress'),
  step: BuildStep,
  /** 0–1 over the whole attempt, from work really done; never goes back. */
  progress: z.number().min(0).max(1),
});

const SuccessEvent = z.object({
  type: z.literal('success'),
  outputs: z.array(OutputFile).max(limits.build.outputFiles),
  /** `package-lock.json` text of what was installed, for the build record. */
  lock: z.string().optional(),
  /** Milliseconds by step. */
  timings: z.partialRecord(BuildStep, z.number().min(0)),
});

const FailureEvent = z.object({
  type: z.literal('failure'),
  /** `user`: the project is wrong, final. `limit`: it asks too much, final. `infra`: not its fault, retried. */
  kind: z.enum(['user', 'limit', 'infra']),
  code: z.enum(errorCodes),
  message: z.string().max(limits.build.messageMax),
  timings: z.partialRecord(BuildStep, z.number().min(0)),
});

export const RunnerEvent = z.discriminatedUnion('type', [LogEvent, ProgressEvent, SuccessEvent, FailureEvent]);
export type RunnerEvent = z.infer<typeof RunnerEvent>;

export const EventBatch = z.object({
  attempt: z.int().min(1),
  /** Counts up from 1 within the attempt; a batch that comes twice is taken once. An empty batch is a heartbeat. */
  batch: z.int().min(1),
  events: z.array(RunnerEvent).max(limits.build.eventsPerBatch),
  /** With the outcome: the place of this attempt is free, so that the next build may be handed over at once. */
  vacant: z.boolean().optional(),
});
export type EventBatch = z.infer<typeof EventBatch>;

/** The signed word on where the outputs of a build come from, among its reports. */
export const provenanceName = 'provenance.json';

export const EventAnswer = z.object({
  /** True: stop now, nobody wants the result. */
  cancelled: z.boolean(),
});
export type EventAnswer = z.infer<typeof EventAnswer>;
