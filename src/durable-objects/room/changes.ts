import { KilnError } from '../../contract/errors.ts';
import type { BatchResult, FileInfo } from '../../contract/files.ts';
import { limits } from '../../contract/limits.ts';
import type { Comments } from './comments.ts';
import type { Contents } from './contents.ts';
import type { Documents } from './documents.ts';
import { type BatchStep, Landing, type NewContent, type Operation, TextsNeeded } from './landing.ts';
import type { BlobLeases } from './leases.ts';
import type { RoomStore } from './store.ts';
import { fileInfo } from './tree-store.ts';

export interface WriteOptions {
  /** `If-Match` as it came. */
  readonly ifMatch?: string | undefined;
  /** `If-None-Match: *`, or a create: nothing may be there. */
  readonly createOnly?: boolean | undefined;
}

/** What changes of the tree need of the room. */
export interface ChangePorts {
  readonly contents: Contents;
  readonly documents: Documents;
  readonly comments: Comments;
  readonly leases: BlobLeases;
  /** Keeps the state of this moment, with what is being typed. */
  keep(by: string, message: string): Promise<unknown>;
}

/**
 * Changes of the tree that do not come from typing. `Landing` is one of them inside its transaction; this is what goes before and after it:
 * which blobs may be named, what is kept of files that somebody has open, texts that have to be fetched first. [R17, R19]
 */
export class Changes {
  readonly #store: RoomStore;
  readonly #ports: ChangePorts;

  constructor(store: RoomStore, ports: ChangePorts) {
    this.#store = store;
    this.#ports = ports;
  }

  async write(
    path: string,
    content: NewContent,
    by: string,
    options: WriteOptions = {},
  ): Promise<{ file: FileInfo; created: boolean }> {
    const op = options.createOnly ? 'create' : 'put';
    const operation = { op, path, content, ifMatch: options.ifMatch } as const;
    await this.#keepWhatIsOpen([operation], by);
    const { file, created } = await this.land(by, (landing) => landing.apply(operation));
    if (!file) throw new Error('a write has its file');
    return { file: fileInfo(file), created };
  }

  async delete(path: string, by: string, options: WriteOptions = {}): Promise<void> {
    if (!this.#store.files.tree.get(path)) throw new KilnError('not_found', { detail: 'There is no such file.' });
    const operation = { op: 'delete', path, ifMatch: options.ifMatch } as const;
    await this.#keepWhatIsOpen([operation], by);
    await this.land(by, (landing) => landing.apply(operation));
  }

  /** All of it or none; a refusal names the operation. [R19] */
  async batch(
    operations: readonly BatchStep[],
    by: string,
    message?: string,
  ): Promise<{ results: BatchResult[]; seq: number }> {
    const planned = this.#planned(operations);
    await this.#keepWhatIsOpen(planned, by);
    const results = await this.land(by, (landing) => {
      const done = planned.map((operation, index) => {
        const { path, file, files } = attributed(index, () => landing.apply(operation));
        return { op: operation.op, path, file: file && fileInfo(file), files };
      });
      if (message !== undefined) this.#store.emit('files.batch', by, { message, operations: operations.length });
      return done;
    });
    const texts = planned.filter((operation) => 'content' in operation && 'text' in operation.content).length;
    if (texts >= limits.room.blobsEager) this.#ports.contents.storeSoon();
    return { results, seq: this.#store.events.seq };
  }

  /** Runs changes in one transaction, with every live edit in the tree before it. */
  async land<T>(by: string, work: (landing: Landing) => T): Promise<T> {
    const { contents, documents, comments } = this.#ports;
    for (;;) {
      documents.flushAll();
      try {
        return this.#store.transaction(() => {
          const landing = new Landing(this.#store, documents, comments, by);
          const result = work(landing);
          landing.settle();
          return result;
        });
      } catch (error) {
        if (!(error instanceof TextsNeeded)) throw error;
        for (const hash of error.hashes) await contents.warm(hash);
      }
    }
  }

  /** Hashes of the wire become blobs that this project may name. Throws `validation_failed` for others. */
  #planned(steps: readonly BatchStep[]): Operation[] {
    const hashes = steps.flatMap((step) => ('content' in step && 'hash' in step.content ? [step.content.hash] : []));
    const known = new Map(this.#ports.leases.known(hashes).map((blob) => [blob.hash, blob]));
    return steps.map((step, index): Operation => {
      if (!('content' in step)) return step;
      const { content } = step;
      if ('text' in content) return { ...step, content };
      const blob = known.get(content.hash);
      if (!blob)
        throw new KilnError('validation_failed', {
          issues: [{ path: `body.operations.${index}.hash`, message: 'this blob was not uploaded to this project' }],
        });
      return { ...step, content: blob };
    });
  }

  /** What somebody has open may hold what they just typed: before it goes, or becomes bytes, the state is kept. */
  async #keepWhatIsOpen(operations: readonly Operation[], by: string): Promise<void> {
    const ends = (operation: Operation): boolean =>
      operation.op === 'delete' || ('content' in operation && 'hash' in operation.content && !operation.content.isText);
    if (!operations.some(ends)) return;
    // What is moved may go under its new name.
    const doomed = operations.flatMap((operation) =>
      operation.op === 'move' ? [operation.from] : ends(operation) && 'path' in operation ? [operation.path] : [],
    );
    const { documents } = this.#ports;
    let kept = '';
    for (let attempt = 0; attempt < limits.checkpoint.landAttempts; attempt += 1) {
      documents.flushAll();
      const open = this.#store.files.tree
        .list()
        .filter(
          ({ id, path }) => doomed.some((one) => path === one || path.startsWith(`${one}/`)) && documents.isOpen(id),
        )
        .map(({ path, hash }) => `${hash} ${path}`)
        .join();
      // Somebody may have typed while it was being kept.
      if (open === kept) return;
      kept = open;
      await this.#ports.keep(by, 'Before open files were deleted');
    }
  }
}

/** Says which operation of a batch was refused. */
function attributed<T>(index: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    const message = error.detail ?? error.message;
    throw new KilnError(error.code, {
      detail: `Operation ${index}: ${message}`,
      issues: [{ path: `body.operations.${index}`, message }],
    });
  }
}
