import { setImmediate as turn } from 'node:timers/promises';
import { limits } from '../../../src/contract/limits.ts';
import { runnerLimits } from './runner-limits.ts';

const { parts, bytes } = limits.build.batch;

/** What travels together, in the given order: as much as one request may hold. */
export const inBatches = <T>(contents: readonly T[], sizeOf: (content: T) => number): T[][] => {
  const batches: T[][] = [];
  let room = 0;
  for (const content of contents) {
    const last = batches.at(-1);
    room -= sizeOf(content);
    if (last !== undefined && room >= 0 && last.length < parts) last.push(content);
    else {
      batches.push([content]);
      room = bytes - sizeOf(content);
    }
  }
  return batches;
};

/** Does synchronous work on one item after the other, and lets others have the thread in between. */
export const inTurns = async <T>(items: readonly T[], signal: AbortSignal, work: (item: T) => void): Promise<void> => {
  let since = performance.now();
  for (const item of items) {
    work(item);
    if (performance.now() - since < runnerLimits.turn) continue;
    await turn();
    signal.throwIfAborted();
    since = performance.now();
  }
};
