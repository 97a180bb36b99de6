import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { RoomStore } from './store.ts';

/** A blob that this project may name. */
export interface KnownBlob {
  readonly hash: string;
  readonly size: number;
  readonly isText: boolean;
}

/**
 * Blobs that a client uploaded, or was told are here, and has not named yet. Knowing a hash gives nobody
 * the bytes of another project: a blob may be named only when it came in through this one. [R17]
 */
export class BlobLeases {
  readonly #store: RoomStore;

  constructor(store: RoomStore) {
    this.#store = store;
  }

  /** A blob is stored; it may be named for as long as the lease lasts. Throws `quota_exceeded`. */
  add(blobs: readonly KnownBlob[]): void {
    const { sql } = this.#store;
    const now = this.#store.now();
    this.#store.transaction(() => {
      sql.run('DELETE FROM blob_leases WHERE expires <= ?', now);
      for (const { hash, size, isText } of blobs)
        sql.run(
          'INSERT INTO blob_leases (hash, size, is_text, expires) VALUES (?, ?, ?, ?) ON CONFLICT (hash) DO UPDATE SET expires = excluded.expires',
          hash,
          size,
          isText ? 1 : 0,
          now + limits.blob.lease,
        );
      const [held] = sql.all<{ n: number; size: number | null }>(
        'SELECT count(*) AS n, sum(size) AS size FROM blob_leases WHERE hash NOT IN (SELECT hash FROM files)',
      );
      if (held && (held.n > limits.blob.leasesMax || (held.size ?? 0) > limits.project.totalSize))
        throw new KilnError('quota_exceeded', {
          detail: 'Too much was uploaded without being used: name the blobs in a batch first.',
        });
    });
  }

  /** Those of the hashes that a write may name. */
  known(hashes: readonly string[]): KnownBlob[] {
    return this.#store.sql
      .all<{ hash: string; size: number; is_text: number }>(
        `SELECT hash, size, is_text FROM blob_leases WHERE expires > ?2 AND hash IN (SELECT value FROM json_each(?1))
         UNION SELECT hash, size, is_text FROM files WHERE hash IN (SELECT value FROM json_each(?1))`,
        JSON.stringify(hashes),
        this.#store.now(),
      )
      .map((row) => ({ hash: row.hash, size: row.size, isText: row.is_text === 1 }));
  }
}
