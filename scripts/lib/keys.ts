import { exportJWK, generateKeyPair } from 'jose';
import { newId } from '../../src/contract/ids.ts';

/** A fresh Ed25519 signing key as a private JWK. */
export async function newSigningKey(prefix = ''): Promise<Record<string, unknown>> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  return { ...(await exportJWK(privateKey)), kid: `${prefix}${newId()}` };
}
