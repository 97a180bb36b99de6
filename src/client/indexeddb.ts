import { IndexeddbPersistence } from 'y-indexeddb';
import { type Doc, encodeStateVector } from 'yjs';
import { databasePrefix, type OfflineStore, type StoredDocument } from './offline.ts';

const baseKey = 'base';

class IndexedDbDocument implements StoredDocument {
  readonly #persistence: IndexeddbPersistence;
  #closed = false;

  constructor(name: string, doc: Doc) {
    this.#persistence = new IndexeddbPersistence(name, doc);
  }

  get origin(): unknown {
    return this.#persistence;
  }

  async load(): Promise<Uint8Array | undefined> {
    await this.#persistence.whenSynced;
    const base: unknown = await this.#persistence.get(baseKey);
    // An empty document is what there is before the first sync: nothing to show.
    return base instanceof ArrayBuffer && encodeStateVector(this.#persistence.doc).length > 1
      ? new Uint8Array(base)
      : undefined;
  }

  setBase(vector: Uint8Array): void {
    // A base that is older than what is kept only makes the next visit ask the room once more.
    if (!this.#closed) this.#persistence.set(baseKey, new Uint8Array(vector).buffer).catch(() => undefined);
  }

  async clear(): Promise<void> {
    this.#closed = true;
    await this.#persistence.clearData();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    void this.#persistence.destroy();
  }
}

/** Keeps documents in the browser's IndexedDB, apart by user. */
export const indexedDbStore = (userId: string): OfflineStore => ({
  open: (name, doc) => new IndexedDbDocument(`${databasePrefix}${userId}/${name}`, doc),
});
