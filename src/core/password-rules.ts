/** Words of an account that its password must not be: whoever knows the one would try the other. */
export interface OwnWords {
  readonly email: string;
  readonly username: string;
  readonly displayName?: string | undefined;
}

const fold = (text: string): string => text.normalize('NFKC').toLowerCase();

/** What is left of a password that only dresses up a word: `Password123!` is `password`. */
const trailing = /[\d\p{P}\p{S}]{1,4}$/u;

/**
 * Why a password would be guessed at once; null when it would not. Beside the list itself, that is a listed
 * word with up to four digits or signs after it, and the owner's own address or names.
 */
export function weakness(password: string, own: OwnWords, isCommon: (folded: string) => boolean): string | null {
  const folded = fold(password);
  const bare = folded.replace(trailing, '');
  if (isCommon(folded) || isCommon(bare)) return 'is among the most common passwords, or one of them with an ending';
  const [local = ''] = own.email.split('@');
  const words = [own.email, local, own.username, own.displayName ?? ''].map(fold).filter((word) => word.length > 0);
  if (words.includes(folded) || words.includes(bare)) return 'must not be your own address or name';
  if (new Set(folded).size < 3) return 'must not repeat one or two characters';
  return null;
}
