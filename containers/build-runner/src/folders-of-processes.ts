import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

const isAlive = (pid: number): boolean => {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

/**
 * Removes what dead processes have left in a folder that holds one for each runner process, by its id: several runners may share a
 * disk. One of our own id is of a process that had it before us.
 */
export const removeOfDead = async (folder: string): Promise<void> => {
  await mkdir(folder, { recursive: true });
  for (const entry of await readdir(folder)) {
    if (Number(entry) === process.pid || !isAlive(Number(entry)))
      await rm(join(folder, entry), { recursive: true, force: true });
  }
};
