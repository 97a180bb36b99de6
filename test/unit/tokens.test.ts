import { createHmac } from 'node:crypto';
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { type Config, parseConfig } from '../../src/core/config.ts';
import { type Purpose, publicKeys, signToken, verifyToken } from '../../src/core/tokens.ts';

const origin = 'https://kiln.example';

async function newKey(kid: string): Promise<JWK & { kid: string }> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  return { ...(await exportJWK(privateKey)), kid };
}

const configWith = (keys: readonly JWK[], appOrigin = origin): Config =>
  parseConfig({
    KILN_ENV: 'production',
    APP_ORIGIN: appOrigin,
    CONTENT_HOST: 'kiln-content.example',
    AUTH_KEYS: JSON.stringify(keys),
  });

let key: JWK & { kid: string };
let otherKey: JWK & { kid: string };
let config: Config;

beforeAll(async () => {
  key = await newKey('2026-01');
  otherKey = await newKey('2026-02');
  config = configWith([key]);
});

const purposes: readonly Purpose[] = [
  'access',
  'room',
  'build',
  'optimize',
  'cdn',
  'play',
  'preview',
  'bundle',
  'upload',
  'system',
  'device',
];

/** One honest token of every purpose, with the claims of all of them, so that only purpose tells them apart. */
const everyClaim = {
  sub: 'user',
  sid: 'session',
  project: 'project',
  projectId: 'project',
  username: 'name',
  name: 'Name',
  attempt: 1,
  since: 1,
  by: 'user',
  order: 'hash',
  size: 1,
  device: 'device',
};
const sign = (purpose: Purpose, ttl = 60_000, by = config): Promise<string> => signToken(by, purpose, everyClaim, ttl);

const headers: Readonly<Record<Purpose, { typ: string; aud: string }>> = {
  access: { typ: 'at+jwt', aud: 'kiln:api' },
  room: { typ: 'room+jwt', aud: 'kiln:room' },
  build: { typ: 'build+jwt', aud: 'kiln:build' },
  optimize: { typ: 'optimize+jwt', aud: 'kiln:optimize' },
  cdn: { typ: 'cdn+jwt', aud: 'kiln:cdn' },
  play: { typ: 'play+jwt', aud: 'kiln:play' },
  preview: { typ: 'preview+jwt', aud: 'kiln:preview' },
  bundle: { typ: 'bundle+jwt', aud: 'kiln:bundle' },
  picture: { typ: 'picture+jwt', aud: 'kiln:picture' },
  upload: { typ: 'upload+jwt', aud: 'kiln:upload' },
  system: { typ: 'system+jwt', aud: 'kiln:system' },
  device: { typ: 'device+jwt', aud: 'kiln:device' },
};

interface Change {
  readonly header?: Readonly<Record<string, unknown>>;
  /** `undefined` leaves a claim out. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly signWith?: JWK;
}

/** A token as `signToken` makes it, but for one change, signed with the right key. */
async function forge(purpose: Purpose, { header = {}, claims = {}, signWith = key }: Change = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const { typ, aud } = headers[purpose];
  const all: Record<string, unknown> = {
    ...everyClaim,
    iss: origin,
    aud,
    iat: now,
    exp: now + 60,
    jti: 'j',
    ...claims,
  };
  const payload = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  const fullHeader = { alg: 'EdDSA', kid: key.kid, typ, ...header };
  return await new SignJWT(payload)
    .setProtectedHeader(
      Object.fromEntries(Object.entries(fullHeader).filter(([, value]) => value !== undefined)) as typeof fullHeader,
    )
    .sign(await importJWK(signWith, 'EdDSA'));
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('Tokens', () => {
  it.each(purposes)('of purpose %s carry their claims back', async (purpose) => {
    const verified = await verifyToken(config, purpose, await sign(purpose));
    expect(verified).toMatchObject({ sub: 'user' });
    expect(typeof verified?.jti).toBe('string');
  });

  it('are never the same twice', async () => {
    const [a, b] = [
      await verifyToken(config, 'access', await sign('access')),
      await verifyToken(config, 'access', await sign('access')),
    ];
    expect(a?.jti).not.toBe(b?.jti);
  });

  it('that the test forges without a change are accepted, so that every refusal below is due to its change', async () => {
    for (const purpose of purposes) expect(await verifyToken(config, purpose, await forge(purpose))).not.toBeNull();
  });

  it.each(purposes.flatMap((made) => purposes.filter((used) => used !== made).map((used) => [made, used] as const)))(
    'made for %s do not work for %s [hostile 4]',
    async (made, used) => {
      expect(await verifyToken(config, used, await sign(made))).toBeNull();
      // Also when only one of the marks is right.
      expect(await verifyToken(config, used, await forge(made, { claims: { aud: headers[used].aud } }))).toBeNull();
      expect(await verifyToken(config, used, await forge(made, { header: { typ: headers[used].typ } }))).toBeNull();
    },
  );

  const refusedClaims: readonly (readonly [string, Change])[] = [
    ['expired', { claims: { exp: Math.floor((Date.now() - limits.auth.clockLeeway) / 1000) - 5 } }],
    ['without exp', { claims: { exp: undefined } }],
    ['with exp as text', { claims: { exp: '9999999999' } }],
    ['valid only later', { claims: { nbf: Math.floor((Date.now() + limits.auth.clockLeeway) / 1000) + 60 } }],
    ['of another issuer', { claims: { iss: 'https://staging.kiln.example' } }],
    ['without issuer', { claims: { iss: undefined } }],
    ['for another audience', { claims: { aud: 'kiln:other' } }],
    ['without audience', { claims: { aud: undefined } }],
    ['without subject', { claims: { sub: undefined } }],
    ['with a subject that is no text', { claims: { sub: 7 } }],
    ['without id', { claims: { jti: undefined } }],
    ['without time of issue', { claims: { iat: undefined } }],
    ['with another typ', { header: { typ: 'JWT' } }],
    ['without typ', { header: { typ: undefined } }],
    ['without kid', { header: { kid: undefined } }],
    ['with an unknown kid', { header: { kid: 'unknown' } }],
    ['with a kid that is a path', { header: { kid: '../../dev/null' } }],
    ['with a kid of the prototype', { header: { kid: '__proto__' } }],
    ['with a critical header that nobody knows', { header: { crit: ['x'], x: 1 } }],
  ];
  it.each(refusedClaims)('%s are refused [hostile 5]', async (name, change) => {
    for (const purpose of purposes) {
      // jose itself refuses to sign some of these; then there is no such token.
      const token = await forge(purpose, change).catch(() => null);
      if (token === null) expect(name).toBe('with a critical header that nobody knows');
      else expect(await verifyToken(config, purpose, token), purpose).toBeNull();
    }
  });

  it.each([
    ['access', 'sid'],
    ['room', 'sid'],
    ['room', 'project'],
    ['room', 'username'],
    ['room', 'name'],
    ['build', 'projectId'],
    ['build', 'attempt'],
    ['device', 'device'],
  ] as const)('of purpose %s need their claim %s, of its type', async (purpose, claim) => {
    expect(await verifyToken(config, purpose, await forge(purpose, { claims: { [claim]: undefined } }))).toBeNull();
    const wrong = claim === 'attempt' ? '1' : 1;
    expect(await verifyToken(config, purpose, await forge(purpose, { claims: { [claim]: wrong } }))).toBeNull();
  });

  it('live through a small difference of clocks, not through a large one', async () => {
    const now = Math.floor(Date.now() / 1000);
    const leeway = limits.auth.clockLeeway / 1000;
    expect(
      await verifyToken(config, 'access', await forge('access', { claims: { exp: now - leeway + 10 } })),
    ).not.toBeNull();
    expect(
      await verifyToken(config, 'access', await forge('access', { claims: { nbf: now + leeway - 10 } })),
    ).not.toBeNull();
    expect(
      await verifyToken(config, 'access', await forge('access', { claims: { exp: now - leeway - 10 } })),
    ).toBeNull();
  });

  it.each(['none', 'nOnE', 'NONE', 'None', ''])(
    'with alg %j are refused, with and without signature [hostile 1]',
    async (alg) => {
      for (const purpose of purposes) {
        const [, payload = '', signature = ''] = (await forge(purpose)).split('.');
        const header = base64url({ alg, kid: key.kid, typ: headers[purpose].typ });
        for (const token of [`${header}.${payload}.`, `${header}.${payload}`, `${header}.${payload}.${signature}`])
          expect(await verifyToken(config, purpose, token)).toBeNull();
      }
    },
  );

  it('with an empty or foreign signature are refused [hostile 1]', async () => {
    const [header, payload, signature] = (await forge('access')).split('.');
    const [, , foreign] = (await forge('access', { claims: { sub: 'somebody else' } })).split('.');
    expect(await verifyToken(config, 'access', `${header}.${payload}.${signature}`)).not.toBeNull();
    expect(await verifyToken(config, 'access', `${header}.${payload}.`)).toBeNull();
    expect(await verifyToken(config, 'access', `${header}.${payload}.${foreign}`)).toBeNull();
  });

  it('signed by HMAC with the public key as secret are refused, in any spelling of that key [hostile 2]', async () => {
    const [published] = publicKeys(config);
    const raw = Buffer.from(published?.x ?? '', 'base64url');
    const secrets = [raw, Buffer.from(published?.x ?? ''), Buffer.from(JSON.stringify(published))];
    for (const purpose of purposes)
      for (const alg of ['HS256', 'HS512'])
        for (const secret of secrets) {
          const [, payload] = (await forge(purpose)).split('.');
          const signed = `${base64url({ alg, kid: key.kid, typ: headers[purpose].typ })}.${payload}`;
          const mac = createHmac(alg === 'HS256' ? 'sha256' : 'sha512', secret)
            .update(signed)
            .digest('base64url');
          expect(await verifyToken(config, purpose, `${signed}.${mac}`)).toBeNull();
        }
  });

  it('signed by another key are refused, whatever kid they claim, and a key in the header is not asked', async () => {
    const { d: _secret, ...publicOther } = otherKey;
    for (const header of [{}, { kid: otherKey.kid }, { jwk: publicOther }, { jku: 'https://evil.example/jwks.json' }])
      expect(await verifyToken(config, 'access', await forge('access', { header, signWith: otherKey }))).toBeNull();
  });

  it.each(['', '.', '..', '...', 'a.b.c', 'null', '{}', 'Bearer x', '\u0000', 'e30.e30.e30', 'a'.repeat(100_000)])(
    'that are none are refused without an exception: %#',
    async (token) => {
      for (const purpose of purposes) expect(await verifyToken(config, purpose, token)).toBeNull();
    },
  );

  it('with one changed character are refused, wherever it stands', async () => {
    const token = await forge('access');
    // The last one holds four bits that say nothing: another spelling of the same signature is no other token.
    for (let index = 0; index < token.length - 1; index += 7) {
      const other = token[index] === 'A' ? 'B' : 'A';
      const changed = token.slice(0, index) + other + token.slice(index + 1);
      expect(await verifyToken(config, 'access', changed), String(index)).toBeNull();
    }
  });

  it('of another installation with the same key are refused', async () => {
    const staging = configWith([key], 'https://staging.kiln.example');
    expect(await verifyToken(config, 'access', await sign('access', 60_000, staging))).toBeNull();
    expect(await verifyToken(staging, 'access', await sign('access', 60_000, staging))).not.toBeNull();
  });
});

describe('Rotation of keys', () => {
  it('lets old and new tokens verify while both keys are there; the first signs', async () => {
    const old = configWith([key]);
    const during = configWith([otherKey, key]);
    const after = configWith([otherKey]);
    const oldToken = await sign('access', 60_000, old);
    const newToken = await sign('access', 60_000, during);
    expect(await verifyToken(during, 'access', oldToken)).not.toBeNull();
    expect(await verifyToken(during, 'access', newToken)).not.toBeNull();
    expect(await verifyToken(after, 'access', newToken)).not.toBeNull();
    expect(await verifyToken(after, 'access', oldToken)).toBeNull();
    expect(await verifyToken(old, 'access', newToken)).toBeNull();
  });

  it('does not let one key speak under the name of another', async () => {
    const during = configWith([otherKey, key]);
    expect(await verifyToken(during, 'access', await forge('access', { header: { kid: otherKey.kid } }))).toBeNull();
  });
});

describe('The public key set', () => {
  it('has every key, the signing one first, and no private part', () => {
    const set = publicKeys(configWith([otherKey, key]));
    expect(set.map(({ kid }) => kid)).toEqual([otherKey.kid, key.kid]);
    for (const jwk of set) expect(Object.keys(jwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
    expect(JSON.stringify(set)).not.toContain(key.d);
  });
});
