import { type ErrorCode, errorCodes, errorSpec, errors, type Issue, type QuotaState } from '../contract/errors.ts';
import { Problem } from '../contract/problem.ts';

/** What the API refused, from a problem document or from the close code of a socket. */
export class KilnApiError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  /** Short and human: the title of the code. */
  readonly title: string;
  readonly detail: string | undefined;
  readonly issues: readonly Issue[];
  /** What a limit leaves that the refusal is about. */
  readonly quota: QuotaState | undefined;
  /** Undefined where there was no HTTP answer, as for a closed socket. */
  readonly requestId: string | undefined;
  /** Seconds until a retry makes sense. */
  readonly retryAfter: number | undefined;

  constructor(
    code: ErrorCode,
    options: {
      status?: number | undefined;
      title?: string | undefined;
      detail?: string | undefined;
      issues?: readonly Issue[] | undefined;
      quota?: QuotaState | undefined;
      requestId?: string | undefined;
      retryAfter?: number | undefined;
      cause?: unknown;
    } = {},
  ) {
    const title = options.title ?? errors[code].title;
    super(options.detail ?? title, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KilnApiError';
    this.code = code;
    this.status = options.status ?? errors[code].status;
    this.title = title;
    this.detail = options.detail;
    this.issues = options.issues ?? [];
    this.quota = options.quota;
    this.requestId = options.requestId;
    this.retryAfter = options.retryAfter;
  }

  /** Whether the same request may succeed later without being changed. */
  get retryable(): boolean {
    return errorSpec(this.code).retryable;
  }
}

/** `Retry-After` in seconds, from either of its two forms (RFC 9110 §10.2.3). */
export const parseRetryAfter = (value: string | null, now = Date.now()): number | undefined => {
  if (value === null) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value);
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - now) / 1000));
};

/** The code to assume when something between client and Kiln answered without a problem document. */
const codeOfStatus = (status: number): ErrorCode => {
  if (status >= 502 && status <= 504) return 'unavailable';
  if (status >= 500) return 'internal';
  return errorCodes.find((code) => errors[code].status === status) ?? 'malformed_request';
};

/** Reads the error of a failed answer; never throws, whatever the body is. */
export const errorFromResponse = async (response: Response): Promise<KilnApiError> => {
  const retryAfter = parseRetryAfter(response.headers.get('retry-after'));
  const headerId = response.headers.get('x-request-id') ?? undefined;
  const body: unknown = await response.json().catch(() => undefined);
  const problem = Problem.safeParse(body);
  if (!problem.success)
    return new KilnApiError(codeOfStatus(response.status), {
      status: response.status,
      requestId: headerId,
      retryAfter,
    });
  const { code, status, title, detail, issues, quota, requestId } = problem.data;
  return new KilnApiError(code, { status, title, detail, issues, quota, requestId, retryAfter });
};

const codeByClose = new Map<number, ErrorCode>();
for (const code of errorCodes) {
  const { close } = errorSpec(code);
  if (close !== undefined) codeByClose.set(close, code);
}

/** The error of a close code of the table; undefined for codes that are not Kiln's (1006, 1001, …). */
export const errorFromClose = (close: number, reason = ''): KilnApiError | undefined => {
  const code = codeByClose.get(close);
  return code === undefined ? undefined : new KilnApiError(code, { detail: reason || undefined });
};

/** Whether a connection must end: connecting again would meet the same refusal. */
export const isFinal = (error: unknown): error is KilnApiError =>
  error instanceof KilnApiError && !error.retryable && error.status < 500 && error.status !== 429;

/** Whether a socket closed with this code stays closed: 4400 and above, and not retryable by the table. */
export const isFinalClose = (close: number): boolean => {
  const error = close >= 4400 ? errorFromClose(close) : undefined;
  return error !== undefined && !error.retryable;
};
