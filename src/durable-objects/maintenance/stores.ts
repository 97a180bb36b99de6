import { limits } from '../../contract/limits.ts';
import type { BuildRow } from '../../data/builds.ts';
import type { Database } from '../../data/database.ts';
import type { ObjectRef, StoreName } from '../../data/objects.ts';
import type { RoomBackup } from '../room/backup.ts';
import type { Answer } from '../rpc.ts';
import type { Scratch } from './scratch.ts';

/** A room, as jobs see it. */
export interface JobRoom {
  backup(): Promise<Answer<RoomBackup | null>>;
  restoreState(hash: string): Promise<Answer<{ outcome: 'restored' | 'newer'; seq: number; treeHash: string }>>;
  held(hashes: readonly string[]): Promise<Answer<string[]>>;
  flushIndex(): Promise<Answer<void>>;
}

/** All that jobs touch. */
export interface Stores {
  readonly scratch: Scratch;
  readonly buckets: Readonly<Record<StoreName, R2Bucket>>;
  readonly exports: R2Bucket;
  room(projectId: string): JobRoom;
  /** Gives a build its object again, where it has none. */
  restoreBuild(row: BuildRow, projectName: string): Promise<void>;
  withDatabase<T>(work: (db: Database) => Promise<T>): Promise<T>;
  now(): number;
}

/** A reference as one key of a list. */
export const written = ({ store, key }: ObjectRef): string => `${store}/${key}`;

export function readRef(text: string): ObjectRef {
  const slash = text.indexOf('/');
  return { store: text.slice(0, slash) as StoreName, key: text.slice(slash + 1) };
}

/** Runs `work` for each item, a few at a time. */
export async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(limits.backup.parallel, items.length) }, worker));
}
