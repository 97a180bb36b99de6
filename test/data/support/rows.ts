import { newId } from '../../../src/contract/ids.ts';
import type { Actor } from '../../../src/data/audit.ts';
import { createBuild, type NewBuild } from '../../../src/data/builds.ts';
import type { Database } from '../../../src/data/database.ts';
import { createProject, markReady } from '../../../src/data/projects.ts';
import { createUser } from '../../../src/data/users.ts';
import { newProject } from '../../support/new-project.ts';

/** A moment that every row of a test can be told by. Milliseconds. */
export const now = Date.UTC(2026, 0, 2, 3, 4, 5);

/** Somebody who does something at that moment. */
export const by = <A extends string | null>(actorId: A): Actor & { actorId: A } => ({ actorId, now });

let count = 0;

/** A user; returns the id. */
export async function someUser(db: Database, name = `user${count++}`): Promise<string> {
  const user = await createUser(db, {
    email: `${name.toLowerCase()}@kiln.test`,
    username: name,
    displayName: name,
    passwordHash: null,
    now,
  });
  return user.id;
}

/** A project that is ready; returns the id. */
export async function someProject(db: Database, ownerId: string, name = 'Project', at = now): Promise<string> {
  const project = newProject(ownerId, name, at);
  await createProject(db, project);
  await markReady(db, project.id, { fileCount: 0, totalSize: 0, treeHash: '' }, by(ownerId));
  return project.id;
}

export const newBuild = (projectId: string, userId: string, at = now): NewBuild => ({
  id: newId(),
  projectId,
  userId,
  target: 'web',
  options: { minify: true, sourcemap: false, typecheck: false, optimizeAssets: false, define: {} },
  key: `key of ${projectId}`,
  treeHash: 'a'.repeat(64),
  checkpointId: null,
  lockHash: null,
  now: at,
});

/** A queued build with its promised message; returns the id. */
export async function someBuild(db: Database, projectId: string, userId: string, at = now): Promise<string> {
  const build = newBuild(projectId, userId, at);
  const message = { id: newId(), queue: 'builds', body: { v: 1, buildId: build.id, attempt: 1 } };
  await createBuild(db, build, message, by(userId));
  return build.id;
}
