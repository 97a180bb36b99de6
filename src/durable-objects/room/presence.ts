import type { ClientMessage, Presence, ServerMessage } from '../../contract/room.ts';
import type { Doing, Peer } from './peer.ts';

/** What a client says of itself that is shown and not kept. */
type PresenceMessage = Extract<ClientMessage, { type: 'cursor' | 'selection' | 'viewport' | 'idle' | 'typing' }>;

/** What others are told of it. */
export type Moving = Extract<ServerMessage, { type: PresenceMessage['type'] }>;

const nothing: Doing = { at: 0, idle: false, cursor: null, nodes: [], view: null };

/** Takes what a socket says of its user into its state, and returns what others are told. [R7] */
export function hear(peer: Peer, message: PresenceMessage, now: number): Moving {
  const { userId } = peer.state.user;
  const before = peer.state.doing ?? nothing;
  const path = 'path' in message ? message.path : peer.state.path;
  // What was said of one file says nothing of another.
  const kept = path === peer.state.path ? before : nothing;
  const active: Doing = { ...kept, at: now, idle: false };
  const become = (doing: Doing): void => {
    peer.state.path = path;
    peer.state.doing = doing;
    peer.persist();
  };
  switch (message.type) {
    case 'cursor': {
      const { type: _, path: __, ...cursor } = message;
      become({ ...active, cursor: Object.keys(cursor).length > 0 ? cursor : null });
      break;
    }
    case 'selection':
      become({ ...active, nodes: message.nodes });
      break;
    case 'viewport':
      become({ ...active, view: message.view });
      break;
    case 'idle':
      // Whoever says that nothing is done does not do it on this socket more than on another.
      become({ ...before, at: message.idle ? before.at : now, idle: message.idle });
      break;
    case 'typing':
      become(active);
  }
  return { ...message, userId };
}

/** How others see a user, from all sockets of theirs. */
export function presenceOf(sockets: readonly Peer[], pathOf: (file: number) => string | null): Presence | undefined {
  const first = sockets[0];
  if (!first) return undefined;
  const latest = sockets
    .filter(({ state }) => state.doing !== undefined || state.path !== null)
    .reduce<Peer | undefined>(
      (newest, peer) => ((peer.state.doing?.at ?? 0) >= (newest?.state.doing?.at ?? 0) ? peer : newest),
      undefined,
    );
  const open = sockets.flatMap(({ state }) =>
    state.target.kind === 'document' ? (pathOf(state.target.file) ?? []) : [],
  )[0];
  const { idle, cursor, nodes, view } = latest?.state.doing ?? nothing;
  return {
    ...first.state.user,
    role: first.state.access,
    path: latest?.state.path ?? open ?? null,
    idle,
    cursor,
    nodes,
    view,
    since: new Date(Math.min(...sockets.map((peer) => peer.state.since))).toISOString(),
  };
}
