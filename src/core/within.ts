import { KilnError } from '../contract/errors.ts';

/**
 * What is thrown for silence. Unlike a refusal it leaves open whether a change was made: it may still
 * be made a moment later, so whoever asks for one again must bear it twice.
 */
export const noAnswer = (what: string): KilnError =>
  new KilnError('unavailable', { detail: `${what} does not answer. What was asked for may still be done.` });

/** An answer, or `silence()` thrown when it has not come within `ms`. Bindings of the platform wait for ever. */
export async function within<T>(ms: number, pending: PromiseLike<T>, silence: () => Error): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(silence()), ms);
  });
  try {
    return await Promise.race([pending, late]);
  } finally {
    clearTimeout(timer);
  }
}
