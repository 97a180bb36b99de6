import { limits } from '../../contract/limits.ts';

/** Who has documents in memory that nobody has open. */
export interface IdleHolder {
  /** Lets go of the document of a file. It may be asked while another object runs: no storage, no timers. */
  unload(file: number): void;
}

/** A document that waits in memory. */
export interface IdleDocument {
  readonly file: number;
  /** Memory that it takes, roughly. */
  readonly bytes: number;
  /** Milliseconds since the epoch, when the last socket left. */
  readonly since: number;
}

/**
 * Documents without sockets of all rooms that share an isolate, and thereby its memory. Who waited longest goes first,
 * when there are too many, when they take too much, and when their time is over. [R4]
 */
export class IdleDocuments {
  /** In the order in which they were left. An object that the platform evicts must be free to go: its documents went with it. */
  readonly #waiting = new Map<IdleDocument, WeakRef<IdleHolder>>();
  #bytes = 0;

  get count(): number {
    return this.#waiting.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A document waits until `take`, or until its holder is told to unload it, which may be at once. It is stored and flushed. */
  add(holder: IdleHolder, document: IdleDocument): void {
    this.#waiting.set(document, new WeakRef(holder));
    this.#bytes += document.bytes;
    this.tidy(document.since);
  }

  /** Somebody needs it again, or it is gone. Idempotent. */
  take(document: IdleDocument): void {
    if (this.#waiting.delete(document)) this.#bytes -= document.bytes;
  }

  tidy(now: number): void {
    const { count, bytes, ttl } = limits.room.idleDocuments;
    for (const [document, reference] of this.#waiting) {
      const holder = reference.deref();
      const isOver = this.#waiting.size > count || this.#bytes > bytes || now - document.since >= ttl;
      if (holder && !isOver) continue;
      this.take(document);
      holder?.unload(document.file);
    }
  }
}
