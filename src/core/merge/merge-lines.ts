import { diffArrays } from 'diff';
import type { Work } from './work.ts';

/** A span of the base, and the span of one side that took its place. Ends are exclusive. */
interface Hunk {
  readonly start: number;
  readonly end: number;
  readonly from: number;
  readonly to: number;
}

export interface LineMerge {
  /** With conflict markers where the sides disagree. */
  readonly text: string;
  readonly isClean: boolean;
}

/** Lines with their ends, which are part of what is compared. */
const linesOf = (text: string): string[] => (text === '' ? [] : text.split(/(?<=\n)/));

/**
 * Where `side` differs from `base`, in order, with at least one common line between two hunks; null when
 * finding out costs too much.
 */
function hunksOf(base: readonly number[], side: readonly number[], work: Work): Hunk[] | null {
  const shorter = Math.min(base.length, side.length);
  let head = 0;
  while (head < shorter && base[head] === side[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && base[base.length - 1 - tail] === side[side.length - 1 - tail]) tail += 1;
  // Lines that the other text does not have at all are in no common sequence, so they need not be looked at.
  const shared = (lines: readonly number[], others: readonly number[]): number[] => {
    const known = new Set(others.slice(head, others.length - tail));
    return lines.flatMap((line, at) => (at >= head && at < lines.length - tail && known.has(line) ? [at] : []));
  };
  const [left, right] = [shared(base, side), shared(side, base)];
  const lines = left.length + right.length;
  const maxEditLength = work.editsWithin(lines);
  const changes = diffArrays(
    left.map((at) => base[at]),
    right.map((at) => side[at]),
    { maxEditLength },
  );
  if (!changes) {
    work.spend(lines, maxEditLength);
    return null;
  }
  const hunks: Hunk[] = [];
  let [start, from] = [head, head];
  const close = (end: number, to: number): void => {
    if (end > start || to > from) hunks.push({ start, end, from, to });
    [start, from] = [end + 1, to + 1];
  };
  let edits = 0;
  let [l, r] = [0, 0];
  for (const { added, removed, count } of changes) {
    if (added || removed) edits += count;
    else for (let n = 0; n < count; n += 1) close(left[l + n] ?? start, right[r + n] ?? from);
    if (!added) l += count;
    if (!removed) r += count;
  }
  close(base.length - tail, side.length - tail);
  work.spend(lines, edits);
  return hunks;
}

/** What a side has in place of base[start, end), which holds all of these hunks. */
function replacement(hunks: readonly Hunk[], start: number, end: number): [number, number] {
  const first = hunks[0];
  const last = hunks.at(-1);
  if (!first || !last) throw new RangeError('no hunks');
  return [first.from - (first.start - start), last.to + (end - last.end)];
}

/**
 * Merges two texts that come from `base`, line by line (diff3: Khanna, Kunal and Pierce, "A Formal
 * Investigation of Diff3"). Changes that overlap or touch are a conflict unless they are the same. Null when
 * finding the changes costs more than `work` has left.
 */
export function mergeLines(base: string, ours: string, theirs: string, work: Work): LineMerge | null {
  const [baseLines, ourLines, theirLines] = [linesOf(base), linesOf(ours), linesOf(theirs)];
  const numbers = new Map<string, number>();
  const numbered = (lines: readonly string[]): number[] =>
    lines.map((line) => {
      const number = numbers.get(line) ?? numbers.size;
      numbers.set(line, number);
      return number;
    });
  const baseNumbers = numbered(baseLines);
  const ourHunks = hunksOf(baseNumbers, numbered(ourLines), work);
  const theirHunks = ourHunks && hunksOf(baseNumbers, numbered(theirLines), work);
  if (!ourHunks || !theirHunks) return null;

  const lineEnd = ourLines[0]?.endsWith('\r\n') ? '\r\n' : '\n';
  const merged: string[] = [];
  let isClean = true;
  let at = 0;
  let [o, t] = [0, 0];
  for (;;) {
    const start = Math.min(ourHunks[o]?.start ?? Infinity, theirHunks[t]?.start ?? Infinity);
    if (start === Infinity) break;
    let end = start;
    const [firstOurs, firstTheirs] = [o, t];
    for (;;) {
      const [our, their] = [ourHunks[o], theirHunks[t]];
      if (our && our.start <= end) {
        end = Math.max(end, our.end);
        o += 1;
      } else if (their && their.start <= end) {
        end = Math.max(end, their.end);
        t += 1;
      } else break;
    }
    merged.push(section(baseLines, at, start));
    at = end;
    const [our, their] = [ourHunks.slice(firstOurs, o), theirHunks.slice(firstTheirs, t)];
    if (their.length === 0) merged.push(section(ourLines, ...replacement(our, start, end)));
    else if (our.length === 0) merged.push(section(theirLines, ...replacement(their, start, end)));
    else {
      const ourText = section(ourLines, ...replacement(our, start, end));
      const theirText = section(theirLines, ...replacement(their, start, end));
      if (ourText === theirText) merged.push(ourText);
      else {
        isClean = false;
        const whole = (text: string): string => (text === '' || text.endsWith('\n') ? text : text + lineEnd);
        merged.push(`<<<<<<< ours${lineEnd}`, whole(ourText));
        merged.push(`||||||| base${lineEnd}`, whole(section(baseLines, start, end)));
        merged.push(`=======${lineEnd}`, whole(theirText), `>>>>>>> theirs${lineEnd}`);
      }
    }
  }
  merged.push(section(baseLines, at, baseLines.length));
  return { text: merged.join(''), isClean };
}

const section = (lines: readonly string[], start: number, end: number): string => lines.slice(start, end).join('');
