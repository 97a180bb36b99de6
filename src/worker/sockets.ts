import { type ErrorCode, errorCodes, KilnError } from '../contract/errors.ts';
import { Id } from '../contract/ids.ts';
import { batchedFrames, ticketProtocol, ticketProtocolPrefix } from '../contract/room.ts';
import { decodePath } from '../core/paths.ts';
import { verifyToken } from '../core/tokens.ts';
import { errorHeader, identityHeader, type SocketIdentity } from '../durable-objects/project-room.ts';
import { answered } from '../durable-objects/rpc.ts';
import { vouch } from './auth/vouch.ts';
import type { AppContext } from './http/context.ts';

interface Target {
  readonly projectId: string;
  /** Null for the project channel. */
  readonly path: string | null;
}

/** What a socket's URL names; null when it is no socket URL. */
function targetOf(path: string, query: URLSearchParams): Target | null {
  const channel = /^\/api(?:\/v1)?\/projects\/([^/]+)\/room$/.exec(path);
  if (channel?.[1]) return { projectId: channel[1], path: null };
  const document = /^\/api(?:\/v1)?\/projects\/([^/]+)\/docs\/(.+)$/.exec(path);
  if (document?.[1] && document[2]) return { projectId: document[1], path: decodePath(document[2]) };
  // The form that PartyKit clients build.
  const party = /^\/parties\/project\/([^/]+)$/.exec(path);
  if (!party?.[1]) return null;
  const doc = query.get('doc');
  return { projectId: party[1], path: doc === null ? null : decodePath(encodeURIComponent(doc)) };
}

export const isSocketRequest = (c: AppContext): boolean => c.req.header('upgrade')?.toLowerCase() === 'websocket';

/**
 * Everything that can be checked without the room is checked here, before the object is reached: the
 * Origin, the ticket, the path. A cookie never authorises a socket.
 */
export async function openSocket(c: AppContext): Promise<Response> {
  const query = new URL(c.req.url).searchParams;
  const target = targetOf(c.req.path, query);
  if (!target || !Id.safeParse(target.projectId).success) throw new KilnError('not_found');
  const origin = c.req.header('origin');
  if (origin !== undefined && !c.var.config.allowedOrigins.has(origin))
    throw new KilnError('forbidden', { detail: 'This origin may not open sockets.' });

  const offered = (c.req.header('sec-websocket-protocol') ?? '').split(',').map((protocol) => protocol.trim());
  const ticket =
    query.get('ticket') ??
    offered.find((protocol) => protocol.startsWith(ticketProtocolPrefix))?.slice(ticketProtocolPrefix.length);
  const claims = ticket ? await verifyToken(c.var.config, 'room', ticket) : null;
  if (!claims || claims.project !== target.projectId)
    throw new KilnError('unauthenticated', { detail: 'A fresh ticket is needed.' });

  c.var.fields.user = claims.sub;
  // A ticket outlives the sign-in that it came from by up to a minute; its session does not.
  if (!(await vouch(c, claims.sub, { kind: 'session', id: claims.sid }, claims.sub)))
    throw new KilnError('unauthenticated', { detail: 'The sign-in behind this ticket has ended.' });
  c.var.fields.project = target.projectId;
  const identity: SocketIdentity = {
    userId: claims.sub,
    username: claims.username,
    displayName: claims.name,
    sessionId: claims.sid,
    jti: claims.jti,
    expires: claims.exp * 1000,
    path: target.path,
    protocol: offered.includes(ticketProtocol) ? ticketProtocol : null,
    batched: query.get(batchedFrames.name) === batchedFrames.value,
  };
  // A request of our own: of the client's headers, only what the upgrade itself needs goes on.
  const response = await answered(
    c.env.PROJECT_ROOM.getByName(target.projectId).fetch('https://room/socket', {
      headers: { upgrade: 'websocket', [identityHeader]: encodeURIComponent(JSON.stringify(identity)) },
    }),
  );
  if (response.status === 101) return response;
  const code = response.headers.get(errorHeader);
  throw new KilnError(errorCodes.includes(code as ErrorCode) ? (code as ErrorCode) : 'internal');
}
