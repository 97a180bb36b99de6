import type { ErrorCode } from '../../../src/contract/errors.ts';

/** `user`: the project is wrong. `limit`: it asks for too much. `infra`: not the project's fault, tried again. */
export type FailureKind = 'user' | 'limit' | 'infra';

/** Why an attempt ends without success, in words that its owner may read. */
export class BuildFailure extends Error {
  readonly kind: FailureKind;
  readonly code: ErrorCode;

  constructor(kind: FailureKind, code: ErrorCode, message: string, options?: { cause: unknown }) {
    super(message, options);
    this.name = 'BuildFailure';
    this.kind = kind;
    this.code = code;
  }
}

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
