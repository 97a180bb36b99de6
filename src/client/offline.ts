import { type Doc, decodeStateVector, encodeStateVector } from 'yjs';

/** How much of a document the room is known to have. Of two states of one document with the same numbers both have the same. */
export interface Extent {
  /** State vector. */
  readonly vector: Uint8Array;
  /** Sum of the lengths of what was deleted: no vector says anything of that. */
  readonly deleted: number;
}

export const extentOf = (doc: Doc): Extent => {
  let deleted = 0;
  for (const structs of doc.store.clients.values())
    for (const struct of structs) if (struct.deleted) deleted += struct.length;
  return { vector: encodeStateVector(doc), deleted };
};

/** Whether a document has something that another state of it, of which this is the extent, has not. */
export const isBeyond = (doc: Doc, known: Extent | undefined): boolean => {
  const here = extentOf(doc);
  const there = known ? decodeStateVector(known.vector) : new Map<number, number>();
  const isMore = [...decodeStateVector(here.vector)].some(([client, clock]) => clock > (there.get(client) ?? 0));
  return isMore || here.deleted > (known?.deleted ?? 0);
};

/** A document as it is kept on this device. */
export interface StoredDocument {
  /** Origin of the updates by which it is put into the document. */
  readonly origin: unknown;
  /** Puts what is kept into the document. Resolves with what the room had of it; undefined where that is not known. Rejects where nothing can be kept. */
  load(): Promise<Extent | undefined>;
  /** Whether all that is in the document is kept here, or about to be. */
  readonly works: boolean;
  /** Notes what the room has. */
  setBase(base: Extent): void;
  clear(): Promise<void>;
  close(): void;
}

/** Where documents are kept between visits. Names are `<project id>/<path>`. */
export interface OfflineStore {
  /** `onChange` is told when {@link StoredDocument.works} has changed. */
  open(name: string, doc: Doc, onChange?: () => void): StoredDocument;
  /** Takes what is kept of a project's files, open or not, to the paths that `after` says; where it says none, it stays. */
  follow(projectId: string, after: (path: string) => string | undefined): Promise<void>;
  /** Number of the newest event of a project up to which `follow` was called; undefined where nothing is known. */
  seen(projectId: string): Promise<number | undefined>;
  setSeen(projectId: string, seq: number): Promise<void>;
}

/** In front of the names of this app's databases. */
export const databasePrefix = 'kiln:';

/** What is used of the browser's database here; workerd and Node, whose types this project has, know none. */
interface Databases {
  databases(): Promise<{ name?: string }[]>;
  deleteDatabase(name: string): { onsuccess: unknown; onerror: unknown; onblocked: unknown; error: unknown };
}

/** Counts removals: what was begun before one is not for the device any more. */
let removals = 0;
const writing = new Set<Promise<unknown>>();

/** A way to write notes that no removal misses: each is waited for by one, and none begins after one. */
export const untilRemoved = (): (<T>(work: () => Promise<T>) => Promise<T | undefined>) => {
  const begun = removals;
  return async (work) => {
    if (begun !== removals) return undefined;
    const done = work();
    writing.add(done);
    try {
      return await done;
    } finally {
      writing.delete(done);
    }
  };
};

/** Removes everything that this device keeps of documents, of all users or of one. Call it at sign-out. */
export const clearOffline = async (userId?: string): Promise<void> => {
  const { indexedDB } = globalThis as { indexedDB?: Databases };
  if (indexedDB === undefined) return;
  removals += 1;
  // A database that is being made is not among those that there are yet.
  await Promise.allSettled(writing);
  const prefix = userId === undefined ? databasePrefix : `${databasePrefix}${userId}/`;
  const names = (await indexedDB.databases()).flatMap(({ name }) => (name?.startsWith(prefix) ? [name] : []));
  await Promise.all(
    names.map(
      (name) =>
        new Promise<void>((resolve, reject) => {
          const request = indexedDB.deleteDatabase(name);
          request.onsuccess = () => resolve();
          request.onerror = () => reject(request.error);
          // Another tab has it open. The browser deletes it when that one lets go.
          request.onblocked = () => resolve();
        }),
    ),
  );
};
