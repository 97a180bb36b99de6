import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { etag, matches } from '../../core/etag.ts';
import { validPath } from '../../core/paths.ts';
import { layout } from '../../core/scene/document.ts';
import type { Comments } from './comments.ts';
import type { Documents, StagedDocument } from './documents.ts';
import type { RoomStore } from './store.ts';
import type { StoredFile } from './tree-store.ts';

/** Content on its way in: text, or bytes that are in the blob store already. */
export type NewContent =
  | { readonly text: string }
  | { readonly hash: string; readonly size: number; readonly isText?: boolean | undefined };

/** One change of the tree. `ifMatch` as in HTTP: an entity tag of the file, or `*`. */
export type Operation =
  | {
      readonly op: 'put' | 'create';
      readonly path: string;
      readonly content: NewContent;
      readonly ifMatch?: string | undefined;
    }
  | { readonly op: 'delete'; readonly path: string; readonly ifMatch?: string | undefined }
  | { readonly op: 'move'; readonly from: string; readonly to: string; readonly ifMatch?: string | undefined }
  | { readonly op: 'copy'; readonly from: string; readonly to: string };

/** As an operation, with blobs named by hash alone: whether this project may name them is for the room to say. */
export type BatchStep =
  | {
      readonly op: 'put' | 'create';
      readonly path: string;
      readonly content: { readonly text: string } | { readonly hash: string };
      readonly ifMatch?: string | undefined;
    }
  | Exclude<Operation, { readonly op: 'put' | 'create' }>;

export interface Landed {
  readonly path: string;
  /** The file that the operation wrote; null after a delete and for directories. */
  readonly file: StoredFile | null;
  readonly created: boolean;
  /** Files that it touched. */
  readonly files: number;
}

/** Texts that the transaction needs and that have to be fetched first. */
export class TextsNeeded extends Error {
  readonly hashes: readonly string[];
  constructor(hashes: Iterable<string>) {
    super('some texts are not here');
    this.hashes = [...hashes];
  }
}

const below = (path: string): string => `${path}/`;

/**
 * Changes of the tree within one transaction, each seeing those before it. Documents are changed aside
 * and settled at the end, so a refusal in the middle leaves nothing behind.
 */
export class Landing {
  readonly #store: RoomStore;
  readonly #documents: Documents;
  readonly #comments: Comments;
  readonly #by: string;
  readonly #staged = new Map<number, StagedDocument>();
  readonly #needed = new Set<string>();

  constructor(store: RoomStore, documents: Documents, comments: Comments, by: string) {
    this.#store = store;
    this.#documents = documents;
    this.#comments = comments;
    this.#by = by;
  }

  /** Throws the tree's typed errors, `not_found`, `file_exists`, `precondition_failed`, `payload_too_large`. */
  apply(operation: Operation): Landed {
    try {
      return this.#apply(operation);
    } catch (error) {
      // Judged while a text before it was missing, which is no judgement.
      if (this.#needed.size > 0) throw new TextsNeeded(this.#needed);
      throw error;
    }
  }

  #apply(operation: Operation): Landed {
    switch (operation.op) {
      case 'put':
      case 'create':
        return this.#put(operation.path, operation.content, operation.ifMatch, operation.op === 'create');
      case 'delete':
        return this.#delete(operation.path, operation.ifMatch);
      case 'move':
        return this.#move(operation.from, operation.to, operation.ifMatch);
      case 'copy':
        return this.#copy(operation.from, operation.to);
    }
  }

  /** The last step. Throws `TextsNeeded` when some content has to be fetched and all tried again. */
  settle(): void {
    if (this.#needed.size > 0) throw new TextsNeeded(this.#needed);
    for (const [id, staged] of this.#staged) {
      const file = this.#store.files.byId(id);
      if (file) this.#documents.settle(file, staged, this.#by);
      staged.doc.destroy();
    }
  }

  #put(path: string, content: NewContent, ifMatch: string | undefined, createOnly: boolean): Landed {
    const { files, log } = this.#store;
    const before = files.tree.get(path);
    if (before && createOnly) throw new KilnError('file_exists', { detail: `There is a file "${path}".` });
    const isText = 'text' in content || content.isText === true;
    if (before?.isText && log.exists(before.id)) {
      // A document with history is the truth of its file, whether somebody has it open or not: a write
      // past it would be undone by its next flush.
      if (isText) return this.#merge(before, content, ifMatch);
      this.#require(ifMatch, before);
      this.#staged.delete(before.id);
      this.#documents.end(before, 'not_a_document');
    } else this.#require(ifMatch, before);
    const at = this.#store.now();
    const stored = 'text' in content ? files.keepText(content.text, at) : content;
    if (before && before.hash === stored.hash && before.isText === isText) return landed(before, false);
    const file = this.#write(path, { hash: stored.hash, size: stored.size, isText }, before);
    if ('text' in content || !isText) this.#documents.examine(file, 'text' in content ? content.text : null, this.#by);
    return landed(file, !before);
  }

  #merge(before: StoredFile, content: NewContent, ifMatch: string | undefined): Landed {
    const text = 'text' in content ? content.text : this.#store.files.text(content.hash);
    if (text === null) {
      if ('hash' in content) this.#needed.add(content.hash);
      return landed(before, false);
    }
    let staged = this.#staged.get(before.id);
    if (!staged) {
      staged = this.#documents.stage(before.id);
      this.#staged.set(before.id, staged);
    }
    this.#documents.merge(staged, before, text, this.#by, ifMatch);
    const { hash, size } = this.#store.files.keepText(layout(staged.doc, before.path, text), this.#store.now());
    if (size > limits.file.textMax)
      throw new KilnError('payload_too_large', { detail: `A document has at most ${limits.file.textMax} bytes.` });
    if (hash === before.hash) return landed(before, false);
    return landed(this.#write(before.path, { hash, size, isText: true }, before), false);
  }

  #write(
    path: string,
    content: { hash: string; size: number; isText: boolean },
    before: StoredFile | undefined,
  ): StoredFile {
    const { hash, size } = content;
    const seq = this.#store.emit(before ? 'file.updated' : 'file.created', this.#by, { path, hash, size });
    const file = this.#store.files.put({ path, ...content, by: this.#by, seq, at: this.#store.now() });
    if (!before) this.#comments.attach(file);
    return file;
  }

  #delete(path: string, ifMatch: string | undefined): Landed {
    const file = this.#store.files.tree.get(path);
    // Also where a directory stands by now: whoever names a version means a file.
    this.#require(ifMatch, file);
    const doomed = file ? [file] : this.#below(path);
    if (doomed.length === 0) throw missing(path);
    const seq = this.#store.emit('file.deleted', this.#by, file ? { path } : { path, files: doomed.length });
    for (const one of doomed) {
      this.#store.files.delete(one, seq, this.#store.now());
      this.#staged.delete(one.id);
      this.#documents.end(one, 'not_found');
      this.#comments.detach(one);
    }
    return { path, file: null, created: false, files: doomed.length };
  }

  /** Documents hang on the file, not on its path: whoever has one open goes on typing. */
  #move(from: string, to: string, ifMatch: string | undefined): Landed {
    const { files } = this.#store;
    this.#require(ifMatch, files.tree.get(from));
    const pairs = this.#pairs(from, to, true);
    if (from === to) return { path: to, file: files.tree.get(to) ?? null, created: false, files: 0 };
    const single = pairs.length === 1 && pairs[0]?.file.path === from;
    const seq = this.#store.emit('file.moved', this.#by, {
      from,
      path: to,
      ...(!single && { files: pairs.length }),
    });
    files.move(pairs, this.#by, seq, this.#store.now());
    return { path: to, file: single ? (files.tree.get(to) ?? null) : null, created: false, files: pairs.length };
  }

  #copy(from: string, to: string): Landed {
    const pairs = this.#pairs(from, to, false);
    const written = pairs.map(({ file: { hash, size, isText }, to: path }) =>
      this.#write(path, { hash, size, isText }, undefined),
    );
    const single = pairs.length === 1 && pairs[0]?.file.path === from;
    return { path: to, file: single ? (written[0] ?? null) : null, created: true, files: written.length };
  }

  /** The file, or the files of the directory, at `from`, each with where it would go. Nothing may be there, but what goes itself. */
  #pairs(from: string, to: string, leaving: boolean): { file: StoredFile; to: string }[] {
    const { tree } = this.#store.files;
    const file = tree.get(from);
    const sources = file ? [file] : this.#below(from);
    if (sources.length === 0) throw missing(from);
    if (!file && below(to).startsWith(below(from)) && to !== from)
      throw new KilnError('path_conflict', { detail: `"${from}" cannot go into itself.` });
    const moving = new Set(leaving ? sources.map(({ path }) => path) : []);
    return sources.map((source) => {
      const target = validPath(to + source.path.slice(from.length));
      if (tree.get(target) && !moving.has(target))
        throw new KilnError('file_exists', { detail: `There is a file "${target}".` });
      return { file: source, to: target };
    });
  }

  #below(path: string): StoredFile[] {
    return this.#store.files.tree.list().filter((file) => file.path.startsWith(below(path)));
  }

  #require(ifMatch: string | undefined, file: StoredFile | undefined): void {
    if (ifMatch !== undefined && !matches(ifMatch, file ? etag(file.hash) : null))
      throw new KilnError('precondition_failed');
  }
}

const landed = (file: StoredFile, created: boolean): Landed => ({ path: file.path, file, created, files: 1 });

const missing = (path: string): KilnError => new KilnError('not_found', { detail: `There is no file "${path}".` });
