import * as decoding from 'lib0/decoding';
import * as Y from 'yjs';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { allows } from '../../core/permissions.ts';
import { DocumentAwareness } from './document-awareness.ts';
import type { DocumentLog } from './document-log.ts';
import { deliver } from './flow.ts';
import { ItemBudget } from './item-budget.ts';
import { Paces } from './paces.ts';
import type { Peer } from './peer.ts';
import { deniedFrame, messageType, syncStep1Frame, syncStep2Frame, syncType, updateFrame } from './protocol.ts';
import { StoredHistory } from './stored-history.ts';
import { TextBound } from './text-bound.ts';
import { extrasIn, structsIn } from './update-size.ts';
import { emptyUpdate, isEmptyUpdate, isEmptyVector, isKnown, refuseBroken } from './updates.ts';

/** What the document tells its room. */
export interface DocumentEvents {
  /** An update goes into the log; `by` are the users who made it. Inside the transaction, before any peer gets it. */
  committing(document: LiveDocument, by: ReadonlySet<string>): void;
  /** It is in the log. [R2] */
  committed(document: LiveDocument, by: ReadonlySet<string>, seq: number): void;
  /** The window could not be stored: sockets are closed, the document is of no more use. */
  failed(document: LiveDocument, error: unknown): void;
  /** An update of this socket is not taken; its user is to hear why. Returns what they are told. [R6, R9] */
  refused(peer: Peer, code: 'forbidden' | 'quota_exceeded'): string;
  /** Whether the project has room for so many bytes more than it had at its last flush, whoever typed since. */
  hasRoomFor(bytes: number): boolean;
  /** So many bytes were taken, at most. */
  grew(bytes: number): void;
  /** Bytes of the file as it is in the tree. */
  storedSize(document: LiveDocument): number;
  /** After `hasRoomFor` said no, once everything is in the tree: whether this text of so many bytes is too much. */
  overfills(document: LiveDocument, size: number): boolean;
  /** A question that costs the room work: answered now, or when it is its user's turn. As `Turns.ask`. [R12] */
  asked(peer: Peer, kind: 'state' | 'awareness', answer: (asked: number) => number): void;
  /** Whether it is noted already that the tree is behind: then `committing` stores nothing. */
  isMarked(document: LiveDocument): boolean;
  transaction<T>(work: () => T): T;
  /** As `StorePorts.durable`. */
  durable(): Promise<void> | null;
  /** What the file would be now. */
  textOf(doc: Y.Doc): string;
  /** Bytes of the file that one byte of an update makes at worst. */
  growth(doc: Y.Doc): number;
}

/** Brings a document that nobody has open in line with its file's name; whether that changed it. */
type Reform = (doc: Y.Doc) => boolean;

/** In place of a transaction. */
const atOnce = <T>(work: () => T): T => work();

/** Marks changes that come from the log and need no second row. */
const fromLog = Symbol('from the log');
/** Marks changes of a window, whose authors are known by other means. */
const fromWindow = Symbol('from the window');

/** An update that was taken. */
interface Taken {
  readonly peer: Peer;
  readonly update: Uint8Array;
}

/** A frame that is sent once what it says is durable. */
interface Unsent {
  readonly frame: Uint8Array;
  /** Who has it already. */
  readonly except: Peer | null;
}

/** Milliseconds that an update waits for others, where so many sockets are on its document. [R5] */
export const commitWindowFor = (count: number): number => {
  const { base, sockets, max } = limits.room.commitWindow;
  return Math.min(max, base + Math.floor(count / sockets));
};

/**
 * One open document: a Y.Doc, its awareness and the sockets on it.
 *
 * Updates wait up to one commit window, become part of the Y.Doc in one transaction, are appended to the log
 * as one row, and only then sent on [R1, R5]. Everything that shows the document's state to somebody calls
 * `commit()` first.
 *
 * Who joins is answered from the bytes of the log; they become part of the Y.Doc when something needs it. [R4]
 */
export class LiveDocument {
  readonly file: number;
  readonly #doc = new Y.Doc();
  /** What is not part of `#doc` yet: all of it, or nothing. */
  #history: StoredHistory | null = null;
  /** Somebody was answered what they lack from the bytes: for one it takes less, for many the Y.Doc does. */
  #hasCompared = false;
  readonly #awareness: DocumentAwareness;
  readonly peers = new Set<Peer>();
  readonly #log: DocumentLog;
  readonly #events: DocumentEvents;
  /** Taken within the running window, and not part of the document yet. */
  #taken: Taken[] = [];
  /** Changes of the document that are not in the log yet. */
  #pending: Uint8Array[] = [];
  #pendingFrom = new Set<Peer | null>();
  #pendingUsers = new Set<string>();
  /** Stored, and not yet known to be on disk; in the order of their commits. */
  #unsent: Unsent[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  readonly #messagePaces = new Paces<Peer>(limits.room.framesPerSecond);
  readonly #questionPaces = new Paces<Peer>(limits.room.questionsPerSecond);
  /** Of readers' updates: what comes faster is not looked at, for no answer to the room's questions does. */
  readonly #glancePaces = new Paces<Peer>(limits.room.questionsPerSecond);
  #full = false;
  readonly #items = new ItemBudget(
    () => this.doc,
    () => this.commit(),
  );
  readonly #bound: TextBound;
  /** Bytes of its history in the log. */
  #stored = 0;
  /** All of it as one update, from when somebody needed that until it changes: who comes after a restart comes with many. */
  #state: Uint8Array | null = null;
  #destroyed = false;

  /** `begin` starts a history where there is none, which goes into the log before anybody sees it; a second start must not do it again. */
  constructor(file: number, log: DocumentLog, events: DocumentEvents, begin: (doc: Y.Doc) => void) {
    this.file = file;
    this.#log = log;
    this.#events = events;
    this.#awareness = new DocumentAwareness(this.#doc, this.peers, () => this.#schedule());
    this.#bound = new TextBound({
      doc: () => this.doc,
      commit: () => this.commit(),
      textOf: (doc) => events.textOf(doc),
      growth: (doc) => events.growth(doc),
      storedSize: () => events.storedSize(this),
      hasRoomFor: (bytes) => events.hasRoomFor(bytes),
      overfills: (size) => events.overfills(this, size),
      grew: (bytes) => events.grew(bytes),
    });

    const history = log.load(file);
    if (history.length === 0) {
      begin(this.#doc);
      events.transaction(() => log.append(file, Y.encodeStateAsUpdate(this.#doc), null));
      this.#doc.on('update', this.#onUpdate);
    } else this.#history = new StoredHistory(history, log.vectorOf(file));
    this.#stored = history.reduce((sum, update) => sum + update.length, 0);
    this.#full =
      this.#stored > limits.room.documentBytes && Y.encodeStateAsUpdate(this.doc).length > limits.room.documentBytes;
  }

  /** The document. What only somebody who joins needs is known without it. Throws `unavailable` where the log cannot be read. */
  get doc(): Y.Doc {
    const history = this.#history;
    if (history === null) return this.#doc;
    this.#history = null;
    try {
      history.apply(this.#doc, fromLog);
    } catch (error) {
      // It has a part of it, which nobody may take for the whole.
      this.dissolve('unavailable');
      this.#events.failed(this, error);
      throw new KilnError('unavailable');
    }
    if (!history.isFolded) this.#state = null;
    this.#doc.on('update', this.#onUpdate);
    return this.#doc;
  }

  /** Whether a type of that name may have something in it; certain only while nothing needed the document. */
  mayHave(type: string): boolean {
    return this.#history === null || this.#history.mayHave(type);
  }

  /** State vector of what it has. */
  vector(): Uint8Array {
    return this.#history ? this.#history.vector() : Y.encodeStateVector(this.#doc);
  }

  /** What somebody lacks who has as much as this state vector says. */
  #difference(vector: Uint8Array): Uint8Array {
    if (isEmptyVector(vector)) return this.#wholeState();
    if (this.#history === null || this.#hasCompared) return Y.encodeStateAsUpdate(this.doc, vector);
    this.#hasCompared = true;
    return this.#history.difference(vector);
  }

  /** Somebody is about to open it, and nobody has it open. */
  reform(work: Reform): void {
    const before = Y.encodeStateVector(this.doc);
    let changed = false;
    this.doc.transact(() => {
      changed = work(this.doc);
    }, fromLog);
    if (!changed) return;
    this.#bound.forget();
    this.#items.forget();
    this.#events.transaction(() => {
      this.#log.append(this.file, Y.encodeStateAsUpdate(this.doc, before), null);
      this.#events.committing(this, new Set());
    });
  }

  /** Whether it is what the log says, so that it may wait for somebody: what a client made to wait for ever is not. */
  get isWhole(): boolean {
    return !this.#destroyed && this.#taken.length === 0 && this.#pending.length === 0 && !this.#waits;
  }

  /** Bytes of memory that it takes, roughly. */
  get weight(): number {
    if (this.#history) return 2 * this.#stored;
    return (structsIn(this.#doc) + extrasIn(this.#doc)) * limits.room.itemBytes + 2 * this.#stored;
  }

  /** A socket came, or came back after hibernation. */
  join(peer: Peer, isNew: boolean): void {
    this.peers.add(peer);
    this.#awareness.join(peer);
    if (!isNew) return;
    this.commit();
    this.#deliver(peer, syncStep1Frame(this.vector()));
    if (!this.#awareness.isEmpty) this.#deliver(peer, this.#awareness.whole());
  }

  leave(peer: Peer): void {
    this.commit();
    this.peers.delete(peer);
    this.#awareness.leave(peer);
    this.#flushAwareness();
  }

  /** A sync step 1 is a question that every Yjs client answers. [R12] */
  #deliver(peer: Peer, frame: Uint8Array): void {
    deliver(peer, frame, () => syncStep1Frame(this.vector()));
  }

  /** One binary frame of a client. Throws on anything that is not the protocol, and on too much; the caller closes that socket. [R12] */
  receive(peer: Peer, frame: Uint8Array): void {
    const now = Date.now();
    const decoder = decoding.createDecoder(frame);
    // A frame may hold several messages; each is checked and counted, so batching hides nothing. [R6]
    while (decoding.hasContent(decoder)) {
      if (!this.#messagePaces.take(peer, now)) throw new KilnError('rate_limited');
      const type = decoding.readVarUint(decoder);
      if (type === messageType.sync) this.#receiveSync(peer, decoder, now);
      else if (type === messageType.awareness) this.#awareness.receive(peer, decoding.readVarUint8Array(decoder));
      else if (type === messageType.queryAwareness) {
        this.#answering(peer, now);
        this.#events.asked(peer, 'awareness', () => this.#sendAwareness(peer));
      } else throw new Error('unknown message type');
    }
  }

  /**
   * Makes the running window durable, then sends it on. Throws when that cannot be stored, and `unavailable` when somebody's
   * update broke the document: then the others' are stored, and it is of no more use.
   */
  commit(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#flushAwareness();
    const broken = this.#integrate();
    this.#store(broken === null);
    if (broken === null) return;
    this.#startAnew(broken);
    throw new KilnError('unavailable');
  }

  /** What is pending into the log, then to everybody. */
  #store(isWhole: boolean): void {
    if (this.#pending.length === 0) return;
    const update = this.#pending.length === 1 ? (this.#pending[0] as Uint8Array) : Y.mergeUpdates(this.#pending);
    const from = this.#pendingFrom;
    const users = this.#pendingUsers;
    this.#pending = [];
    this.#pendingFrom = new Set();
    this.#pendingUsers = new Set();
    try {
      // One row is stored whole or not at all by itself.
      const isOneRow = this.#log.takesAsRow(this.file, update.length) && this.#events.isMarked(this);
      const seq = (isOneRow ? atOnce : this.#events.transaction)(() => {
        const number = this.#log.append(this.file, update, [...users].at(-1) ?? null);
        if (isWhole && this.#log.needsCompaction(this.file)) this.compact();
        this.#events.committing(this, users);
        return number;
      });
      this.#events.committed(this, users, seq);
    } catch (error) {
      this.#giveUp(error);
      throw error;
    }
    // With one sender in the window, that one has it all.
    const [only = null] = from.size === 1 ? from : [];
    this.#broadcast({ frame: updateFrame(update), except: only });
  }

  /**
   * Sends what was stored to everybody, once it is on disk. [R1] The platform would hold back each frame that is sent before: that takes more
   * of it than to wait here, for all of them at once.
   */
  #broadcast(unsent: Unsent): void {
    this.#unsent.push(unsent);
    const durable = this.#events.durable();
    if (durable === null) this.#sendUpTo(unsent);
    else
      durable.then(
        () => this.#sendUpTo(unsent),
        (error: unknown) => {
          if (!this.#destroyed) this.#giveUp(error);
        },
      );
  }

  /** What is on disk goes out, with all that was stored before it. */
  #sendUpTo(last: Unsent): void {
    const count = this.#unsent.indexOf(last) + 1;
    for (const { frame, except } of this.#unsent.splice(0, count))
      for (const peer of this.peers) if (peer !== except) this.#deliver(peer, frame);
  }

  /**
   * The document in memory is ahead of what could be stored. Nobody may see that: the sockets end, and the clients, who still hold their
   * edits, send them again when they are back.
   */
  #giveUp(error: unknown): void {
    this.#log.forget(this.file);
    this.dissolve('unavailable');
    this.#events.failed(this, error);
  }

  /** A change that is in the log already, made outside this document while nothing here was pending. */
  incorporate(update: Uint8Array): void {
    this.#bound.forget();
    this.#items.forget();
    this.#stored += update.length;
    Y.applyUpdate(this.doc, update, fromLog);
    this.#broadcast({ frame: updateFrame(update), except: null });
  }

  #wholeState(): Uint8Array {
    this.#state ??= this.#history ? this.#history.state() : Y.encodeStateAsUpdate(this.#doc);
    return this.#state;
  }

  /** Folds the log. The caller is inside a transaction. */
  compact(): void {
    // Through the document: what was deleted goes, what was typed in a row becomes one.
    const vector = Y.encodeStateVector(this.doc);
    const snapshot = this.#wholeState();
    this.#full = snapshot.length > limits.room.documentBytes;
    this.#stored = snapshot.length;
    this.#log.compact(this.file, snapshot, vector);
  }

  /** Ends every socket with an error and lets go of the document. Nothing is committed any more. */
  dissolve(code: Parameters<Peer['close']>[0]): void {
    for (const peer of this.peers) {
      peer.state.awareness = [];
      peer.close(code);
    }
    this.peers.clear();
    this.destroy();
  }

  /** Who has it open comes back to a document that has what is in the log, and nothing else. */
  #startAnew(reason: Error): void {
    this.dissolve('unavailable');
    this.#events.failed(this, reason);
  }

  destroy(): void {
    this.#destroyed = true;
    this.#taken = [];
    this.#unsent = [];
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#awareness.destroy();
    this.#doc.destroy();
  }

  /** Throws when a socket asks too often: an answer is all there is, and ends the window of everybody. */
  #answering(peer: Peer, now: number): void {
    if (!this.#questionPaces.take(peer, now)) throw new KilnError('rate_limited');
  }

  #receiveSync(peer: Peer, decoder: decoding.Decoder, now: number): void {
    const type = decoding.readVarUint(decoder);
    const payload = decoding.readVarUint8Array(decoder);
    if (type === syncType.step1) {
      if (payload.length > limits.room.vectorBytes) throw new KilnError('payload_too_large');
      this.#answering(peer, now);
      this.#events.asked(peer, 'state', (asked) => this.#answerStep1(peer, payload, asked));
      return;
    }
    if (type === syncType.step2) peer.flow.answered();
    if (type !== syncType.step2 && type !== syncType.update) throw new Error('unknown sync message');
    // A client without changes answers step 1 with an empty step 2, which is no attempt to write.
    if (isEmptyUpdate(payload)) return;
    if (!allows(peer.state.access, 'project.write')) {
      this.#refuse(peer, payload, now);
      return;
    }
    if (this.#full) {
      peer.close('payload_too_large');
      return;
    }
    // Yjs integrates what it can read before it stumbles over the rest: nothing is applied that is not whole.
    const size = refuseBroken(payload);
    const growth = this.#bound.growthBy(payload.length);
    const excess = this.#bound.excessOf(payload, growth);
    if (this.#destroyed) return;
    if (excess !== null) {
      if (excess === 'quota_exceeded') this.#events.refused(peer, excess);
      peer.close(excess);
      return;
    }
    const fits = this.#items.take(payload, size);
    if (this.#destroyed) return;
    if (!fits) {
      if (this.#waits) this.#startAnew(new Error('too much may come of what waits for other updates'));
      else peer.close('payload_too_large');
      return;
    }
    this.#bound.grow(growth);
    this.#taken.push({ peer, update: payload });
    this.#schedule();
  }

  /**
   * Drops what somebody sent who may not write. Its socket is told so before anything that it asks later is answered, for an answer says of
   * all that came before that it is stored. Nobody is told who sent only what the room has: also readers answer a sync step 1. [R2, R6]
   */
  #refuse(peer: Peer, payload: Uint8Array, now: number): void {
    if (this.#glancePaces.take(peer, now)) {
      this.commit();
      if (isKnown(payload, this.vector(), () => this.doc) || this.#destroyed) return;
    }
    this.#deliver(peer, deniedFrame(this.#events.refused(peer, 'forbidden')));
  }

  /** One answer for each question, for who counts them: the first has all that they lack. Returns what it cost, in bytes. */
  #answerStep1(peer: Peer, vector: Uint8Array, asked: number): number {
    if (!this.peers.has(peer)) return 0;
    this.commit();
    const isKnown = this.#state !== null && isEmptyVector(vector);
    const difference = this.#difference(vector);
    this.#deliver(peer, syncStep2Frame(difference));
    for (let more = 1; more < asked; more += 1) this.#deliver(peer, syncStep2Frame(emptyUpdate));
    // What is at hand is only sent; what is not is at least looked for, among all that there is.
    return isKnown ? difference.length / 8 : Math.max(difference.length, this.#stored / 32);
  }

  #sendAwareness(peer: Peer): number {
    if (!this.peers.has(peer)) return 0;
    const frame = this.#awareness.whole();
    this.#deliver(peer, frame);
    return frame.length;
  }

  /** Whether a part of it waits for updates that have not come. */
  get #waits(): boolean {
    const { pendingStructs, pendingDs } = this.#doc.store;
    return pendingStructs !== null || pendingDs !== null;
  }

  /**
   * Makes what was taken part of the document: as one transaction, which costs as much as that of one update. Returns why the
   * document is of no more use, if so; what others sent is among the pending changes all the same.
   */
  #integrate(): Error | null {
    const taken = this.#taken;
    if (taken.length === 0) return null;
    this.#taken = [];
    const before = this.#pending.length;
    let at = 0;
    try {
      while (at < taken.length) {
        const { length } = this.#pending;
        const from = at;
        // What waits may be set free by another's update, and does not count for who sent it: then each is taken for itself.
        const isAlone = this.#waits;
        this.doc.transact(() => {
          do {
            const { peer, update } = taken[at] as Taken;
            Y.applyUpdate(this.doc, update, peer);
            at += 1;
          } while (!isAlone && !this.#waits && at < taken.length);
        }, fromWindow);
        const peers = taken.slice(from, at).map(({ peer }) => peer);
        if (this.#pending.length > length) this.#attribute(peers, isAlone);
        const { pendingStructs, pendingDs } = this.doc.store;
        if ((pendingStructs?.update.length ?? 0) + (pendingDs?.length ?? 0) <= limits.room.pendingBytes) continue;
        // It is in memory only: the others come back to a clean document.
        peers.at(-1)?.close('payload_too_large');
        return new Error('too much waits for updates that never came');
      }
      return null;
    } catch (error) {
      this.#pending.length = before;
      this.#salvage(taken);
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  /** Notes whose updates are pending. What the last of them sent may wait for others: nobody is told that it is saved, and all get what is. */
  #attribute(peers: readonly Peer[], isAlone: boolean): void {
    const whole = this.#waits && !isAlone ? peers.slice(0, -1) : peers;
    for (const peer of whole) {
      this.#pendingFrom.add(peer);
      this.#pendingUsers.add(peer.state.user.userId);
    }
    if (isAlone || whole.length < peers.length) this.#pendingFrom.add(null);
  }

  /**
   * What breaks Yjs half-way (types nested so deep that it runs out of stack) must not be stored. What else was taken is made part
   * of another document, read anew; nothing of it is where none is found to blame.
   */
  #salvage(taken: readonly Taken[]): void {
    for (let rest = taken; ; ) {
      const doc = new Y.Doc();
      for (const update of [...this.#log.load(this.file), ...this.#pending]) Y.applyUpdate(doc, update);
      const changes: Uint8Array[] = [];
      doc.on('update', (update: Uint8Array) => changes.push(update));
      const culprit = rest.find(({ peer, update }) => {
        try {
          Y.applyUpdate(doc, update, peer);
          return false;
        } catch {
          return true;
        }
      })?.peer;
      if (!culprit) {
        if (rest !== taken) this.#pending.push(...changes);
        this.#pendingFrom.add(null);
        return;
      }
      culprit.close('malformed_request');
      rest = rest.filter(({ peer }) => peer !== culprit);
    }
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    this.#state = null;
    if (origin === fromLog || this.#destroyed) return;
    this.#pending.push(update);
    if (origin === fromWindow) return;
    this.#pendingFrom.add(null);
    if (typeof origin === 'string') this.#pendingUsers.add(origin);
    this.#schedule();
  };

  #schedule(): void {
    if (this.#timer !== null || this.#destroyed) return;
    this.#timer = setTimeout(() => {
      try {
        this.commit();
      } catch {
        // `failed` has said so, and the sockets are closed; there is no caller to tell.
      }
    }, commitWindowFor(this.peers.size));
  }

  #flushAwareness(): void {
    const frame = this.#awareness.changes();
    if (frame === null) return;
    for (const peer of this.peers) this.#deliver(peer, frame);
  }
}
