import { KilnError } from '../../contract/errors.ts';
import { type OwnWords, weakness } from '../../core/password-rules.ts';

let common: Set<string> | undefined;

/** The list is unpacked when a password is first chosen in this isolate: requests that choose none do not wait for it. */
async function commonPasswords(): Promise<Set<string>> {
  if (!common) {
    const { dictionary } = await import('@zxcvbn-ts/language-common');
    common = new Set(dictionary['passwords-common']);
  }
  return common;
}

/** Throws `validation_failed` for a password that would be guessed at once. `field` is where it stands in the body. */
export async function refuseWeak(password: string, own: OwnWords, field = 'password'): Promise<void> {
  const list = await commonPasswords();
  const message = weakness(password, own, (word) => list.has(word));
  if (message !== null) throw new KilnError('validation_failed', { issues: [{ path: `body.${field}`, message }] });
}
