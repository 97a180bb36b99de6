import type * as Y from 'yjs';
import { limits } from '../../contract/limits.ts';
import { extrasIn, structsAddedBy, structsIn, type UpdateSize } from './update-size.ts';

/** Structs that one of an update adds at worst: itself, and a cut at either end of what it is put between. */
const perStruct = 3;
/** Those that a range of deletions adds: a cut at either end. */
const perRange = 2;

/** How many items a document has, at most; exact only near the limit, where it matters. [R3] */
export class ItemBudget {
  readonly #doc: () => Y.Doc;
  readonly #commit: () => void;
  #structs: number | null = null;
  #extras = 0;

  /** `commit` makes what was taken part of the document. */
  constructor(doc: () => Y.Doc, commit: () => void) {
    this.#doc = doc;
    this.#commit = commit;
  }

  /** It has changed by other ways than `take`. */
  forget(): void {
    this.#structs = null;
  }

  /** Whether the document may have an update in addition; one that makes no struct more it always may. It is counted from then on. */
  take(update: Uint8Array, { structs, extras, ranges }: UpdateSize): boolean {
    const doc = this.#doc();
    const most = perStruct * structs + perRange * ranges;
    if (this.#structs === null) {
      this.#structs = structsIn(doc);
      this.#extras = extrasIn(doc);
    }
    if (this.#fits(most, extras)) return true;
    this.#commit();
    // What waits for other updates is not among its structs, and may be at any time.
    const isWhole = doc.store.pendingStructs === null;
    if (isWhole) this.#structs = structsIn(doc);
    if (this.#fits(most, extras)) return true;
    const added = structsAddedBy(doc, update, limits.room.documentItems);
    if (added === 0 || this.#fits(added, extras)) return true;
    if (isWhole) this.#extras = extrasIn(doc);
    return this.#fits(added, extras);
  }

  #fits(structs: number, extras: number): boolean {
    if ((this.#structs ?? 0) + structs + this.#extras + extras > limits.room.documentItems) return false;
    this.#structs = (this.#structs ?? 0) + structs;
    this.#extras += extras;
    return true;
  }
}
