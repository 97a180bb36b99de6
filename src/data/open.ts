import { limits } from '../contract/limits.ts';
import { Database } from './database.ts';
import { d1Engine } from './engines/d1.ts';
import type { Engine } from './engines/engine.ts';
import { postgresEngine } from './engines/postgres.ts';

/** What a reader asks of the database. */
export interface Freshness {
  /** Bookmark of the reader's last write, when it sent one. */
  readonly bookmark?: string | undefined;
  /** A replica will do when the reader has no bookmark. */
  readonly replica?: boolean | undefined;
}

/** A D1 bookmark as `getBookmark` gives it. What a client sends may be of another engine, or nothing at all: then the primary answers. */
const d1Bookmark = /^[0-9a-f]{8}(?:-[0-9a-f]{8}){2}-[0-9a-f]{32}$/;

/** The one place that knows which engine a deployment has: PostgreSQL where Hyperdrive is bound, D1 otherwise. */
function engineOf(env: Env, freshness: Freshness | undefined): Engine {
  if (env.HYPERDRIVE) {
    const wroteAt = Number(/^at-(\d+)$/.exec(freshness?.bookmark ?? '')?.[1] ?? 0);
    const replica =
      freshness?.replica && wroteAt < Date.now() - limits.database.replicaLag ? env.HYPERDRIVE_REPLICA : undefined;
    return postgresEngine((replica ?? env.HYPERDRIVE).connectionString);
  }
  if (!env.DB) throw new Error('neither DB nor HYPERDRIVE is bound');
  if (!freshness) return d1Engine(env.DB);
  const { bookmark, replica } = freshness;
  if (bookmark !== undefined) return d1Engine(env.DB, d1Bookmark.test(bookmark) ? bookmark : 'first-primary');
  return d1Engine(env.DB, replica ? 'first-unconstrained' : 'first-primary');
}

/** Opens the relational store; close it after use. Without `freshness` it reads the primary. */
export const openDatabase = (env: Env, freshness?: Freshness): Database => new Database(engineOf(env, freshness));

/** Runs `work` with a database of its own. */
export async function withDatabase<T>(env: Env, work: (db: Database) => Promise<T>): Promise<T> {
  const db = openDatabase(env);
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}
