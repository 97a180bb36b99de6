import { formatPatch, parsePatch, reversePatch } from 'diff';
import type { KilnClient } from '../../../src/client/index.ts';
import type { Checkpoint, CheckpointFile, Diff } from '../../../src/contract/checkpoints.ts';

/** A state of the project: a checkpoint by its id, or the newest. */
export type Side = string | 'head';

export interface Change {
  readonly kind: 'added' | 'removed' | 'modified' | 'moved';
  readonly path: string;
  /** Where a moved file was. */
  readonly from?: string | undefined;
  readonly file: CheckpointFile;
  readonly patch?: string | undefined;
}

/** An asset that has other bytes or another name, that came, or that went into the trash. */
export interface AssetChange {
  readonly kind: Change['kind'];
  readonly name: string;
  readonly from?: string | undefined;
}

export interface Comparison {
  readonly older: Side;
  readonly newer: Side;
  /** Sorted by path. */
  readonly changes: readonly Change[];
  /** Sorted by name. */
  readonly assets: readonly AssetChange[];
  readonly truncated: boolean;
}

/** Of lines that change places, the older ones come first. */
const olderFirst = (lines: readonly string[]): string[] => {
  const sorted: string[] = [];
  let newer: string[] = [];
  for (const line of lines) {
    // A remark about the end of the file goes with the line before it.
    const isNewer = line[0] === '+' || (line[0] === '\\' && newer.length > 0);
    if (isNewer) newer.push(line);
    else if (line[0] === '-') sorted.push(line);
    else {
      sorted.push(...newer, line);
      newer = [];
    }
  }
  return [...sorted, ...newer];
};

const reversedPatch = (patch: string): string =>
  formatPatch(
    parsePatch(patch).map((file) => {
      const { hunks, ...rest } = reversePatch(file);
      return { ...rest, hunks: hunks.map((hunk) => ({ ...hunk, lines: olderFirst(hunk.lines) })) };
    }),
  );

const reversed = (diff: Diff): Diff => ({
  added: diff.removed,
  removed: diff.added,
  modified: diff.modified.map(({ path, before, after, patch }) => ({
    path,
    before: after,
    after: before,
    ...(patch !== undefined && { patch: reversedPatch(patch) }),
  })),
  truncated: diff.truncated,
  assets: diff.assets && {
    added: diff.assets.removed,
    removed: diff.assets.added,
    modified: diff.assets.modified.map(({ before, after }) => ({ before: after, after: before })),
  },
});

/** A file that went away here and came with the same bytes there was moved. */
const changesOf = ({ added, removed, modified }: Diff): Change[] => {
  const gone = new Map(removed.map((file) => [file.hash, file]));
  const moved = new Set<string>();
  const come = added.map((file): Change => {
    const before = gone.get(file.hash);
    if (before === undefined || moved.has(before.path) || file.size === 0)
      return { kind: 'added', path: file.path, file };
    moved.add(before.path);
    return { kind: 'moved', path: file.path, from: before.path, file };
  });
  return [
    ...come,
    ...removed
      .filter(({ path }) => !moved.has(path))
      .map((file): Change => ({ kind: 'removed', path: file.path, file })),
    ...modified.map(({ path, after, patch }): Change => ({ kind: 'modified', path, file: after, patch })),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
};

const assetChangesOf = (assets: Diff['assets']): AssetChange[] =>
  [
    ...(assets?.added ?? []).map(({ name }): AssetChange => ({ kind: 'added', name })),
    ...(assets?.removed ?? []).map(({ name }): AssetChange => ({ kind: 'removed', name })),
    ...(assets?.modified ?? []).map(
      ({ before, after }): AssetChange => ({
        kind: before.hash === after.hash ? 'moved' : 'modified',
        name: after.name,
        ...(before.name !== after.name && { from: before.name }),
      }),
    ),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));

/** What changed between a checkpoint and another state, from the older to the newer. `ahead`: the checkpoint is still to come. */
export const compare = async (
  client: KilnClient,
  projectId: string,
  checkpoint: Checkpoint,
  against: Checkpoint | 'head',
  options: { ahead: boolean; signal: AbortSignal },
): Promise<Comparison> => {
  const other: Side = against === 'head' ? 'head' : against.id;
  const isNewer = against === 'head' ? options.ahead : checkpoint.createdAt > against.createdAt;
  const diff = await client.call('diffCheckpoint', {
    params: { id: projectId, checkpointId: checkpoint.id },
    query: { against: other },
    signal: options.signal,
  });
  const [older, newer] = isNewer ? [other, checkpoint.id] : [checkpoint.id, other];
  const inOrder = isNewer ? reversed(diff) : diff;
  // A merge brings files and no assets.
  const assets = options.ahead ? [] : assetChangesOf(inOrder.assets);
  return { older, newer, changes: changesOf(inOrder), assets, truncated: diff.truncated };
};
