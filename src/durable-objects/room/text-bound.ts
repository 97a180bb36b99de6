import * as Y from 'yjs';
import { limits } from '../../contract/limits.ts';

/** What a bound has to know of its document. */
export interface BoundedText {
  /** The document as it is, with all that was taken. */
  doc(): Y.Doc;
  /** Makes what was taken part of it. */
  commit(): void;
  /** What the file would be now. */
  textOf(doc: Y.Doc): string;
  /** Bytes of the file that one byte of an update makes at worst. */
  growth(doc: Y.Doc): number;
  /** Bytes of the file as it is in the tree. */
  storedSize(): number;
  /** Whether the project has room for so many bytes more than it had at its last flush, whoever typed since. */
  hasRoomFor(bytes: number): boolean;
  /** After `hasRoomFor` said no, once everything is in the tree: whether this text of so many bytes is too much. */
  overfills(size: number): boolean;
  /** So many bytes were taken, at most. */
  grew(bytes: number): void;
}

/** How large the file of an open document may be by now, at most; exact only near a limit, where it matters. [R3, R9] */
export class TextBound {
  readonly #text: BoundedText;
  /** Bytes of the file, at most: each update adds no more than `growth` times what it has itself. Null: not known. */
  #bound: number | null = null;
  /** Bytes by which the file grows with its next edit whatever that is: a scene may be stored as it was written, not as it is laid out. */
  #unlaid = 0;

  constructor(text: BoundedText) {
    this.#text = text;
  }

  /** It has changed by other ways than `grow`. */
  forget(): void {
    this.#bound = null;
  }

  /** Bytes by which an update of that length makes the file larger, at worst. */
  growthBy(length: number): number {
    const doc = this.#text.doc();
    const waiting = doc.store.pendingStructs?.update.length ?? 0;
    return (length + waiting) * this.#text.growth(doc);
  }

  /** Which limit the update would pass: that of a text, or that of the project. */
  excessOf(payload: Uint8Array, growth: number): 'payload_too_large' | 'quota_exceeded' | null {
    if (this.#bound === null) this.#unlaid = Math.max(0, this.#measure() - this.#text.storedSize());
    const bound = this.#bound ?? this.#measure();
    const fits = bound + growth <= limits.file.textMax || this.#measure() + growth <= limits.file.textMax;
    const hasRoom = this.#text.hasRoomFor(growth + this.#unlaid);
    if (fits && hasRoom) return null;
    const size = this.#sizeWith(payload);
    if (size > limits.file.textMax) return 'payload_too_large';
    return !hasRoom && this.#text.overfills(size) ? 'quota_exceeded' : null;
  }

  /** Holds what was taken to be `growth` bytes. */
  grow(growth: number): void {
    this.#bound = (this.#bound ?? 0) + growth;
    this.#text.grew(growth + this.#unlaid);
    this.#unlaid = 0;
  }

  #measure(): number {
    this.#text.commit();
    this.#bound = sizeOf(this.#text.textOf(this.#text.doc()));
    return this.#bound;
  }

  #sizeWith(payload: Uint8Array): number {
    const scratch = new Y.Doc();
    Y.applyUpdate(scratch, Y.encodeStateAsUpdate(this.#text.doc()));
    Y.applyUpdate(scratch, payload);
    const size = sizeOf(this.#text.textOf(scratch));
    scratch.destroy();
    return size;
  }
}

const encoder = new TextEncoder();
const sizeOf = (text: string): number => encoder.encode(text).length;
