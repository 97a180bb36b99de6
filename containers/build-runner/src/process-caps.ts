import { runnerLimits } from './runner-limits.ts';

/** What each process of a build may take, and what that is told from when it wanted more. */
export interface ProcessCaps {
  /** Private memory in bytes (RLIMIT_DATA). */
  readonly dataBytes: number;
  /** Processor time in seconds. */
  readonly cpuSeconds: number;
}

const { child } = runnerLimits;

/** What is left for V8's heap of the memory that Node may have. */
export const heapBytes = ({ dataBytes }: ProcessCaps): number => Math.min(child.heapBytes, dataBytes - child.nodeBytes);
