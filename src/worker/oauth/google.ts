import * as oauth from 'oauth4webapi';
import * as z from 'zod';
import { limits } from '../../contract/limits.ts';
import type { Config } from '../../core/config.ts';
import { type Adapter, answerOf } from './adapter.ts';

const Claims = z.object({
  sub: z.string().min(1),
  email: z.string().optional(),
  email_verified: z.boolean().optional(),
  name: z.string().optional(),
});

interface Known {
  readonly server: oauth.AuthorizationServer;
  readonly keys: oauth.JWKSCacheInput;
  readonly at: number;
}

/** What providers have published of themselves, once per isolate. Values alone: a promise belongs to its request. */
const published = new Map<string, Known>();

/** Google, or any other OpenID provider in its place. */
export function google({ clientId, clientSecret, issuer }: NonNullable<Config['oauth']['google']>): Adapter {
  const client = { client_id: clientId };
  return {
    name: 'Google',
    scope: 'openid email profile',
    client,
    secret: clientSecret,
    server: async (options) => {
      const known = published.get(issuer);
      if (known && known.at > Date.now() - limits.oauth.discoveryTtl) return known.server;
      const url = new URL(issuer);
      const request = { ...options, signal: options.signal() };
      const server = await oauth.processDiscoveryResponse(url, await answerOf(oauth.discoveryRequest(url, request)));
      published.set(issuer, { server, keys: {}, at: Date.now() });
      return server;
    },
    prove: async (server, answer, nonce, options) => {
      const result = await oauth.processAuthorizationCodeResponse(server, client, answer, {
        expectedNonce: nonce,
        requireIdToken: true,
      });
      // The connection proves where the token came from; the signature proves it even so.
      await oauth.validateApplicationLevelSignature(server, answer, {
        ...options,
        signal: options.signal(),
        [oauth.jwksCache]: published.get(issuer)?.keys ?? {},
      });
      const claims = Claims.parse(oauth.getValidatedIdTokenClaims(result));
      return {
        provider: 'google',
        subject: claims.sub,
        email: claims.email ?? null,
        emailVerified: claims.email_verified === true,
        login: claims.email?.split('@')[0] ?? '',
        displayName: claims.name ?? '',
      };
    },
  };
}
