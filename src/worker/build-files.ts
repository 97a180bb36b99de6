import type { Framed } from '../contract/frames.ts';
import { describeError, logEvent } from '../core/log.ts';
import { getBlob, getTree, type ManifestEntry } from '../data/objects.ts';
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

/** The files of the snapshot that a build is made of, as its room holds them or the store has them; null where neither does. */
export async function snapshotFiles(env: Env, projectId: string, treeHash: string): Promise<ManifestEntry[] | null> {
  return (await atHand(env, projectId, (room) => room.heldTree(treeHash))) ?? (await getTree(env.ASSETS, treeHash));
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
