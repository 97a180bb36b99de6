import { createHash } from 'node:crypto';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
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

const day = 86_400_000;
/** Folders of a kind that stay, whatever their age. */
const newest = 3;

/** Which folders of a kind go: not among the newest, and used by nobody for a day, so that what somebody runs right now stays. */
export const unused = (folders: readonly { readonly name: string; readonly usedAt: number }[], now: number): string[] =>
  [...folders]
    .sort((a, b) => b.usedAt - a.usedAt)
    .filter(({ usedAt }, index) => index >= newest && usedAt < now - day)
    .map(({ name }) => name);

/** Also what was being made when its maker died. */
function removeUnused(all: string): void {
  const folders = readdirSync(all).map((name) => ({ name, usedAt: statSync(join(all, name)).mtimeMs }));
  for (const name of unused(folders, Date.now())) rmSync(join(all, name), { recursive: true, force: true });
}

/** A folder that `make` fills once for each `fingerprint`, and nobody writes to afterwards. `kind` is a folder of all of a kind. */
export async function keptFolder(kind: string, made: string, make: (folder: string) => Promise<void>): Promise<string> {
  const all = inRoot('node_modules', kind);
  const kept = join(all, made);
  if (existsSync(kept)) {
    // When it was last used, for whoever removes what nobody uses.
    utimesSync(kept, new Date(), new Date());
    return kept;
  }
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
  removeUnused(all);
  return kept;
}
