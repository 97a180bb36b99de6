import type { ChildMessage, ChildPhase } from './protocol.ts';

export type Log = (line: Omit<Extract<ChildMessage, { type: 'log' }>, 'type'>) => void;

/** Runs one phase of the build and tells how long it took, also when it fails. */
export const timed = async <T>(
  phase: ChildPhase,
  send: (message: ChildMessage) => void,
  work: () => Promise<T>,
): Promise<T> => {
  const start = performance.now();
  try {
    return await work();
  } finally {
    send({ type: 'timing', phase, ms: Math.round(performance.now() - start) });
  }
};
