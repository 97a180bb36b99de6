import { clone, type Decoder, readVarUint, readVarUint8Array } from 'lib0/decoding';
import { createEncoder, toUint8Array, writeVarUint } from 'lib0/encoding';
import YProvider, { messageAuth, messageSync } from 'y-partyserver/provider';
import { readAuthMessage } from 'y-protocols/auth';
import type { Awareness } from 'y-protocols/awareness';
import { messageYjsSyncStep1, messageYjsSyncStep2, writeSyncStep1 } from 'y-protocols/sync';
import { Doc, decodeStateVector, type Text } from 'yjs';
import { limits } from '../contract/limits.ts';
import { documentTypes, isScenePath } from '../contract/scene.ts';
import { Backoff } from './backoff.ts';
import { type Deferred, deferred } from './deferred.ts';
import { Emitter } from './emitter.ts';
import { errorFromClose, isFinalClose, KilnApiError } from './errors.ts';
import { extentOf, isBeyond, type OfflineStore, type StoredDocument } from './offline.ts';

/**
 * Where the local edits are.
 * - `connecting`: nothing has been received yet
 * - `saved`: the room has acknowledged every local edit as durable
 * - `saving`: edits are sent and not acknowledged
 * - `offline`: no connection; edits wait here, in the offline store too where there is one, and merge on return
 * - `closed`: ended, by `close()` or by an error
 */
export type SaveState = 'connecting' | 'saved' | 'saving' | 'offline' | 'closed';

export interface DocumentEvents {
  state: SaveState;
  /** Whether this device keeps what is typed: see {@link RoomDocument.isKept}. */
  kept: boolean;
  /** The file has this path now; the document goes on. */
  moved: string;
  /** Ended by the room: removed, forbidden, not a document, too large, signed out. */
  ended: KilnApiError;
}

/** What a document needs of its room. */
export interface DocumentLink {
  readonly wsBase: string;
  readonly projectId: string;
  readonly WebSocket: typeof WebSocket;
  readonly offline: OfflineStore | undefined;
  /** Resolves when what is kept on this device has the names that files have by now, as far as that can be known. Never rejects. */
  followed(): Promise<void>;
  /** Resolves with a fresh ticket once the project channel is up, so that acknowledgements have where to go. Never rejects. */
  ticket(signal: AbortSignal): Promise<string>;
  onClose(document: RoomDocument): void;
}

const { answer, movedTries, typingPause } = limits.client;

/** A live document: its Yjs state, who is in it, and whether what was typed here is durable. */
export class RoomDocument {
  readonly doc = new Doc();
  /** The content of a text file. Scenes and other structured documents are in `doc.getMap('root')`. */
  readonly text: Text = this.doc.getText('content');
  readonly awareness: Awareness;
  /** Resolves when the room's state has arrived for the first time; rejects with the error that ended the document before. */
  readonly synced: Promise<void>;
  /** Resolves when there is something to show: the room's state, or what this device kept of it. Rejects as `synced` does. */
  readonly ready: Promise<void>;

  readonly #firstContent: Deferred<void> = deferred();
  #stored: StoredDocument | undefined;
  /** What is known to be the room's. A room that has none of it has another document under this path. */
  #base: ReadonlyMap<number, number> = new Map();
  readonly #firstSync: Deferred<void> = deferred();
  readonly #link: DocumentLink;
  readonly #events = new Emitter<DocumentEvents>();
  readonly #provider: YProvider;
  readonly #backoff = new Backoff();
  readonly #aborter = new AbortController();
  #path: string;
  /** Refusals that said the file has moved, since the path was last known to be right. */
  #refusedAsMoved = 0;
  #state: SaveState = 'connecting';
  #everSynced = false;
  /** Local edits so far; compared with what an acknowledgement covers. */
  #edits = 0;
  #savedEdits = 0;
  /** Edits that went out on this connection. Those of an earlier one may have been lost with it. */
  #sentEdits = 0;
  #sentAt = 0;
  /** For each sync step 1 on its way, how many edits were sent before it. */
  #questions: number[] = [];
  #answerTimer: ReturnType<typeof setTimeout> | undefined;
  #askTimer: ReturnType<typeof setTimeout> | undefined;
  /** Others' edits came that are not noted as the room's. */
  #baseTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(link: DocumentLink, path: string) {
    this.#link = link;
    this.#path = path;
    this.synced = this.#firstSync.promise;
    // Whoever does not wait for it must not get an unhandled rejection.
    this.synced.catch(() => undefined);
    this.ready = this.#firstContent.promise;
    this.ready.catch(() => undefined);

    const base = new URL(link.wsBase);
    this.#provider = new YProvider(base.host, path, this.doc, {
      connect: false,
      prefix: this.#address(path),
      protocol: base.protocol === 'wss:' ? 'wss' : 'ws',
      params: async () => ({ ticket: await this.#nextTicket() }),
      WebSocketPolyfill: link.WebSocket,
      // Tabs would otherwise show each other edits that are not durable, and hand them to read-only tabs.
      disableBc: true,
      // The delay between attempts is in #nextTicket, with jitter.
      maxBackoffTime: 0,
    });
    this.awareness = this.#provider.awareness;
    this.#listen();
    void this.#start();
  }

  /** Where the file is; follows it when it is moved. */
  get path(): string {
    return this.#path;
  }

  get state(): SaveState {
    return this.#state;
  }

  /** Whether it was opened under the name by which this device knows it. */
  get isFromDevice(): boolean {
    return this.#stored !== undefined;
  }

  /**
   * Whether this device keeps all that is in it. Not without an offline store, nor where the browser opens no database, its disk is full, or another
   * tab has removed what was kept.
   */
  get isKept(): boolean {
    return this.#stored?.works ?? false;
  }

  /** Whether local edits are not known to be durable. */
  get dirty(): boolean {
    return this.#edits > this.#savedEdits;
  }

  /** The file as it is here. After the end, too: then with what was typed and the room does not have, if it is {@link dirty}. */
  get content(): string {
    const isText = !isScenePath(this.#path) || this.doc.getMap(documentTypes.meta).get('form') === 'text';
    return isText
      ? this.text.toString()
      : `${JSON.stringify(this.doc.getMap(documentTypes.scene).toJSON(), null, 2)}\n`;
  }

  /** Removes what this device keeps of it. */
  async forget(): Promise<void> {
    await this.#stored?.clear();
  }

  on<K extends keyof DocumentEvents>(type: K, listener: (event: DocumentEvents[K]) => void): () => void {
    return this.#events.on(type, listener);
  }

  /** Leaves the document. Edits that were not sent are lost: see {@link RoomDocument.dirty}. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#aborter.abort();
    clearTimeout(this.#answerTimer);
    clearTimeout(this.#askTimer);
    if (this.#baseTimer !== undefined) this.#noteBase();
    this.#provider.destroy();
    this.#stored?.close();
    this.#setState('closed');
    const closed = new KilnApiError('conflict', { detail: 'The document was closed' });
    this.#firstSync.reject(closed);
    this.#firstContent.reject(closed);
    this.#link.onClose(this);
    this.#events.clear();
    this.doc.destroy();
  }

  /**
   * The room has acknowledged edits of this path: rule 2 of the room. The message does not say which: they may be another device's of the same
   * person, and the last ones of this one still be on their way. So it is when to ask, at the next pause in typing, and no answer.
   */
  acknowledge(): void {
    if (!this.dirty) return;
    clearTimeout(this.#askTimer);
    this.#askTimer = setTimeout(() => this.verify(), Math.max(0, typingPause - (Date.now() - this.#sentAt)));
  }

  /**
   * Asks the room what it has. A sync step 1 makes the room store what it received on this socket before it answers, so the answer says that
   * this is stored, or dropped: then the room has said so before.
   */
  verify(): void {
    const { ws, wsconnected, synced } = this.#provider;
    if (ws?.readyState !== 1 || !wsconnected || !synced) return;
    const encoder = createEncoder();
    writeVarUint(encoder, messageSync);
    writeSyncStep1(encoder, this.doc);
    ws.send(toUint8Array(encoder));
    this.#questions.push(this.#sentEdits);
    clearTimeout(this.#answerTimer);
    this.#answerTimer = setTimeout(() => ws.close(), answer);
  }

  /** The file has another path. An open socket stays with it; the next one, and acknowledgements, are for the new path. */
  moved(path: string): void {
    if (this.#state === 'closed' || path === this.#path) return;
    this.#path = path;
    this.#refusedAsMoved = 0;
    const url = new URL(this.#provider.url);
    url.pathname = this.#address(path);
    this.#provider.url = url.toString();
    // An acknowledgement under the old name may still be on its way, and will not be heard.
    if (this.dirty) this.verify();
    this.#events.emit('moved', path);
  }

  /** Ends the document for good, with the error that says why. */
  end(error: KilnApiError): void {
    if (this.#state === 'closed') return;
    this.#firstSync.reject(error);
    this.#firstContent.reject(error);
    this.#events.emit('ended', error);
    this.close();
  }

  #address(path: string): string {
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    return `/api/projects/${encodeURIComponent(this.#link.projectId)}/docs/${encoded}`;
  }

  async #start(): Promise<void> {
    if (this.#link.offline !== undefined) {
      await this.#link.followed();
      if (this.#aborter.signal.aborted) return;
      this.#stored = this.#link.offline.open(`${this.#link.projectId}/${this.#path}`, this.doc, () =>
        this.#events.emit('kept', this.isKept),
      );
    }
    // A device that cannot keep anything must not keep anybody from working.
    const base = await this.#stored?.load().catch(() => undefined);
    if (this.#aborter.signal.aborted) return;
    if (base !== undefined) this.#base = decodeStateVector(base.vector);
    if (this.#stored !== undefined && isBeyond(this.doc, base)) this.#edits += 1;
    // An empty document is what there is before the first sync: nothing to show.
    if (base !== undefined && isBeyond(this.doc, undefined)) {
      this.#firstContent.resolve();
      this.#refreshState();
    }
    void this.#provider.connect();
  }

  /**
   * Whether the room's document is the one that was here before. A file that was deleted and made anew has another history, and
   * merging the two would show both texts. [R14]
   */
  #isSameDocument(step1: Decoder): boolean {
    if (this.#base.size === 0) return true;
    readVarUint(step1);
    const theirs = decodeStateVector(readVarUint8Array(step1));
    return [...this.#base.keys()].some((client) => theirs.has(client));
  }

  async #nextTicket(): Promise<string> {
    const { signal } = this.#aborter;
    await this.#backoff.wait(signal);
    const ticket = await this.#link.ticket(signal);
    // A document that was closed meanwhile must not connect; the provider has no other way to be told.
    return signal.aborted ? new Promise<never>(() => undefined) : ticket;
  }

  #listen(): void {
    const provider = this.#provider;

    this.doc.on('update', (_update: Uint8Array, origin: unknown) => {
      if (origin === provider) this.#baseTimer ??= setTimeout(() => this.#noteBase(), limits.client.baseAfter);
      if (origin === provider || (this.#stored !== undefined && origin === this.#stored.origin)) return;
      this.#edits += 1;
      // The provider's own listener came first and has sent it.
      if (provider.wsconnected) {
        this.#sentEdits = this.#edits;
        this.#sentAt = Date.now();
        // Asked again when these are acknowledged.
        clearTimeout(this.#askTimer);
      }
      this.#refreshState();
    });

    const readSync = provider.messageHandlers[messageSync];
    provider.messageHandlers[messageSync] = (encoder, decoder, ...rest) => {
      const step = decoder.arr[decoder.pos];
      if (step === messageYjsSyncStep1 && !this.#isSameDocument(clone(decoder))) {
        // What was typed here and is nowhere else stays until somebody has seen it.
        if (!this.dirty) void this.forget();
        this.end(new KilnApiError('conflict', { detail: 'The file was replaced while you were away.' }));
        return;
      }
      const isAnswer = step === messageYjsSyncStep2;
      readSync?.(encoder, decoder, ...rest);
      if (!isAnswer) return;
      const covered = this.#questions.shift();
      if (this.#questions.length === 0) clearTimeout(this.#answerTimer);
      if (covered !== undefined) this.#saved(covered);
    };

    provider.messageHandlers[messageAuth] = (_encoder, decoder) =>
      readAuthMessage(decoder, this.doc, (_doc, reason) => this.#denied(reason));

    provider.on('status', ({ status }: { status: string }) => {
      if (status === 'connected') {
        this.#backoff.opened();
        // The provider's own step 1, which covers nothing that was typed here.
        this.#questions = [0];
      }
      this.#refreshState();
    });

    provider.on('synced', (synced: boolean) => {
      if (synced) {
        this.#everSynced = true;
        this.#refusedAsMoved = 0;
        this.#firstSync.resolve();
        this.#firstContent.resolve();
        // The room's step 1 came before this answer, and our step 2 to it carried everything.
        this.#sentEdits = this.#edits;
        if (this.dirty) this.verify();
      }
      this.#refreshState();
    });

    provider.on('connection-close', ({ code, reason }: CloseEvent) => {
      clearTimeout(this.#answerTimer);
      clearTimeout(this.#askTimer);
      this.#questions = [];
      this.#sentEdits = this.#savedEdits;
      this.#backoff.failed();
      const error = isFinalClose(code) ? errorFromClose(code, reason) : undefined;
      // The room's event says where to, and may be on its way to this page.
      const mayFollow = error?.code === 'moved' && ++this.#refusedAsMoved <= movedTries;
      if (error !== undefined && !mayFollow) this.end(error);
      // The provider updates its own flags after this event.
      else queueMicrotask(() => this.#refreshState());
    });
  }

  /**
   * Something that is here is not the room's, and will not be: its author may not write. Nobody could tell from then on what of it others see,
   * so it ends, with all that was typed. What this device keeps stays until somebody has seen it. [R6]
   */
  #denied(reason: string): void {
    if (this.#state === 'closed') return;
    // Also where it was taken for saved, as what a room had that was set back since.
    if (!this.dirty) this.#edits += 1;
    this.end(new KilnApiError('forbidden', { detail: reason }));
  }

  #saved(edits: number): void {
    // What its socket still hears after its end is no answer.
    if (this.#state === 'closed') return;
    this.#savedEdits = Math.max(this.#savedEdits, edits);
    this.#refreshState();
  }

  #refreshState(): void {
    if (this.#state === 'closed') return;
    if (!this.#provider.wsconnected) this.#setState(this.#everSynced || this.dirty ? 'offline' : 'connecting');
    else if (!this.#everSynced) this.#setState('connecting');
    else {
      if (!this.dirty) this.#keepBase();
      this.#setState(this.dirty ? 'saving' : 'saved');
    }
  }

  /** What others wrote is the room's: it must not be taken for this person's at the next visit. */
  #noteBase(): void {
    clearTimeout(this.#baseTimer);
    this.#baseTimer = undefined;
    if (this.#everSynced && !this.dirty) this.#keepBase();
  }

  /** Everything that is here is the room's as well. */
  #keepBase(): void {
    const base = extentOf(this.doc);
    this.#base = decodeStateVector(base.vector);
    this.#stored?.setBase(base);
  }

  #setState(state: SaveState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#events.emit('state', state);
  }
}
