import { limits } from '../../../src/contract/limits.ts';

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
