import type { AssetMetadata, OptimizeAsset, PictureOrder } from '../../contract/assets.ts';
import { type ErrorCode, KilnError } from '../../contract/errors.ts';
import { type AssetJob, type AssetOutcome, OptimizedType } from '../../contract/jobs.ts';
import { limits } from '../../contract/limits.ts';
import { assetKind, assetName, renamedTo } from '../../core/asset-types.ts';
import { canonicalJson } from '../../core/canonical-json.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { sha256 } from '../../core/tree.ts';
import { type AssetAt, addAssetVersion } from '../../data/assets.ts';
import { blobKey, putBlob } from '../../data/objects.ts';
import {
  beginOptimization,
  createOptimization,
  latestOptimization,
  newOptimization,
  type OptimizationRow,
  optimizedAsset,
  runningOptimization,
} from '../../data/optimizations.ts';
import { announce } from '../../durable-objects/announce.ts';
import { giveUp, settleOptimization, tellOptimized, wakeFor } from '../../queues/optimizations.ts';
import { readBytes } from '../http/body.ts';
import type { AppContext } from '../http/context.ts';
import { metadataOf } from './metadata.ts';
import { pictureVersion } from './optimize.ts';
import { mimeTypeOf } from './pictures.ts';

/** Which attempt a runner's token opens. */
interface Ticket {
  readonly sub: string;
  readonly attempt: number;
}

const formats: Readonly<Record<OptimizedType, string>> = {
  'image/svg+xml': 'svg',
  'model/gltf-binary': 'glb',
  'model/gltf+json': 'gltf',
};

const over = (): KilnError => new KilnError('conflict', { detail: 'This attempt is over.' });

function refuseFields({ format, maxWidth, maxHeight, compressMeshes }: OptimizeAsset, type: OptimizedType): void {
  const given = {
    format,
    maxWidth,
    maxHeight,
    ...(type === 'image/svg+xml' && { compressMeshes }),
  };
  const issues = Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(([field]) => ({ path: `body.${field}`, message: `does not apply to ${type}` }));
  if (issues.length > 0) throw new KilnError('validation_failed', { issues });
}

/** What is to be done with an asset. */
type Task = Pick<OptimizationRow, 'compressMeshes' | 'picture'>;

const isSame = (a: Task, b: Task): boolean =>
  a.compressMeshes === b.compressMeshes && canonicalJson(a.picture) === canonicalJson(b.picture);

/**
 * Has a runner make a drawing or model smaller; null: it is as small as it gets. One that is asked for already is not
 * asked for again. Throws what an earlier try of the same version ended with, where another would end so too.
 */
export async function askToOptimize(
  c: AppContext,
  at: AssetAt,
  type: OptimizedType,
  userId: string,
  wanted: OptimizeAsset,
): Promise<OptimizationRow | null> {
  refuseFields(wanted, type);
  const compressMeshes = wanted.compressMeshes ?? false;
  const { optimized } = at.version.metadata as AssetMetadata;
  if (optimized && optimized.compressMeshes === compressMeshes && optimized.format === formats[type]) return null;
  const { bytes } = limits.optimize;
  if (at.version.size > bytes)
    throw new KilnError('payload_too_large', { detail: `At most ${bytes} bytes are made smaller.` });
  return await ask(c, at, userId, { compressMeshes, picture: null });
}

/** The same for a picture, where nobody else can. */
export const askForSmallerPicture = (
  c: AppContext,
  at: AssetAt,
  userId: string,
  picture: PictureOrder,
): Promise<OptimizationRow | null> => ask(c, at, userId, { compressMeshes: false, picture });

async function ask(
  c: AppContext,
  { asset, version }: AssetAt,
  userId: string,
  task: Task,
): Promise<OptimizationRow | null> {
  const earlier = await latestOptimization(c.var.db, asset.id);
  if (earlier?.version === version.version && isSame(earlier, task)) {
    if (earlier.status === 'done') return null;
    if (earlier.errorCode === 'asset_broken' || earlier.errorCode === 'payload_too_large')
      throw new KilnError(earlier.errorCode);
  }
  const { id: assetId, projectId } = asset;
  const row = newOptimization({ projectId, assetId, version: version.version, userId, ...task }, c.var.started);
  if (!(await createOptimization(c.var.db, row))) {
    const open = await latestOptimization(c.var.db, asset.id);
    return open ?? row;
  }
  logEvent('asset.optimization_asked', {
    requestId: c.var.requestId,
    project: asset.projectId,
    asset: asset.id,
    optimization: row.id,
    type: version.mimeType,
    bytes: version.size,
  });
  await wakeFor(c.env, row.id).catch((error: unknown) =>
    // The sweep does it.
    logEvent('asset.optimization_not_sent', { optimization: row.id, ...describeError(error) }, 'warn'),
  );
  return row;
}

/** The attempt of this token and its asset, while both are what they were. */
export async function runningJob(
  c: AppContext,
  { sub, attempt }: Ticket,
): Promise<{ row: OptimizationRow; at: AssetAt }> {
  const row = await runningOptimization(c.var.db, sub, attempt);
  if (!row) throw over();
  const at = await optimizedAsset(c.var.db, row);
  if (at) return { row, at };
  await settleOptimization(c.env, c.var.db, row, 'conflict', c.var.started);
  throw over();
}

export async function startOptimizing(c: AppContext, job: Ticket, execution: string): Promise<AssetJob> {
  const { db, started } = c.var;
  if (!(await beginOptimization(db, job.sub, job.attempt, execution, started))) throw over();
  const { row, at } = await runningJob(c, job);
  const { mimeType, size, hash } = at.version;
  const { picture, compressMeshes } = row;
  const source = { size, hash, timeout: limits.optimize.timeout };
  return picture ? { ...source, picture } : { ...source, mimeType: OptimizedType.parse(mimeType), compressMeshes };
}

/** Errors of a result that end its attempt: another runner would bring the same. */
const final: ReadonlySet<ErrorCode> = new Set(['quota_exceeded', 'conflict', 'path_conflict', 'not_found']);

const invalid = (message: string): KilnError =>
  new KilnError('validation_failed', { issues: [{ path: 'body', message }] });

/** What a result makes of the asset, judged as an upload is: what it is its bytes say. Null: nothing is gained. */
async function nextVersion(bucket: R2Bucket, row: OptimizationRow, at: AssetAt, bytes: Uint8Array) {
  const { asset, version } = at;
  const { picture, compressMeshes } = row;
  const expected = picture ? mimeTypeOf(picture.format) : version.mimeType;
  if (bytes.length === 0) throw invalid('is empty');
  if (!picture && bytes.length >= version.size) throw invalid('is not smaller than the asset');
  const name = picture ? renamedTo(asset.name, expected) : asset.name;
  const kind = await assetKind(name, bytes.subarray(0, limits.asset.headBytes), {});
  if (kind.mimeType !== expected) throw new KilnError('type_mismatch');
  const hash = sha256(bytes);
  const objectKey = blobKey(hash);
  const read = await metadataOf(bucket, { objectKey, size: bytes.length, head: bytes }, kind);
  if (picture) {
    if (!fits(read, picture)) throw invalid('is not as large as was asked for');
    return pictureVersion(at, picture, bytes, read);
  }
  const savedBytes = version.size - bytes.length;
  const format = formats[OptimizedType.parse(expected)];
  const optimized = { format, quality: null, maxWidth: null, maxHeight: null, compressMeshes, savedBytes };
  const content = { ...kind, objectKey, hash, size: bytes.length, metadata: { ...read, optimized } };
  return { name, savedBytes, content };
}

const fits = ({ width, height }: AssetMetadata, { maxWidth, maxHeight }: PictureOrder): boolean =>
  (width ?? Infinity) <= (maxWidth ?? limits.variant.side) &&
  (height ?? Infinity) <= (maxHeight ?? limits.variant.side);

/** Makes the next version of what a runner hands in. */
export async function takeResult(c: AppContext, job: Ticket): Promise<void> {
  const { db, started, requestId } = c.var;
  const { row, at } = await runningJob(c, job);
  const bytes = await readBytes(c.req.raw, limits.optimize.bytes);
  const next = await nextVersion(c.env.ASSETS, row, at, bytes);
  if (!next) {
    await settleOptimization(c.env, db, row, null, started);
    return;
  }
  await putBlob(c.env.ASSETS, next.content.hash, bytes);
  const { asset } = at;
  const { savedBytes } = next;
  let made: AssetAt;
  try {
    made = await addAssetVersion(
      db,
      asset.projectId,
      assetName(next.name),
      next.content,
      { actorId: row.userId, now: started, requestId },
      { replaces: asset, optimization: { id: row.id, attempt: row.attempt, savedBytes } },
    );
  } catch (error) {
    if (error instanceof KilnError && final.has(error.code))
      await settleOptimization(c.env, db, row, error.code, started);
    throw error;
  }
  const { id, name } = made.asset;
  const data = { assetId: id, name, version: made.version.version };
  await announce(c.env, asset.projectId, { type: 'asset.uploaded', by: row.userId, data });
  await tellOptimized(c.env, { ...row, savedBytes, version: made.version.version }, name, null);
}

/** Takes a runner's word that there is no result. */
export async function endOptimizing(c: AppContext, job: Ticket, outcome: AssetOutcome): Promise<void> {
  const { db, started } = c.var;
  const { row } = await runningJob(c, job);
  if (outcome.type === 'failure' && outcome.kind === 'infra') await giveUp(c.env, db, row, started);
  else await settleOptimization(c.env, db, row, outcome.type === 'failure' ? outcome.code : null, started);
}
