import type { Actor } from '../data/audit.ts';
import type { BuildRow } from '../data/builds.ts';
import type { Database } from '../data/database.ts';
import { deleteOutputs } from '../data/objects.ts';
import { outputIsShared, removeBuild } from '../data/old-builds.ts';
import { unwrap } from '../durable-objects/rpc.ts';
import { buildRun } from '../durable-objects/stubs.ts';

/**
 * Removes a build that has ended: its row, and, where no other build shows them, its outputs, log and object. Every step may
 * run twice. Throws `build_published` while its project shows it to the world.
 */
export async function eraseBuild(env: Env, db: Database, build: BuildRow, actor: Actor): Promise<void> {
  // The row first: from then on nobody is shown what the next steps remove.
  await removeBuild(db, build, actor);
  if (await outputIsShared(db, build)) return;
  const source = build.outputOf ?? build.id;
  await deleteOutputs(env.BUILDS, source);
  await unwrap(buildRun(env, source).erase(source));
  if (source !== build.id) await unwrap(buildRun(env, build.id).erase(build.id));
}
