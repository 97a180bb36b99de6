import { type ErrorCode, KilnError } from '../../../src/contract/errors.ts';

/** The code of the KilnError that a promise or a function ends with; anything else is thrown on. */
export async function codeOf(work: Promise<unknown> | (() => unknown)): Promise<ErrorCode | 'done'> {
  try {
    await (typeof work === 'function' ? work() : work);
    return 'done';
  } catch (error) {
    if (error instanceof KilnError) return error.code;
    throw error;
  }
}

/** As `codeOf`, of a function that answers at once. */
export function codeOfSync(work: () => unknown): ErrorCode | 'done' {
  try {
    work();
    return 'done';
  } catch (error) {
    if (error instanceof KilnError) return error.code;
    throw error;
  }
}
