import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import pMap from 'p-map';
import { runnerLimits } from './runner-limits.ts';

/** What the process that makes npm's cache smaller is asked: its folder, and how many bytes may be left of it. */
export interface TrimRequest {
  readonly cache: string;
  readonly bytes: number;
}

/** How many are; null when it could not be done. */
export interface TrimAnswer {
  readonly bytes: number | null;
}

/** Bytes of all files below a folder; 0 when it is not there. What goes meanwhile is not counted. */
export const folderBytes = async (folder: string): Promise<number> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = await pMap(
    entries.filter((entry) => entry.isFile()),
    async (entry) => (await lstat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size,
    { concurrency: runnerLimits.transfers },
  );
  return sizes.reduce((sum, size) => sum + size, 0);
};
