import { FILE_HEADERS_ONLY, formatPatch, structuredPatch } from 'diff';
import { limits } from '../contract/limits.ts';
import type { TextLoader, TreeFile } from './merge/merge-trees.ts';
import { Work } from './merge/work.ts';
import { sorted } from './tree.ts';

export interface ModifiedFile {
  readonly path: string;
  readonly before: TreeFile;
  readonly after: TreeFile;
  /** Unified, with three lines of context. Missing for what is no text, and for what did not fit. */
  patch?: string;
}

/** What is in one tree and not in the other; each list is sorted by path. A moved file is in `removed` and `added`. */
export interface TreeDiff {
  added: TreeFile[];
  removed: TreeFile[];
  modified: ModifiedFile[];
}

/** Lines and bytes of all patches together. */
export interface PatchBudget {
  readonly lines: number;
  readonly bytes: number;
}

const encoder = new TextEncoder();
const lineCount = (text: string): number => text.split('\n').length;

/**
 * Compares two trees, with a patch for each text. `truncated`: a text has no patch, because it would not have fit
 * into `budget`, or because finding it costs more than `limits.merge.textWork`.
 */
export async function diffTrees(
  before: readonly TreeFile[],
  after: readonly TreeFile[],
  text: TextLoader,
  budget: PatchBudget = limits.diff,
): Promise<TreeDiff & { truncated: boolean }> {
  const old = new Map(before.map((file) => [file.path, file]));
  const kept = new Set(after.map(({ path }) => path));
  const modified: ModifiedFile[] = [];
  const work = new Work();
  let { lines, bytes } = budget;
  let truncated = false;
  for (const file of sorted(after)) {
    const previous = old.get(file.path);
    if (!previous || previous.hash === file.hash) continue;
    const entry: ModifiedFile = { path: file.path, before: previous, after: file };
    modified.push(entry);
    if (!previous.isText || !file.isText) continue;
    const patch =
      lines > 0 && work.read(previous.size + file.size)
        ? patchBetween(file.path, await text(previous.hash), await text(file.hash), lines, work)
        : null;
    const size = patch === null ? 0 : encoder.encode(patch).length;
    const length = patch === null ? 0 : lineCount(patch) - 1;
    if (patch === null || size > bytes || length > lines) truncated = true;
    else {
      entry.patch = patch;
      bytes -= size;
      lines -= length;
    }
  }
  return {
    added: sorted(after.filter(({ path }) => !old.has(path))),
    removed: sorted(before.filter(({ path }) => !kept.has(path))),
    modified,
    truncated,
  };
}

/** Null when it has more changed lines than `most`, or takes more work than is left. */
function patchBetween(path: string, before: string, after: string, most: number, work: Work): string | null {
  const length = lineCount(before) + lineCount(after);
  const maxEditLength = Math.min(most, work.editsWithin(length));
  const patch = structuredPatch(`a/${path}`, `b/${path}`, before, after, undefined, undefined, {
    context: 3,
    maxEditLength,
  });
  const edits = patch?.hunks.flatMap(({ lines }) => lines).filter((line) => /^[+-]/.test(line)).length;
  work.spend(length, edits ?? maxEditLength);
  return patch ? formatPatch(patch, FILE_HEADERS_ONLY) : null;
}
