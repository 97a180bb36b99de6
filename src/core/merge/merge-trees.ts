import { type Issue, KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { sha256 } from '../tree.ts';
import { orderChanges } from './changes.ts';
import { findClashes } from './clashes.ts';
import type { FieldConflict } from './field-conflict.ts';
import { mergeTexts } from './merge-texts.ts';
import { pairFiles, type Unit } from './pair.ts';
import { Work } from './work.ts';

/** A file of one tree. `isText`: it has a text that can be loaded and merged. */
export interface TreeFile {
  readonly path: string;
  readonly hash: string;
  readonly size: number;
  readonly isText: boolean;
}

/** Text of a file by its hash; only asked for files with isText. */
export type TextLoader = (hash: string) => Promise<string>;

/** What the caller decided for one path. */
export interface Resolution {
  readonly path: string;
  readonly take: 'ours' | 'theirs' | { readonly content: string };
}

/** How to make `ours` the merged tree. `put` with text, or with a hash that base, ours or theirs already has. */
export type MergeChange =
  | { readonly op: 'put'; readonly path: string; readonly text: string }
  | { readonly op: 'put'; readonly path: string; readonly file: TreeFile }
  | { readonly op: 'delete'; readonly path: string }
  | { readonly op: 'move'; readonly from: string; readonly to: string };

/** One side of a conflict, with its content when that is a text small enough to show. */
export interface Side extends TreeFile {
  readonly content?: string | undefined;
}

export interface MergeConflict {
  /** Where the file is in ours, or in theirs when ours has none. What a resolution names. */
  readonly path: string;
  readonly kind: 'text' | 'json' | 'binary' | 'delete-modify' | 'add-add' | 'move' | 'path';
  readonly base: Side | null;
  /** kind `path`: the file of ours that stands in the way. */
  readonly ours: Side | null;
  readonly theirs: Side | null;
  /** text: the merged text with diff3 conflict markers; json: what could be merged, with ours in the conflicting fields. */
  readonly merged?: string | undefined;
  /** json: the fields in conflict, with their three values, as far as they are small enough to show. */
  readonly fields?: readonly FieldConflict[] | undefined;
  /** What the kind alone does not say. */
  readonly reason?: string | undefined;
}

export interface MergeResult {
  readonly changes: readonly MergeChange[];
  /** The unresolved ones, sorted by path. There, `changes` leaves ours as it is. */
  readonly conflicts: readonly MergeConflict[];
}

export interface MergeInput {
  readonly base: readonly TreeFile[];
  readonly ours: readonly TreeFile[];
  readonly theirs: readonly TreeFile[];
  readonly text: TextLoader;
  readonly resolutions?: readonly Resolution[];
  /** For every conflict that no resolution names. */
  readonly takeAll?: 'ours' | 'theirs' | undefined;
}

/** A file of the merged tree. */
export interface Merged {
  readonly file: TreeFile;
  /** Its content, where none of the three trees has it. */
  readonly text?: string;
}

/** What became of one unit: a file, none, or a conflict. */
type Outcome = { readonly merged: Merged | null } | { readonly conflict: MergeConflict };

const byPath = (files: readonly TreeFile[]): Map<string, TreeFile> => new Map(files.map((file) => [file.path, file]));
const comparePaths = (a: { readonly path: string }, b: { readonly path: string }): number =>
  a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
const whole = (file: TreeFile | null): Merged | null => file && { file };

/**
 * Merges `theirs` into `ours`, as both came from `base`: a pure function of its input. Throws `validation_failed`
 * for resolutions that name no conflict or no usable text, and `quota_exceeded` for a tree beyond the limits.
 */
export async function mergeTrees(input: MergeInput): Promise<MergeResult> {
  const [base, ours, theirs] = [byPath(input.base), byPath(input.ours), byPath(input.theirs)];
  const resolutions = checkedResolutions(input.resolutions ?? []);
  const units = pairFiles(base, ours, theirs).sort((a, b) => comparePaths(anyFile(a), anyFile(b)));
  const work = new Work();
  const outcomes = new Map<Unit, Outcome>();
  for (const unit of units) outcomes.set(unit, await mergeUnit(unit, input.text, work));

  const undecided = settle(outcomes, ours, () => undefined);
  const settled =
    resolutions.size === 0 && !input.takeAll
      ? undecided
      : settle(outcomes, ours, (path) => resolutions.get(path) ?? input.takeAll);
  // One decision may make another one unnecessary, or a new one necessary.
  const known = new Set([...undecided.conflicts.map(({ path }) => path), ...settled.decided]);
  refuse(
    (input.resolutions ?? []).flatMap(({ path }, index) =>
      known.has(path)
        ? []
        : [{ path: `body.resolutions.${index}.path`, message: 'There is no conflict at this path.' }],
    ),
  );
  refuseOverLimits([...settled.files.values()], input.ours);
  return {
    changes: orderChanges(units.map((unit) => ({ before: unit.ours, after: settled.files.get(unit) ?? null }))),
    conflicts: await shown(settled.conflicts.sort(comparePaths), input.text),
  };
}

function anyFile({ base, ours, theirs }: Unit): TreeFile {
  const file = ours ?? theirs ?? base;
  if (!file) throw new TypeError('A unit has a file in some tree.');
  return file;
}

async function mergeUnit({ base, ours, theirs }: Unit, text: TextLoader, work: Work): Promise<Outcome> {
  const isUnchanged = (file: TreeFile | null): boolean => file?.path === base?.path && file?.hash === base?.hash;
  if (isUnchanged(theirs)) return { merged: whole(ours) };
  if (isUnchanged(ours)) return { merged: whole(theirs) };
  const conflict = (kind: MergeConflict['kind'], details: Partial<MergeConflict> = {}): Outcome => ({
    conflict: { path: (ours ?? theirs ?? base)?.path ?? '', kind, base, ours, theirs, ...details },
  });
  if (!ours || !theirs) {
    const left = ours ?? theirs;
    return left ? conflict(left.path === base?.path ? 'delete-modify' : 'move') : { merged: null };
  }
  const isMovedByUs = base && ours.path !== base.path;
  if (isMovedByUs && theirs.path !== base.path && theirs.path !== ours.path) return conflict('move');
  const path = isMovedByUs ? ours.path : theirs.path;
  // Renames are found by their bytes: what was renamed was not changed.
  if (ours.hash === theirs.hash || theirs.hash === base?.hash) return { merged: { file: { ...ours, path } } };
  if (ours.hash === base?.hash) return { merged: { file: { ...theirs, path } } };
  if (!ours.isText || !theirs.isText || base?.isText === false) return conflict(base ? 'binary' : 'add-add');
  const [before, our, their] = await Promise.all([
    base && text(base.hash),
    text(ours.hash),
    text(theirs.hash),
  ] as const);
  const { isClean, ...result } = mergeTexts(path, before, our, their, work);
  if (!('text' in result))
    return conflict(base ? result.kind : 'add-add', base ? result : { ...result, kind: 'add-add' });
  if (result.text === our) return { merged: { file: { ...ours, path } } };
  if (result.text === their) return { merged: { file: { ...theirs, path } } };
  return { merged: textFile(path, result.text) };
}

const encoder = new TextEncoder();
const byteLength = (text: string): number => encoder.encode(text).length;

function textFile(path: string, text: string): Merged {
  return { file: { path, hash: sha256(text), size: byteLength(text), isText: true }, text };
}

interface Settled {
  readonly files: ReadonlyMap<Unit, Merged>;
  readonly conflicts: MergeConflict[];
  /** Paths of conflicts that were decided. */
  readonly decided: ReadonlySet<string>;
}

/**
 * Puts the outcomes together into a tree whose paths can stand beside each other. Both sides are such trees, so
 * it is always something of theirs that finds something of ours in its way.
 */
function settle(
  outcomes: ReadonlyMap<Unit, Outcome>,
  ours: ReadonlyMap<string, TreeFile>,
  choose: (path: string) => Resolution['take'] | undefined,
): Settled {
  const tree = new Map<string, { readonly unit: Unit; readonly merged: Merged }>();
  const put = (unit: Unit, merged: Merged | null): void => {
    if (merged) tree.set(merged.file.path, { unit, merged });
  };
  const open: MergeConflict[] = [];
  const decided = new Set<string>();
  for (const [unit, outcome] of outcomes) {
    if ('merged' in outcome) {
      put(unit, outcome.merged);
      continue;
    }
    const { path } = outcome.conflict;
    const take = choose(path);
    if (take === undefined) open.push(outcome.conflict);
    else decided.add(path);
    if (take === 'theirs') put(unit, whole(unit.theirs));
    else put(unit, take === undefined || take === 'ours' ? whole(unit.ours) : textFile(path, take.content));
  }

  const blocked: MergeConflict[] = [];
  const isOurs = (path: string): boolean => ours.has(path);
  for (let clashes = findClashes(tree.keys(), isOurs); clashes.length > 0; clashes = findClashes(tree.keys(), isOurs))
    for (const { path, blockers } of clashes) {
      const incoming = tree.get(path);
      const present = blockers.filter((blocker) => tree.has(blocker));
      if (!incoming || present.length === 0) continue;
      const take = choose(path);
      if (take !== undefined) decided.add(path);
      if (take === undefined || take === 'ours') {
        tree.delete(path);
        put(incoming.unit, whole(incoming.unit.ours));
      } else {
        for (const blocker of present) tree.delete(blocker);
        if (take !== 'theirs') put(incoming.unit, textFile(path, take.content));
      }
      if (take === undefined) {
        const { base, theirs } = incoming.unit;
        const inTheWay = ours.get(present[0] ?? '') ?? null;
        blocked.push({ path, kind: 'path', base, ours: inTheWay, theirs, reason: besides(path, present) });
      }
    }

  // Whoever decides for what ours has not should know what would have to go for it.
  const wanted = open.flatMap(({ theirs }) => (theirs && !ours.has(theirs.path) ? [theirs.path] : []));
  const inTheWay = new Map(
    findClashes([...tree.keys(), ...wanted], isOurs).map(({ path, blockers }) => [path, blockers]),
  );
  const conflicts = open.map((conflict) => {
    const blockers = inTheWay.get(conflict.theirs?.path ?? '');
    return blockers ? { ...conflict, reason: besides(conflict.theirs?.path ?? '', blockers) } : conflict;
  });
  const files = new Map(Array.from(tree.values(), ({ unit, merged }) => [unit, merged]));
  return { files, conflicts: [...conflicts, ...blocked], decided };
}

function besides(path: string, blockers: readonly string[]): string {
  const more = blockers.length > 1 ? ` and ${blockers.length - 1} more` : '';
  return `"${path}" cannot stand beside "${blockers[0]}"${more}.`;
}

function refuse(issues: readonly Issue[]): void {
  if (issues.length > 0) throw new KilnError('validation_failed', { issues });
}

function checkedResolutions(resolutions: readonly Resolution[]): Map<string, Resolution['take']> {
  const checked = new Map<string, Resolution['take']>();
  const issues: Issue[] = [];
  for (const [index, { path, take }] of resolutions.entries()) {
    const at = `body.resolutions.${index}`;
    if (checked.has(path)) issues.push({ path: `${at}.path`, message: 'This path is resolved twice.' });
    checked.set(path, take);
    if (typeof take === 'string') continue;
    if (!take.content.isWellFormed())
      issues.push({ path: `${at}.take.content`, message: 'The text is not valid Unicode.' });
    else if (byteLength(take.content) > limits.file.textMax)
      issues.push({
        path: `${at}.take.content`,
        message: `The text is larger than ${limits.file.textMax} bytes.`,
      });
  }
  refuse(issues);
  return checked;
}

/** A tree that is over a limit already may shrink. */
function refuseOverLimits(files: readonly Merged[], ours: readonly TreeFile[]): void {
  const sizeOf = (all: readonly TreeFile[]): number => all.reduce((sum, { size }) => sum + size, 0);
  const size = sizeOf(files.map(({ file }) => file));
  if (files.length > limits.project.filesMax && files.length > ours.length)
    throw new KilnError('quota_exceeded', {
      detail: `A project holds at most ${limits.project.filesMax} files; merged, it would have ${files.length}.`,
    });
  if (size > limits.project.totalSize && size > sizeOf(ours))
    throw new KilnError('quota_exceeded', {
      detail: `A project holds at most ${limits.project.totalSize} bytes; merged, it would have ${size}.`,
    });
}

/** Fills in the contents, as long as the answer is not too large for it. */
async function shown(conflicts: readonly MergeConflict[], text: TextLoader): Promise<MergeConflict[]> {
  let left: number = limits.merge.shownBytes;
  const take = (bytes: number): boolean => {
    const fits = bytes <= limits.merge.shownText && bytes <= left;
    if (fits) left -= bytes;
    return fits;
  };
  const side = async (file: TreeFile | null): Promise<Side | null> =>
    file?.isText && take(file.size) ? { ...file, content: await text(file.hash) } : file;
  const fitting = (fields: readonly FieldConflict[]): FieldConflict[] => {
    let room: number = limits.merge.shownText;
    return fields.filter((field) => {
      const bytes = byteLength(JSON.stringify(field));
      if (bytes > room || !take(bytes)) return false;
      room -= bytes;
      return true;
    });
  };
  const filled: MergeConflict[] = [];
  for (const { base, ours, theirs, merged, fields, ...conflict } of conflicts)
    filled.push({
      ...conflict,
      base: await side(base),
      ours: await side(ours),
      theirs: await side(theirs),
      ...(merged !== undefined && take(byteLength(merged)) && { merged }),
      ...(fields && { fields: fitting(fields) }),
    });
  return filled;
}
