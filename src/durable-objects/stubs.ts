import type { AccountGuard } from './account-guard.ts';
import type { BuildRun } from './build-run.ts';
import type { Maintenance } from './maintenance.ts';
import type { ProjectRoom } from './project-room.ts';
import type { Throttle } from './throttle.ts';

/**
 * An object as its callers see it: every method answers a promise of plain data. The platform's own
 * stub type says the same by a recursion over every field, which the compiler cannot finish on JSON.
 */
type Remote<T, Platform extends string> = {
  readonly [M in Exclude<keyof T, Platform> as T[M] extends (...args: never[]) => unknown ? M : never]: T[M] extends (
    ...args: infer A
  ) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
};

type Lifecycle = 'fetch' | 'alarm' | 'webSocketMessage' | 'webSocketClose' | 'webSocketError';

export type RemoteRoom = Remote<ProjectRoom, Lifecycle>;
export type RemoteBuild = Remote<BuildRun, Lifecycle>;
type RemoteGuard = Remote<AccountGuard, Lifecycle>;
type RemoteThrottle = Remote<Throttle, Lifecycle>;
export type RemoteMaintenance = Remote<Maintenance, Lifecycle>;

/** The room of a project, created near `hint` when this is its first use. */
export function projectRoom(env: Env, projectId: string, hint?: DurableObjectLocationHint): RemoteRoom {
  const rooms = env.PROJECT_ROOM;
  return rooms.get(rooms.idFromName(projectId), hint ? { locationHint: hint } : {}) as unknown as RemoteRoom;
}

export const buildRun = (env: Env, buildId: string): RemoteBuild =>
  env.BUILD_RUN.getByName(buildId) as unknown as RemoteBuild;

/** The one object of a deployment that backs up, restores and collects. */
export const maintenance = (env: Env): RemoteMaintenance =>
  env.MAINTENANCE.getByName('maintenance') as unknown as RemoteMaintenance;

/** The object that knows what is good of one account. */
export const accountGuard = (env: Env, userId: string): RemoteGuard =>
  env.ACCOUNT_GUARD.getByName(userId) as unknown as RemoteGuard;

/** The count of one thing that is counted, as `address:192.0.2.1`. */
export const throttle = (env: Env, name: string): RemoteThrottle =>
  env.THROTTLE.getByName(name) as unknown as RemoteThrottle;
