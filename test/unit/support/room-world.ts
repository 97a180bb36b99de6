import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { expect, vi } from 'vitest';
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from 'y-protocols/awareness';
import * as sync from 'y-protocols/sync';
import * as Y from 'yjs';
import { colorOf } from '../../../src/contract/color.ts';
import { type ErrorCode, KilnError } from '../../../src/contract/errors.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { Access, Project } from '../../../src/contract/projects.ts';
import { type HeardMessage, readFrame } from '../../../src/contract/room.ts';
import { sha256 } from '../../../src/core/tree.ts';
import type { ManifestEntry } from '../../../src/data/objects.ts';
import type { SentActivity } from '../../../src/durable-objects/room/activity.ts';
import type { AssetRestore, AssetStore } from '../../../src/durable-objects/room/asset-history.ts';
import type { BlobStore } from '../../../src/durable-objects/room/contents.ts';
import { Flow } from '../../../src/durable-objects/room/flow.ts';
import { IdleDocuments } from '../../../src/durable-objects/room/idle-documents.ts';
import { type Directory, Members } from '../../../src/durable-objects/room/members.ts';
import type { Peer, PeerState, PeerTarget } from '../../../src/durable-objects/room/peer.ts';
import { Room, type RoomPorts, type TreeIndex } from '../../../src/durable-objects/room/room.ts';
import { NodeSql } from './node-sql.ts';

/** Immutable bytes in memory. Refuses what R2 refuses, and what the room must never do. */
export class MemoryBlobs implements BlobStore {
  readonly blobs = new Map<string, Uint8Array>();
  readonly trees = new Map<string, readonly ManifestEntry[]>();
  /** What was stored, in order. */
  readonly order: string[] = [];
  /** Awaited before each put; a way to do something meanwhile, or to fail. */
  beforePut: (hash: string) => void | Promise<void> = () => undefined;
  /** Awaited before each call of any kind. */
  before: (call: 'put' | 'get' | 'putTree' | 'getTree', hash: string) => void | Promise<void> = () => undefined;

  async put(hash: string, data: Uint8Array): Promise<void> {
    if (sha256(data) !== hash) throw new Error('the bytes do not have that hash');
    await this.before('put', hash);
    await this.beforePut(hash);
    this.blobs.set(hash, data.slice());
    this.order.push(`blob ${hash}`);
  }

  pauses = 0;
  async pause(): Promise<void> {
    this.pauses += 1;
  }

  async get(hash: string): Promise<Uint8Array | null> {
    await this.before('get', hash);
    const data = this.blobs.get(hash);
    if (!data) throw new Error(`nobody stored the blob ${hash}`);
    return data.slice();
  }

  async putTree(hash: string, entries: readonly ManifestEntry[]): Promise<void> {
    await this.before('putTree', hash);
    for (const entry of entries)
      if (!this.blobs.has(entry.hash)) throw new Error(`the tree names ${entry.path}, which is not stored`);
    this.trees.set(
      hash,
      entries.map(({ path, hash: blob, size, mode, isText }) => ({ path, hash: blob, size, mode, isText })),
    );
    this.order.push(`tree ${hash}`);
  }

  async getTree(hash: string): Promise<readonly ManifestEntry[] | null> {
    await this.before('getTree', hash);
    return this.trees.get(hash) ?? null;
  }

  /** Text that another project stored, as `adopt` takes it over. */
  seed(path: string, text: string): ManifestEntry {
    const data = new TextEncoder().encode(text);
    const hash = sha256(data);
    this.blobs.set(hash, data);
    return { path, hash, size: data.length, mode: 0o644, isText: true };
  }
}

/** Assets of a project in memory: names with what they hold. */
export class MemoryAssets implements AssetStore {
  readonly current = new Map<string, string>();
  readonly marks = new Map<string, { readonly state: number; readonly assets: ReadonlyMap<string, string> }>();
  /** Restores that were made, by their ids. */
  readonly reverted = new Map<string, string>();
  /** Awaited before each call; a way to do something meanwhile, or to fail. */
  before: (call: 'mark' | 'keep' | 'check' | 'revert') => void | Promise<void> = () => undefined;
  /** Awaited after a mark is kept, before its answer. */
  afterMark: () => void | Promise<void> = () => undefined;
  /** Awaited after a restore is made, before its answer. */
  afterRevert: () => void | Promise<void> = () => undefined;
  #newest = { state: 0, written: '[]' };

  async mark({ checkpointId, state, unless }: Parameters<AssetStore['mark']>[0]) {
    await this.before('mark');
    const written = JSON.stringify([...this.current].sort());
    if (written !== this.#newest.written) this.#newest = { state, written };
    const isNew = unless === null || this.#newest.state > unless;
    const kept = isNew ? state : unless;
    if (isNew) this.marks.set(checkpointId, { state, assets: new Map(this.current) });
    await this.afterMark();
    return { state: kept, count: this.current.size, size: 10 * this.current.size, isNew };
  }

  async keep(ids: readonly string[]): Promise<void> {
    await this.before('keep');
    for (const id of this.marks.keys()) if (!ids.includes(id)) this.marks.delete(id);
  }

  async check(): Promise<void> {
    await this.before('check');
  }

  async revert({ id, checkpointId }: AssetRestore) {
    await this.before('revert');
    const mark = this.marks.get(checkpointId);
    if (!mark) return null;
    if (!this.reverted.has(id)) {
      this.reverted.set(id, checkpointId);
      this.current.clear();
      for (const [name, held] of mark.assets) this.current.set(name, held);
    }
    await this.afterRevert();
    return { restored: mark.assets.size, trashed: 0, missing: [] };
  }
}

/** A socket in memory. Like a real one it takes nothing after it was closed. */
export class TestPeer implements Peer {
  state: PeerState;
  readonly frames: (Uint8Array | string)[] = [];
  closed: ErrorCode | null = null;
  readonly flow = new Flow();
  heardAt = 0;
  /** When the platform last answered a ping of it; null: it pings all the time. */
  pinged: number | null = null;
  /** What hibernation keeps. */
  attachment: PeerState;
  onSend: ((frame: Uint8Array | string) => void) | null = null;
  onDrop: (() => void) | null = null;

  constructor(state: PeerState) {
    this.state = state;
    this.attachment = structuredClone(state);
  }

  send(frame: Uint8Array | string): void {
    if (this.closed) return;
    this.frames.push(frame);
    this.onSend?.(frame);
  }

  close(code: ErrorCode): void {
    this.closed ??= code;
  }

  drop(code: ErrorCode): void {
    this.close(code);
    this.onDrop?.();
  }

  persist(): void {
    expect(Buffer.byteLength(JSON.stringify(this.state))).toBeLessThan(limits.room.attachmentBytes);
    this.attachment = structuredClone(this.state);
  }

  pingedAt(): number {
    return this.pinged ?? Date.now();
  }

  /** The socket as it is after a wake: nothing but the attachment. */
  hibernate(): void {
    this.heardAt = 0;
    this.state = structuredClone(this.attachment);
  }

  /** Frames of the channel, parsed. */
  get messages(): HeardMessage[] {
    return this.frames.flatMap((frame) => (typeof frame === 'string' ? readFrame(frame) : []));
  }

  /** Messages of one type. */
  heard<T extends HeardMessage['type']>(type: T): Extract<HeardMessage, { type: T }>[] {
    return this.messages.filter((message): message is Extract<HeardMessage, { type: T }> => message.type === type);
  }

  /** Sync messages of the document, as `[type, payload]`: 0 step 1, 1 step 2, 2 update. */
  get synced(): (readonly [number, Uint8Array])[] {
    return this.frames.flatMap((frame) => {
      if (typeof frame === 'string') return [];
      const decoder = decoding.createDecoder(frame);
      if (decoding.readVarUint(decoder) !== 0) return [];
      return [[decoding.readVarUint(decoder), decoding.readVarUint8Array(decoder)] as const];
    });
  }

  /** Why what it sent was not taken, each time. */
  get denials(): string[] {
    return this.frames.flatMap((frame) => {
      if (typeof frame === 'string' || frame[0] !== 2) return [];
      const decoder = decoding.createDecoder(frame);
      expect([decoding.readVarUint(decoder), decoding.readVarUint(decoder)]).toEqual([2, 0]);
      return [decoding.readVarString(decoder)];
    });
  }

  get updates(): Uint8Array[] {
    return this.synced.flatMap(([type, payload]) => (type === 2 ? [payload] : []));
  }
}

export function frameOf(write: (encoder: encoding.Encoder) => void): Uint8Array {
  const encoder = encoding.createEncoder();
  write(encoder);
  return encoding.toUint8Array(encoder);
}

const syncFrame = (type: number, payload: Uint8Array): Uint8Array =>
  frameOf((encoder) => {
    encoding.writeVarUint(encoder, 0);
    encoding.writeVarUint(encoder, type);
    encoding.writeVarUint8Array(encoder, payload);
  });
export const step1 = (doc: Y.Doc): Uint8Array => syncFrame(0, Y.encodeStateVector(doc));
export const step2 = (update: Uint8Array): Uint8Array => syncFrame(1, update);
export const updateOf = (update: Uint8Array): Uint8Array => syncFrame(2, update);
export const awarenessOf = (payload: Uint8Array): Uint8Array =>
  frameOf((encoder) => {
    encoding.writeVarUint(encoder, 1);
    encoding.writeVarUint8Array(encoder, payload);
  });
/** An awareness payload of any ids, clocks and states. */
export const awarenessPayload = (...entries: readonly (readonly [number, number, unknown])[]): Uint8Array =>
  frameOf((encoder) => {
    encoding.writeVarUint(encoder, entries.length);
    for (const [clientId, clock, state] of entries) {
      encoding.writeVarUint(encoder, clientId);
      encoding.writeVarUint(encoder, clock);
      encoding.writeVarString(encoder, typeof state === 'string' ? state : JSON.stringify(state));
    }
  });

/** A real Yjs client, as an editor's provider behaves, on a socket in memory. */
export class TestClient {
  readonly doc = new Y.Doc();
  readonly text = this.doc.getText('content');
  readonly awareness = new Awareness(this.doc);
  readonly world: World;
  readonly userId: string;
  /** Where its file is; whoever moves it says so. */
  path: string;
  peer: TestPeer;
  #read = 0;
  /** Whether local edits are sent as they happen. */
  online = false;
  /** The room says that it did not take what was sent. */
  onDenied: (() => void) | null = null;

  constructor(world: World, userId: string, path: string) {
    this.world = world;
    this.userId = userId;
    this.path = path;
    this.peer = world.socket(userId, { kind: 'channel' });
    clearInterval(this.awareness._checkInterval as Parameters<typeof clearInterval>[0]);
    this.awareness.setLocalState(null);
    this.doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (this.online && origin !== 'server') void this.world.send(this.peer, updateOf(update));
    });
  }

  get content(): string {
    return this.text.toString();
  }

  /** Opens a socket on the path and starts to sync; `world.settle()` finishes it. */
  async connect(): Promise<this> {
    this.peer = this.world.socket(this.userId, {
      kind: 'document',
      file: this.world.room.documentTarget(this.path),
    });
    this.#read = 0;
    this.online = true;
    await this.world.room.join(this.peer);
    await this.world.send(this.peer, step1(this.doc));
    return this;
  }

  /** The network is gone; edits stay here. */
  drop(): void {
    this.online = false;
  }

  type(index: number, text: string): void {
    this.text.insert(Math.min(index, this.text.length), text);
  }

  async sayAwareness(state: Record<string, unknown> | null): Promise<void> {
    this.awareness.setLocalState(state);
    await this.world.send(this.peer, awarenessOf(encodeAwarenessUpdate(this.awareness, [this.doc.clientID])));
  }

  /** Takes in what has arrived, and answers it. False when there was nothing. */
  async pump(): Promise<boolean> {
    const frames = this.peer.frames.slice(this.#read);
    this.#read = this.peer.frames.length;
    if (!this.online) return false;
    for (const frame of frames) {
      if (typeof frame === 'string') continue;
      const decoder = decoding.createDecoder(frame);
      const type = decoding.readVarUint(decoder);
      if (type === 1) applyAwarenessUpdate(this.awareness, decoding.readVarUint8Array(decoder), 'server');
      else if (type === 2) this.onDenied?.();
      else {
        const encoder = encoding.createEncoder();
        encoding.writeVarUint(encoder, 0);
        sync.readSyncMessage(decoder, encoder, this.doc, 'server');
        if (encoding.length(encoder) > 1) await this.world.send(this.peer, encoding.toUint8Array(encoder));
      }
    }
    return frames.length > 0;
  }
}

export const ids = {
  owner: '0192f0c1-2a3b-7c4d-8e5f-000000000001',
  editor: '0192f0c1-2a3b-7c4d-8e5f-000000000002',
  viewer: '0192f0c1-2a3b-7c4d-8e5f-000000000003',
  stranger: '0192f0c1-2a3b-7c4d-8e5f-000000000009',
} as const;

export const personOf = (userId: string) => ({
  userId,
  username: `user-${userId.slice(-2)}`,
  displayName: `User ${userId.slice(-2)}`,
});

const project: Project = {
  id: '0192f0c1-2a3b-7c4d-8e5f-0000000000ff',
  name: 'P',
  description: '',
  ownerId: ids.owner,
  isPublic: false,
  thumbnailUrl: null,
  settings: {},
  role: 'owner',
  fileCount: 0,
  totalSize: 0,
  forkedFrom: null,
  forkedCheckpointId: null,
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
  deletedAt: null,
};

/**
 * Everything around a room, which outlives the room: storage, blobs, the relational store, sockets.
 * Needs fake timers; the clock of the room is theirs.
 */
export class World {
  readonly sql = new NodeSql();
  readonly blobs: MemoryBlobs;
  readonly idle: IdleDocuments;
  readonly access = new Map<string, Access>([
    [ids.owner, 'owner'],
    [ids.editor, 'editor'],
    [ids.viewer, 'viewer'],
  ]);
  readonly directory: Directory = {
    access: async (userId) => {
      await Promise.resolve();
      const access = this.access.get(userId);
      return access ? { project: { ...project, role: access }, revision: 1, access } : null;
    },
    accessOfAll: async (userIds) => {
      await Promise.resolve();
      return new Map([...this.access].filter(([userId]) => userIds.includes(userId)));
    },
    people: async () => {
      await Promise.resolve();
      return new Map([...this.access.keys()].map((userId) => [userId, personOf(userId)]));
    },
    endedSessions: async (ids) => {
      await Promise.resolve();
      return new Set(ids.filter((id) => this.endedSessions.has(id)));
    },
  };
  /** Sign-ins that the database says are over. */
  readonly endedSessions = new Set<string>();
  /** What the relational index was told. */
  readonly indexed: Parameters<TreeIndex['write']>[0][] = [];
  indexFails = false;
  /** The activity as the relational store has it, by id. */
  readonly activity = new Map<string, SentActivity>();
  /** Awaited before the activity is written, and after. */
  beforeActivity: () => void | Promise<void> = () => undefined;
  afterActivity: () => void | Promise<void> = () => undefined;
  /** The assets, in the relational store. */
  readonly assets = new MemoryAssets();
  /** Times at which the room wants `tick()`. */
  scheduled: number[] = [];
  readonly logged: string[] = [];
  readonly clients: TestClient[] = [];
  /** A disk that takes its time: what is written is there once this resolves. */
  disk: PromiseWithResolvers<void> | null = null;
  /** Errors of frames that the room refused. */
  readonly refusals: unknown[] = [];
  members = new Members(this.directory, Date.now);
  room: Room;

  /** Projects share one blob store, and those in one isolate its memory. */
  constructor(blobs = new MemoryBlobs(), idle = new IdleDocuments()) {
    this.blobs = blobs;
    this.idle = idle;
    this.room = this.#boot();
  }

  #boot(sleepers: readonly TestPeer[] = []): Room {
    this.members = new Members(this.directory, Date.now);
    this.scheduled = [];
    const ports: RoomPorts = {
      sql: this.sql,
      blobs: this.blobs,
      members: this.members,
      index: {
        write: async (change) => {
          await Promise.resolve();
          if (this.indexFails) throw new Error('the database is away');
          this.indexed.push(structuredClone(change));
        },
      },
      activity: {
        add: async (entries) => {
          await this.beforeActivity();
          for (const entry of entries) if (!this.activity.has(entry.id)) this.activity.set(entry.id, entry);
          await this.afterActivity();
        },
      },
      assets: this.assets,
      idle: this.idle,
      now: Date.now,
      schedule: (at) => this.scheduled.push(at),
      durable: () => this.disk?.promise ?? null,
      log: (event) => this.logged.push(event),
    };
    return new Room(ports, sleepers);
  }

  /** The process dies between two events: what was in memory only is gone, with every timer. */
  crash(sleepers: readonly TestPeer[] = []): Room {
    // Clearing the timers also sets the clock back; time goes on over a crash.
    const now = Date.now();
    vi.clearAllTimers();
    vi.setSystemTime(now);
    this.room = this.#boot(sleepers);
    return this.room;
  }

  /** The object sleeps and wakes: its sockets live on by their attachments, and its alarm rings when it would have. */
  hibernate(peers: readonly TestPeer[]): Room {
    for (const peer of peers) peer.hibernate();
    const alarms = this.scheduled;
    this.crash(peers);
    this.scheduled.push(...alarms);
    return this.room;
  }

  socket(userId: string, target: PeerTarget): TestPeer {
    return new TestPeer({
      id: `socket-${Math.random()}`,
      user: {
        ...personOf(userId),
        color: colorOf(userId),
      },
      session: `session of ${userId}`,
      target,
      access: this.access.get(userId) ?? 'public',
      since: Date.now(),
      awareness: [],
      path: null,
    });
  }

  /** A socket of the project channel. */
  async channel(userId: string, { batched = false } = {}): Promise<TestPeer> {
    const peer = this.socket(userId, { kind: 'channel', batched });
    await this.room.join(peer);
    return peer;
  }

  /** A client that is connected and in sync. */
  async client(userId: string, path: string): Promise<TestClient> {
    const client = new TestClient(this, userId, path);
    this.clients.push(client);
    await client.connect();
    await this.settle();
    return client;
  }

  /** A frame as the shell delivers it: what the room does not understand closes the socket. */
  async send(peer: TestPeer, frame: Uint8Array | string): Promise<void> {
    if (peer.closed) return;
    try {
      await this.room.receive(peer, frame);
    } catch (error) {
      this.refusals.push(error);
      peer.close(error instanceof KilnError ? error.code : 'malformed_request');
    }
  }

  /** A socket that closed, whoever did it. */
  async leave(peer: TestPeer): Promise<void> {
    peer.closed ??= 'unavailable';
    await this.room.leave(peer);
  }

  /** Until nothing is on its way any more: windows committed, frames taken in and answered. */
  async settle(): Promise<void> {
    for (let round = 0; round < 20; round += 1) {
      await vi.advanceTimersByTimeAsync(limits.room.commitWindow.max);
      let busy = false;
      for (const client of this.clients) busy = (await client.pump()) || busy;
      if (!busy) return;
    }
    throw new Error('the room and its clients do not come to rest');
  }

  /** The alarm rings if it is due. */
  async alarm(): Promise<void> {
    if (!this.scheduled.some((at) => at <= Date.now())) return;
    this.scheduled = [];
    await this.room.tick();
  }

  /** Time passes; the alarm rings when it should. */
  async pass(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms);
    await this.alarm();
  }

  /** Text of a file as REST answers it. */
  async text(path: string): Promise<string | null> {
    return (await this.room.read(path)).text;
  }

  /** All that is on disk, table by table. */
  dump(): Record<string, unknown[]> {
    const tables = this.sql.all<{ name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    );
    return Object.fromEntries(
      tables.map(({ name }) => [name, this.sql.all<object>(`SELECT * FROM "${name}"`).map((row) => ({ ...row }))]),
    );
  }

  /** Path → content, as REST answers it; bytes by their hash. */
  async contents(): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const { path, hash } of this.room.list().files) found[path] = (await this.text(path)) ?? hash;
    return found;
  }

  /** Text that the rows of the log give, without any room. */
  durable(path: string): string {
    const [file] = this.sql.all<{ id: number }>('SELECT id FROM files WHERE path = ?', path);
    const rows = this.sql.all<{ data: Uint8Array }>(
      `SELECT data, seq, part FROM document_snapshots WHERE file = ?1 UNION ALL SELECT data, seq + 1e9, part FROM document_log WHERE file = ?1 ORDER BY 2, 3`,
      file?.id ?? -1,
    );
    const bySeq = Map.groupBy(rows as { data: Uint8Array; seq: number }[], ({ seq }) => seq);
    const doc = new Y.Doc();
    for (const parts of bySeq.values()) Y.applyUpdate(doc, Buffer.concat(parts.map(({ data }) => data)));
    return doc.getText('content').toString();
  }
}

/**
 * Does `work` again and again, each time in a world of its own, and lets the process die before its
 * first call to the blob store, its second, and so on, and at last right after its end; `check` sees
 * the room that starts after it. Needs fake timers.
 */
export async function dyingEverywhere(
  prepare: () => Promise<World>,
  work: (world: World) => Promise<unknown>,
  check: (world: World, isDone: boolean) => Promise<void>,
): Promise<number> {
  for (let step = 1; ; step += 1) {
    const world = await prepare();
    let calls = 0;
    const death = Promise.withResolvers<'died'>();
    world.blobs.before = () => {
      calls += 1;
      if (calls < step) return;
      death.resolve('died');
      return new Promise(() => undefined);
    };
    const end = await Promise.race([work(world), death.promise]);
    world.blobs.before = () => undefined;
    world.crash();
    await check(world, end !== 'died');
    if (end !== 'died') return step;
  }
}
