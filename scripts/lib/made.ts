import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { inRoot, root } from './paths.ts';

/** Hash of files by name and content: a step is done again when it changes. */
export function fingerprint(patterns: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of globSync([...patterns], { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort())
    hash.update(file.slice(root.length)).update(readFileSync(file));
  return hash.digest('hex');
}

/** A folder that `make` fills once for each `fingerprint`, and nobody writes to afterwards. `kind` is a folder of all of a kind. */
export async function keptFolder(kind: string, made: string, make: (folder: string) => Promise<void>): Promise<string> {
  const all = inRoot('node_modules', kind);
  const kept = join(all, made);
  if (existsSync(kept)) return kept;
  mkdirSync(all, { recursive: true });
  const fresh = mkdtempSync(join(all, 'new-'));
  await make(fresh);
  try {
    renameSync(fresh, kept);
  } catch (error) {
    // Somebody else was faster.
    if (!existsSync(kept)) throw error;
    rmSync(fresh, { recursive: true, force: true });
  }
  return kept;
}
