import * as encoding from 'lib0/encoding';
import * as Y from 'yjs';

/**
 * A document as its log has it. What somebody who joins needs is answered from these bytes: making a document of them takes ten
 * times as long, and most of who opens one reads first. [R4]
 */
export class StoredHistory {
  readonly #updates: readonly Uint8Array[];
  #vector: Uint8Array | null;
  #state: Uint8Array | null = null;

  /** `updates`: at least one, oldest first, each on top of those before. `vector`: their state vector, where it is known. */
  constructor(updates: readonly Uint8Array[], vector: Uint8Array | null) {
    this.#updates = updates;
    this.#vector = vector;
  }

  /** All of it as one update. */
  state(): Uint8Array {
    const [only] = this.#updates;
    this.#state ??= this.#updates.length === 1 && only ? only : Y.mergeUpdates([...this.#updates]);
    return this.#state;
  }

  /** Whether it is as a compaction left it. */
  get isFolded(): boolean {
    return this.#updates.length === 1;
  }

  vector(): Uint8Array {
    this.#vector ??= Y.encodeStateVectorFromUpdate(this.state());
    return this.#vector;
  }

  /** What somebody lacks who has as much as this state vector says. Throws on bytes that are none. */
  difference(vector: Uint8Array): Uint8Array {
    return Y.diffUpdate(this.state(), vector);
  }

  /** Whether a type of that name may have something in it: the first item of each names it, deleted or not. */
  mayHave(type: string): boolean {
    const name = encoding.encode((encoder) => encoding.writeVarString(encoder, type));
    return latin.decode(this.state()).includes(latin.decode(name));
  }

  /** Makes all of it part of a document. */
  apply(doc: Y.Doc, origin: unknown): void {
    doc.transact(() => {
      for (const update of this.#updates) Y.applyUpdate(doc, update, origin);
    }, origin);
  }
}

/** A character for a byte: a search in a string is a native one. */
const latin = new TextDecoder('latin1');
