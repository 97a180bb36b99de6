import type { Checkpoint, RestoredAssets } from '../../contract/checkpoints.ts';
import { type ErrorCode, KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import type { MergeAnswer, MergeResolution } from '../../contract/merge.ts';
import { etag } from '../../core/etag.ts';
import type { LogFields } from '../../core/log.ts';
import { type MergeChange, mergeTrees } from '../../core/merge/merge-trees.ts';
import { defaultMode, hashTree, sha256 } from '../../core/tree.ts';
import type { ManifestEntry } from '../../data/objects.ts';
import { AssetHistory, type AssetStore, AssetsAway, type Mark } from './asset-history.ts';
import { Checkpoints, type MergeBase, type NewCheckpoint, type StoredTree } from './checkpoints.ts';
import type { Contents } from './contents.ts';
import type { Landing, Operation } from './landing.ts';
import type { RoomStore } from './store.ts';

/** What history needs of the room. */
export interface HistoryPorts {
  /** Live edits into the tree. */
  flush(): void;
  /** One transaction of changes. */
  land<T>(by: string, work: (landing: Landing) => T): Promise<T>;
  readonly assets: AssetStore;
  log(event: string, fields: LogFields, level: 'warn' | 'error'): void;
}

export interface MergeOrder {
  /** The project that comes in, and its stored tree. */
  readonly from: string;
  readonly fromName: string;
  readonly treeHash: string;
  /** Where the two were last the same, by the other project's word. */
  readonly base: MergeBase | null;
  readonly preview: boolean;
  readonly resolutions: readonly MergeResolution[];
  readonly takeAll: 'ours' | 'theirs' | undefined;
  readonly message: string | undefined;
  readonly by: string;
  readonly requestId?: string | undefined;
}

/** What says that the tree has gone on since a plan was made. */
const stale: ReadonlySet<ErrorCode> = new Set(['precondition_failed', 'file_exists', 'path_conflict', 'not_found']);

/** The newest checkpoint stopped being the one whose assets were found to be the same. */
class Overtaken extends Error {}

/** States of the project: kept, brought back, and merged. [R16, R18] */
export class History {
  readonly checkpoints: Checkpoints;
  readonly #store: RoomStore;
  readonly #contents: Contents;
  readonly #ports: HistoryPorts;
  readonly #assets: AssetHistory;

  constructor(store: RoomStore, contents: Contents, ports: HistoryPorts) {
    this.#store = store;
    this.#contents = contents;
    this.#ports = ports;
    this.#assets = new AssetHistory(store, ports.assets, ports.log);
    this.checkpoints = new Checkpoints(store, this.#assets);
  }

  async snapshot(): Promise<StoredTree> {
    this.#ports.flush();
    return await this.#contents.snapshot();
  }

  /** A checkpoint for whoever reads its tree from the blob store. */
  async stored(id: string): Promise<Checkpoint> {
    const checkpoint = this.checkpoints.get(id);
    if (this.#contents.heldTree(checkpoint.treeHash)) await this.#contents.settle();
    return checkpoint;
  }

  /** The tree of this moment for another room. */
  async copy(): ReturnType<Contents['copy']> {
    this.#ports.flush();
    return await this.#contents.copy();
  }

  /** The tree of this moment with its texts, unless it is the one that the caller has. */
  async sources(
    known: string | undefined,
  ): Promise<{ treeHash: string; tree: Awaited<ReturnType<Contents['copy']>> | null }> {
    this.#ports.flush();
    const treeHash = this.#store.files.tree.hash();
    return { treeHash, tree: treeHash === known ? null : await this.#contents.copy() };
  }

  /** What is made on its own repeats nothing: a state that is the newest checkpoint already is that checkpoint. */
  async checkpoint(order: NewCheckpoint): Promise<Checkpoint> {
    const earlier = this.checkpoints.answered(order);
    if (earlier) return earlier;
    // A build asks the room for what the blob store has not got, so it need not wait for it.
    if (order.kind === 'build') {
      this.#ports.flush();
      const held = await this.#withAssets(order, this.#store.files.tree.hash(), (mark) => this.#held(order, mark));
      if (held) return held;
    }
    const tree = await this.snapshot();
    return await this.#withAssets(order, tree.treeHash, (mark) => this.#named(tree, order, mark));
  }

  /** A checkpoint whose tree stays here until somebody reads it, or it is time. Null for one that is too large for that. */
  #held(order: NewCheckpoint, mark: Mark | null): Checkpoint | null {
    this.#ports.flush();
    return this.#store.transaction(() => {
      const tree = this.#contents.hold((hash) => this.checkpoints.keeps(hash));
      return tree && this.#named(tree, order, mark);
    });
  }

  #named(tree: StoredTree, order: NewCheckpoint, mark: Mark | null): Checkpoint {
    const newest = repeatsNothing(order) ? this.checkpoints.newest() : null;
    if (newest?.treeHash === tree.treeHash && (!mark || this.checkpoints.assetState(newest.id) === mark.state)) {
      this.checkpoints.touch(newest.id, tree.seq);
      if (mark?.isNew) this.#assets.leave();
      return newest;
    }
    if (mark && !mark.isNew) throw new Overtaken();
    return this.checkpoints.add(tree, order, mark);
  }

  /**
   * Makes a checkpoint of a tree, with the assets as they are by now. What is kept on its own is kept without them where the
   * database is away (a null): rather the files than nothing.
   */
  async #withAssets<T>(
    order: NewCheckpoint,
    treeHash: string,
    work: (mark: Mark | null) => T | Promise<T>,
  ): Promise<T> {
    const newest = repeatsNothing(order) ? this.checkpoints.newest() : null;
    const same = newest?.treeHash === treeHash ? this.checkpoints.assetState(newest.id) : null;
    try {
      try {
        return await this.#assets.marking(same, work);
      } catch (error) {
        if (!(error instanceof Overtaken)) throw error;
        return await this.#assets.marking(null, work);
      }
    } catch (error) {
      if (!(error instanceof AssetsAway)) throw error;
      if (order.kind !== 'auto') throw error.cause;
      this.#ports.log('checkpoint.without_assets', { message: String(error.cause) }, 'warn');
      return await work(null);
    }
  }

  /** A new head with the tree of a checkpoint. What is typed meanwhile is merged, as in any write. [R8] */
  async restore(
    id: string,
    by: string,
    requestId?: string,
  ): Promise<{
    checkpoint: Checkpoint;
    treeHash: string;
    seq: number;
    changed: number;
    assets: RestoredAssets | null;
  }> {
    const target = this.checkpoints.get(id);
    const entries = await this.#contents.tree(target.treeHash);
    const promised = target.assetCount === null ? null : newId();
    if (promised) await this.#assets.check(id);
    const restored = await this.#untilCurrent(async () => {
      const message = `Before going back to ${target.name ?? target.createdAt}`;
      const order = { kind: 'restore', message, by } as const;
      const { before, checkpoint } = await this.#withAssets(order, '', async (mark) => {
        const tree = await this.snapshot();
        return { before: tree, checkpoint: this.checkpoints.add(tree, order, mark) };
      });
      const operations = toTree(before.entries, entries);
      await this.#ports.land(by, (landing) => {
        for (const operation of operations) landing.apply(operation);
        this.#store.emit('checkpoint.restored', by, { id, treeHash: target.treeHash, changed: operations.length });
        this.#store.note({
          action: 'checkpoint.restored',
          subject: `checkpoint:${id}`,
          data: { changed: operations.length, before: checkpoint.id },
          actorId: by,
          requestId,
        });
        if (promised) this.#assets.promise({ id: promised, checkpointId: id, by, requestId });
      });
      const { tree } = this.#store.files;
      return { checkpoint, treeHash: tree.hash(), seq: this.#store.events.seq, changed: operations.length };
    });
    if (!promised) return { ...restored, assets: null };
    const assets = await this.#assets.followSoon(promised);
    const isPending = assets === undefined;
    return {
      ...restored,
      assets:
        assets === null
          ? null
          : { isPending, restored: 0, trashed: 0, ...assets, missing: [...(assets?.missing ?? [])] },
    };
  }

  /**
   * Three-way merge of another project's tree into this one. Nothing changes while there are conflicts
   * without a resolution, nor for a preview, which leaves the result as a checkpoint.
   */
  async merge(order: MergeOrder): Promise<MergeAnswer> {
    const bases = [order.base, this.checkpoints.base(order.from)].filter((base) => base !== null);
    const base = bases.sort((a, b) => b.round - a.round)[0];
    if (!base)
      throw new KilnError('conflict', {
        detail: 'The two projects have no common state: neither is a fork of the other.',
      });
    const baseEntries = await this.#contents.tree(base.treeHash);
    const theirs = await this.#contents.tree(order.treeHash);
    return await this.#untilCurrent(async () => {
      const ours = await this.snapshot();
      const { changes, conflicts } = await mergeTrees({
        base: baseEntries,
        ours: ours.entries,
        theirs,
        text: (hash) => this.#contents.text(hash),
        resolutions: order.resolutions,
        takeAll: order.takeAll,
      });
      const shown = changes.map((change) =>
        change.op === 'move'
          ? { op: change.op, path: change.to, from: change.from }
          : { op: change.op, path: change.path },
      );
      if (conflicts.length > 0) return { applied: false, conflicts: [...conflicts], changes: shown, checkpoint: null };
      const message = order.message ?? `Merged from "${order.fromName}"`;
      if (order.preview) {
        const checkpoint = await this.#preview(ours, changes, `Preview: ${message}`, order.by);
        return { applied: false, conflicts: [], changes: shown, checkpoint };
      }
      const before = { kind: 'auto', message: `Before merging from "${order.fromName}"`, by: order.by } as const;
      await this.#withAssets(before, ours.treeHash, (mark) => this.#named(ours, before, mark));
      await this.#ports.land(order.by, (landing) => {
        for (const operation of toOperations(ours.entries, changes)) landing.apply(operation);
        this.checkpoints.setBase(order.from, { treeHash: order.treeHash, entries: theirs }, base.round + 1);
        this.#store.emit('project.merged', order.by, { from: order.from, changes: changes.length });
        this.#store.note({
          action: 'project.merged',
          subject: `project:${order.from}`,
          data: { changes: changes.length },
          actorId: order.by,
          requestId: order.requestId,
        });
      });
      const checkpoint = await this.checkpoint({ kind: 'auto', message, by: order.by });
      return { applied: true, conflicts: [], changes: shown, checkpoint };
    });
  }

  /** Due on its own, and what has aged. Asks for the next time. */
  async tidy(): Promise<void> {
    await this.#assets.tidy().catch((error: unknown) => {
      this.#ports.log('room.assets_wait', { message: String(error) }, 'warn');
    });
    const due = this.checkpoints.automaticDue();
    if (due !== null && due > this.#store.now()) this.#store.schedule(due);
    else if (due !== null) {
      this.#store.schedule(this.#store.now() + limits.checkpoint.retryDelay);
      await this.checkpoint({ kind: 'auto', by: null });
    }
    this.checkpoints.prune();
    const unused = this.checkpoints.unused(limits.checkpoint.forgetBatch);
    if (unused.length === limits.checkpoint.forgetBatch)
      this.#store.schedule(this.#store.now() + limits.checkpoint.retryDelay);
    for (const hash of unused)
      try {
        this.checkpoints.forget(hash, await this.#contents.tree(hash));
      } catch (error) {
        // What it names stays counted, which loses nothing, and the others go on.
        this.#ports.log('room.forget_failed', { tree: hash, message: String(error) }, 'error');
      }
  }

  /** The merged tree, stored, without a change of this one. */
  async #preview(ours: StoredTree, changes: readonly MergeChange[], message: string, by: string): Promise<Checkpoint> {
    const files = new Map<string, ManifestEntry>(ours.entries.map((entry) => [entry.path, entry]));
    const texts = new Map<string, Uint8Array>();
    for (const change of changes) {
      if (change.op === 'delete') files.delete(change.path);
      else if (change.op === 'move') {
        const moved = files.get(change.from);
        files.delete(change.from);
        if (moved) files.set(change.to, { ...moved, path: change.to });
      } else if ('text' in change) {
        const data = new TextEncoder().encode(change.text);
        const hash = sha256(data);
        texts.set(hash, data);
        files.set(change.path, { path: change.path, hash, size: data.length, mode: defaultMode, isText: true });
      } else {
        const { hash, size, isText } = change.file;
        files.set(change.path, { path: change.path, hash, size, isText, mode: defaultMode });
      }
    }
    const entries = [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
    const treeHash = hashTree(entries);
    await this.#contents.storeTree(treeHash, entries, texts);
    const totalSize = entries.reduce((sum, { size }) => sum + size, 0);
    const tree = { treeHash, seq: ours.seq, fileCount: entries.length, totalSize, entries };
    // It has nothing of what this project did since its newest checkpoint.
    const order = { kind: 'auto', message, by } as const;
    return await this.#withAssets(order, '', (mark) => this.checkpoints.add(tree, order, mark, 0));
  }

  /** Plans are made on a state that may have gone on when they are to be landed; then they are made anew. */
  async #untilCurrent<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof KilnError) || !stale.has(error.code)) throw error;
        if (attempt === limits.checkpoint.landAttempts)
          throw new KilnError('conflict', {
            detail: 'The project changed too often meanwhile. Try again.',
            cause: error,
          });
      }
    }
  }
}

const repeatsNothing = ({ kind }: NewCheckpoint): boolean => kind === 'auto' || kind === 'build';

/** What makes one tree of another, each step with what it was planned on. What takes room comes last. */
function toTree(from: readonly ManifestEntry[], to: readonly ManifestEntry[]): Operation[] {
  const wanted = new Set(to.map(({ path }) => path));
  const current = new Map(from.map((entry) => [entry.path, entry]));
  const steps: { growth: number; operation: Operation }[] = from
    .filter(({ path }) => !wanted.has(path))
    .map(({ path, hash, size }) => ({ growth: -size, operation: { op: 'delete', path, ifMatch: etag(hash) } }));
  for (const { path, hash, size, isText } of to) {
    const now = current.get(path);
    if (now?.hash === hash && now.isText === isText) continue;
    const content = { hash, size, isText };
    steps.push(
      now
        ? { growth: size - now.size, operation: { op: 'put', path, content, ifMatch: etag(now.hash) } }
        : { growth: size, operation: { op: 'create', path, content } },
    );
  }
  return steps.sort((a, b) => a.growth - b.growth).map(({ operation }) => operation);
}

/** Each change with what it was made on, so that it lands on nothing else. */
function toOperations(ours: readonly ManifestEntry[], changes: readonly MergeChange[]): Operation[] {
  const hashes = new Map(ours.map(({ path, hash }) => [path, hash]));
  return changes.map((change): Operation => {
    if (change.op === 'move') {
      const hash = hashes.get(change.from);
      hashes.delete(change.from);
      if (hash !== undefined) hashes.set(change.to, hash);
      // Whatever it holds by now, but a file: a directory that came to stand there is not what was meant.
      return { op: 'move', from: change.from, to: change.to, ifMatch: '*' };
    }
    const { path } = change;
    const before = hashes.get(path);
    const ifMatch = before === undefined ? undefined : etag(before);
    if (change.op === 'delete') {
      hashes.delete(path);
      return { op: 'delete', path, ifMatch };
    }
    const content =
      'text' in change
        ? { text: change.text }
        : { hash: change.file.hash, size: change.file.size, isText: change.file.isText };
    return before === undefined ? { op: 'create', path, content } : { op: 'put', path, content, ifMatch };
  });
}
