import { type CryptoKey, importJWK, type JWK, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { newId } from '../contract/ids.ts';
import { limits } from '../contract/limits.ts';
import type { Config } from './config.ts';

/**
 * Every token that Kiln signs, told apart three times over (`typ`, `aud`, own claims), so that none
 * of one purpose works as another (RFC 8725 §3.11–3.12). One algorithm, pinned; the header is never asked.
 */
const algorithm = 'EdDSA';

const purposes = {
  /** Calls the API as a user. */
  access: { typ: 'at+jwt', audience: 'kiln:api' },
  /** Opens one socket of one room. */
  room: { typ: 'room+jwt', audience: 'kiln:room' },
  /** Serves one attempt of one build. */
  build: { typ: 'build+jwt', audience: 'kiln:build' },
  /** Serves one attempt at making one asset smaller. */
  optimize: { typ: 'optimize+jwt', audience: 'kiln:optimize' },
  /** Reads the versions of one asset at the content host, until it expires. */
  cdn: { typ: 'cdn+jwt', audience: 'kiln:cdn' },
  /** Plays one publication that is not public, until it expires or the publication ends. */
  play: { typ: 'play+jwt', audience: 'kiln:play' },
  /** Shows a member the newest state of one project, until it expires or the sign-in behind it ends. */
  preview: { typ: 'preview+jwt', audience: 'kiln:preview' },
  /** Has one order of a preview, named by the hash of its bytes, bundled by a build runner. */
  bundle: { typ: 'bundle+jwt', audience: 'kiln:bundle' },
  /** Has one picture, named by its hash, written anew by a build runner, as `PictureOrder` says in JSON. */
  picture: { typ: 'picture+jwt', audience: 'kiln:picture' },
  /** Sends the parts of one upload. */
  upload: { typ: 'upload+jwt', audience: 'kiln:upload' },
  /** Lets whoever holds the signing keys, the operator, start backups, restores and collections. */
  system: { typ: 'system+jwt', audience: 'kiln:system' },
  /** Says that a user has signed in on a device before. Opens nothing. */
  device: { typ: 'device+jwt', audience: 'kiln:device' },
} as const;

interface Claims {
  access: { sub: string; sid: string };
  room: { sub: string; sid: string; project: string; username: string; name: string };
  build: { sub: string; projectId: string; attempt: number };
  optimize: { sub: string; projectId: string; attempt: number };
  cdn: { sub: string };
  /** `since`: when that publication began, so that no later one is meant. */
  play: { sub: string; since: number };
  preview: { sub: string; by: string; sid: string };
  bundle: { sub: string; order: string };
  picture: { sub: string; size: number; order: string };
  upload: { sub: string };
  system: { sub: string };
  device: { sub: string; device: string };
}

export type Purpose = keyof Claims;
export type Verified<P extends Purpose> = Claims[P] & { readonly jti: string; readonly exp: number };

/** What each purpose must carry, by type. */
const shapes: { readonly [P in Purpose]: { readonly [C in keyof Claims[P]]: 'string' | 'number' } } = {
  access: { sub: 'string', sid: 'string' },
  room: { sub: 'string', sid: 'string', project: 'string', username: 'string', name: 'string' },
  build: { sub: 'string', projectId: 'string', attempt: 'number' },
  optimize: { sub: 'string', projectId: 'string', attempt: 'number' },
  cdn: { sub: 'string' },
  play: { sub: 'string', since: 'number' },
  preview: { sub: 'string', by: 'string', sid: 'string' },
  bundle: { sub: 'string', order: 'string' },
  picture: { sub: 'string', size: 'number', order: 'string' },
  upload: { sub: 'string' },
  system: { sub: 'string' },
  device: { sub: 'string', device: 'string' },
};

interface Keys {
  readonly active: { readonly kid: string; readonly key: CryptoKey };
  readonly verify: ReadonlyMap<string, CryptoKey>;
}

const keysOf = new WeakMap<Config, Promise<Keys>>();

const publicPart = ({ kty, crv, kid, x }: JWK): JWK => ({ kty, crv, kid, x, alg: algorithm, use: 'sig' }) as JWK;

async function importKeys(config: Config): Promise<Keys> {
  const [first] = config.authKeys;
  if (!first) throw new Error('parseConfig requires a key');
  const verify = new Map<string, CryptoKey>();
  for (const jwk of config.authKeys) verify.set(jwk.kid, (await importJWK(publicPart(jwk), algorithm)) as CryptoKey);
  return { active: { kid: first.kid, key: (await importJWK(first as JWK, algorithm)) as CryptoKey }, verify };
}

function keys(config: Config): Promise<Keys> {
  let imported = keysOf.get(config);
  if (!imported) {
    imported = importKeys(config);
    keysOf.set(config, imported);
  }
  return imported;
}

/** The key that signs, for what is no token. */
export const signingKey = async (config: Config): Promise<{ readonly kid: string; readonly key: CryptoKey }> =>
  (await keys(config)).active;

/** The public key set, the signing key first. */
export const publicKeys = (config: Config): JWK[] => config.authKeys.map((jwk) => publicPart(jwk as JWK));

/** Signs a token that lives for `ttl` milliseconds. One that is `stamped` is the same token whenever it is signed. */
export async function signToken<P extends Purpose>(
  config: Config,
  purpose: P,
  claims: Claims[P],
  ttl: number,
  stamped?: { readonly at: number; readonly id: string },
): Promise<string> {
  const { active } = await keys(config);
  const { typ, audience } = purposes[purpose];
  const now = Math.floor((stamped?.at ?? Date.now()) / 1000);
  return await new SignJWT({ ...claims } as JWTPayload)
    .setProtectedHeader({ alg: algorithm, kid: active.kid, typ })
    .setIssuer(config.appOrigin)
    .setAudience(audience)
    .setIssuedAt(now)
    .setExpirationTime(now + Math.floor(ttl / 1000))
    .setJti(stamped?.id ?? newId())
    .sign(active.key);
}

/** The claims of a token of this purpose; null for everything else, whatever is wrong with it. */
export async function verifyToken<P extends Purpose>(
  config: Config,
  purpose: P,
  token: string,
): Promise<Verified<P> | null> {
  const { verify } = await keys(config);
  const { typ, audience } = purposes[purpose];
  try {
    const { payload } = await jwtVerify(
      token,
      ({ kid }) => {
        const key = kid === undefined ? undefined : verify.get(kid);
        if (!key) throw new Error('unknown key');
        return key;
      },
      {
        algorithms: [algorithm],
        typ,
        audience,
        issuer: config.appOrigin,
        clockTolerance: limits.auth.clockLeeway / 1000,
        requiredClaims: ['exp', 'iat', 'jti', 'sub'],
      },
    );
    const shape: Record<string, string> = shapes[purpose];
    return Object.entries(shape).every(([claim, type]) => typeof payload[claim] === type)
      ? (payload as unknown as Verified<P>)
      : null;
  } catch {
    return null;
  }
}
