import { newId } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import type { LogFields } from '../../core/log.ts';
import type { MarkedAssets, RevertedAssets } from '../../data/asset-marks.ts';
import type { RoomStore } from './store.ts';

/** The assets of the project, in the relational store. */
export interface AssetStore {
  /** Keeps what they are for a checkpoint that is being made, unless they are those of the state `unless`. */
  mark(order: { checkpointId: string; state: number; unless: number | null }): Promise<MarkedAssets>;
  /** Forgets what every other checkpoint names. Idempotent. */
  keep(checkpointIds: readonly string[]): Promise<void>;
  /** Throws `quota_exceeded` where the assets of a checkpoint find no place. */
  check(checkpointId: string): Promise<void>;
  /** Makes them those of a checkpoint. Idempotent by `id`; null: it names none. */
  revert(order: AssetRestore): Promise<RevertedAssets | null>;
}

/** A promise that the assets follow the files. */
export interface AssetRestore {
  readonly id: string;
  readonly checkpointId: string;
  readonly by: string;
  readonly requestId?: string | undefined;
}

/** The assets of a checkpoint that is being made, under its id. */
export interface Mark extends MarkedAssets {
  readonly id: string;
}

type Log = (event: string, fields: LogFields, level: 'warn') => void;

/** The relational store did not mark the assets. */
export class AssetsAway extends Error {
  constructor(cause: unknown) {
    super('the assets could not be marked', { cause });
  }
}

interface RestoreRow {
  id: string;
  checkpoint: string;
  by: string;
  request_id: string | null;
}

/**
 * Assets are in the relational store, checkpoints here. What a checkpoint names is kept there before the checkpoint is here, and
 * forgotten after it went; a restore brings the files back here, with a promise in the same transaction that the assets
 * follow. The alarm makes good what a crash came between. [R25]
 */
export class AssetHistory {
  readonly #store: RoomStore;
  readonly #assets: AssetStore;
  readonly #log: Log;
  /** Of checkpoints that are being made. */
  readonly #making = new Set<string>();
  /** One after the other: states have an order. */
  #queue: Promise<unknown> = Promise.resolve();
  #lastState = 0;

  constructor(store: RoomStore, assets: AssetStore, log: Log) {
    this.#store = store;
    this.#assets = assets;
    this.#log = log;
  }

  /**
   * Marks the assets while `work` makes the checkpoint, which takes the mark by `taken` or leaves it by `leave`. Throws
   * `AssetsAway` where the relational store does not.
   */
  async marking<T>(unless: number | null, work: (mark: Mark) => T | Promise<T>): Promise<T> {
    const id = newId();
    this.#store.sql.run('INSERT INTO asset_marks_pending (id, at) VALUES (?, ?)', id, this.#store.now());
    this.#making.add(id);
    try {
      const marked = await this.#inTurn(() =>
        this.#assets.mark({ checkpointId: id, state: this.#nextState(), unless }),
      ).catch((cause: unknown) => {
        throw new AssetsAway(cause);
      });
      if (!marked.isNew) this.taken(id);
      return await work({ ...marked, id });
    } catch (error) {
      this.leave();
      throw error;
    } finally {
      this.#making.delete(id);
    }
  }

  /** Nobody takes a mark: the alarm forgets it. */
  leave(): void {
    this.#store.schedule(this.#store.now() + limits.checkpoint.retryDelay);
  }

  /** In the transaction in which there is a checkpoint of this id. */
  taken(id: string): void {
    this.#store.sql.run('DELETE FROM asset_marks_pending WHERE id = ?', id);
  }

  /** In the transaction in which a checkpoint goes. */
  left(id: string): void {
    this.#store.sql.run(
      'INSERT INTO asset_marks_pending (id, at) VALUES (?, ?) ON CONFLICT DO NOTHING',
      id,
      this.#store.now(),
    );
  }

  /** Before anything of a restore: throws where the assets would find no place. */
  async check(checkpointId: string): Promise<void> {
    await this.#assets.check(checkpointId);
  }

  /** In the transaction of a restore: its assets follow. */
  promise({ id, checkpointId, by, requestId }: AssetRestore): void {
    this.#store.sql.run(
      'INSERT INTO asset_restores (id, checkpoint, by, request_id, at) VALUES (?, ?, ?, ?, ?)',
      id,
      checkpointId,
      by,
      requestId ?? null,
      this.#store.now(),
    );
  }

  /** Keeps what was promised, in the order of the promises. What became of `id`; undefined where that is for later. */
  async follow(id?: string): Promise<RevertedAssets | null | undefined> {
    return await this.#inTurn(async () => {
      let done: RevertedAssets | null | undefined;
      for (const row of this.#store.sql.all<RestoreRow>('SELECT * FROM asset_restores ORDER BY id')) {
        const { checkpoint: checkpointId, by, request_id } = row;
        const order = { id: row.id, checkpointId, by, requestId: request_id ?? undefined };
        const reverted = await this.#assets.revert(order);
        this.#store.transaction(() => {
          this.#store.sql.run('DELETE FROM asset_restores WHERE id = ?', row.id);
          if (reverted && reverted.restored + reverted.trashed > 0)
            this.#store.emit('asset.reverted', by, {
              checkpoint: checkpointId,
              restored: reverted.restored,
              trashed: reverted.trashed,
            });
        });
        if (row.id === id) done = reverted;
      }
      return done;
    });
  }

  /** As `follow`, for whoever waits for an answer: what the database cannot do now is done by the alarm. */
  async followSoon(id: string): Promise<RevertedAssets | null | undefined> {
    try {
      return await this.follow(id);
    } catch (error) {
      this.#log('room.assets_wait', { message: String(error) }, 'warn');
      this.#store.schedule(this.#store.now() + limits.checkpoint.retryDelay);
      return undefined;
    }
  }

  /** What was promised, and what is to be forgotten. Asks to be called again while that fails. */
  async tidy(): Promise<void> {
    const { sql } = this.#store;
    const waits = (): boolean =>
      sql.all('SELECT 1 FROM asset_restores UNION ALL SELECT 1 FROM asset_marks_pending LIMIT 1').length > 0;
    if (!waits()) return;
    this.#store.schedule(this.#store.now() + limits.checkpoint.retryDelay);
    await this.follow();
    const gone = sql
      .all<{ id: string }>('SELECT id FROM asset_marks_pending WHERE id NOT IN (SELECT checkpoint FROM asset_restores)')
      .filter(({ id }) => !this.#making.has(id));
    if (gone.length === 0) return;
    await this.#inTurn(async () => {
      const here = sql.all<{ id: string }>(
        'SELECT id FROM checkpoints WHERE asset_state IS NOT NULL UNION SELECT checkpoint FROM asset_restores',
      );
      await this.#assets.keep([...here.map(({ id }) => id), ...this.#making]);
    });
    this.#store.transaction(() => {
      for (const { id } of gone) this.taken(id);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  #nextState(): number {
    this.#lastState = Math.max(this.#store.now(), this.#lastState + 1);
    return this.#lastState;
  }
}
