import { LRUCache } from 'lru-cache';
import type { OutputFile } from '../../contract/jobs.ts';
import { limits } from '../../contract/limits.ts';
import { Prebundle, prebundleIndex } from '../../contract/prebundle.ts';
import { lockFiles } from '../../core/game/packages.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { newestOutput } from '../../data/builds.ts';
import { getOutput, getOutputs, type ManifestEntry } from '../../data/objects.ts';
import type { AppContext } from '../http/context.ts';

/** What a build prepared of the packages of its game. */
export interface Packages {
  /** Names it in addresses: the hash of the list, which has names by content. */
  readonly key: string;
  readonly list: Prebundle;
  /** The files by their names. */
  readonly files: ReadonlyMap<string, OutputFile>;
}

/** Folder of packages in a preview's site. */
export const packagesFolder = '_kiln/npm/';

/** By the build that made them, which never makes others. */
const lists = new LRUCache<string, Packages>({ max: limits.preview.packageLists });
/** Builds that prepared none, or of which nothing is left. */
const without = new LRUCache<string, true>({ max: limits.preview.packageless, ttl: limits.preview.memory });

async function read(c: AppContext, buildId: string): Promise<Packages | null> {
  const outputs = (await getOutputs(c.env.BUILDS, buildId)) ?? [];
  const files = new Map(outputs.filter(({ role }) => role === 'prebundle').map((file) => [file.name, file]));
  const index = files.get(prebundleIndex);
  const text = index && (await (await getOutput(c.env.BUILDS, index.sha256))?.text());
  if (!index || text === undefined) return null;
  // What a runner wrote, which was at work on somebody's project.
  const list = Prebundle.safeParse(JSON.parse(text));
  return list.success ? { key: index.sha256, list: list.data, files } : null;
}

/** What the newest build of a project prepared; null where it has none, or none is left. */
export async function packagesOf(c: AppContext, projectId: string): Promise<Packages | null> {
  const buildId = await newestOutput(c.var.db, projectId);
  if (buildId === null || without.has(buildId)) return null;
  const known = lists.get(buildId);
  if (known) return known;
  const found = await read(c, buildId).catch((error: unknown) => {
    logEvent('preview.packages_unread', { project: projectId, build: buildId, ...describeError(error) }, 'warn');
    return null;
  });
  if (found) lists.set(buildId, found);
  else without.set(buildId, true);
  return found;
}

/** Hash of the lock file that a tree has; null without one. */
export const lockFileOf = (entries: ReadonlyMap<string, ManifestEntry>): string | null =>
  lockFiles.map((path) => entries.get(path)?.hash).find((hash) => hash !== undefined) ?? null;
