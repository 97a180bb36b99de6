import { buildById } from '../data/builds.ts';
import type { Database } from '../data/database.ts';
import { deleteBuildRow } from '../data/old-builds.ts';
import { projectById } from '../data/projects.ts';
import { answered, unwrap } from '../durable-objects/rpc.ts';
import { buildRun, type RemoteBuild } from '../durable-objects/stubs.ts';

/**
 * The object of a build, made from its row where a crash between the two left it out. Null when there
 * is nothing to build any more: then the row goes as well.
 */
export async function buildObject(env: Env, db: Database, id: string): Promise<RemoteBuild | null> {
  const run = buildRun(env, id);
  if (await answered(run.exists())) return run;
  const row = await buildById(db, id);
  const project = row && (await projectById(db, row.projectId));
  if (row && project?.state === 'ready') {
    await unwrap(run.create(row, project.name));
    return run;
  }
  if (row) await deleteBuildRow(db, id);
  return null;
}
