import type { RoomEvent } from '../contract/room.ts';
import { describeError, logEvent } from '../core/log.ts';
import { unwrap } from '../durable-objects/rpc.ts';
import { projectRoom } from '../durable-objects/stubs.ts';
import type { AppContext } from './http/context.ts';

/**
 * Tells a room of a change of its project or members that the database has. The change stands whether
 * the room hears of it or not: it looks again within five seconds. [R11]
 */
export async function tellRoom(
  c: AppContext,
  projectId: string,
  event: { type: string; by: string; data: RoomEvent['data'] } | null,
): Promise<void> {
  const room = projectRoom(c.env, projectId);
  try {
    await unwrap(room.membersChanged());
    if (event) await unwrap(room.record(event.type, event.by, event.data));
  } catch (error) {
    logEvent('room.not_told', { project: projectId, type: event?.type, ...describeError(error) }, 'warn');
  }
}
