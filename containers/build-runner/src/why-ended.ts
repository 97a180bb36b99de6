import { readFileSync } from 'node:fs';
import { limits } from '../../../src/contract/limits.ts';
import { MiB, second } from '../../../src/contract/units.ts';
import { BuildFailure } from './failure.ts';
import { heapBytes, type ProcessCaps } from './process-caps.ts';

/** What is known of a process of a build that ended before its work was done. */
export interface Death {
  readonly signal: string | null;
  /** Standard error of the child and of what it started. */
  readonly stderr: string;
  /** Processor time of what ended, in seconds; null where nobody knows. */
  readonly cpuSeconds: number | null;
  /** The memory of the whole runner was used up while nothing but this was at work in it. */
  readonly ranOut: boolean;
}

/** What is cut off, in the words of its owner: of a build, or of installing packages. */
export interface Work {
  readonly title: 'The build' | 'Installing the packages';
  readonly caps: ProcessCaps;
}

/** V8 at the end of its own heap, as it says so itself. */
const heapOver = /heap out of memory|reached heap limit/i;
/** Go, C++ and V8 where the kernel gave them nothing more (RLIMIT_DATA). */
const refused =
  /fatal error: (?:runtime: )?(?:out of memory|cannot allocate memory)|std::bad_alloc|fatal process out of memory/i;

export const neededMemory = ({ title }: Pick<Work, 'title'>, bytes: number): BuildFailure =>
  new BuildFailure('limit', 'build_too_large', `${title} needed more than ${Math.floor(bytes / MiB)} MiB of memory.`);

/**
 * Why a process ended that should not have, as far as that is the fault of what it worked on: then it would end so every time, and is not tried
 * again. Anything else, a process that somebody killed above all, is nobody's fault.
 */
export const whyEnded = (death: Death, work: Work): BuildFailure => {
  const { signal, stderr, cpuSeconds } = death;
  const { title, caps } = work;
  if (heapOver.test(stderr)) return neededMemory(work, heapBytes(caps));
  if (refused.test(stderr)) return neededMemory(work, caps.dataBytes);
  // Node ends by the signal of the soft limit; Go takes no notice of it, and is killed at the hard one, a second later.
  if (signal === 'SIGXCPU' || (signal === 'SIGKILL' && cpuSeconds !== null && cpuSeconds >= caps.cpuSeconds))
    return new BuildFailure(
      'limit',
      'build_timeout',
      `${title} took more than ${caps.cpuSeconds} s of processor time.`,
    );
  if (signal === 'SIGXFSZ') {
    const size = limits.build.outputFileBytes / MiB;
    return new BuildFailure('limit', 'build_too_large', `A file of the build is larger than ${size} MiB.`);
  }
  if (signal === 'SIGKILL' && death.ranOut)
    return new BuildFailure('limit', 'build_too_large', `${title} needed more memory than its runner has.`);
  return new BuildFailure('infra', 'runner_lost', `${title} ended unexpectedly.`);
};

/** Hundredths of a second: what Linux counts processor time in for everybody, whatever it does itself (proc(5), `USER_HZ`). */
const tick = second / 100;

/** Processor time of the processes that one has started and that have ended, in seconds; null where nobody tells. */
export const cpuSecondsOfEnded = (pid: number): number | null => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // After the name, which may hold anything: the state is field 3, cutime and cstime are 16 and 17.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return ((Number(fields[13]) + Number(fields[14])) * tick) / second;
  } catch {
    return null;
  }
};
