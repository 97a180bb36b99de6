import type { Database } from '../data/database.ts';
import { deleteOutputs, deletePreviews } from '../data/objects.ts';
import { allBuilds } from '../data/old-builds.ts';
import { eraseProjectRows, markDeleting } from '../data/projects.ts';
import { unwrap } from '../durable-objects/rpc.ts';
import { buildRun, projectRoom } from '../durable-objects/stubs.ts';

/**
 * Erases a project everywhere. From the first statement on nobody can see it; every step may run
 * twice, so a request that dies half-way is finished by the sweep.
 */
export async function eraseProject(env: Env, db: Database, projectId: string, now: number): Promise<void> {
  await markDeleting(db, projectId, now);
  for (const build of await allBuilds(db, projectId)) {
    await unwrap(buildRun(env, build.id).erase(build.id));
    await deleteOutputs(env.BUILDS, build.id);
  }
  await deletePreviews(env.BUILDS, projectId);
  await unwrap(projectRoom(env, projectId).erase());
  await eraseProjectRows(db, projectId);
}
