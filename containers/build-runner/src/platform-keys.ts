import { createRemoteJWKSet, type JWTPayload, errors as joseErrors, jwtVerify } from 'jose';
import { KilnError } from '../../../src/contract/errors.ts';
import { limits } from '../../../src/contract/limits.ts';

/** The keys of the platform, for requests that wait for what is made: the runner works for nobody else. */
export class PlatformKeys {
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;

  constructor(platformUrl: URL) {
    this.#keys = createRemoteJWKSet(new URL('.well-known/jwks.json', platformUrl));
  }

  /** What a token of this purpose says. Throws `unauthenticated`, and `unavailable` where the keys cannot be fetched. */
  async read(token: string, purpose: 'bundle' | 'picture'): Promise<JWTPayload & { readonly sub: string }> {
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        algorithms: ['EdDSA', 'Ed25519'],
        typ: `${purpose}+jwt`,
        audience: `kiln:${purpose}`,
        requiredClaims: ['exp', 'iss', 'sub'],
        clockTolerance: limits.auth.clockLeeway / 1000,
      });
      return { ...payload, sub: String(payload.sub) };
    } catch (error) {
      const isWrongToken =
        error instanceof joseErrors.JOSEError &&
        !(error instanceof joseErrors.JWKSTimeout) &&
        error.code !== 'ERR_JOSE_GENERIC';
      if (isWrongToken) throw new KilnError('unauthenticated', { detail: 'The token is not valid.' });
      throw new KilnError('unavailable', {
        detail: 'The platform keys could not be fetched.',
        retryAfter: 1,
        cause: error,
      });
    }
  }
}
