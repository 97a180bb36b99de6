import { DurableObject } from 'cloudflare:workers';
import type { ChatQuery } from '../contract/chat.ts';
import type { UpdateCheckpoint } from '../contract/checkpoints.ts';
import { colorOf } from '../contract/color.ts';
import type { CarriedComment, CommentQuery, CreateComment, CreateReply, UpdateComment } from '../contract/comments.ts';
import { type ErrorCode, errorSpec, KilnError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import { limits } from '../contract/limits.ts';
import type { Access } from '../contract/projects.ts';
import type { Right } from '../contract/rights.ts';
import type { RoomEvent } from '../contract/room.ts';
import type { SearchQuery } from '../contract/search.ts';
import { describeError, logEvent } from '../core/log.ts';
import { allows } from '../core/permissions.ts';
import { addActivity } from '../data/activity.ts';
import { checkRevert, keepMarks, markAssets, revertAssets } from '../data/asset-marks.ts';
import { boundedEnv } from '../data/bounded.ts';
import { listCollaborators } from '../data/collaborators.ts';
import { endedSessions } from '../data/live-sessions.ts';
import { getBlob, getTree, type ManifestEntry, putBlob, putTree } from '../data/objects.ts';
import { withDatabase } from '../data/open.ts';
import { indexFiles, projectAccess, projectAccessOfAll, toProject } from '../data/projects.ts';
import { exportsVault } from '../data/vault.ts';
import { AlarmClock } from './alarm-clock.ts';
import type { WriteOptions } from './room/changes.ts';
import type { Checkpoints, NewCheckpoint } from './room/checkpoints.ts';
import type { HotText } from './room/contents.ts';
import type { MergeOrder } from './room/history.ts';
import { IdleDocuments } from './room/idle-documents.ts';
import type { BatchStep, NewContent } from './room/landing.ts';
import type { KnownBlob } from './room/leases.ts';
import { type Caller, type Directory, type Entry, Members } from './room/members.ts';
import { PartyBatches } from './room/party-batch.ts';
import type { PeerTarget } from './room/peer.ts';
import { type ForkOrigin, Room, type RoomPorts } from './room/room.ts';
import { answer } from './rpc.ts';
import { SocketPeer, type SocketShell } from './socket-peer.ts';
import { type RevocableSql, revocable, type Sql, storageSql } from './sql.ts';

/** Identity of a socket, set by the Worker after it verified the ticket; client-made headers never reach the object. */
export interface SocketIdentity {
  readonly userId: string;
  /** The sign-in that its ticket came from. */
  readonly sessionId: string;
  readonly username: string;
  readonly displayName: string;
  readonly jti: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
  /** Null for the project channel. */
  readonly path: string | null;
  readonly protocol: string | null;
  /** The client takes several messages of the channel in one frame. */
  readonly batched: boolean;
}

export const identityHeader = 'x-kiln-identity';
/** On a refused upgrade: the error's code, for the Worker to make a problem document of. */
export const errorHeader = 'x-kiln-error';

/** Rooms that share an isolate share its memory. */
const idleDocuments = new IdleDocuments();

/** The public of a project may have its files, not what its members say of them. */
const forMembers = (access: Access, comments: CarriedComment[]): CarriedComment[] =>
  allows(access, 'project.join') ? comments : [];

/** The shell of a project's room: sockets, alarm, storage and stores. What it does is in `room/`. */
export class ProjectRoom extends DurableObject<Env> {
  readonly #projectId: string;
  readonly #members: Members;
  readonly #peers = new Map<WebSocket, SocketPeer>();
  readonly #batches = new PartyBatches();
  #room: Room | null = null;
  /** The storage of that room. */
  #storage: RevocableSql | null = null;
  /** The storage is being made what a backup says: until it is, there is no room. */
  #restoring = false;
  /** Sockets of an erased room may still say something; that must not make it anew. */
  #erased = false;
  readonly #clock = new AlarmClock(this.ctx);

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, boundedEnv(env));
    this.#projectId = ctx.id.name ?? '';
    this.#members = new Members(this.#directory(), Date.now);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('{"type":"ping"}', '{"type":"pong"}'));
  }

  // ── What a request may do; the gate comes first, always ───────────────────────────────────────

  authorize(caller: Caller, right: Right) {
    return answer(async () => ({ access: (await this.#members.enter(caller, right)).access }));
  }

  project(caller: Caller, right: Right) {
    return this.#guarded(caller, right, (room, entry) => room.project(entry));
  }

  list(caller: Caller, right: Right, prefix?: string) {
    return this.#guarded(caller, right, (room) => room.list(prefix));
  }

  tree(caller: Caller, right: Right) {
    return this.#guarded(caller, right, (room) => room.tree());
  }

  read(caller: Caller, right: Right, path: string) {
    return this.#guarded(caller, right, (room) => room.read(path));
  }

  search(caller: Caller, right: Right, query: SearchQuery) {
    return this.#guarded(caller, right, (room) => room.search(query, caller.userId));
  }

  write(caller: Caller, right: Right, path: string, content: NewContent, options?: WriteOptions) {
    return this.#guarded(caller, right, (room) => room.write(path, content, caller.userId, options));
  }

  delete(caller: Caller, right: Right, path: string, options?: WriteOptions) {
    return this.#guarded(caller, right, (room) => room.delete(path, caller.userId, options));
  }

  batch(caller: Caller, right: Right, steps: readonly BatchStep[], message?: string) {
    return this.#guarded(caller, right, (room) => room.batch(steps, caller.userId, message));
  }

  missing(caller: Caller, right: Right, hashes: readonly string[]) {
    return this.#guarded(caller, right, async (room) => ({ missing: await room.missing(hashes) }));
  }

  uploaded(caller: Caller, right: Right, ...blobs: KnownBlob[]) {
    return this.#guarded(caller, right, (room) => room.uploaded(...blobs));
  }

  chat(caller: Caller, right: Right, query: ChatQuery) {
    return this.#guarded(caller, right, (room) => room.talk.history(query));
  }

  postChat(caller: Caller, right: Right, said: Parameters<Room['talk']['chat']>[1]) {
    return this.#guarded(caller, right, (room) => room.talk.chat(caller.userId, said));
  }

  comments(caller: Caller, right: Right, query: CommentQuery) {
    return this.#guarded(caller, right, (room) => room.comments.list(query));
  }

  comment(caller: Caller, right: Right, id: string) {
    return this.#guarded(caller, right, (room) => room.comments.get(id));
  }

  createComment(caller: Caller, right: Right, input: CreateComment) {
    return this.#guarded(caller, right, (room) => room.talk.comment(caller.userId, input));
  }

  reply(caller: Caller, right: Right, id: string, input: CreateReply) {
    return this.#guarded(caller, right, (room) => room.talk.reply(caller.userId, id, input));
  }

  updateComment(caller: Caller, right: Right, id: string, change: UpdateComment) {
    return this.#guarded(caller, right, (room) => room.talk.update(caller.userId, id, change));
  }

  deleteComment(caller: Caller, right: Right, id: string) {
    return this.#guarded(caller, right, (room, { access }) =>
      room.comments.delete(id, { userId: caller.userId, access }),
    );
  }

  problems(caller: Caller, right: Right) {
    return this.#guarded(caller, right, (room) => room.problems());
  }

  presence(caller: Caller, right: Right) {
    return this.#guarded(caller, right, (room) => room.presence());
  }

  events(caller: Caller, right: Right, since: number, type?: string) {
    return this.#guarded(caller, right, (room) => room.events(since, type));
  }

  /** The tree of this moment, stored; `mergeBase` is where it was last the same as that of `related`. */
  snapshot(caller: Caller, right: Right, related?: string) {
    return this.#guarded(caller, right, async ({ history }, { project }) => {
      const { entries, ...tree } = await history.snapshot();
      const mergeBase = related === undefined ? null : history.checkpoints.base(related);
      return { ...tree, project, mergeBase };
    });
  }

  /** The tree of this moment and its comments, for another room to adopt. */
  copy(caller: Caller, right: Right) {
    return this.#guarded(caller, right, async (room, { project, access }) => {
      const comments = room.carriedComments();
      return { ...(await room.history.copy()), comments: forMembers(access, comments), project };
    });
  }

  /** The tree of this moment, stored, and its comments. */
  exported(caller: Caller, right: Right) {
    return this.#guarded(caller, right, async (room, { access }) => {
      const comments = room.carriedComments();
      return { treeHash: (await room.history.snapshot()).treeHash, comments: forMembers(access, comments) };
    });
  }

  /** The comments, for a fork to adopt with the tree of a checkpoint. */
  carriedComments(caller: Caller, right: Right) {
    return this.#guarded(caller, right, (room, { access }) => forMembers(access, room.carriedComments()));
  }

  /** The tree of this moment, with the texts that are in no store yet; nothing where it is the one that is known. */
  sources(caller: Caller, right: Right, known: string | undefined) {
    return this.#guarded(caller, right, ({ history }) => history.sources(known));
  }

  checkpoint(caller: Caller, right: Right, order: Omit<NewCheckpoint, 'by' | 'requestId'>) {
    return this.#noted(caller, right, async ({ history }, { project }) => ({
      checkpoint: await history.checkpoint({ ...order, ...authorOf(caller) }),
      project,
    }));
  }

  checkpoints(caller: Caller, right: Right, query: Parameters<Checkpoints['list']>[0]) {
    return this.#guarded(caller, right, ({ history }) => history.checkpoints.list(query));
  }

  getCheckpoint(caller: Caller, right: Right, id: string) {
    return this.#guarded(caller, right, async ({ history }, { project }) => ({
      checkpoint: await history.stored(id),
      project,
    }));
  }

  updateCheckpoint(caller: Caller, right: Right, id: string, change: UpdateCheckpoint) {
    return this.#noted(caller, right, ({ history }) =>
      history.checkpoints.update(id, change, caller.userId, caller.requestId),
    );
  }

  deleteCheckpoint(caller: Caller, right: Right, id: string) {
    return this.#noted(caller, right, ({ history }) => history.checkpoints.delete(id, caller.userId, caller.requestId));
  }

  restoreCheckpoint(caller: Caller, right: Right, id: string) {
    return this.#noted(caller, right, ({ history }) => history.restore(id, caller.userId, caller.requestId));
  }

  merge(caller: Caller, right: Right, order: Omit<MergeOrder, 'by' | 'requestId'>) {
    return this.#noted(caller, right, ({ history }) => history.merge({ ...order, ...authorOf(caller) }));
  }

  // ── What the platform itself does; reachable through the binding only ─────────────────────────

  adopt(
    entries: readonly ManifestEntry[],
    by: string,
    texts: readonly HotText[] = [],
    fork?: ForkOrigin,
    comments: readonly CarriedComment[] = [],
  ) {
    return answer(() => this.#open().adopt(entries, by, texts, fork, comments));
  }

  /** For readiness: the object can be reached and runs. */
  ping() {
    return true;
  }

  /** Memberships or the project changed in the database. */
  membersChanged() {
    return answer(() => this.#open().membersChanged());
  }

  /** Something of this project happened elsewhere. */
  record(type: string, by: string | null, data: RoomEvent['data']) {
    return answer(async () => {
      await this.#open().lookAround();
      this.#open().record(type, by, data);
    });
  }

  /** Sign-ins of a user have ended, or with null all of them. */
  endSockets(userId: string, sessions: readonly string[] | null) {
    return answer(() => {
      // Without sockets there is nothing to end, and a room that is gone must not come back for it.
      if (this.ctx.getWebSockets().length) this.#open().endSockets(userId, sessions);
    });
  }

  closeAll(code: ErrorCode) {
    return answer(() => this.#open().closeAll(code));
  }

  /** Brings the relational index up to date now instead of when it is due. Idempotent. */
  flushIndex() {
    return answer(() => this.#open().writeIndex());
  }

  /** Puts what the room holds into EXPORTS, where that is not there already. */
  backup() {
    return answer(() => this.#open().backup(this.#projectId, exportsVault(this.env.EXPORTS)));
  }

  /** Takes over a state from EXPORTS. Idempotent; a room that is further than the backup keeps its own. */
  restoreState(hash: string) {
    return answer(async () => {
      const room = this.#open();
      let isOver = false;
      const end = (): Sql => {
        // Another restore may have been faster.
        if (this.#room !== room) throw new KilnError('unavailable');
        this.#end('unavailable');
        this.#restoring = true;
        isOver = true;
        return storageSql(this.ctx.storage);
      };
      const taken = room.takeOver(hash, exportsVault(this.env.EXPORTS), end).finally(() => {
        if (isOver) this.#restoring = false;
      });
      const restored = await taken;
      return { ...restored, treeHash: this.#open().tree().hash };
    });
  }

  /** The manifest of a snapshot that the room has not stored yet; null for every other one. Whose it is the platform has seen to. */
  heldTree(hash: string) {
    return answer(() => this.#open().heldTree(hash));
  }

  /** Those of these contents that the room has at hand, not more than travel together. As `heldTree`. */
  texts(hashes: readonly string[]) {
    return answer(() => this.#open().texts(hashes));
  }

  /** The texts that were written last, as many as travel with a job. As `heldTree`. */
  newestTexts() {
    return answer(() => this.#open().newestTexts());
  }

  /** Which of these blobs the room still needs. */
  held(hashes: readonly string[]) {
    return answer(() => this.#open().held(hashes));
  }

  /** Removes everything that the room holds. Idempotent. */
  erase() {
    return answer(async () => {
      this.#open().closeAll('not_found');
      this.#end('not_found');
      this.#erased = true;
      await this.ctx.storage.deleteAlarm();
      await this.ctx.storage.deleteAll();
    });
  }

  // ── Sockets ───────────────────────────────────────────────────────────────────────────────────

  /** Only WebSocket upgrades, which the Worker forwards with the identity that their ticket proved. */
  override async fetch(request: Request): Promise<Response> {
    const header = request.headers.get(identityHeader);
    if (!header || request.headers.get('upgrade')?.toLowerCase() !== 'websocket')
      return new Response(null, { status: 404 });
    const identity = JSON.parse(decodeURIComponent(header)) as SocketIdentity;
    const entered = await answer(async () => {
      const entry = await this.#members.enter(identity, 'project.join');
      if (!this.#open().spendTicket(identity.jti, identity.expires)) throw new KilnError('ticket_expired');
      return entry;
    });
    if (!entered.ok)
      return new Response(null, { status: errorSpec(entered.code).status, headers: { [errorHeader]: entered.code } });

    const { 0: client, 1: server } = new WebSocketPair();
    const headers = new Headers();
    if (identity.protocol) headers.set('sec-websocket-protocol', identity.protocol);
    const room = this.#open();
    // No pause from here to the moment in which it counts as one of the crowd: of those who come together, only some fit in.
    let target: PeerTarget;
    try {
      room.refuseCrowd(identity.userId);
      target =
        identity.path === null
          ? { kind: 'channel', batched: identity.batched }
          : { kind: 'document', file: room.documentTarget(identity.path) };
    } catch (error) {
      if (!(error instanceof KilnError)) throw error;
      // A browser cannot read the status of a refused upgrade, so the close code carries the reason.
      server.accept();
      server.close(errorSpec(error.code).close ?? 4500, error.code);
      return new Response(null, { status: 101, webSocket: client, headers });
    }
    const { userId, username, displayName } = identity;
    const peer = new SocketPeer(
      server,
      {
        id: newId(),
        user: { userId, username, displayName, color: colorOf(userId) },
        session: identity.sessionId,
        target,
        access: entered.value.access,
        since: Date.now(),
        awareness: [],
        path: null,
      },
      this.#shell,
    );
    this.ctx.acceptWebSocket(server);
    peer.persist();
    this.#peers.set(server, peer);
    logEvent('socket.opened', {
      project: this.#projectId,
      user: userId,
      kind: target.kind,
      access: peer.state.access,
    });
    await room.join(peer);
    return new Response(null, { status: 101, webSocket: client, headers });
  }

  override webSocketMessage(socket: WebSocket, message: ArrayBuffer | string): void | Promise<void> {
    if (this.#erased || this.#restoring) return;
    const room = this.#open();
    const peer = this.#peers.get(socket);
    if (!peer || peer.isClosed) return;
    const size = typeof message === 'string' ? message.length : message.byteLength;
    if (size > limits.room.frameBytes) return peer.close('payload_too_large');
    if (!room.admits(peer, size)) return peer.close('rate_limited');
    try {
      const frame = this.#batches.take(peer, typeof message === 'string' ? message : new Uint8Array(message));
      if (frame === null) return;
      return room.receive(peer, frame)?.catch((error: unknown) => this.#refuseFrame(peer, error));
    } catch (error) {
      this.#refuseFrame(peer, error);
    }
  }

  #refuseFrame(peer: SocketPeer, error: unknown): void {
    logEvent(
      'socket.refused_frame',
      { project: this.#projectId, user: peer.state.user.userId, ...describeError(error) },
      'warn',
    );
    peer.close(error instanceof KilnError ? error.code : 'malformed_request');
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    if (this.#erased || this.#restoring) return;
    const room = this.#open();
    const peer = this.#peers.get(socket);
    if (!peer) return;
    this.#peers.delete(socket);
    this.#batches.forget(peer);
    peer.answerClose(code);
    await room.leave(peer);
    logEvent('socket.closed', {
      project: this.#projectId,
      user: peer.state.user.userId,
      kind: peer.state.target.kind,
      code,
    });
  }

  readonly #shell: SocketShell = {
    // Not in the middle of whatever was being sent.
    dropped: (socket) =>
      queueMicrotask(() => {
        this.webSocketClose(socket, errorSpec('slow_reader').close ?? 4500).catch((error: unknown) =>
          logEvent('socket.not_dropped', { project: this.#projectId, ...describeError(error) }, 'error'),
        );
      }),
    pingedAt: (socket) => this.ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0,
  };

  override async webSocketError(socket: WebSocket): Promise<void> {
    await this.webSocketClose(socket, 1006);
  }

  override async alarm(): Promise<void> {
    if (this.#erased) return;
    this.#clock.rang();
    if (this.#restoring) return this.#clock.schedule(Date.now() + limits.room.indexDelay);
    try {
      await this.#open().tick();
    } catch (error) {
      logEvent('room.tick_failed', { project: this.#projectId, ...describeError(error) }, 'error');
      // The platform gives up after six tries; what is pending must not be forgotten.
      this.#clock.schedule(Date.now() + limits.room.indexDelay);
    }
  }

  // ── Inside ────────────────────────────────────────────────────────────────────────────────────

  #guarded<T>(caller: Caller, right: Right, work: (room: Room, entry: Entry) => T | Promise<T>) {
    return answer(async () => {
      const entry = await this.#members.enter(caller, right);
      await this.#open().lookAround();
      return await work(this.#open(), entry);
    });
  }

  /** As `#guarded`; the activity tells of it when this answers, or soon after where the database is away. [R21] */
  #noted<T>(caller: Caller, right: Right, work: (room: Room, entry: Entry) => T | Promise<T>) {
    return this.#guarded(caller, right, async (room, entry) => {
      try {
        return await work(room, entry);
      } finally {
        await room.deliverActivity();
      }
    });
  }

  /** The room is over: what of it is on its way finds no storage any more, and its sockets are those of no other room. */
  #end(code: ErrorCode): void {
    this.#storage?.revoke();
    this.#room = null;
    for (const peer of this.#peers.values()) peer.forget(code);
    this.#peers.clear();
  }

  /** The core, with every socket that lived through hibernation. Strangers never get here, so an unknown id leaves no storage behind. */
  #open(): Room {
    if (this.#room) return this.#room;
    if (this.#restoring) throw new KilnError('unavailable');
    const { ctx, env } = this;
    this.#storage = revocable(storageSql(ctx.storage));
    const ports: RoomPorts = {
      sql: this.#storage.sql,
      members: this.#members,
      blobs: {
        put: (hash, data) => putBlob(env.ASSETS, hash, data),
        get: async (hash) => {
          const object = await getBlob(env.ASSETS, hash);
          return object ? new Uint8Array(await object.arrayBuffer()) : null;
        },
        putTree: (hash, entries) => putTree(env.ASSETS, hash, entries),
        getTree: (hash) => getTree(env.ASSETS, hash),
        pause: () => scheduler.wait(limits.room.blobsPause),
      },
      index: {
        write: (change) => withDatabase(env, (db) => indexFiles(db, this.#projectId, { ...change, now: Date.now() })),
      },
      activity: {
        add: (entries) => withDatabase(env, (db) => addActivity(db, this.#projectId, entries)),
      },
      assets: {
        mark: (order) => withDatabase(env, (db) => markAssets(db, this.#projectId, order)),
        keep: (ids) => withDatabase(env, (db) => keepMarks(db, this.#projectId, ids)),
        check: (id) => withDatabase(env, (db) => checkRevert(db, this.#projectId, id)),
        revert: ({ by, requestId, ...order }) =>
          withDatabase(env, (db) =>
            revertAssets(db, this.#projectId, order, { actorId: by, requestId, now: Date.now() }),
          ),
      },
      idle: idleDocuments,
      now: Date.now,
      schedule: (at) => this.#clock.schedule(at),
      durable: () => ctx.storage.sync(),
      log: (event, fields, level) => logEvent(event, { project: this.#projectId, ...fields }, level),
    };
    const sleepers: SocketPeer[] = [];
    for (const socket of ctx.getWebSockets()) {
      const peer = SocketPeer.restore(socket, this.#shell);
      if (!peer) continue;
      this.#peers.set(socket, peer);
      sleepers.push(peer);
    }
    this.#room = new Room(ports, sleepers);
    this.#erased = false;
    return this.#room;
  }

  #directory(): Directory {
    return {
      people: async () => {
        const members = await withDatabase(this.env, (db) => listCollaborators(db, this.#projectId));
        return new Map(members.map(({ userId, username, displayName }) => [userId, { userId, username, displayName }]));
      },
      accessOfAll: (userIds) => withDatabase(this.env, (db) => projectAccessOfAll(db, this.#projectId, userIds)),
      endedSessions: (ids) => withDatabase(this.env, (db) => endedSessions(db, ids, Date.now())),
      access: async (userId) => {
        const found = await withDatabase(this.env, (db) => projectAccess(db, this.#projectId, userId));
        return (
          found && { project: toProject(found.row, found.access), revision: found.row.revision, access: found.access }
        );
      },
    };
  }
}

const authorOf = ({ userId, requestId }: Caller) => ({ by: userId, requestId });
