import type { CarriedComment } from '../../contract/comments.ts';
import { type ErrorCode, KilnError } from '../../contract/errors.ts';
import type { BatchResult, FileInfo, TreeNode } from '../../contract/files.ts';
import { limits } from '../../contract/limits.ts';
import type { Project } from '../../contract/projects.ts';
import type { ClientMessage, Presence, RoomEvent } from '../../contract/room.ts';
import type { DocumentProblems } from '../../contract/scene.ts';
import type { SearchQuery, SearchResults } from '../../contract/search.ts';
import { describeError, type LogFields } from '../../core/log.ts';
import { allows } from '../../core/permissions.ts';
import { hashTree, nest } from '../../core/tree.ts';
import type { ManifestEntry } from '../../data/objects.ts';
import type { Sql } from '../sql.ts';
import type { ActivityLog } from './activity.ts';
import { Admission } from './admission.ts';
import type { AssetStore } from './asset-history.ts';
import { capture, held, lastBackup, type RoomBackup, type RoomVault, restoreState, verifyState } from './backup.ts';
import { Changes, type WriteOptions } from './changes.ts';
import { Channel } from './channel.ts';
import { Comments } from './comments.ts';
import { type BlobStore, Contents, type HotText } from './contents.ts';
import { Documents } from './documents.ts';
import { History } from './history.ts';
import type { IdleDocuments } from './idle-documents.ts';
import type { BatchStep, NewContent } from './landing.ts';
import { BlobLeases, type KnownBlob } from './leases.ts';
import type { Entry, Members } from './members.ts';
import type { Peer } from './peer.ts';
import { ProjectSearch } from './search.ts';
import { Silence } from './silence.ts';
import { Standing } from './standing.ts';
import { RoomStore } from './store.ts';
import { Talk } from './talk.ts';
import { fileInfo, type StoredFile, type TreeStore } from './tree-store.ts';
import { Turns } from './turns.ts';

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
  readonly activity: ActivityLog;
  readonly assets: AssetStore;
  /** Documents without sockets, of every room in this isolate. */
  readonly idle: IdleDocuments;
  now(): number;
  /** Asks for `tick()` at that time or before. */
  schedule(at: number): void;
  /** As `StorePorts.durable`. */
  durable(): Promise<void> | null;
  log(event: string, fields: LogFields, level?: 'info' | 'warn' | 'error'): void;
}

/** What a reader gets: text from here, other bytes from the blob store by the file's hash. */
export interface FileContent {
  readonly file: FileInfo;
  readonly text: string | null;
}

/** A stored tree, as those outside need it. */
export interface Snapshot {
  readonly treeHash: string;
  readonly seq: number;
  readonly fileCount: number;
  readonly totalSize: number;
}

/** Where a fork left from. */
export interface ForkOrigin {
  readonly projectId: string;
  readonly treeHash: string;
}

/**
 * The one writer of a project: tree, documents, presence, events. Numbered rules are in SPEC.md.
 * Knows no platform; `project-room.ts` is its shell.
 */
export class Room {
  readonly #ports: RoomPorts;
  readonly #members: Members;
  readonly #store: RoomStore;
  readonly #files: TreeStore;
  readonly #contents: Contents;
  readonly #documents: Documents;
  readonly #leases: BlobLeases;
  readonly #changes: Changes;
  readonly #search: ProjectSearch;
  readonly #turns: Turns;
  readonly history: History;
  readonly comments: Comments;
  readonly talk: Talk;
  readonly channel: Channel;
  readonly #admission: Admission;
  readonly #silence: Silence;
  readonly #standing: Standing;
  /** The newest frame of each socket that is not heard yet, as something is read or asked first. */
  readonly #unheard = new WeakMap<Peer, Promise<void>>();

  /** `sleepers` are the sockets that lived through hibernation; their documents are opened when they say something. */
  constructor(ports: RoomPorts, sleepers: readonly Peer[] = []) {
    this.#ports = ports;
    this.#members = ports.members;
    this.#store = new RoomStore(ports);
    this.#files = this.#store.files;
    this.#contents = new Contents(this.#store, ports.blobs);
    this.#turns = new Turns({
      now: ports.now,
      waits: (user) => ports.log('room.answers_wait', { user }, 'warn'),
      failed: (peer, error) => {
        ports.log('socket.refused_frame', { user: peer.state.user.userId, ...describeError(error) }, 'warn');
        peer.close(error instanceof KilnError ? error.code : 'malformed_request');
      },
    });
    this.channel = new Channel(
      this.#store.events,
      this.#turns,
      (file) => this.#files.byId(file)?.path ?? null,
      ports.now,
    );
    this.#admission = new Admission(ports.sql, this.channel, ports.now);
    // Nobody has looked at sleepers for as long as the room slept.
    this.#standing = new Standing(this.channel, ports, sleepers.length ? Number.NEGATIVE_INFINITY : ports.now());
    this.#store.tell = (event) => this.channel.tell(event);
    this.#documents = new Documents(this.#store, this.channel, {
      textOf: ({ hash }) => this.#contents.warm(hash),
      bind: (file, docOf, textOf) => this.comments.bind(file, docOf, textOf),
      release: (file) => this.comments.release(file),
      log: ports.log,
      turns: this.#turns,
      idle: ports.idle,
    });
    this.comments = new Comments(this.#store, {
      look: (file, work) => this.#documents.look(file, work),
      text: ({ hash }) => this.#contents.text(hash),
      checkpoint: () => this.history.checkpoints.newest()?.id ?? null,
    });
    this.talk = new Talk(this.#store, this.comments, ports.members);
    this.#leases = new BlobLeases(this.#store);
    this.#changes = new Changes(this.#store, {
      contents: this.#contents,
      documents: this.#documents,
      comments: this.comments,
      leases: this.#leases,
      keep: (by, message) => this.history.checkpoint({ kind: 'auto', message, by }),
    });
    this.history = new History(this.#store, this.#contents, {
      flush: () => this.#documents.flushAll(),
      land: (by, work) => this.#changes.land(by, work),
      assets: ports.assets,
      log: ports.log,
    });
    this.#search = new ProjectSearch({
      files: () => {
        this.#documents.flushAll();
        return this.#files.tree.list();
      },
      current: (path) => this.#files.tree.get(path),
      hot: (hash) => this.#files.text(hash),
      isHot: (hash) => this.#files.isHot(hash),
      cold: ({ hash }) => this.#contents.text(hash),
      now: () => ports.now(),
      log: (event, fields) => ports.log(event, fields),
    });
    this.#silence = new Silence({
      now: ports.now,
      schedule: ports.schedule,
      everyone: () => this.channel.everyone(),
      ask: (peer) => this.#ask(peer),
    });
    // They hear of what is made good now.
    for (const peer of sleepers) this.channel.join(peer, false);
    this.#silence.arrange();
    this.#documents.recover();
    // What the last life left behind does not depend on its alarm.
    const due = this.#store.nextDue();
    if (due !== null) ports.schedule(due);
  }

  // ── Gate ────────────────────────────────────────────────────────────────────────────────────────

  /** Memberships or the project changed in the database: caches go, sockets follow at once. [R11] */
  membersChanged(): Promise<void> {
    this.#members.forget();
    return this.#standing.look();
  }

  /** Sign-ins of a user have ended, or with null all of them: their sockets go at once. [R11] */
  endSockets(userId: string, sessions: readonly string[] | null): void {
    this.#standing.end(userId, sessions);
  }

  /** As `Standing.lookAround`. [R11] */
  lookAround(): Promise<void> {
    return this.#standing.lookAround();
  }

  /** Ends every socket: the project is in the trash or gone. */
  closeAll(code: ErrorCode): void {
    this.#members.forget();
    this.#documents.commitAll();
    for (const peer of this.channel.everyone()) peer.close(code);
  }

  // ── Project ─────────────────────────────────────────────────────────────────────────────────────

  /** The project with the totals of this moment; those in the database follow later. */
  project({ project, revision }: Entry): { project: Project; revision: number; seq: number } {
    const { tree } = this.#files;
    return {
      project: { ...project, fileCount: tree.count, totalSize: tree.size },
      revision,
      seq: this.#store.events.seq,
    };
  }

  /**
   * The first tree of a new project. Every blob that it names is stored, or among `texts`; a second call
   * changes nothing.
   */
  adopt(
    entries: readonly ManifestEntry[],
    by: string,
    texts: readonly HotText[] = [],
    fork?: ForkOrigin,
    comments: readonly CarriedComment[] = [],
  ): Snapshot {
    if (this.#store.events.seq === 0) {
      this.#store.transaction(() => {
        const seq = this.#store.emit('project.created', by, {
          fileCount: entries.length,
          treeHash: hashTree(entries),
        });
        const at = this.#ports.now();
        for (const { hash, data } of texts) this.#files.keepPending(hash, data, at);
        // Whatever was in a tree once may be in another: typing may have brought it past the limit.
        for (const { path, hash, size, isText } of entries)
          this.#files.put({ path, hash, size, isText, by, seq, at }, true);
        this.comments.adopt(comments);
        if (fork) this.history.checkpoints.setBase(fork.projectId, { treeHash: fork.treeHash, entries }, 0);
      });
    }
    const { tree } = this.#files;
    return { treeHash: tree.hash(), seq: this.#store.events.seq, fileCount: tree.count, totalSize: tree.size };
  }

  // ── Files ───────────────────────────────────────────────────────────────────────────────────────

  list(prefix?: string): { files: FileInfo[]; seq: number } {
    this.#documents.flushAll();
    const files = this.#files.tree.list();
    return {
      files: (prefix ? files.filter((file) => file.path.startsWith(prefix)) : files).map(fileInfo),
      seq: this.#store.events.seq,
    };
  }

  tree(): { tree: TreeNode; hash: string; seq: number } {
    this.#documents.flushAll();
    const { tree } = this.#files;
    return { tree: nest(tree.list()), hash: tree.hash(), seq: this.#store.events.seq };
  }

  /** Includes what collaborators have typed up to now. [R8] */
  async read(path: string): Promise<FileContent> {
    const before = this.#files.tree.get(path);
    if (before) this.#documents.flush(before.id);
    const file = this.#files.tree.get(path);
    if (!file) throw new KilnError('not_found', { detail: 'There is no such file.' });
    if (file.isText) this.#documents.retain(file);
    return { file: fileInfo(file), text: file.isText ? await this.#contents.warm(file.hash) : null };
  }

  /** Throws `validation_failed`, `rate_limited`, `unavailable`. [R20] */
  search(query: SearchQuery, by: string): Promise<SearchResults> {
    return this.#search.run(query, by);
  }

  write(
    path: string,
    content: NewContent,
    by: string,
    options?: WriteOptions,
  ): Promise<{ file: FileInfo; created: boolean }> {
    return this.#changes.write(path, content, by, options);
  }

  delete(path: string, by: string, options?: WriteOptions): Promise<void> {
    return this.#changes.delete(path, by, options);
  }

  /** All of it or none; a refusal names the operation. [R19] */
  batch(
    operations: readonly BatchStep[],
    by: string,
    message?: string,
  ): Promise<{ results: BatchResult[]; seq: number }> {
    return this.#changes.batch(operations, by, message);
  }

  /** Those of the hashes that a client has to upload; the others stay for as long as a lease lasts. [R17] */
  async missing(hashes: readonly string[]): Promise<string[]> {
    const known = this.#leases.known(hashes);
    // A text that is in the room alone would go with its file.
    await this.#contents.store(known.map(({ hash }) => hash));
    if (known.length) this.#leases.add(known);
    const there = new Set(known.map(({ hash }) => hash));
    return hashes.filter((hash) => !there.has(hash));
  }

  /** A client uploaded blobs through this project; they are stored. */
  uploaded(...blobs: readonly KnownBlob[]): void {
    this.#leases.add(blobs);
  }

  /** Comments as they go with this tree; what is typed is in it. */
  carriedComments(): CarriedComment[] {
    this.#documents.flushAll();
    return this.comments.carry();
  }

  // ── Backup ──────────────────────────────────────────────────────────────────────────────────────

  /** Puts the room of this moment into the vault: nothing is copied that has not changed. Null for a room that never was. */
  async backup(projectId: string, vault: RoomVault): Promise<RoomBackup | null> {
    const { sql, events } = this.#store;
    this.#documents.flushAll();
    if (events.seq === 0) return null;
    const last = lastBackup(sql, projectId, events.seq);
    const kept = last !== null && (await vault.hasRoom(last.hash));
    // Somebody may have typed while the vault was asked.
    this.#documents.flushAll();
    if (kept && lastBackup(sql, projectId, events.seq)?.hash === last.hash) return last;
    const captured = capture(
      sql,
      {
        projectId,
        seq: events.seq,
        treeHash: this.#files.tree.hash(),
        load: (file) => this.#store.log.load(file),
      },
      !kept,
    );
    // Texts of this tree that are in the room alone go into the blob store, where the backup finds them.
    await this.#contents.storeTexts();
    await this.#contents.settle();
    for (const { hash, data } of captured.documents) await vault.putDocument(hash, data);
    await vault.putRoom(captured.result.hash, captured.state);
    captured.remember();
    return captured.result;
  }

  /**
   * Takes over the state that a backup kept, unless the room has gone on since: then it keeps what it has. From `end` on, which gives the storage
   * for the new state, this room is over: whatever of it is still on its way must find neither storage nor sockets.
   */
  async takeOver(
    hash: string,
    vault: RoomVault,
    end: () => Sql,
  ): Promise<{ outcome: 'restored' | 'newer'; seq: number }> {
    const state = await verifyState(vault, hash);
    // Builds of what was here before read it from the store.
    while (this.#contents.holdsTrees) await this.#contents.settle();
    // Nothing is waited for from here to the end.
    this.#documents.flushAll();
    const { seq } = this.#store.events;
    if (seq > state.seq) return { outcome: 'newer', seq };
    this.closeAll('unavailable');
    this.#documents.dissolveAll('unavailable');
    await restoreState(end(), vault, state);
    return { outcome: 'restored', seq: state.seq };
  }

  /** The manifest of a snapshot that is not in the blob store yet, for a runner; null for every other one. */
  heldTree(hash: string): ManifestEntry[] | null {
    return this.#contents.heldTree(hash);
  }

  /** Those of these contents that are here, for a runner. */
  texts(hashes: readonly string[]): HotText[] {
    return this.#contents.texts(hashes);
  }

  /** Texts that were written last, for a runner that has all others of the build before. */
  newestTexts(): HotText[] {
    return this.#contents.newestTexts();
  }

  /** Which of these objects the room still needs. Asked by the collector before it touches them. */
  held(hashes: readonly string[]): string[] {
    return held(this.#store.sql, hashes, this.#ports.now());
  }

  // ── Events ──────────────────────────────────────────────────────────────────────────────────────

  /** Of one type, as far back as they reach: what one type says may be of use where the whole story is too long. */
  events(since: number, type?: string): { events: RoomEvent[]; seq: number; resync: boolean } {
    const { events } = this.#store;
    return { ...(type === undefined ? events.since(since) : events.ofType(type, since)), seq: events.seq };
  }

  /** Structured documents that do not fit to their schema. [R22] */
  problems(): DocumentProblems[] {
    this.#documents.flushAll();
    return this.#documents.problems.list();
  }

  presence(): Presence[] {
    this.#silence.check();
    return this.channel.presence();
  }

  /** Something happened elsewhere that belongs into the project's log: a build, a member. */
  record(type: string, by: string | null, data: RoomEvent['data']): void {
    this.#store.transaction(() => this.#store.emit(type, by, data));
  }

  // ── Sockets ─────────────────────────────────────────────────────────────────────────────────────

  /** Spends a ticket. False when it was spent before. */
  spendTicket(jti: string, expires: number): boolean {
    return this.#admission.spendTicket(jti, expires);
  }

  /** The document behind a path, for a socket that wants it; throws `not_found` or `not_a_document`. */
  documentTarget(path: string): number {
    const file = this.#files.tree.get(path);
    if (!file) throw new KilnError(this.#store.events.hasMoved(path) ? 'moved' : 'not_found');
    if (!file.isText) throw new KilnError('not_a_document');
    return file.id;
  }

  /** Refuses a socket over the room's limits. [R15] */
  refuseCrowd(userId: string): void {
    this.#admission.refuseCrowd(userId);
  }

  async join(peer: Peer): Promise<void> {
    this.channel.join(peer, true);
    this.#silence.arrange();
    if (peer.state.target.kind === 'channel') return;
    try {
      await this.#documents.join(peer, peer.state.target.file);
    } catch (error) {
      peer.close(error instanceof KilnError ? error.code : 'internal');
      if (!(error instanceof KilnError)) throw error;
    }
  }

  /** False when this frame is one too many of its socket or of its user, or too much. [R12] */
  admits(peer: Peer, bytes: number): boolean {
    return this.#admission.admits(peer, bytes);
  }

  /**
   * A frame of a client. Throws on what is not the protocol. Hardly ever anything is waited for, and where nothing is there is no
   * promise: the platform keeps the event of each frame until its promise is there.
   */
  receive(peer: Peer, frame: Uint8Array | string): void | Promise<void> {
    peer.heardAt = this.#ports.now();
    const check = this.#standing.recheck();
    const heard = check ? check.then(() => this.#hear(peer, frame)) : this.#hear(peer, frame);
    if (heard) this.#unheard.set(peer, heard);
    return heard;
  }

  #hear(peer: Peer, frame: Uint8Array | string): void | Promise<void> {
    const { target } = peer.state;
    if (target.kind === 'channel') {
      if (typeof frame !== 'string') throw new Error('the channel speaks text');
      const said = this.channel.receive(peer, frame);
      return said && this.#say(peer, said);
    }
    if (typeof frame === 'string') throw new Error('documents speak binary');
    return this.#documents.receive(peer, target.file, frame);
  }

  #ask(peer: Peer): void {
    const { target } = peer.state;
    try {
      if (target.kind === 'channel') this.channel.ask(peer);
      else this.#documents.ask(peer, target.file);
    } catch (error) {
      // It is asked in vain, and comes back to a document that can be read.
      this.#ports.log('room.not_asked', { message: String(error) }, 'warn');
    }
  }

  /** A line of the chat. What is refused is told to its sender; the socket stays. */
  async #say(peer: Peer, { ref, body, mentions }: Extract<ClientMessage, { type: 'chat' }>): Promise<void> {
    const { userId, username, displayName } = peer.state.user;
    try {
      if (!allows(peer.state.access, 'project.comment')) throw new KilnError('forbidden');
      const { id, seq } = await this.talk.chat(userId, { body, mentions }, { userId, username, displayName });
      if (ref !== undefined) this.channel.send(peer, { type: 'posted', ref, id, seq });
    } catch (error) {
      if (!(error instanceof KilnError)) throw error;
      this.channel.send(peer, { type: 'error', code: error.code, message: error.message, ref });
    }
  }

  /** Idempotent. What it said before is heard first; the last one out of a document flushes it. [R4, R9] */
  async leave(peer: Peer): Promise<void> {
    // Whoever handed the frame in hears of what became of it.
    await this.#unheard.get(peer)?.catch(() => undefined);
    this.#turns.forget(peer);
    this.#silence.forget(peer);
    const { target } = peer.state;
    if (target.kind === 'channel') return this.channel.leave(peer);
    try {
      await this.#documents.prepareLeave(peer, target.file);
    } finally {
      this.channel.leave(peer);
    }
    this.#documents.leave(peer, target.file);
  }

  // ── Background ──────────────────────────────────────────────────────────────────────────────────

  /** Everything that is due by now; asks to be called again when something is left. Safe to run twice. */
  async tick(): Promise<void> {
    // What an alarm does is told to the sockets, too. [R11]
    await this.#standing.lookAround();
    const now = this.#ports.now();
    const { sql } = this.#store;
    this.#documents.flushDue();
    this.#documents.forgetRevisions();
    this.#ports.idle.tidy(now);
    this.#silence.check();
    // A store that is away must not hold up what needs another one.
    const failures: unknown[] = [];
    const attempt = (work: Promise<void>): Promise<void> => work.catch((error: unknown) => void failures.push(error));
    await attempt(this.#contents.storeDue(now));
    await attempt(this.#contents.tidy());
    const oldest = sql.all<{ at: number | null }>('SELECT min(at) AS at FROM index_pending')[0]?.at;
    if (oldest != null && oldest + limits.room.indexDelay <= now) await attempt(this.writeIndex());
    await attempt(this.history.tidy());
    await attempt(this.#store.activity.deliver());
    if (this.#store.dirty.files().length) this.#ports.schedule(now + limits.room.indexDelay);
    const due = this.#store.nextDue();
    if (due !== null) this.#ports.schedule(Math.max(due, now + limits.room.flushAfter));
    if (failures.length > 0) throw failures[0];
  }

  /** Tells the activity of what was just done, or leaves it to the alarm. [R21] */
  async deliverActivity(): Promise<void> {
    await this.#store.activity.deliver().catch((error: unknown) => {
      this.#ports.log('room.activity_waits', { message: String(error) }, 'warn');
    });
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
    this.#store.transaction(() => this.#files.indexDone(pending));
  }
}
