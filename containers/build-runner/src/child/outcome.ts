import { limits } from '../../../../src/contract/limits.ts';
import { MiB } from '../../../../src/contract/units.ts';
import { ProjectProblem } from '../../../../src/core/game/paths.ts';
import { BuildFailure } from '../failure.ts';
import type { ChildMessage } from './protocol.ts';

/** A program that was started for this build has ended as none does that has done its work. */
export class ProgramLost extends Error {
  readonly code: number | null;
  readonly signal: string | null;

  constructor(code: number | null, signal: string | null) {
    super(`a program ended with ${signal ?? code}`);
    this.name = 'ProgramLost';
    this.code = code;
    this.signal = signal;
  }
}

/** Said where V8 was refused memory for bytes, or was to make a text longer than it can have (2²⁹ − 24 characters). */
const isShortOfMemory = (error: Error, code: unknown): boolean =>
  (error instanceof RangeError && /allocation failed|invalid array (?:buffer )?length/i.test(error.message)) ||
  code === 'ERR_STRING_TOO_LONG' ||
  code === 'ERR_BUFFER_TOO_LARGE' ||
  code === 'ENOMEM';

/** The last message of work that ended by this error. `otherwise`: what to say of an error that nobody has thought of. */
export const outcomeOf = (error: unknown, otherwise: string): ChildMessage => {
  if (error instanceof BuildFailure)
    return { type: 'failure', kind: error.kind, code: error.code, message: error.message };
  if (error instanceof ProjectProblem)
    return { type: 'failure', kind: 'user', code: 'build_failed', message: error.message };
  // Standard error is the operator's; its text may hold anything and goes no further.
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  if (error instanceof ProgramLost) return { type: 'lost', code: error.code, signal: error.signal };
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (error instanceof Error && isShortOfMemory(error, code)) return { type: 'short', of: 'memory' };
  if (code === 'ENOSPC' || code === 'EDQUOT') return { type: 'short', of: 'disk' };
  // RLIMIT_FSIZE, which is above what is taken of any output.
  if (code === 'EFBIG') {
    const message = `A file of the build is larger than ${limits.build.programBytes / MiB} MiB.`;
    return { type: 'failure', kind: 'limit', code: 'build_too_large', message };
  }
  return { type: 'failure', kind: 'infra', code: 'runner_lost', message: otherwise };
};
