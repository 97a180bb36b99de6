import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { decodeText } from '../../core/content.ts';
import { sha256 } from '../../core/tree.ts';
import type { ManifestEntry } from '../../data/objects.ts';
import type { StoredTree } from './checkpoints.ts';
import type { RoomStore } from './store.ts';

/** Immutable bytes outside the room (R2). */
export interface BlobStore {
  put(hash: string, data: Uint8Array): Promise<void>;
  get(hash: string): Promise<Uint8Array | null>;
  putTree(hash: string, entries: readonly ManifestEntry[]): Promise<void>;
  getTree(hash: string): Promise<readonly ManifestEntry[] | null>;
  /** A moment for requests that wait, between puts that nobody waits for. */
  pause(): Promise<void>;
}

/** A text that is in no blob store yet. */
export interface HotText {
  readonly hash: string;
  readonly data: Uint8Array;
}

/** Texts and trees between the room's storage and the blob store. A manifest is stored only after every blob that it names. */
export class Contents {
  readonly #store: RoomStore;
  readonly #blobs: BlobStore;
  /** Snapshots under way: contents of trees that have changed since must stay. */
  #snapshots = 0;
  /** When the texts of a large batch go to the blob store; null: when they are idle. */
  #textsDue: number | null = null;
  /** Puts on their way, and those that are done and not noted yet: whoever wants the same text stored waits for them. */
  readonly #storing = new Map<string, Promise<void>>();

  constructor(store: RoomStore, blobs: BlobStore) {
    this.#store = store;
    this.#blobs = blobs;
  }

  /** Text by hash: from here when it is hot, else from the blob store, which changes nothing here. */
  async text(hash: string): Promise<string> {
    const hot = this.#store.files.text(hash);
    if (hot !== null) return hot;
    return (await this.#fetch(hash)).text;
  }

  /** As `text`, and hot from now on. */
  async warm(hash: string): Promise<string> {
    const hot = this.#store.files.text(hash);
    if (hot !== null) return hot;
    const { data, text } = await this.#fetch(hash);
    this.#store.transaction(() => this.#store.files.keepStored(hash, data, this.#store.now()));
    return text;
  }

  /** Throws `unavailable` when a tree that is kept cannot be read. */
  async tree(hash: string): Promise<readonly ManifestEntry[]> {
    const held = this.heldTree(hash);
    if (held) return held;
    const entries = await this.#blobs.getTree(hash);
    if (!entries) throw new KilnError('unavailable', { detail: 'A stored state of the project could not be read.' });
    return entries;
  }

  /** The tree of this moment, immutable: every blob and the manifest are stored when this resolves. Edits are flushed before. */
  async snapshot(): Promise<StoredTree> {
    const { tree } = this.#store.files;
    const snapshot = {
      treeHash: tree.hash(),
      seq: this.#store.events.seq,
      fileCount: tree.count,
      totalSize: tree.size,
      entries: tree.list(),
    };
    await this.storeTexts();
    await this.#blobs.putTree(snapshot.treeHash, snapshot.entries);
    return snapshot;
  }

  /**
   * As `snapshot`, without waiting for the store: manifest and texts stay here until they are there. To be named in
   * the same transaction, so that it is either stored or held whenever somebody names it.
   */
  hold(isStored: (treeHash: string) => boolean): StoredTree | null {
    const { files, events } = this.#store;
    const { tree } = files;
    const treeHash = tree.hash();
    const entries = tree.list().map(({ path, hash, size, mode, isText }) => ({ path, hash, size, mode, isText }));
    if (!isStored(treeHash)) {
      const text = JSON.stringify(entries);
      if (text.length > limits.room.heldTreeChars) return null;
      const now = this.#store.now();
      files.holdTree(treeHash, text, now);
      this.#store.schedule(now + limits.room.blobIdle);
    }
    return { treeHash, seq: events.seq, fileCount: tree.count, totalSize: tree.size, entries };
  }

  /** The manifest of a tree that is not in the blob store yet; null for every other one. */
  heldTree(hash: string): ManifestEntry[] | null {
    const held = this.#store.files.heldTree(hash);
    return held === null ? null : (JSON.parse(held) as ManifestEntry[]);
  }

  /** Those of these contents that are here, up to `limits.build.batch.bytes` of them. */
  texts(hashes: readonly string[]): HotText[] {
    const texts: HotText[] = [];
    let size = 0;
    for (const hash of hashes) {
      const data = this.#store.files.bytes(hash);
      size += data?.length ?? 0;
      if (size > limits.build.batch.bytes) break;
      if (data) texts.push({ hash, data });
    }
    return texts;
  }

  /** Texts that were written last and are in no blob store yet, up to `limits.build.jobTexts` of them. */
  newestTexts(): HotText[] {
    return this.#store.files.newestPending(limits.build.jobTexts);
  }

  /** Whether a tree is held here that the blob store does not have. */
  get holdsTrees(): boolean {
    return this.#store.files.heldTrees(Number.MAX_SAFE_INTEGER).length > 0;
  }

  /** Stores every tree that was held at `before`: after this whoever reads the blob store finds it. */
  async settle(before = Number.MAX_SAFE_INTEGER): Promise<void> {
    const { files } = this.#store;
    for (const hash of files.heldTrees(before)) {
      const entries = this.heldTree(hash);
      if (!entries) continue;
      await this.#keeping(files.pendingOf(entries.map((entry) => entry.hash)));
      await this.#blobs.putTree(hash, entries);
      files.releaseTree(hash);
    }
  }

  /**
   * The tree of this moment for another room: with the texts that are in this one alone, or, when they
   * are too many to hand over, after they were stored. Edits are flushed before.
   */
  async copy(): Promise<{ entries: readonly ManifestEntry[]; texts: readonly HotText[] }> {
    const { files } = this.#store;
    const hashes = this.#pendingTexts();
    const texts: HotText[] = [];
    let size = 0;
    for (const hash of hashes) {
      const data = files.bytes(hash);
      if (!data) continue;
      size += data.length;
      if (size > limits.room.handOverBytes) return { entries: (await this.snapshot()).entries, texts: [] };
      texts.push({ hash, data });
    }
    return { entries: files.tree.list(), texts };
  }

  /** Puts every text of the tree of this moment that is in the room alone into the blob store. */
  async storeTexts(): Promise<void> {
    await this.#keeping(this.#pendingTexts());
  }

  /** Stores what a snapshot would wait for, once what follows a large batch is over. A room that forgets it stores them when they are idle. */
  storeSoon(): void {
    this.#textsDue ??= this.#store.now() + limits.room.blobsEagerAfter;
    this.#store.schedule(this.#textsDue);
  }

  /** Does what `storeSoon` asked for, when it is due. */
  async storeDue(now: number): Promise<void> {
    if (this.#textsDue === null) return;
    if (this.#textsDue > now) return this.#store.schedule(this.#textsDue);
    this.#textsDue = null;
    await this.#keeping(this.#pendingTexts(), true);
  }

  /** As `storeTexts`, those of these hashes. */
  async store(hashes: readonly string[]): Promise<void> {
    const wanted = new Set(hashes);
    await this.#keeping(this.#pendingTexts().filter((hash) => wanted.has(hash)));
  }

  /** A tree that is not the room's own, with texts that nobody stored yet. */
  async storeTree(
    hash: string,
    entries: readonly ManifestEntry[],
    texts: ReadonlyMap<string, Uint8Array>,
  ): Promise<void> {
    for (const [name, data] of texts) await this.#blobs.put(name, data);
    await this.#blobs.putTree(hash, entries);
  }

  /** What nobody edits any more goes to the blob store; what no file names leaves the room. */
  async tidy(): Promise<void> {
    const before = this.#store.now() - limits.room.blobIdle;
    const idle = this.#store.files.pendingContents(before, limits.room.blobsTidied);
    if (idle.length) await this.#put(idle, true);
    await this.settle(before);
    if (this.#snapshots === 0) this.#store.files.sweepContents(before);
  }

  async #fetch(hash: string): Promise<{ data: Uint8Array; text: string }> {
    const data = await this.#blobs.get(hash);
    if (!data) throw new KilnError('unavailable', { detail: 'The content of this file could not be read.' });
    const text = decodeText(data);
    if (text === null || sha256(data) !== hash) throw new Error(`blob ${hash} is not the text it was`);
    return { data, text };
  }

  /** Texts of the tree of this moment that are in the room alone. */
  #pendingTexts(): string[] {
    return this.#store.files.pendingContents(Number.MAX_SAFE_INTEGER, limits.project.filesMax);
  }

  /** As `#put`; nothing is swept meanwhile, though no file names it any more. */
  async #keeping(hashes: readonly string[], isUnhurried = false): Promise<void> {
    this.#snapshots += 1;
    try {
      await this.#put(hashes, isUnhurried);
    } finally {
      this.#snapshots -= 1;
    }
  }

  /** `isUnhurried`: nobody waits for it. A local store works on the same thread, and hundreds of puts in a row would hold up every request. */
  async #put(hashes: readonly string[], isUnhurried = false): Promise<void> {
    const queue = [...hashes];
    const stored: string[] = [];
    const mark = (): void => {
      const done = stored.splice(0);
      this.#store.files.markStored(done);
      for (const hash of done) this.#storing.delete(hash);
    };
    const worker = async (): Promise<void> => {
      for (let hash = queue.shift(); hash !== undefined; hash = queue.shift()) {
        const underWay = this.#storing.get(hash);
        if (underWay) {
          await underWay;
          continue;
        }
        const data = this.#store.files.pendingBytes(hash);
        if (!data) continue;
        const putting = this.#blobs.put(hash, data);
        this.#storing.set(hash, putting);
        try {
          await putting;
        } catch (error) {
          this.#storing.delete(hash);
          throw error;
        }
        // Every write of the room holds back what it sends next: one for many.
        if (stored.push(hash) >= limits.room.blobsMarked) mark();
        if (isUnhurried) await this.#blobs.pause();
      }
    };
    try {
      const ends = await Promise.allSettled(
        Array.from({ length: Math.min(limits.room.blobsParallel, queue.length) }, worker),
      );
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    } finally {
      mark();
    }
  }
}
