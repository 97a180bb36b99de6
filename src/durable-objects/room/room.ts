import * as Y from 'yjs';
import { type ErrorCode, KilnError } from '../../contract/errors.ts';
import type { FileInfo, TreeNode } from '../../contract/files.ts';
import { limits } from '../../contract/limits.ts';
import type { Project } from '../../contract/projects.ts';
import type { Presence, RoomEvent } from '../../contract/room.ts';
import { textOf } from '../../core/content.ts';
import { etag, matches } from '../../core/etag.ts';
import type { LogFields } from '../../core/log.ts';
import { applyText } from '../../core/text-diff.ts';
import { nest, sha256 } from '../../core/tree.ts';
import type { ManifestEntry } from '../../data/objects.ts';
import { bytesOf, type Sql } from '../sql.ts';
import { Channel } from './channel.ts';
import { DocumentLog } from './document-log.ts';
import { EventLog } from './event-log.ts';
import { LiveDocument } from './live-document.ts';
import type { Entry, Members } from './members.ts';
import type { Peer } from './peer.ts';
import { migrate } from './schema.ts';
import { type StoredFile, TreeStore } from './tree-store.ts';

/** Immutable bytes outside the room (R2). */
export interface BlobStore {
  put(hash: string, data: Uint8Array): Promise<void>;
  get(hash: string): Promise<Uint8Array | null>;
  putTree(hash: string, entries: readonly ManifestEntry[]): Promise<void>;
}

/** The relational index of the tree. */
export interface TreeIndex {
  write(change: {
    changed: StoredFile[];
    removed: { path: string; seq: number }[];
    fileCount: number;
    totalSize: number;
    treeHash: string;
  }): Promise<void>;
}

export interface RoomPorts {
  readonly sql: Sql;
  readonly blobs: BlobStore;
  readonly members: Members;
  readonly index: TreeIndex;
  now(): number;
  /** Asks for `tick()` at that time or before. */
  schedule(at: number): void;
  log(event: string, fields: LogFields, level?: 'info' | 'warn' | 'error'): void;
}

/** What a reader gets: text from here, other bytes from the blob store by the file's hash. */
export interface FileContent {
  readonly file: FileInfo;
  readonly text: string | null;
}

/** Content on its way in: text that the room keeps, or a blob that is stored already. */
export type NewContent = { readonly text: string } | { readonly hash: string; readonly size: number };

export interface WriteOptions {
  /** `If-Match` as it came. */
  readonly ifMatch?: string | undefined;
  /** `If-None-Match: *`, or a create: nothing may be there. */
  readonly createOnly?: boolean | undefined;
}

export interface Snapshot {
  readonly treeHash: string;
  readonly seq: number;
  readonly fileCount: number;
  readonly totalSize: number;
}

const toInfo = (file: StoredFile): FileInfo => ({
  path: file.path,
  size: file.size,
  hash: file.hash,
  mimeType: file.mimeType,
  isText: file.isText,
  updatedAt: new Date(file.updatedAt).toISOString(),
  updatedBy: file.updatedBy,
  seq: file.seq,
});

/** Uploads in flight at once; workerd allows six connections that wait for headers. */
const parallelUploads = 6;

/**
 * The one writer of a project: tree, documents, presence, events. Numbered rules are in SPEC.md.
 * Knows no platform; `project-room.ts` is its shell.
 */
export class Room {
  readonly #ports: RoomPorts;
  readonly #sql: Sql;
  readonly #members: Members;
  readonly #files: TreeStore;
  readonly #events: EventLog;
  readonly #log: DocumentLog;
  readonly #documents = new Map<number, LiveDocument>();
  readonly #opening = new Map<number, Promise<LiveDocument>>();
  readonly channel: Channel;
  /** Snapshots under way: contents of trees that have changed since must stay. */
  #snapshots = 0;
  #inTransaction = false;
  #untold: RoomEvent[] = [];

  constructor(ports: RoomPorts) {
    this.#ports = ports;
    this.#sql = ports.sql;
    migrate(ports.sql);
    this.#members = ports.members;
    this.#files = new TreeStore(ports.sql);
    this.#events = new EventLog(ports.sql);
    this.#log = new DocumentLog(ports.sql);
    this.channel = new Channel(this.#events, (file) => this.#files.byId(file)?.path ?? null);
    this.#recover();
  }

  // ── Gate ────────────────────────────────────────────────────────────────────────────────────────

  /** Memberships or the project changed in the database: caches go, sockets follow at once. [R11] */
  async membersChanged(): Promise<void> {
    this.#members.forget();
    for (const peer of this.channel.everyone()) {
      const entry = await this.#members.look(peer.state.user.userId);
      if (!entry || entry.access === 'public') peer.close('forbidden');
      else if (entry.access !== peer.state.access) {
        peer.state.access = entry.access;
        peer.persist();
      }
    }
  }

  /** Ends every socket: the project is in the trash or gone. */
  closeAll(code: ErrorCode): void {
    this.#members.forget();
    for (const document of this.#documents.values()) document.commit();
    for (const peer of this.channel.everyone()) peer.close(code);
  }

  // ── Project ─────────────────────────────────────────────────────────────────────────────────────

  /** The project with the totals of this moment; those in the database follow later. */
  project({ project, revision }: Entry): { project: Project; revision: number } {
    const { tree } = this.#files;
    return { project: { ...project, fileCount: tree.count, totalSize: tree.size }, revision };
  }

  /** The first tree of a new project. Every blob that it names is stored; a second call changes nothing. */
  adopt(entries: readonly ManifestEntry[], by: string): Snapshot {
    if (this.#events.seq === 0) {
      this.#transaction(() => {
        this.#emit('project.created', by, { fileCount: entries.length });
        for (const { path, hash, size, isText } of entries)
          this.#files.put({ path, hash, size, isText, by, seq: this.#events.seq, at: this.#ports.now() });
      });
    }
    const { tree } = this.#files;
    return { treeHash: tree.hash(), seq: this.#events.seq, fileCount: tree.count, totalSize: tree.size };
  }

  // ── Files ───────────────────────────────────────────────────────────────────────────────────────

  list(prefix?: string): { files: FileInfo[]; seq: number } {
    this.flushAll();
    const files = this.#files.tree.list();
    return {
      files: (prefix ? files.filter((file) => file.path.startsWith(prefix)) : files).map(toInfo),
      seq: this.#events.seq,
    };
  }

  tree(): { tree: TreeNode; hash: string; seq: number } {
    this.flushAll();
    const { tree } = this.#files;
    return { tree: nest(tree.list()), hash: tree.hash(), seq: this.#events.seq };
  }

  /** Includes what collaborators have typed up to now. [R8] */
  async read(path: string): Promise<FileContent> {
    const file = this.#current(path);
    if (!file.isText) return { file: toInfo(file), text: null };
    return { file: toInfo(file), text: await this.#textOf(file) };
  }

  async write(
    path: string,
    content: NewContent,
    by: string,
    options: WriteOptions = {},
  ): Promise<{ file: FileInfo; created: boolean }> {
    const before = this.#lookUp(path);
    if (before && options.createOnly) throw new KilnError('file_exists');
    if ('hash' in content) return this.#writeBlob(path, content, by, before, options);
    // A document with history is the truth of its file, whether somebody has it open or not: a write
    // past it would be undone by its next flush.
    if (before && this.#log.exists(before.id)) return await this.#writeDocument(before, content.text, by, options);
    this.#require(options.ifMatch, before);
    const at = this.#ports.now();
    const file = this.#transaction(() => {
      const { hash, size } = this.#files.keepText(content.text, at);
      if (before?.isText && before.hash === hash) return before;
      return this.#put(path, { hash, size, isText: true }, by, before, at);
    });
    return { file: toInfo(file), created: !before };
  }

  async delete(path: string, by: string, options: WriteOptions = {}): Promise<void> {
    const file = this.#current(path);
    this.#require(options.ifMatch, file);
    this.#transaction(() => {
      this.#emit('file.deleted', by, { path });
      this.#files.delete(file, this.#events.seq, this.#ports.now());
      this.#sql.run('DELETE FROM dirty WHERE file = ?', file.id);
      this.#log.delete(file.id);
    });
    this.#drop(file.id, 'not_found');
  }

  /** The tree of this moment, immutable: every blob and the manifest are stored when this resolves. */
  async snapshot(): Promise<Snapshot> {
    this.flushAll();
    const { tree } = this.#files;
    const entries = [...tree.list()];
    const snapshot = { treeHash: tree.hash(), seq: this.#events.seq, fileCount: tree.count, totalSize: tree.size };
    this.#snapshots += 1;
    try {
      const pending = new Set(this.#files.pendingContents(Number.MAX_SAFE_INTEGER, limits.project.filesMax));
      await this.#store([...pending]);
      await this.#ports.blobs.putTree(snapshot.treeHash, entries);
    } finally {
      this.#snapshots -= 1;
    }
    return snapshot;
  }

  // ── Events ──────────────────────────────────────────────────────────────────────────────────────

  events(since: number): { events: RoomEvent[]; seq: number; resync: boolean } {
    return { ...this.#events.since(since), seq: this.#events.seq };
  }

  presence(): Presence[] {
    return this.channel.presence();
  }

  /** Something happened elsewhere that belongs into the project's log: a build, a member. */
  record(type: string, by: string | null, data: RoomEvent['data']): void {
    this.#transaction(() => this.#emit(type, by, data));
  }

  // ── Sockets ─────────────────────────────────────────────────────────────────────────────────────

  /** Spends a ticket. False when it was spent before. */
  spendTicket(jti: string, expires: number): boolean {
    const now = this.#ports.now();
    this.#sql.run('DELETE FROM tickets WHERE expires < ?', now);
    return (
      this.#sql.all(
        'INSERT INTO tickets (jti, expires) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING jti',
        jti,
        expires,
      ).length === 1
    );
  }

  /** The document behind a path, for a socket that wants it; throws `not_found` or `not_a_document`. */
  documentTarget(path: string): number {
    const file = this.#lookUp(path);
    if (!file) throw new KilnError('not_found');
    if (!file.isText) throw new KilnError('not_a_document');
    return file.id;
  }

  /** Refuses a socket over the room's limits. */
  refuseCrowd(userId: string): void {
    const { socketsMax, socketsPerUser, usersMax } = limits.room;
    const sockets = this.channel.socketsOf(userId).size;
    if (
      this.channel.socketCount >= socketsMax ||
      sockets >= socketsPerUser ||
      (sockets === 0 && this.channel.userCount >= usersMax)
    )
      throw new KilnError('rate_limited', { detail: 'The room is full.' });
  }

  async join(peer: Peer): Promise<void> {
    this.channel.join(peer, true);
    if (peer.state.target.kind === 'channel') return;
    try {
      (await this.#open(peer.state.target.file)).join(peer, true);
    } catch (error) {
      peer.close(error instanceof KilnError ? error.code : 'internal');
      if (!(error instanceof KilnError)) throw error;
    }
  }

  /** A socket that lived through hibernation; its document is opened when it says something. */
  restore(peer: Peer): void {
    this.channel.join(peer, false);
  }

  /** A frame of a client. Throws on what is not the protocol. */
  async receive(peer: Peer, frame: Uint8Array | string): Promise<void> {
    if (peer.state.target.kind === 'channel') {
      if (typeof frame !== 'string') throw new Error('the channel speaks text');
      this.channel.receive(peer, frame);
      return;
    }
    if (typeof frame === 'string') throw new Error('documents speak binary');
    const { file } = peer.state.target;
    const document = this.#documents.get(file) ?? (await this.#open(file));
    document.receive(peer, frame);
  }

  /** Idempotent. The last one out of a document flushes it. [R4, R9] */
  async leave(peer: Peer): Promise<void> {
    const { target } = peer.state;
    if (target.kind === 'channel') return this.channel.leave(peer);
    // After hibernation the document may not be in memory; those who stay must still hear who left.
    if (!this.#documents.has(target.file) && peer.state.awareness.length && this.#socketsOn(target.file).length > 1)
      await this.#open(target.file);
    this.channel.leave(peer);
    const document = this.#documents.get(target.file);
    if (!document?.peers.has(peer)) return;
    document.leave(peer);
    if (document.peers.size > 0) return;
    this.#flush(document.file);
    this.#transaction(() => document.compact());
    this.#documents.delete(document.file);
    document.destroy();
  }

  // ── Background ──────────────────────────────────────────────────────────────────────────────────

  /** Everything that is due by now; asks to be called again when something is left. Safe to run twice. */
  async tick(): Promise<void> {
    const now = this.#ports.now();
    this.flushAll();
    const idle = this.#files.pendingContents(now - limits.room.blobIdle, 200);
    if (idle.length) await this.#store(idle);
    if (this.#snapshots === 0) this.#files.sweepContents(now - limits.room.blobIdle);
    const oldest = this.#sql.all<{ at: number | null }>('SELECT min(at) AS at FROM index_pending')[0]?.at;
    if (oldest != null && oldest + limits.room.indexDelay <= now) await this.writeIndex();
    const due = this.#files.nextDue();
    if (due !== null) this.#ports.schedule(Math.max(due, now + 1000));
  }

  /** Brings the relational index up to date. Idempotent; what fails stays pending. */
  async writeIndex(): Promise<void> {
    const pending = this.#files.indexPending();
    if (pending.length === 0) return;
    const { tree } = this.#files;
    await this.#ports.index.write({
      changed: pending.flatMap((entry) => (entry.removed ? [] : (tree.get(entry.path) ?? []))),
      removed: pending.filter((entry) => entry.removed),
      fileCount: tree.count,
      totalSize: tree.size,
      treeHash: tree.hash(),
    });
    this.#transaction(() => this.#files.indexDone(pending));
  }

  /** Every edited document into the tree. */
  flushAll(): void {
    for (const document of this.#documents.values()) document.commit();
    for (const { file } of this.#sql.all<{ file: number }>('SELECT file FROM dirty')) this.#flush(file);
  }

  /** After a crash, documents may be ahead of the tree: the log has what the flush did not reach. */
  #recover(): void {
    const dirty = this.#sql.all('SELECT file FROM dirty').length;
    if (dirty) {
      this.flushAll();
      this.#ports.log('room.recovered', { documents: dirty }, 'warn');
    }
  }

  // ── Inside ──────────────────────────────────────────────────────────────────────────────────────

  /** The newest state of a file; its live edits are flushed first. */
  #lookUp(path: string): StoredFile | undefined {
    const file = this.#files.tree.get(path);
    if (!file) return undefined;
    this.#documents.get(file.id)?.commit();
    this.#flush(file.id);
    return this.#files.tree.get(path);
  }

  #current(path: string): StoredFile {
    const file = this.#lookUp(path);
    if (!file) throw new KilnError('not_found', { detail: 'There is no such file.' });
    return file;
  }

  #require(ifMatch: string | undefined, file: StoredFile | undefined): void {
    if (ifMatch !== undefined && !matches(ifMatch, file ? etag(file.hash) : null))
      throw new KilnError('precondition_failed');
  }

  async #textOf(file: StoredFile): Promise<string> {
    const hot = this.#files.text(file.hash);
    if (hot !== null) return hot;
    const data = await this.#ports.blobs.get(file.hash);
    if (!data) throw new KilnError('unavailable', { detail: 'The content of this file could not be read.' });
    const text = textOf(data);
    if (text === null || sha256(data) !== file.hash) throw new Error(`blob ${file.hash} is not the text it was`);
    this.#transaction(() => this.#files.keepStored(file.hash, data, this.#ports.now()));
    return text;
  }

  #put(
    path: string,
    content: { hash: string; size: number; isText: boolean },
    by: string | null,
    before: StoredFile | undefined,
    at: number,
  ): StoredFile {
    this.#emit(before ? 'file.updated' : 'file.created', by, { path, hash: content.hash, size: content.size });
    return this.#files.put({ path, ...content, by, seq: this.#events.seq, at });
  }

  #writeBlob(
    path: string,
    content: { hash: string; size: number },
    by: string,
    before: StoredFile | undefined,
    options: WriteOptions,
  ): { file: FileInfo; created: boolean } {
    this.#require(options.ifMatch, before);
    if (before && !before.isText && before.hash === content.hash) return { file: toInfo(before), created: false };
    const file = this.#transaction(() => {
      if (before) {
        this.#log.delete(before.id);
        this.#sql.run('DELETE FROM dirty WHERE file = ?', before.id);
      }
      return this.#put(path, { ...content, isText: false }, by, before, this.#ports.now());
    });
    if (before) this.#drop(before.id, 'not_a_document');
    return { file: toInfo(file), created: !before };
  }

  /** A write into a document merges: onto the revision that If-Match names when that is still known, else onto the newest text. [R8] */
  async #writeDocument(
    before: StoredFile,
    text: string,
    by: string,
    options: WriteOptions,
  ): Promise<{ file: FileInfo; created: boolean }> {
    let base: Uint8Array | null = null;
    if (options.ifMatch !== undefined && !matches(options.ifMatch, etag(before.hash))) {
      base = this.#revision(before.id, options.ifMatch);
      if (!base) throw new KilnError('precondition_failed');
    }
    const document = this.#documents.get(before.id) ?? (await this.#open(before.id));
    if (base) {
      const past = new Y.Doc();
      Y.applyUpdate(past, base);
      const vector = Y.encodeStateVector(past);
      applyText(past.getText('content'), text, by);
      Y.applyUpdate(document.doc, Y.encodeStateAsUpdate(past, vector), by);
      past.destroy();
    } else applyText(document.text, text, by);
    document.commit();
    this.#flush(before.id);
    if (document.peers.size === 0) {
      this.#documents.delete(before.id);
      document.destroy();
    }
    const file = this.#files.byId(before.id);
    if (!file) throw new KilnError('not_found');
    return { file: toInfo(file), created: false };
  }

  #revision(file: number, ifMatch: string): Uint8Array | null {
    const rows = this.#sql.all<{ hash: string; state: ArrayBuffer | Uint8Array }>(
      'SELECT hash, state FROM revisions WHERE file = ? AND at > ? ORDER BY at DESC',
      file,
      this.#ports.now() - limits.room.revisionTtl,
    );
    const row = rows.find(({ hash }) => matches(ifMatch, etag(hash)) && ifMatch.trim() !== '*');
    return row ? bytesOf(row.state) : null;
  }

  /** Text of a document → tree row → event, in one transaction. [R9] */
  #flush(file: number): void {
    const dirty = this.#sql.all<{ by: string | null }>('SELECT by FROM dirty WHERE file = ?', file)[0];
    if (!dirty) return;
    const live = this.#documents.get(file);
    live?.commit();
    const doc = live?.doc ?? this.#reload(file);
    const text = doc.getText('content').toString();
    const at = this.#ports.now();
    this.#transaction(() => {
      const before = this.#files.byId(file);
      this.#sql.run('DELETE FROM dirty WHERE file = ?', file);
      if (!before) return;
      const { hash, size } = this.#files.keepText(text, at);
      if (before.hash === hash) return;
      this.#put(before.path, { hash, size, isText: true }, dirty.by, before, at);
      const state = Y.encodeStateAsUpdate(doc);
      if (state.length <= limits.room.chunk) {
        this.#sql.run(
          'INSERT INTO revisions (file, hash, at, state) VALUES (?, ?, ?, ?) ON CONFLICT (file, hash) DO UPDATE SET at = excluded.at, state = excluded.state',
          file,
          hash,
          at,
          state,
        );
        this.#sql.run(
          'DELETE FROM revisions WHERE file = ?1 AND (at <= ?2 OR hash NOT IN (SELECT hash FROM revisions WHERE file = ?1 ORDER BY at DESC LIMIT ?3))',
          file,
          at - limits.room.revisionTtl,
          limits.room.revisionsKept,
        );
      }
    });
    if (!live) doc.destroy();
  }

  #reload(file: number): Y.Doc {
    const doc = new Y.Doc();
    for (const update of this.#log.load(file)) Y.applyUpdate(doc, update);
    return doc;
  }

  #open(file: number): Promise<LiveDocument> {
    const open = this.#documents.get(file);
    if (open) return Promise.resolve(open);
    let opening = this.#opening.get(file);
    if (!opening) {
      opening = this.#load(file).finally(() => this.#opening.delete(file));
      this.#opening.set(file, opening);
    }
    return opening;
  }

  async #load(id: number): Promise<LiveDocument> {
    const stored = this.#files.byId(id);
    if (!stored) throw new KilnError('not_found');
    let text = '';
    if (!this.#log.exists(id)) text = await this.#textOf(stored);
    // The content may have come from R2: the file can be another by now.
    const file = this.#files.byId(id);
    if (!file) throw new KilnError('not_found');
    if (!file.isText) throw new KilnError('not_a_document');
    if (file.hash !== stored.hash && !this.#log.exists(id)) return this.#load(id);
    const document = new LiveDocument(
      id,
      this.#log,
      {
        committing: (live, by) => this.#markDirty(live.file, [...by].at(-1) ?? null),
        committed: (live, by, seq) => {
          const path = this.#files.byId(live.file)?.path;
          if (path !== undefined) this.channel.saved(by, path, seq);
        },
        refused: (peer) =>
          this.channel.sendTo(peer.state.user.userId, {
            type: 'error',
            code: 'forbidden',
            message: 'You may read this document, not change it.',
          }),
        transaction: (work) => this.#transaction(work),
      },
      text,
    );
    this.#documents.set(id, document);
    for (const peer of this.#socketsOn(id)) document.join(peer, false);
    return document;
  }

  #markDirty(file: number, by: string | null): void {
    const now = this.#ports.now();
    const [fresh] = this.#sql.all(
      'INSERT INTO dirty (file, by, at) VALUES (?, ?, ?) ON CONFLICT (file) DO NOTHING RETURNING file',
      file,
      by,
      now,
    );
    if (fresh) this.#ports.schedule(now + limits.room.flushAfter);
  }

  /** Ends the sockets of a document whose file is gone or changed its nature. */
  #drop(file: number, code: ErrorCode): void {
    this.#documents.get(file)?.dissolve(code);
    this.#documents.delete(file);
    for (const peer of this.#socketsOn(file)) peer.close(code);
  }

  #socketsOn(file: number): Peer[] {
    return this.channel
      .everyone()
      .filter(({ state }) => state.target.kind === 'document' && state.target.file === file);
  }

  async #store(hashes: readonly string[]): Promise<void> {
    const queue = [...hashes];
    const worker = async (): Promise<void> => {
      for (let hash = queue.pop(); hash !== undefined; hash = queue.pop()) {
        const data = this.#files.bytes(hash);
        if (!data) continue;
        await this.#ports.blobs.put(hash, data);
        this.#files.markStored([hash]);
      }
    };
    await Promise.all(Array.from({ length: Math.min(parallelUploads, queue.length) }, worker));
  }

  #emit(type: string, by: string | null, data: RoomEvent['data']): void {
    this.#untold.push(this.#events.append(type, by, data, this.#ports.now()));
  }

  /** One transaction; listeners hear of its events after it. Inner calls join the outer one. */
  #transaction<T>(work: () => T): T {
    if (this.#inTransaction) return work();
    const seq = this.#events.seq;
    this.#inTransaction = true;
    let result: T;
    try {
      result = this.#sql.transaction(work);
    } catch (error) {
      this.#untold = [];
      this.#events.reset(seq);
      this.#files.reload();
      throw error;
    } finally {
      this.#inTransaction = false;
    }
    const told = this.#untold;
    this.#untold = [];
    for (const event of told) this.channel.tell(event);
    const due = told.length ? this.#files.nextDue() : null;
    if (due !== null) this.#ports.schedule(due);
    return result;
  }
}
