import { exportJWK, generateKeyPair } from 'jose';
import { newId } from '../../src/contract/ids.ts';

/** A signing key as AUTH_KEYS has it. */
export type SigningKey = Record<string, unknown>;

/** A fresh Ed25519 signing key as a private JWK. */
export async function newSigningKey(prefix = ''): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  return { ...(await exportJWK(privateKey)), kid: `${prefix}${newId()}` };
}

export type RotationStep = 'add' | 'sign' | 'drop';

/**
 * One step of a rotation. The first key signs and all verify, so a new key is first known everywhere (`add`), then
 * signs (`sign`), and the old ones go when all that they signed is over (`drop`). Throws where a step is not due.
 */
export async function rotateKeys(keys: readonly SigningKey[], step: RotationStep, prefix = ''): Promise<SigningKey[]> {
  const [first, ...others] = keys;
  if (!first) throw new Error('There is no key to rotate.');
  const newest = others.at(-1);
  switch (step) {
    case 'add':
      return [...keys, await newSigningKey(prefix)];
    case 'sign':
      if (!newest) throw new Error('There is one key, and it signs already: add another first.');
      return [newest, first, ...others.slice(0, -1)];
    case 'drop':
      if (!newest) throw new Error('There is one key: nothing to drop.');
      return [first];
  }
}
