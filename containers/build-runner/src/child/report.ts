import type { BuildStep } from '../../../../src/contract/jobs.ts';
import type { ChildMessage } from './protocol.ts';

export type Log = (line: Omit<Extract<ChildMessage, { type: 'log' }>, 'type'>) => void;

/** Runs one step of the build and tells how long it took, also when it fails. */
export const timed = async <T>(
  step: BuildStep,
  send: (message: ChildMessage) => void,
  work: () => Promise<T>,
): Promise<T> => {
  const start = performance.now();
  try {
    return await work();
  } finally {
    send({ type: 'timing', step, ms: Math.round(performance.now() - start) });
  }
};
