import type { RoomEvent } from '../contract/room.ts';
import { describeError, logEvent } from '../core/log.ts';
import { unwrap } from './rpc.ts';
import { projectRoom } from './stubs.ts';

/** Tells a room of what the database has already: that stands whether the room hears of it or not, so this never fails. */
export async function announce(
  env: Env,
  projectId: string,
  { type, by, data }: Pick<RoomEvent, 'type' | 'by' | 'data'>,
): Promise<void> {
  try {
    await unwrap(projectRoom(env, projectId).record(type, by, data));
  } catch (error) {
    logEvent('room.not_told', { project: projectId, type, ...describeError(error) }, 'warn');
  }
}
