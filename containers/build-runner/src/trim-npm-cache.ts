/**
 * Makes npm's cache smaller. A process of its own, as the installer is: what lies there came from the registry, and it can be
 * killed at any moment. Nothing else may use the cache meanwhile, for npm fails at an index that names what is gone.
 */
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ls, rm as remove } from 'cacache';
import pMap from 'p-map';
import { describeError } from './log.ts';
import { folderBytes, type TrimAnswer, type TrimRequest } from './npm-cache-files.ts';
import { runnerLimits } from './runner-limits.ts';

interface Content {
  readonly path: string;
  readonly size: number;
  /** When it was last read, to the day, as disks are mounted. */
  readonly usedAt: number;
  /** What the index calls it. */
  readonly keys: string[];
}

/** The types of the package know nothing of this option, without which only another line is written: that it is gone. */
const unname = remove.entry as (cache: string, key: string, options: { removeFully: true }) => Promise<unknown>;

const contentsOf = async (cache: string): Promise<Map<string, Content>> => {
  const entries = await readdir(cache, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile() && entry.parentPath.startsWith(join(cache, 'content-v')));
  const contents = await pMap(
    files,
    async (entry): Promise<[string, Content]> => {
      const path = join(entry.parentPath, entry.name);
      const { size, atimeMs, mtimeMs } = await lstat(path);
      return [path, { path, size, usedAt: Math.max(atimeMs, mtimeMs), keys: [] }];
    },
    { concurrency: runnerLimits.transfers },
  );
  return new Map(contents);
};

/** Removes what was used longest ago until no more than `bytes` are left. The index goes first: what it no longer names is only bytes. */
const trim = async ({ cache, bytes }: TrimRequest): Promise<number> => {
  // Of installs that were killed.
  await rm(join(cache, 'tmp'), { recursive: true, force: true });
  const contents = await contentsOf(cache);
  for (const { key, path } of Object.values(await ls(cache))) {
    const content = contents.get(path);
    if (content === undefined) await unname(cache, key, { removeFully: true });
    else content.keys.push(key);
  }
  let left = await folderBytes(cache);
  // What nothing names is never read again.
  const order = [...contents.values()].sort(
    (a, b) => Math.min(a.keys.length, 1) - Math.min(b.keys.length, 1) || a.usedAt - b.usedAt,
  );
  for (const { path, size, keys } of order) {
    if (left <= bytes && keys.length > 0) break;
    for (const key of keys) await unname(cache, key, { removeFully: true });
    await rm(path, { force: true });
    left -= size;
  }
  return await folderBytes(cache);
};

process.once('disconnect', () => process.exit());
process.once('message', (request: TrimRequest) => {
  trim(request)
    .then((bytes): TrimAnswer => ({ bytes }))
    .catch((error: unknown): TrimAnswer => {
      process.stderr.write(`${describeError(error)}\n`);
      return { bytes: null };
    })
    .then((answer) => {
      process.send?.(answer, undefined, undefined, () => process.exit());
    });
});
