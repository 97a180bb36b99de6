import type { Checkpoint, CheckpointKind, UpdateCheckpoint } from '../../contract/checkpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import { expired } from '../../core/retention.ts';
import { decodeCursor, page } from '../../data/cursor.ts';
import type { ManifestEntry } from '../../data/objects.ts';
import type { AssetHistory, Mark } from './asset-history.ts';
import type { RoomStore } from './store.ts';

/** A tree that is stored whole, every blob and the manifest, or held by the room until it is. */
export interface StoredTree {
  readonly treeHash: string;
  readonly seq: number;
  readonly fileCount: number;
  readonly totalSize: number;
  readonly entries: readonly ManifestEntry[];
}

export interface NewCheckpoint {
  readonly kind: CheckpointKind;
  readonly name?: string | undefined;
  readonly message?: string | undefined;
  readonly by: string | null;
  readonly requestId?: string | undefined;
  /** What tells this request from every other: asked again for it, the answer is the first one. */
  readonly request?: string | undefined;
}

/** Where two related projects were last the same: the base of their next merge. */
export interface MergeBase {
  readonly treeHash: string;
  /** Counts the merges between the two, in either direction: of two bases the later one holds. */
  readonly round: number;
}

interface Row {
  id: string;
  seq: number;
  tree_hash: string;
  kind: CheckpointKind;
  name: string | null;
  message: string | null;
  author: string | null;
  at: number;
  file_count: number;
  total_size: number;
  asset_state: number | null;
  asset_count: number | null;
  asset_size: number | null;
}

const toCheckpoint = (row: Row): Checkpoint => ({
  id: row.id,
  seq: row.seq,
  treeHash: row.tree_hash,
  name: row.name,
  message: row.message,
  kind: row.kind,
  author: row.author,
  fileCount: row.file_count,
  totalSize: row.total_size,
  assetCount: row.asset_count,
  assetSize: row.asset_size,
  createdAt: new Date(row.at).toISOString(),
});

/**
 * The history of a project: named states of its tree, and the bases of merges. What their trees name is
 * counted blob by blob, so that the collector's question is one look-up each. [R16]
 */
export class Checkpoints {
  readonly #store: RoomStore;
  readonly #assets: AssetHistory;

  constructor(store: RoomStore, assets: AssetHistory) {
    this.#store = store;
    this.#assets = assets;
  }

  /**
   * Inside or outside of a transaction. `mark` are its assets; null: it names none. `newest` is the last change of this
   * project's own tree that it has. Throws `quota_exceeded` for one more named checkpoint than are kept.
   */
  add(tree: StoredTree, checkpoint: NewCheckpoint, mark: Mark | null, newest = tree.seq): Checkpoint {
    const { sql } = this.#store;
    return this.#store.transaction(() => {
      const earlier = this.answered(checkpoint);
      if (earlier) {
        this.#assets.leave();
        return earlier;
      }
      const id = mark?.id ?? newId();
      if (mark) this.#assets.taken(id);
      if (checkpoint.name !== undefined) this.#refuseNames();
      this.#keep(tree);
      this.#store.emit('checkpoint.created', checkpoint.by, {
        id,
        kind: checkpoint.kind,
        name: checkpoint.name ?? null,
        treeHash: tree.treeHash,
      });
      // What is made on its own is part of something else that the activity tells of, or of nothing.
      if (checkpoint.kind === 'manual' && checkpoint.by !== null)
        this.#note('created', id, { name: checkpoint.name ?? null }, checkpoint.by, checkpoint.requestId);
      sql.run(
        'INSERT INTO checkpoints (id, seq, tree_hash, kind, name, message, author, at, file_count, total_size, newest, asset_state, asset_count, asset_size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        id,
        tree.seq,
        tree.treeHash,
        checkpoint.kind,
        checkpoint.name ?? null,
        checkpoint.message ?? null,
        checkpoint.by,
        this.#store.now(),
        tree.fileCount,
        tree.totalSize,
        newest,
        mark?.state ?? null,
        mark?.count ?? null,
        mark?.size ?? null,
      );
      const made = this.get(id);
      if (checkpoint.request !== undefined)
        sql.run(
          'INSERT INTO checkpoint_requests (request, answer, at) VALUES (?, ?, ?)',
          checkpoint.request,
          JSON.stringify(made),
          this.#store.now(),
        );
      return made;
    });
  }

  /** What the same request was answered before; null: it was not. */
  answered({ request }: Pick<NewCheckpoint, 'request'>): Checkpoint | null {
    if (request === undefined) return null;
    const [row] = this.#store.sql.all<{ answer: string }>(
      'SELECT answer FROM checkpoint_requests WHERE request = ?',
      request,
    );
    return row ? (JSON.parse(row.answer) as Checkpoint) : null;
  }

  /** Throws `not_found`. */
  get(id: string): Checkpoint {
    const row = this.#store.sql.all<Row>('SELECT * FROM checkpoints WHERE id = ?', id)[0];
    if (!row) throw new KilnError('not_found', { detail: 'There is no such checkpoint.' });
    return toCheckpoint(row);
  }

  /** Nothing has happened since that this one does not have. */
  touch(id: string, seq: number): void {
    this.#store.sql.run('UPDATE checkpoints SET newest = max(newest, ?) WHERE id = ?', seq, id);
  }

  newest(): Checkpoint | null {
    const row = this.#store.sql.all<Row>('SELECT * FROM checkpoints ORDER BY id DESC LIMIT 1')[0];
    return row ? toCheckpoint(row) : null;
  }

  /** Two of the project with one number have the same assets; null: this one names none. */
  assetState(id: string): number | null {
    const [row] = this.#store.sql.all<Row>('SELECT asset_state FROM checkpoints WHERE id = ?', id);
    return row?.asset_state ?? null;
  }

  list(query: { limit: number; cursor?: string | undefined; kind?: CheckpointKind | undefined }): {
    checkpoints: Checkpoint[];
    nextCursor: string | null;
  } {
    const before = query.cursor === undefined ? null : decodeCursor(query.cursor, 'string').id;
    const rows = this.#store.sql.all<Row>(
      'SELECT * FROM checkpoints WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR kind = ?2) ORDER BY id DESC LIMIT ?3',
      before,
      query.kind ?? null,
      query.limit + 1,
    );
    const cut = page(rows, query.limit, ({ id }) => ({ value: id, id }));
    return { checkpoints: cut.rows.map(toCheckpoint), nextCursor: cut.nextCursor };
  }

  /** A name makes it one that is kept; taking the name away lets it age like the others. */
  update(id: string, change: UpdateCheckpoint, by: string, requestId?: string): Checkpoint {
    const before = this.get(id);
    return this.#store.transaction(() => {
      if (before.name === null && change.name != null) this.#refuseNames();
      this.#store.sql.run(
        'UPDATE checkpoints SET name = ?, message = ? WHERE id = ?',
        change.name === undefined ? before.name : change.name,
        change.message === undefined ? before.message : change.message,
        id,
      );
      const after = this.get(id);
      this.#store.emit('checkpoint.updated', by, { id, name: after.name });
      this.#note('updated', id, { name: after.name }, by, requestId);
      return after;
    });
  }

  /** The blobs of its tree are let go of by `forget`, and its assets by `AssetHistory.tidy`, soon. */
  delete(id: string, by: string, requestId?: string): void {
    this.get(id);
    this.#store.schedule(this.#store.now() + limits.checkpoint.retryDelay);
    this.#store.transaction(() => {
      this.#remove(id);
      this.#store.emit('checkpoint.deleted', by, { id });
      this.#note('deleted', id, {}, by, requestId);
    });
  }

  /** When the next one is due on its own: so long after the first change since the newest. Null: nothing changed. */
  automaticDue(): number | null {
    const [row] = this.#store.sql.all<{ at: number | null }>(
      "SELECT min(at) AS at FROM events WHERE seq > (SELECT coalesce(max(newest), 0) FROM checkpoints) AND (type LIKE 'file.%' OR type LIKE 'asset.%')",
    );
    return row?.at == null ? null : row.at + limits.checkpoint.automaticAfter;
  }

  /** Removes what has aged, and asks to be called again while something ages. The trees of what went are let go of by `forget`. */
  prune(): number {
    const { sql } = this.#store;
    // Longer than the platform keeps the keys of requests, which it may have renewed.
    sql.run('DELETE FROM checkpoint_requests WHERE at < ?', this.#store.now() - 2 * limits.http.idempotencyTtl);
    const rows = sql.all<{ id: string; at: number }>('SELECT id, at FROM checkpoints WHERE name IS NULL');
    if (rows.length > 1) this.#store.schedule(this.#store.now() + limits.checkpoint.allFor);
    const gone = expired(
      rows.map(({ id, at }) => ({ name: id, at })),
      this.#store.now(),
      limits.checkpoint.allFor,
      limits.checkpoint.dailyFor,
    );
    if (gone.length)
      this.#store.transaction(() => {
        for (const id of gone) this.#remove(id);
      });
    return gone.length;
  }

  #remove(id: string): void {
    if (this.assetState(id) !== null) this.#assets.left(id);
    this.#store.sql.run('DELETE FROM checkpoints WHERE id = ?', id);
  }

  // ── Merge bases ─────────────────────────────────────────────────────────────────────────────────

  base(projectId: string): MergeBase | null {
    const row = this.#store.sql.all<{ tree_hash: string; round: number }>(
      'SELECT tree_hash, round FROM merge_bases WHERE project = ?',
      projectId,
    )[0];
    return row ? { treeHash: row.tree_hash, round: row.round } : null;
  }

  /** Inside the transaction of the merge, or of the first tree of a fork. */
  setBase(projectId: string, tree: Pick<StoredTree, 'treeHash' | 'entries'>, round: number): void {
    this.#keep(tree);
    this.#store.sql.run(
      'INSERT INTO merge_bases (project, tree_hash, round) VALUES (?, ?, ?) ON CONFLICT (project) DO UPDATE SET tree_hash = excluded.tree_hash, round = excluded.round',
      projectId,
      tree.treeHash,
      round,
    );
  }

  // ── What all this keeps ─────────────────────────────────────────────────────────────────────────

  /** Whether the tree is named, or was a moment ago: then it is stored, or held. */
  keeps(treeHash: string): boolean {
    return this.#store.sql.all('SELECT 1 FROM kept_trees WHERE hash = ?', treeHash).length > 0;
  }

  /** Trees that nothing names any more. */
  unused(limit: number): string[] {
    return this.#store.sql
      .all<{ hash: string }>(
        'SELECT hash FROM kept_trees WHERE hash NOT IN (SELECT tree_hash FROM checkpoints) AND hash NOT IN (SELECT tree_hash FROM merge_bases) LIMIT ?',
        limit,
      )
      .map(({ hash }) => hash);
  }

  /** Lets go of the blobs of a tree that is unused still; `entries` are its manifest. Idempotent. */
  forget(treeHash: string, entries: readonly Pick<ManifestEntry, 'hash'>[]): void {
    const { sql } = this.#store;
    this.#store.transaction(() => {
      if (!this.unused(Number.MAX_SAFE_INTEGER).includes(treeHash)) return;
      sql.run('DELETE FROM kept_trees WHERE hash = ?', treeHash);
      sql.run(
        'UPDATE kept_blobs SET trees = trees - 1 WHERE hash IN (SELECT value FROM json_each(?))',
        JSON.stringify(distinct(entries)),
      );
      sql.run('DELETE FROM kept_blobs WHERE trees <= 0');
    });
  }

  #keep({ treeHash, entries }: Pick<StoredTree, 'treeHash' | 'entries'>): void {
    const { sql } = this.#store;
    const isNew = sql.all('INSERT INTO kept_trees (hash) VALUES (?) ON CONFLICT DO NOTHING RETURNING hash', treeHash);
    if (isNew.length === 0) return;
    sql.run(
      'INSERT INTO kept_blobs (hash, trees) SELECT value, 1 FROM json_each(?) WHERE true ON CONFLICT (hash) DO UPDATE SET trees = trees + 1',
      JSON.stringify(distinct(entries)),
    );
  }

  #note(what: string, id: string, data: Record<string, unknown>, actorId: string, requestId?: string): void {
    this.#store.note({ action: `checkpoint.${what}`, subject: `checkpoint:${id}`, data, actorId, requestId });
  }

  #refuseNames(): void {
    const [row] = this.#store.sql.all<{ n: number }>('SELECT count(*) AS n FROM checkpoints WHERE name IS NOT NULL');
    if ((row?.n ?? 0) >= limits.checkpoint.namedMax)
      throw new KilnError('quota_exceeded', {
        detail: `A project keeps at most ${limits.checkpoint.namedMax} named checkpoints.`,
      });
  }
}

const distinct = (entries: readonly { readonly hash: string }[]): string[] => [
  ...new Set(entries.map(({ hash }) => hash)),
];
