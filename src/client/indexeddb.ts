import { addAutoKey, createStores, deleteDB, get, openDB, put, transact } from 'lib0/indexeddb';
import { IndexeddbPersistence } from 'y-indexeddb';
import { Doc, decodeStateVector, encodeStateAsUpdate, encodeStateVector } from 'yjs';
import { databasePrefix, type Extent, type OfflineStore, type StoredDocument, untilRemoved } from './offline.ts';

const baseKey = 'base';
const deletedKey = 'deleted';
/** No project has an id with a dot. */
const seenDatabase = '.seen';
const seenStore = 'seen';

/** What is used of the browser's databases here; workerd and Node, whose types this project has, know none. */
interface Databases {
  databases(): Promise<{ name?: string }[]>;
}

const databaseNames = async (): Promise<string[]> =>
  (await (globalThis as unknown as { indexedDB: Databases }).indexedDB.databases()).flatMap(({ name }) => name ?? []);

/** Notes what the room has of a document. One of the two alone only makes the next visit ask the room once more. */
const writeBase = async (to: IndexeddbPersistence, { vector, deleted }: Extent): Promise<void> => {
  await Promise.all([to.set(baseKey, new Uint8Array(vector).buffer), to.set(deletedKey, deleted)]);
};

async function readBase(of: IndexeddbPersistence): Promise<Extent | undefined> {
  const [vector, deleted] = (await Promise.all([of.get(baseKey), of.get(deletedKey)])) as unknown[];
  if (!(vector instanceof ArrayBuffer)) return undefined;
  return { vector: new Uint8Array(vector), deleted: typeof deleted === 'number' ? deleted : 0 };
}

/** Where `y-indexeddb` has its updates. */
const updatesStore = 'updates';

/** `ended`: it was never opened, or another tab has removed it or taken it elsewhere. `missed`: something was not written, as the disk is full. */
type Fault = 'ended' | 'missed';

function persist(name: string, doc: Doc, onFault: (fault: Fault) => void = () => undefined): IndexeddbPersistence {
  const persistence = new IndexeddbPersistence(name, doc);
  void persistence.whenSynced.then(({ db }) => {
    db?.addEventListener('versionchange', () => {
      // Nothing can be written there any more.
      persistence.db = null;
      onFault('ended');
    });
    // Of any transaction of the database: the event comes up from there.
    db?.addEventListener('abort', () => onFault('missed'));
  });
  return persistence;
}

class IndexedDbDocument implements StoredDocument {
  #persistence: IndexeddbPersistence;
  /** What the room has, as far as it is kept. */
  #base: Extent | undefined;
  readonly #doc: Doc;
  readonly #onChange: () => void;
  readonly #onClose: (document: IndexedDbDocument) => void;
  #fault: Fault | undefined;
  #mending = false;
  #closed = false;

  constructor(name: string, doc: Doc, onChange: () => void, onClose: (document: IndexedDbDocument) => void) {
    this.#doc = doc;
    this.#onChange = onChange;
    this.#onClose = onClose;
    this.#persistence = this.#persist(name);
    doc.on('update', this.#mend);
  }

  get works(): boolean {
    return this.#fault === undefined;
  }

  get name(): string {
    return this.#persistence.name;
  }

  get origin(): unknown {
    return this.#persistence;
  }

  async load(): Promise<Extent | undefined> {
    // Where it cannot be opened nothing is ever in sync with it.
    await this.#persistence._db.catch((error: unknown) => {
      this.#setFault('ended');
      throw error;
    });
    await this.#persistence.whenSynced;
    const base = await readBase(this.#persistence);
    this.#base ??= base;
    return this.#base;
  }

  setBase(base: Extent): void {
    if (this.#closed) return;
    this.#base = base;
    // A base that is older than what is kept only makes the next visit ask the room once more.
    writeBase(this.#persistence, base).catch(() => undefined);
  }

  /** Keeps the document under another name. It is there before it goes here: a page that is closed in between leaves two, not none. */
  async move(name: string): Promise<void> {
    if (this.#closed || name === this.name) return;
    const before = this.#persistence;
    if (!before.synced) await this.load();
    await clearUnrelated(name, this.#doc);
    if (this.#closed) return;
    const next = this.#persist(name);
    this.#persistence = next;
    await next.whenSynced;
    // All of it was written there, also where the one before had ended.
    this.#setFault(undefined);
    if (this.#base !== undefined) await writeBase(next, this.#base);
    await before.destroy();
    await deleteDB(before.name);
  }

  async clear(): Promise<void> {
    this.#end();
    // What could not be opened keeps nothing.
    await this.#persistence.clearData().catch(() => undefined);
  }

  close(): void {
    if (this.#closed) return;
    this.#end();
    this.#persistence.destroy().catch(() => undefined);
  }

  #end(): void {
    this.#closed = true;
    this.#doc.off('update', this.#mend);
    this.#onClose(this);
  }

  #persist(name: string): IndexeddbPersistence {
    const persistence = persist(name, this.#doc, (fault) => {
      if (persistence === this.#persistence && !this.#closed) this.#setFault(fault);
    });
    return persistence;
  }

  #setFault(fault: Fault | undefined): void {
    if (this.#fault === fault) return;
    this.#fault = fault;
    this.#onChange();
  }

  /** Without the update that was missed, none after it means anything: with the next one all of it is written anew. */
  readonly #mend = (): void => {
    const { db } = this.#persistence;
    // Whatever comes while it is written is written by itself.
    if (this.#fault !== 'missed' || this.#mending || !db) return;
    const [store] = transact(db, [updatesStore]);
    if (!store) return;
    this.#mending = true;
    // What is put may still find no room when it is committed.
    store.transaction.addEventListener('complete', () => {
      this.#mending = false;
      if (this.#fault === 'missed') this.#setFault(undefined);
    });
    // The next edit tries again.
    store.transaction.addEventListener('abort', () => {
      this.#mending = false;
    });
    // Bytes, as `y-indexeddb` stores and reads them, whatever the types of lib0 name.
    const whole = encodeStateAsUpdate(this.#doc) as Uint8Array & ArrayBuffer;
    // That it failed the transaction says.
    addAutoKey(store, whole).catch(() => undefined);
  };
}

/** What was kept there of another file goes; of the same one, as another tab may have taken it there, it stays. */
async function clearUnrelated(name: string, doc: Doc): Promise<void> {
  if (!(await databaseNames()).includes(name)) return;
  const kept = new Doc();
  const there = persist(name, kept);
  await there.whenSynced;
  const [ours, theirs] = [doc, kept].map((one) => decodeStateVector(encodeStateVector(one)));
  await there.destroy();
  kept.destroy();
  if (ours && theirs && theirs.size > 0 && ![...theirs.keys()].some((client) => ours.has(client))) await deleteDB(name);
}

class IndexedDbStore implements OfflineStore {
  readonly #prefix: string;
  readonly #open = new Set<IndexedDbDocument>();
  readonly #unlessRemoved = untilRemoved();

  constructor(userId: string) {
    this.#prefix = `${databasePrefix}${userId}/`;
  }

  open(name: string, doc: Doc, onChange: () => void = () => undefined): StoredDocument {
    const onClose = (closed: IndexedDbDocument) => void this.#open.delete(closed);
    const document = new IndexedDbDocument(`${this.#prefix}${name}`, doc, onChange, onClose);
    this.#open.add(document);
    return document;
  }

  async follow(projectId: string, after: (path: string) => string | undefined): Promise<void> {
    const folder = `${this.#prefix}${projectId}/`;
    const open = [...this.#open];
    const names = new Set([...(await databaseNames()), ...open.map(({ name }) => name)]);
    for (const name of names) {
      const path = name.startsWith(folder) ? after(name.slice(folder.length)) : undefined;
      if (path === undefined) continue;
      const here = open.filter((document) => document.name === name);
      for (const document of here) await document.move(folder + path);
      if (here.length > 0) continue;
      const doc = new Doc();
      const closed = new IndexedDbDocument(
        name,
        doc,
        () => undefined,
        () => undefined,
      );
      await closed.load();
      await closed.move(folder + path);
      closed.close();
      doc.destroy();
    }
  }

  async seen(projectId: string): Promise<number | undefined> {
    const seq = await this.#unlessRemoved(() => this.#withSeen((store) => get(store, projectId)));
    return typeof seq === 'number' ? seq : undefined;
  }

  async setSeen(projectId: string, seq: number): Promise<void> {
    await this.#unlessRemoved(() => this.#withSeen((store) => put(store, seq, projectId)));
  }

  async #withSeen<T>(work: (store: Parameters<typeof get>[0]) => Promise<T>): Promise<T> {
    const database = await openDB(`${this.#prefix}${seenDatabase}`, (fresh) => createStores(fresh, [[seenStore]]));
    try {
      const [store] = transact(database, [seenStore]);
      if (store === undefined) throw new Error('the store was made with the database');
      return await work(store);
    } finally {
      database.close();
    }
  }
}

/** Keeps documents in the browser's IndexedDB, apart by user. */
export const indexedDbStore = (userId: string): OfflineStore => new IndexedDbStore(userId);
