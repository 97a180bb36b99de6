import { KilnError } from '../contract/errors.ts';
import { describeError, logEvent } from '../core/log.ts';
import { eraseAccountRows, ownedProjects } from '../data/accounts.ts';
import { transferProject } from '../data/collaborators.ts';
import type { Database } from '../data/database.ts';
import { startErasing } from '../data/projects.ts';
import { unwrap } from '../durable-objects/rpc.ts';
import { accountGuard, projectRoom } from '../durable-objects/stubs.ts';
import { eraseProject } from './erase-project.ts';

/** Gives a project to the first editor who may own one more. False when there is none. */
async function passOn(
  env: Env,
  db: Database,
  project: { id: string; editors: readonly string[] },
  { from, now }: { from: string; now: number },
): Promise<boolean> {
  for (const to of project.editors) {
    try {
      await transferProject(db, { projectId: project.id, from, to }, { actorId: null, now });
    } catch (error) {
      // That one is gone, full, or the project is in the trash: then the next one, or nobody.
      if (error instanceof KilnError && error.code !== 'unavailable') continue;
      throw error;
    }
    await unwrap(projectRoom(env, project.id).membersChanged()).catch((error: unknown) =>
      logEvent('room.not_told', { project: project.id, ...describeError(error) }, 'warn'),
    );
    return true;
  }
  return false;
}

/**
 * Erases an account whose grace is over. A project that others edit passes to the editor who has been there
 * longest; every other one ends with its owner. Every step may run twice, so the sweep finishes what stopped.
 */
export async function eraseAccount(
  env: Env,
  db: Database,
  account: { id: string; email: string },
  now: number,
): Promise<void> {
  for (const project of await ownedProjects(db, account.id)) {
    if (await passOn(env, db, project, { from: account.id, now })) continue;
    await startErasing(db, project.id, { actorId: null, now }, { accountErased: true });
    await eraseProject(env, db, project.id, now);
  }
  await eraseAccountRows(db, account);
  await unwrap(accountGuard(env, account.id).erase());
}
