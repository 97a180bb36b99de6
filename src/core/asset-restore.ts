import type { AssetType } from '../contract/assets.ts';
import { limits } from '../contract/limits.ts';
import { foldName, typeOfMime } from './asset-types.ts';

/** An asset as it is now. */
export interface AssetNow {
  readonly id: string;
  readonly name: string;
  readonly type: AssetType;
  readonly version: number;
  /** Of the newest version. */
  readonly hash: string;
  readonly mimeType: string;
  readonly isTrashed: boolean;
}

/** An asset as a checkpoint names it. Null: the version is gone, as only what somebody erased for good is. */
export interface AssetThen {
  readonly assetId: string;
  readonly name: string;
  readonly version: number;
  readonly content: { readonly hash: string; readonly mimeType: string; readonly size: number } | null;
}

export interface AssetStep {
  readonly id: string;
  readonly name: string;
  readonly type: AssetType;
  /** The version whose bytes become the newest one; 0: the bytes are the same. */
  readonly source: number;
  readonly isTrashed: boolean;
}

export interface AssetPlan {
  readonly steps: readonly AssetStep[];
  /** Of the new versions. */
  readonly bytes: number;
  /** Assets that become what they were. */
  readonly restored: number;
  /** Assets that were not there, and go into the trash. */
  readonly trashed: number;
  /** What cannot be brought back. */
  readonly missing: readonly Omit<AssetThen, 'content'>[];
}

/** Another name for what stands where something else belongs; of the same kind, and nobody's. */
function aside(name: string, id: string, isTaken: (name: string) => boolean): string {
  const dot = name.lastIndexOf('.');
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  for (const mark of [id.slice(-8), id]) {
    let short = stem;
    const whole = (): string => `${short}~${mark}${extension}`;
    while (new TextEncoder().encode(whole()).length > limits.file.segmentBytes)
      short = [...short].slice(0, -1).join('');
    if (!isTaken(whole())) return whole();
  }
  throw new Error('an id is in no other name');
}

/**
 * What makes the assets of a project those of a checkpoint. Nothing is lost by it: other bytes are a version before the new
 * one, and what came since goes into the trash, under another name where its own belongs to an asset that had it.
 */
export function planAssets(now: readonly AssetNow[], then: readonly AssetThen[]): AssetPlan {
  const current = new Map(now.map((asset) => [asset.id, asset]));
  const steps: AssetStep[] = [];
  const missing: Omit<AssetThen, 'content'>[] = [];
  const targets = new Set<string>();
  let bytes = 0;
  for (const { assetId, name, version, content } of then) {
    const asset = current.get(assetId);
    if (!asset || !content) {
      missing.push({ assetId, name, version });
      continue;
    }
    targets.add(assetId);
    const isSame = asset.hash === content.hash && asset.mimeType === content.mimeType;
    if (isSame && asset.name === name && !asset.isTrashed) continue;
    if (!isSame) bytes += content.size;
    const type = typeOfMime(content.mimeType, name) ?? asset.type;
    steps.push({ id: assetId, name, type, source: isSame ? 0 : version, isTrashed: false });
  }
  const restored = steps.length;
  const names = new Set(then.filter(({ assetId }) => targets.has(assetId)).map(({ name }) => foldName(name)));
  const taken = new Set([...names, ...now.map(({ name }) => foldName(name))]);
  // An asset of the checkpoint that is gone is not there, whatever came in its place.
  let trashed = 0;
  for (const { id, name, type, isTrashed } of now) {
    if (targets.has(id)) continue;
    const isInTheWay = names.has(foldName(name));
    if (isTrashed && !isInTheWay) continue;
    const free = isInTheWay ? aside(name, id, (one) => taken.has(foldName(one))) : name;
    taken.add(foldName(free));
    if (!isTrashed) trashed += 1;
    steps.push({ id, name: free, type, source: 0, isTrashed: true });
  }
  return { steps, bytes, restored, trashed, missing };
}
