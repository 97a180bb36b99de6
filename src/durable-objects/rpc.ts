import { type ErrorCode, type Issue, KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import { noAnswer, within } from '../core/within.ts';

/** Typed errors do not survive an RPC boundary as classes, so they cross it as values. */
export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly detail?: string | undefined;
      readonly issues?: readonly Issue[] | undefined;
      readonly retryAfter?: number | undefined;
    };

/** Callee side. What is not a KilnError is a bug or a lost object and stays an exception. */
export async function answer<T>(work: () => T | Promise<T>): Promise<Answer<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    const { code, detail, issues, retryAfter } = error;
    return { ok: false, code, detail, issues, retryAfter };
  }
}

/** What an object answers in time. Milliseconds. */
export const answered = <T>(pending: PromiseLike<T>, patience: number = limits.patience.object): Promise<T> =>
  within(patience, pending, () => noAnswer('An object'));

/** Caller side: the value, or the KilnError again. */
export async function unwrap<T>(pending: PromiseLike<Answer<T>>, patience?: number): Promise<T> {
  const result = await answered(pending, patience);
  if (result.ok) return result.value;
  throw new KilnError(result.code, result);
}
