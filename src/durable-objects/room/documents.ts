import * as Y from 'yjs';
import { type ErrorCode, KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { documentTypes, isScenePath } from '../../contract/scene.ts';
import type { AnchoredFile } from '../../core/anchors.ts';
import { etag, matches } from '../../core/etag.ts';
import type { LogFields } from '../../core/log.ts';
import { begin, formOf, issuesOf, mend, nodesIn, reform, textOf, write } from '../../core/scene/document.ts';
import { bytesOf } from '../sql.ts';
import type { Channel } from './channel.ts';
import type { IdleDocument, IdleDocuments } from './idle-documents.ts';
import { LiveDocument } from './live-document.ts';
import type { Peer } from './peer.ts';
import { Problems } from './problems.ts';
import { syncStep1Frame, updateFrame } from './protocol.ts';
import type { RoomStore } from './store.ts';
import { StoredHistory } from './stored-history.ts';
import type { StoredFile } from './tree-store.ts';
import type { Turns } from './turns.ts';

/** What typing may bring a project to. [R9] */
const typingMax = limits.project.totalSize + limits.project.typingSlack;

/** Why an update is not taken, for whoever typed it. */
const refusals = {
  forbidden: 'You may read this document, not change it.',
  quota_exceeded: `The project is full: it holds at most ${limits.project.totalSize} bytes. Remove something first.`,
} as const;

/** What the documents of a room need of it. */
export interface DocumentPorts {
  /** Text of a file that has no history yet. */
  textOf(file: StoredFile): Promise<string>;
  /** A history is there: passages may hang on it where it is text. `docOf` is asked when there are any. Inside a transaction. */
  bind(file: StoredFile, docOf: () => Y.Doc | null, textOf: (doc: Y.Doc) => string): void;
  /** It is about to end, or to be text no more; what hangs on it must find other hold. Inside a transaction. */
  release(file: StoredFile): void;
  log(event: string, fields: LogFields, level?: 'info' | 'warn' | 'error'): void;
  /** Questions of all sockets of the room. */
  readonly turns: Turns;
  /** Those of all rooms that share the memory of this one. */
  readonly idle: IdleDocuments;
}

/** The documents of a room: opened lazily, flushed into the tree, let go of some time after everybody left. [R4, R9] */
export class Documents {
  readonly #store: RoomStore;
  readonly #channel: Channel;
  readonly #ports: DocumentPorts;
  readonly #live = new Map<number, LiveDocument>();
  readonly #opening = new Map<number, Promise<LiveDocument>>();
  /** Those in memory that nobody has open. */
  readonly #idle = new Map<number, IdleDocument>();
  /** Sockets that have come and were told nothing yet. */
  readonly #arriving = new Set<Peer>();
  readonly problems: Problems;
  /** Bytes of updates that were taken and may not be in the tree yet. */
  #unflushed = 0;

  constructor(store: RoomStore, channel: Channel, ports: DocumentPorts) {
    this.#store = store;
    this.#channel = channel;
    this.#ports = ports;
    this.problems = new Problems(store);
  }

  /** Whether somebody has the document of a file open. */
  isOpen(file: number): boolean {
    return this.#socketsOn(file).length > 0;
  }

  async join(peer: Peer, file: number): Promise<void> {
    this.#arriving.add(peer);
    try {
      const document = await this.#open(file);
      // It may have gone while its document was read.
      if (this.#channel.has(peer)) document.join(peer, true);
    } finally {
      this.#arriving.delete(peer);
      this.#rest(file);
    }
  }

  /** Done when it returns, but where the document has to be read first: then what comes meanwhile waits behind it. [R2] */
  receive(peer: Peer, file: number, frame: Uint8Array): void | Promise<void> {
    const document = this.#live.get(file);
    if (document?.peers.has(peer) && !this.#opening.has(file)) return document.receive(peer, frame);
    return this.#open(file).then((opened) => (opened.peers.has(peer) ? opened.receive(peer, frame) : this.#rest(file)));
  }

  /** After hibernation the document may not be in memory; those who stay must still hear who left. */
  async prepareLeave(peer: Peer, file: number): Promise<void> {
    const wanted = peer.state.awareness.length > 0 && this.#socketsOn(file).length > 1;
    if (wanted && this.#store.files.byId(file)?.isText) await this.#open(file);
  }

  /** Wants a sign of life of a socket on a document, which may not be in memory. [R24] */
  ask(peer: Peer, file: number): void {
    if (peer.flow.isOpen) return;
    const live = this.#live.get(file);
    const { log } = this.#store;
    const vector = live?.vector() ?? log.vectorOf(file) ?? new StoredHistory(log.load(file), null).vector();
    peer.flow.ask();
    peer.send(syncStep1Frame(vector));
  }

  /** The last one out flushes the document, which may then leave memory. Idempotent. */
  leave(peer: Peer, file: number): void {
    const document = this.#live.get(file);
    if (!document?.peers.has(peer)) return;
    document.leave(peer);
    this.#rest(file);
  }

  /** Lets go of a document that waits, for the sake of others. It is flushed already. [R4] */
  unload(file: number): void {
    if (this.#idle.delete(file)) this.#live.delete(file);
  }

  /** Ends every running window; nothing is flushed. */
  commitAll(): void {
    for (const document of [...this.#live.values()]) this.#attempt(document.file, () => document.commit());
  }

  /** Ends every document and lets go of it: its history is about to be another one. What is in memory only is gone. */
  dissolveAll(code: ErrorCode): void {
    for (const [file, document] of [...this.#live]) {
      this.#forget(file);
      document.dissolve(code);
    }
  }

  /** Every edited document into the tree. One that cannot be flushed stays dirty and holds up nobody else. */
  flushAll(): void {
    this.commitAll();
    const { dirty } = this.#store;
    for (const file of dirty.files()) this.#attempt(file, () => this.flush(file));
    if (dirty.files().length === 0) this.#unflushed = 0;
  }

  /** As `flushAll`, but for those in which somebody is typing at this moment. [R9] */
  flushDue(): void {
    this.commitAll();
    const { dirty } = this.#store;
    const now = this.#store.now();
    for (const file of dirty.files()) {
      const later = dirty.putOff(file, now);
      if (later === null) this.#attempt(file, () => this.flush(file));
      else this.#store.schedule(later);
    }
    if (dirty.files().length === 0) this.#unflushed = 0;
  }

  /** After a crash, documents may be ahead of the tree: the log has what the flush did not reach. */
  recover(): void {
    const documents = this.#store.dirty.files().length;
    if (!documents) return;
    this.flushAll();
    this.#ports.log('room.recovered', { documents }, 'warn');
  }

  /** Text of a document → tree row → event, in one transaction. [R9] */
  flush(file: number): void {
    const live = this.#live.get(file);
    live?.commit();
    const { dirty, files } = this.#store;
    const by = dirty.editorOf(file);
    if (by === undefined) return;
    const doc = live?.doc ?? this.#reload(file);
    const at = this.#store.now();
    const before = files.byId(file);
    const since = Y.encodeStateVector(doc);
    const mended = before !== undefined && mend(doc, before.path);
    // In a document that somebody has open the mending is an edit like others.
    live?.commit();
    this.#store.transaction(() => {
      dirty.clear(file);
      if (!before) return;
      if (mended && !live) this.#append(file, Y.encodeStateAsUpdate(doc, since), null);
      const { path } = before;
      this.#check(file, path, doc, by);
      const { hash, size } = files.keepText(textOf(doc, path), at);
      if (before.hash === hash) return;
      const seq = this.#store.emit('file.updated', by, { path, hash, size });
      files.put({ path, hash, size, isText: true, by, seq, at }, true);
      this.#keepRevision(file, hash, doc);
    });
    if (!live) doc.destroy();
  }

  // ── Writes that come from elsewhere ─────────────────────────────────────────────────────────────

  /** The document of a file with history, aside: a write changes it there, and nobody sees it before it is stored. */
  stage(file: number): StagedDocument {
    const live = this.#live.get(file);
    live?.commit();
    const doc = live ? copyOf(live.doc) : this.#reload(file);
    return { doc, since: Y.encodeStateVector(doc) };
  }

  /**
   * Writes `text` into a staged document as a minimal diff, of its characters or of its fields: onto the revision that `ifMatch` names when
   * that is still known, else onto the newest text. Throws `precondition_failed`. [R8]
   */
  merge(staged: StagedDocument, file: StoredFile, text: string, by: string, ifMatch: string | undefined): void {
    if (ifMatch === undefined || matches(ifMatch, etag(file.hash))) {
      write(staged.doc, file.path, text, by);
      return;
    }
    const base = this.#revision(file.id, ifMatch);
    if (!base) throw new KilnError('precondition_failed');
    const past = new Y.Doc();
    Y.applyUpdate(past, base);
    const vector = Y.encodeStateVector(past);
    write(past, file.path, text, by);
    Y.applyUpdate(staged.doc, Y.encodeStateAsUpdate(past, vector), by);
    past.destroy();
  }

  /** What was staged becomes part of the history; those who have it open get it afterwards. Inside a transaction. [R1] */
  settle({ id, path, hash }: StoredFile, staged: StagedDocument, by: string): void {
    const { log, dirty } = this.#store;
    this.#append(id, Y.encodeStateAsUpdate(staged.doc, staged.since), by);
    if (log.needsCompaction(id)) log.compact(id, Y.encodeStateAsUpdate(staged.doc), Y.encodeStateVector(staged.doc));
    dirty.clear(id);
    this.#check(id, path, staged.doc, by);
    this.#keepRevision(id, hash, staged.doc);
  }

  /** What was written into a file without a history: text, or with null bytes. Inside a transaction. [R22] */
  examine({ id, path }: StoredFile, text: string | null, by: string): void {
    if (!isScenePath(path)) return;
    const doc = new Y.Doc();
    if (text !== null) begin(doc, path, text);
    this.problems.check(id, path, formOf(doc, path), text === null ? [] : issuesOf(doc, path), by);
    doc.destroy();
  }

  /** Ends the history of a file that is gone or changed its nature, and the sockets on it. Inside a transaction. */
  end(gone: StoredFile, code: ErrorCode): void {
    const { id: file } = gone;
    this.#ports.release(gone);
    this.#store.log.delete(file);
    this.#store.dirty.clear(file);
    this.problems.forget(file);
    this.#store.afterwards(() => {
      this.#live.get(file)?.dissolve(code);
      this.#forget(file);
      for (const peer of this.#socketsOn(file)) peer.close(code);
    });
  }

  /** A file with a history, as anchors look at it, edits of this moment included; null for one without. */
  look<T>({ id, path, hash: known }: StoredFile, work: (seen: AnchoredFile) => T): T | null {
    const { files, log } = this.#store;
    if (!log.exists(id)) return null;
    this.flush(id);
    const live = this.#live.get(id);
    const doc = live?.doc ?? this.#reload(id);
    const isText = formOf(doc, path) === 'text';
    const hash = files.byId(id)?.hash ?? known;
    // A scene may be laid out in its file as it was written.
    const text = isText ? textOf(doc, path) : (files.text(hash) ?? textOf(doc, path));
    const result = work({ hash, text, doc: isText ? doc : null, nodes: isText ? null : nodesIn(doc) });
    if (!live) doc.destroy();
    return result;
  }

  /** Who reads this text now may base a write on it for as long as anybody, however long ago it was typed. [R8] */
  retain({ id, hash }: StoredFile): void {
    const { sql, log } = this.#store;
    const [kept] = sql.all<{ at: number }>('SELECT at FROM revisions WHERE file = ? AND hash = ?', id, hash);
    if (kept && kept.at > this.#store.now() - limits.room.revisionTtl / 2) return;
    if (!log.exists(id)) return;
    const live = this.#live.get(id);
    const doc = live?.doc ?? this.#reload(id);
    this.#store.transaction(() => this.#keepRevision(id, hash, doc));
    if (!live) doc.destroy();
  }

  /** Revisions that no write may be based on any more; when the next ones are due. */
  forgetRevisions(): void {
    const { sql } = this.#store;
    sql.run('DELETE FROM revisions WHERE at <= ?', this.#store.now() - limits.room.revisionTtl);
    const [oldest] = sql.all<{ at: number | null }>('SELECT min(at) AS at FROM revisions');
    if (oldest?.at != null) this.#store.schedule(oldest.at + limits.room.revisionTtl);
  }

  // ── Inside ──────────────────────────────────────────────────────────────────────────────────────

  #attempt(file: number, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#ports.log('room.flush_failed', { file, message: String(error) }, 'error');
    }
  }

  #revision(file: number, ifMatch: string): Uint8Array | null {
    const rows = this.#store.sql.all<{ hash: string; state: ArrayBuffer | Uint8Array }>(
      'SELECT hash, state FROM revisions WHERE file = ? AND at > ? ORDER BY at DESC',
      file,
      this.#store.now() - limits.room.revisionTtl,
    );
    const row = rows.find(({ hash }) => matches(ifMatch, etag(hash)) && ifMatch.trim() !== '*');
    return row ? bytesOf(row.state) : null;
  }

  #keepRevision(file: number, hash: string, doc: Y.Doc): void {
    const state = Y.encodeStateAsUpdate(doc);
    if (state.length > limits.room.chunk) return;
    const at = this.#store.now();
    this.#store.sql.run(
      'INSERT INTO revisions (file, hash, at, state) VALUES (?, ?, ?, ?) ON CONFLICT (file, hash) DO UPDATE SET at = excluded.at, state = excluded.state',
      file,
      hash,
      at,
      state,
    );
    this.#store.sql.run(
      'DELETE FROM revisions WHERE file = ?1 AND (at <= ?2 OR hash NOT IN (SELECT hash FROM revisions WHERE file = ?1 ORDER BY at DESC LIMIT ?3))',
      file,
      at - limits.room.revisionTtl,
      limits.room.revisionsKept,
    );
  }

  /** A change made outside of any open document: into the log, and to those who have it open. Inside a transaction. */
  #append(file: number, update: Uint8Array, by: string | null): void {
    this.#store.log.append(file, update, by);
    const frame = updateFrame(update);
    this.#store.afterwards(() => {
      const live = this.#live.get(file);
      if (live) live.incorporate(update);
      // After a sleep the document is not in memory before somebody says something; its sockets are.
      else for (const peer of this.#socketsOn(file)) peer.send(frame);
    });
  }

  #check(file: number, path: string, doc: Y.Doc, by: string | null): void {
    this.problems.check(file, path, formOf(doc, path), issuesOf(doc, path), by);
  }

  #reload(file: number): Y.Doc {
    const doc = new Y.Doc();
    for (const update of this.#store.log.load(file)) Y.applyUpdate(doc, update);
    return doc;
  }

  /** A document that nobody has open, and nobody is about to: flushed and folded, it waits for who comes back. [R4] */
  #rest(file: number): void {
    const document = this.#live.get(file);
    if (!document || document.peers.size > 0 || this.#idle.has(file) || this.#opening.has(file)) return;
    if ([...this.#arriving].some(({ state }) => state.target.kind === 'document' && state.target.file === file)) return;
    let isStored = false;
    this.#attempt(file, () => {
      this.flush(file);
      if (this.#store.log.hasRows(file)) this.#store.transaction(() => document.compact());
      isStored = true;
    });
    if (this.#live.get(file) !== document) return;
    if (!isStored || !document.isWhole) {
      this.#forget(file);
      document.destroy();
      return;
    }
    const idle = { file, bytes: document.weight, since: this.#store.now() };
    this.#idle.set(file, idle);
    this.#ports.idle.add(this, idle);
  }

  #forget(file: number): void {
    const idle = this.#idle.get(file);
    if (idle) this.#ports.idle.take(idle);
    this.#idle.delete(file);
    this.#live.delete(file);
  }

  /** Somebody needs a document that waits: nobody may let go of it any more. */
  #wake(document: LiveDocument, file: number): void {
    const idle = this.#idle.get(file);
    if (!idle) return;
    this.#ports.idle.take(idle);
    this.#idle.delete(file);
    const stored = this.#store.files.byId(file);
    if (!stored) return;
    try {
      this.#reshape(stored, document);
      this.#bind(stored, document);
    } catch (error) {
      // It may be ahead of what was stored.
      this.#live.delete(file);
      throw error;
    }
  }

  #bind(file: StoredFile, document: LiveDocument): void {
    const textIn = () => (formOf(document.doc, file.path) === 'text' ? document.doc : null);
    this.#store.transaction(() => this.#ports.bind(file, textIn, (doc) => textOf(doc, file.path)));
  }

  /** Nobody has it open: it takes the form that its file's name asks for. A text that never said its form is one, and needs no look. */
  #reshape(file: StoredFile, document: LiveDocument): void {
    if (isScenePath(file.path) || document.mayHave(documentTypes.meta))
      document.reform((doc) => this.#reform(file, doc));
  }

  #open(file: number): Promise<LiveDocument> {
    this.#ports.idle.tidy(this.#store.now());
    // Also where it is there already: those who asked before go first.
    const before = this.#opening.get(file);
    if (before) return before;
    const open = this.#live.get(file);
    if (open) {
      this.#wake(open, file);
      return Promise.resolve(open);
    }
    const opening = this.#load(file);
    this.#opening.set(file, opening);
    const done = () => void this.#opening.delete(file);
    opening.then(done, done);
    return opening;
  }

  async #load(id: number): Promise<LiveDocument> {
    const { files, log } = this.#store;
    const stored = files.byId(id);
    if (!stored) throw new KilnError('not_found');
    let text = '';
    if (!log.exists(id)) text = await this.#ports.textOf(stored);
    // The content may have come from R2: the file can be another by now.
    const file = files.byId(id);
    if (!file) throw new KilnError('not_found');
    if (!file.isText) throw new KilnError('not_a_document');
    if (file.hash !== stored.hash && !log.exists(id)) return this.#load(id);
    const isNew = !log.exists(id);
    const document = new LiveDocument(
      id,
      log,
      {
        committing: (live, by) => this.#markDirty(live.file, [...by].at(-1) ?? null),
        isMarked: (live) => this.#store.dirty.isMarked(live.file),
        committed: (live, by, seq) => {
          const path = files.byId(live.file)?.path;
          if (path !== undefined) this.#channel.saved(by, path, seq);
        },
        failed: (live, error) => {
          // The next use reads the log again, which has everything that anybody saw.
          if (this.#live.get(id) === live) this.#forget(id);
          this.#ports.log('room.commit_failed', { file: id, message: String(error) }, 'error');
        },
        refused: (peer, code) => {
          this.#channel.sendTo(peer.state.user.userId, { type: 'error', code, message: refusals[code] });
          return refusals[code];
        },
        asked: (peer, kind, answer) => this.#ports.turns.ask(peer, kind, answer),
        hasRoomFor: (bytes) => {
          if (files.tree.size + this.#unflushed + bytes <= typingMax) return true;
          this.flushAll();
          return files.tree.size + this.#unflushed + bytes <= typingMax;
        },
        grew: (bytes) => {
          this.#unflushed += bytes;
        },
        storedSize: (live) => files.byId(live.file)?.size ?? 0,
        overfills: (live, size) => {
          const before = files.byId(live.file)?.size ?? 0;
          return size > before && files.tree.size - before + size > typingMax;
        },
        transaction: (work) => this.#store.transaction(work),
        durable: () => this.#store.durable(),
        textOf: (doc) => textOf(doc, this.#pathOf(id)),
        growth: (doc) => (formOf(doc, this.#pathOf(id)) === 'text' ? 1 : limits.scene.growth),
      },
      (doc) => begin(doc, file.path, text),
    );
    if (!isNew && this.#socketsOn(id).every((peer) => this.#arriving.has(peer))) this.#reshape(file, document);
    this.#live.set(id, document);
    if (isNew)
      this.#store.transaction(() => {
        this.#keepRevision(id, file.hash, document.doc);
        // It may have come with its project, which nobody has looked at.
        this.#check(id, file.path, document.doc, null);
      });
    this.#bind(file, document);
    for (const peer of this.#socketsOn(id)) document.join(peer, false);
    return document;
  }

  #reform(file: StoredFile, doc: Y.Doc): boolean {
    if (isScenePath(file.path) && formOf(doc, file.path) === 'text')
      this.#store.transaction(() => this.#ports.release(file));
    return reform(doc, file.path);
  }

  #pathOf(file: number): string {
    return this.#store.files.byId(file)?.path ?? '';
  }

  #markDirty(file: number, by: string | null): void {
    const since = this.#store.dirty.mark(file, by, this.#store.now());
    if (since !== null) this.#store.schedule(since + limits.room.flushAfter);
  }

  #socketsOn(file: number): Peer[] {
    return this.#channel
      .everyone()
      .filter(({ state }) => state.target.kind === 'document' && state.target.file === file);
  }
}

/** A copy of a document that a write works on. */
export interface StagedDocument {
  readonly doc: Y.Doc;
  /** State vector before the write. */
  readonly since: Uint8Array;
}

function copyOf(doc: Y.Doc): Y.Doc {
  const copy = new Y.Doc();
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc));
  return copy;
}
