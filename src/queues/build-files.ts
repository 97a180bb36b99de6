import { LRUCache } from 'lru-cache';
import type { Framed } from '../contract/frames.ts';
import type { JobManifest, StartedJob } from '../contract/jobs.ts';
import { limits } from '../contract/limits.ts';
import { describeError, logEvent } from '../core/log.ts';
import { getBlob, getTree, type ManifestEntry } from '../data/objects.ts';
import type { Claim } from '../durable-objects/build/build.ts';
import { jobOf } from '../durable-objects/build/job.ts';
import { type Answer, unwrap } from '../durable-objects/rpc.ts';
import { projectRoom, type RemoteRoom } from '../durable-objects/stubs.ts';

/**
 * Asks the room of a project for what it has at hand. It is asked before the store: what it lets go of is there. Null
 * where it does not answer, for then the store may have it.
 */
async function atHand<T>(
  env: Env,
  projectId: string,
  ask: (room: RemoteRoom) => PromiseLike<Answer<T>>,
): Promise<T | null> {
  try {
    return await unwrap(ask(projectRoom(env, projectId)));
  } catch (error) {
    logEvent('build.room_unasked', { project: projectId, ...describeError(error) }, 'warn');
    return null;
  }
}

/** A mark at the beginning stays: without it the text has another hash. */
const utf8 = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });

/** The files of the snapshot that a build is made of, as its room holds them or the store has them; null where neither does. */
export async function snapshotFiles(env: Env, projectId: string, treeHash: string): Promise<ManifestEntry[] | null> {
  return (await atHand(env, projectId, (room) => room.heldTree(treeHash))) ?? (await getTree(env.ASSETS, treeHash));
}

type Snapshot = ReadonlyMap<string, Pick<ManifestEntry, 'hash' | 'size' | 'isText'>>;

/** What a snapshot names, by hash, by its own hash: a runner asks for each of its files, and a manifest never changes. */
const snapshots = new LRUCache<string, Snapshot>({ max: limits.build.snapshotsRemembered });

/** The manifest for a runner; null where nobody has it. What it names is remembered, since it is asked for next. */
export async function manifestOf(
  env: Env,
  { projectId, treeHash }: Pick<Claim, 'projectId' | 'treeHash'>,
): Promise<JobManifest | null> {
  const files = await snapshotFiles(env, projectId, treeHash);
  if (!files) return null;
  snapshots.set(treeHash, new Map(files.map(({ hash, size, isText }) => [hash, { hash, size, isText }])));
  return { treeHash, files: files.map(({ path, hash, size, mode }) => ({ path, hash, size, mode })) };
}

/** What the snapshot of a build names, by hash; nothing where nobody has it. */
export async function snapshotOf(env: Env, facts: Pick<Claim, 'projectId' | 'treeHash'>): Promise<Snapshot> {
  const isKnown = snapshots.has(facts.treeHash) || (await manifestOf(env, facts)) !== null;
  return (isKnown && snapshots.get(facts.treeHash)) || new Map();
}

/**
 * What a runner has to know of a claimed attempt, with its manifest where that is small, and those of its texts that were written last. A
 * large manifest is read here to know that, and once more when the runner asks.
 */
export async function jobFor(env: Env, claim: Claim): Promise<StartedJob> {
  const [job, manifest, newest] = await Promise.all([
    jobOf(env, claim),
    manifestOf(env, claim).catch((error: unknown) => {
      logEvent('build.manifest_unread', { build: claim.buildId, ...describeError(error) }, 'warn');
      return null;
    }),
    atHand(env, claim.projectId, (room) => room.newestTexts()),
  ]);
  if (!manifest || manifest.files.length > limits.build.jobFiles) return job;
  // Some may have been written after the snapshot.
  const named = new Set(manifest.files.map(({ hash }) => hash));
  const texts = newest?.filter(({ hash }) => named.has(hash)).map(({ data }) => utf8.decode(data));
  return { ...job, files: manifest.files, ...(texts?.length && { texts }) };
}

/** Contents that a snapshot of this project names, as many as may travel together: in the order of `hashes`, null for what nobody has. */
export async function snapshotContents(
  env: Env,
  projectId: string,
  files: readonly { readonly hash: string; readonly isText: boolean }[],
): Promise<(Framed | null)[]> {
  const texts = files.filter(({ isText }) => isText).map(({ hash }) => hash);
  const held = texts.length > 0 ? await atHand(env, projectId, (room) => room.texts(texts)) : null;
  const found = new Map(held?.map(({ hash, data }) => [hash, data]));
  return await Promise.all(
    files.map(async ({ hash }): Promise<Framed | null> => {
      const bytes = found.get(hash);
      if (bytes) return { hash, bytes };
      const object = await getBlob(env.ASSETS, hash);
      return object && { hash, bytes: new Uint8Array(await object.arrayBuffer()) };
    }),
  );
}
