import * as Y from 'yjs';
import { type ErrorCode, KilnError } from '../../contract/errors.ts';
import type { FileInfo, TreeNode } from '../../contract/files.ts';
import { limits } from '../../contract/limits.ts';
import type { Access, Project } from '../../contract/projects.ts';
import type { Presence, RoomEvent } from '../../contract/room.ts';
import type { SearchQuery, SearchResults } from '../../contract/search.ts';
import { decodeText } from '../../core/content.ts';
import { etag, matches } from '../../core/etag.ts';
import type { LogFields } from '../../core/log.ts';
import { applyText } from '../../core/text-diff.ts';
import { nest, sha256 } from '../../core/tree.ts';
import type { ManifestEntry } from '../../data/objects.ts';
import { bytesOf, type Sql } from '../sql.ts';
import { capture, held, lastBackup, type RoomBackup, type RoomVault, restoreState, verifyState } from './backup.ts';
import { Channel } from './channel.ts';
import { DocumentLog } from './document-log.ts';
import { EventLog } from './event-log.ts';
import { LiveDocument } from './live-document.ts';
import type { Entry, Members } from './members.ts';
import type { Peer } from './peer.ts';
import { migrate } from './schema.ts';
import { ProjectSearch } from './search.ts';
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
  readonly #search: ProjectSearch;
  readonly channel: Channel;
  /** Snapshots under way: contents of trees that have changed since must stay. */
  #snapshots = 0;
  #inTransaction = false;
  #socketsCheckedAt: number;
  #checking: Promise<void> | null = null;
  /** Documents that a write is using: they stay open while it runs. */
  readonly #pins = new Map<number, number>();
  #untold: RoomEvent[] = [];

  constructor(ports: RoomPorts) {
    this.#ports = ports;
    this.#socketsCheckedAt = ports.now();
    this.#sql = ports.sql;
    migrate(ports.sql);
    this.#members = ports.members;
    this.#files = new TreeStore(ports.sql);
    this.#events = new EventLog(ports.sql);
    this.#log = new DocumentLog(ports.sql);
    this.#search = new ProjectSearch({
      files: () => {
        this.flushAll();
        return this.#files.tree.list();
      },
      current: (path) => this.#files.tree.get(path),
      hot: (hash) => this.#files.text(hash),
      isHot: (hash) => this.#files.isHot(hash),
      cold: async (file) => (await this.#fetchText(file)).text,
      now: () => ports.now(),
      log: (event, fields) => ports.log(event, fields),
    });
    this.channel = new Channel(this.#events, (file) => this.#files.byId(file)?.path ?? null);
    this.#recover();
  }

  // ── Gate ────────────────────────────────────────────────────────────────────────────────────────

  /** Memberships or the project changed in the database: caches go, sockets follow at once. [R11] */
  async membersChanged(): Promise<void> {
    this.#members.forget();
    await this.#checkSockets();
  }

  /** Closes and downgrades sockets by what the database says now. */
  async #checkSockets(): Promise<void> {
    const checkedAt = this.#ports.now();
    const users = new Set(this.channel.everyone().map((peer) => peer.state.user.userId));
    const seen = users.size ? await this.#members.lookAtAll([...users]) : new Map<string, Access>();
    for (const peer of this.channel.everyone()) {
      // Who came while the database was asked was looked at on the way in.
      if (!users.has(peer.state.user.userId)) continue;
      const access = seen.get(peer.state.user.userId);
      if (access === undefined || access === 'public') {
        // Frames that are on their way already find no right to write.
        peer.state.access = 'public';
        peer.close('forbidden');
      } else if (access !== peer.state.access) {
        peer.state.access = access;
        peer.persist();
      }
    }
    this.#socketsCheckedAt = checkedAt;
  }

  /** A notice of a change may get lost: nobody acts on a socket for longer than the cache lives without being looked at again. [R11] */
  #recheckSockets(): Promise<void> | null {
    if (this.#ports.now() - this.#socketsCheckedAt < limits.room.memberCacheTtl) return null;
    this.#checking ??= this.#checkSockets()
      .catch((error: unknown) => {
        // The database may be away for a moment; for longer nobody goes on without being looked at.
        if (this.#ports.now() - this.#socketsCheckedAt > limits.room.memberGrace) throw error;
        this.#ports.log('room.check_failed', { message: String(error) }, 'warn');
      })
      .finally(() => {
        this.#checking = null;
      });
    return this.#checking;
  }

  /** Ends every socket: the project is in the trash or gone. */
  closeAll(code: ErrorCode): void {
    this.#members.forget();
    for (const document of this.#documents.values()) document.commit();
    for (const peer of this.channel.everyone()) peer.close(code);
  }

  // ── Project ─────────────────────────────────────────────────────────────────────────────────────

  /** The project with the totals of this moment; those in the database follow later. */
  project({ project, revision }: Entry): { project: Project; revision: number; seq: number } {
    const { tree } = this.#files;
    return { project: { ...project, fileCount: tree.count, totalSize: tree.size }, revision, seq: this.#events.seq };
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

  /** Throws `validation_failed`, `rate_limited`, `unavailable`. [R16] */
  search(query: SearchQuery, by: string): Promise<SearchResults> {
    return this.#search.run(query, by);
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

  // ── Backup ──────────────────────────────────────────────────────────────────────────────────────

  /** Puts the room of this moment into the vault: nothing is copied that has not changed. Null for a room that never was. */
  async backup(projectId: string, vault: RoomVault): Promise<RoomBackup | null> {
    this.flushAll();
    if (this.#events.seq === 0) return null;
    const last = lastBackup(this.#sql, projectId, this.#events.seq);
    const kept = last !== null && (await vault.hasRoom(last.hash));
    // Somebody may have typed while the vault was asked.
    this.flushAll();
    if (kept && lastBackup(this.#sql, projectId, this.#events.seq)?.hash === last.hash) return last;
    const captured = capture(
      this.#sql,
      {
        projectId,
        seq: this.#events.seq,
        treeHash: this.#files.tree.hash(),
        load: (file) => this.#log.load(file),
      },
      !kept,
    );
    // Texts of this tree that are in the room alone go into the blob store, where the backup finds them.
    this.#snapshots += 1;
    try {
      await this.#store(this.#files.pendingContents(Number.MAX_SAFE_INTEGER, limits.project.filesMax));
    } finally {
      this.#snapshots -= 1;
    }
    for (const { hash, data } of captured.documents) await vault.putDocument(hash, data);
    await vault.putRoom(captured.result.hash, captured.state);
    captured.remember();
    return captured.result;
  }

  /**
   * Takes over the state that a backup kept, unless the room has gone on since: then it keeps what it
   * has. The caller opens the room anew afterwards, for everything in memory is out of date.
   */
  async takeOver(hash: string, vault: RoomVault): Promise<{ outcome: 'restored' | 'newer'; seq: number }> {
    const state = await verifyState(vault, hash);
    this.flushAll();
    if (this.#events.seq > state.seq) return { outcome: 'newer', seq: this.#events.seq };
    this.closeAll('unavailable');
    await restoreState(this.#sql, vault, state);
    return { outcome: 'restored', seq: state.seq };
  }

  /** Which of these blobs the room still needs. Asked by the collector before it touches them. */
  held(hashes: readonly string[]): string[] {
    return held(this.#sql, hashes);
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
    // Nobody has looked at it for as long as the room slept.
    this.#socketsCheckedAt = Number.NEGATIVE_INFINITY;
    this.channel.join(peer, false);
  }

  /** A frame of a client. Throws on what is not the protocol. */
  async receive(peer: Peer, frame: Uint8Array | string): Promise<void> {
    const check = this.#recheckSockets();
    if (check) await check;
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
    try {
      // After hibernation the document may not be in memory; those who stay must still hear who left.
      const wanted = peer.state.awareness.length > 0 && this.#socketsOn(target.file).length > 1;
      if (wanted && this.#files.byId(target.file)?.isText) await this.#open(target.file);
    } finally {
      this.channel.leave(peer);
    }
    const document = this.#documents.get(target.file);
    if (!document?.peers.has(peer)) return;
    document.leave(peer);
    this.#closeIdle(document);
  }

  // ── Background ──────────────────────────────────────────────────────────────────────────────────

  /** Everything that is due by now; asks to be called again when something is left. Safe to run twice. */
  async tick(): Promise<void> {
    const now = this.#ports.now();
    this.flushAll();
    const idle = this.#files.pendingContents(now - limits.room.blobIdle, 200);
    if (idle.length) await this.#store(idle);
    if (this.#snapshots === 0) this.#files.sweepContents(now - limits.room.blobIdle);
    this.#sql.run('DELETE FROM revisions WHERE at <= ?', now - limits.room.revisionTtl);
    const [revision] = this.#sql.all<{ at: number | null }>('SELECT min(at) AS at FROM revisions');
    if (revision?.at != null) this.#ports.schedule(revision.at + limits.room.revisionTtl);
    const oldest = this.#sql.all<{ at: number | null }>('SELECT min(at) AS at FROM index_pending')[0]?.at;
    if (oldest != null && oldest + limits.room.indexDelay <= now) await this.writeIndex();
    if (this.#sql.all('SELECT file FROM dirty LIMIT 1').length) this.#ports.schedule(now + limits.room.indexDelay);
    const due = this.#files.nextDue();
    if (due !== null) this.#ports.schedule(Math.max(due, now + limits.room.flushAfter));
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

  /** Every edited document into the tree. One that cannot be flushed stays dirty and holds up nobody else. */
  flushAll(): void {
    for (const document of [...this.#documents.values()]) this.#attempt(document.file, () => document.commit());
    for (const { file } of this.#sql.all<{ file: number }>('SELECT file FROM dirty'))
      this.#attempt(file, () => this.#flush(file));
  }

  #attempt(file: number, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#ports.log('room.flush_failed', { file, message: String(error) }, 'error');
    }
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
    const { text, data } = await this.#fetchText(file);
    this.#transaction(() => this.#files.keepStored(file.hash, data, this.#ports.now()));
    return text;
  }

  async #fetchText(file: StoredFile): Promise<{ text: string; data: Uint8Array }> {
    const data = await this.#ports.blobs.get(file.hash);
    if (!data) throw new KilnError('unavailable', { detail: 'The content of this file could not be read.' });
    const text = decodeText(data);
    if (text === null || sha256(data) !== file.hash) throw new Error(`blob ${file.hash} is not the text it was`);
    return { text, data };
  }

  #put(
    path: string,
    content: { hash: string; size: number; isText: boolean },
    by: string | null,
    before: StoredFile | undefined,
    at: number,
    isStored = false,
  ): StoredFile {
    this.#emit(before ? 'file.updated' : 'file.created', by, { path, hash: content.hash, size: content.size });
    return this.#files.put({ path, ...content, by, seq: this.#events.seq, at }, isStored);
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
    { id }: StoredFile,
    text: string,
    by: string,
    options: WriteOptions,
  ): Promise<{ file: FileInfo; created: boolean }> {
    return await this.#using(id, (document) => {
      // From here on nothing waits: what is compared is what is changed.
      document.commit();
      this.#flush(id);
      const before = this.#fileOf(id);
      const base = this.#base(before, options.ifMatch);
      if (base) mergeText(document.doc, base, text, by);
      else applyText(document.text, text, by);
      document.commit();
      this.#flush(id);
      return { file: toInfo(this.#fileOf(id)), created: false };
    });
  }

  /** The Yjs state that a write with this If-Match was made on; null for the newest. Throws `precondition_failed`. */
  #base(file: StoredFile, ifMatch: string | undefined): Uint8Array | null {
    if (ifMatch === undefined || matches(ifMatch, etag(file.hash))) return null;
    const base = this.#revision(file.id, ifMatch);
    if (!base) throw new KilnError('precondition_failed');
    return base;
  }

  #fileOf(id: number): StoredFile {
    const file = this.#files.byId(id);
    if (!file) throw new KilnError('not_found');
    return file;
  }

  /** Runs `work` on an open document, which stays open until everybody who uses it is done. */
  async #using<T>(file: number, work: (document: LiveDocument) => T): Promise<T> {
    this.#pins.set(file, (this.#pins.get(file) ?? 0) + 1);
    try {
      return work(await this.#open(file));
    } finally {
      const left = (this.#pins.get(file) ?? 1) - 1;
      if (left > 0) this.#pins.set(file, left);
      else this.#pins.delete(file);
      const document = this.#documents.get(file);
      if (document) this.#closeIdle(document);
    }
  }

  /** Flushes and lets go of a document that nobody has open. [R4, R9] */
  #closeIdle(document: LiveDocument): void {
    if (document.peers.size > 0 || this.#pins.has(document.file)) return;
    this.#flush(document.file);
    this.#transaction(() => document.compact());
    this.#documents.delete(document.file);
    document.destroy();
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
      this.#put(before.path, { hash, size, isText: true }, dirty.by, before, at, true);
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
        failed: (live, error) => {
          // The next use reads the log again, which has everything that anybody saw.
          if (this.#documents.get(id) === live) this.#documents.delete(id);
          this.#ports.log('room.commit_failed', { file: id, message: String(error) }, 'error');
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
    const [dirty] = this.#sql.all<{ at: number }>(
      'INSERT INTO dirty (file, by, at) VALUES (?, ?, ?) ON CONFLICT (file) DO UPDATE SET by = excluded.by RETURNING at',
      file,
      by,
      now,
    );
    if (dirty) this.#ports.schedule(dirty.at + limits.room.flushAfter);
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

/** Applies `text` as an edit of a past state, and merges that edit: what was typed since stays. */
function mergeText(doc: Y.Doc, base: Uint8Array, text: string, by: string): void {
  const past = new Y.Doc();
  Y.applyUpdate(past, base);
  const vector = Y.encodeStateVector(past);
  applyText(past.getText('content'), text, by);
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(past, vector), by);
  past.destroy();
}
