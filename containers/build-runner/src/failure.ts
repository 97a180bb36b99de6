import type { ErrorCode } from '../../../src/contract/errors.ts';
import type { Place } from '../../../src/core/game/said.ts';

/** `user`: the project is wrong. `limit`: it asks for too much. `infra`: not the project's fault, tried again. */
export type FailureKind = 'user' | 'limit' | 'infra';

/** Why an attempt ends without success, in words that its owner may read. */
export class BuildFailure extends Error {
  readonly kind: FailureKind;
  readonly code: ErrorCode;
  /** Where it is in the project; nothing where that is not known. */
  readonly place: Place;

  constructor(kind: FailureKind, code: ErrorCode, message: string, options: { cause?: unknown; place?: Place } = {}) {
    super(message, options);
    this.name = 'BuildFailure';
    this.kind = kind;
    this.code = code;
    this.place = options.place ?? {};
  }
}

/** There is no room on the runner's disk: nobody's fault, and worth a second try once some has been made. */
export class DiskFull extends BuildFailure {
  constructor(options?: { cause: unknown }) {
    super('infra', 'runner_lost', 'The disk of the build runner is full.', options);
    this.name = 'DiskFull';
  }
}

/** Whether something failed because a disk, or what its owner may have of it, was full; whatever it was wrapped in since. */
export const isDiskFull = (error: unknown): boolean =>
  error instanceof DiskFull ||
  (error instanceof Error &&
    (('code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')) || isDiskFull(error.cause)));

/**
 * Why a running attempt must stop. Only `deadline` and `shutdown` are reported: after `cancelled` nobody
 * wants to hear more, and after `fenced` another attempt owns the build or there is none any more.
 */
export type StopReason = 'cancelled' | 'fenced' | 'deadline' | 'shutdown';

/** The reason with which an attempt's `AbortController` is aborted. */
export class Stopped extends Error {
  readonly reason: StopReason;

  constructor(reason: StopReason) {
    super(`stopped: ${reason}`);
    this.name = 'Stopped';
    this.reason = reason;
  }
}
