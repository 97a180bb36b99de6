import { createHash } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { vi } from 'vitest';
import { call } from './support.ts';

/** Somebody as the providers of the tests know them. */
export interface Face {
  readonly id: number;
  readonly email: string;
  readonly verified?: boolean;
  readonly login?: string;
}

/** What a provider may do wrong. */
export interface Crime {
  readonly claims?: JWTPayload;
  readonly foreignKey?: boolean;
  readonly callback?: Record<string, string>;
}

const keys = await generateKeyPair('RS256', { extractable: true });
const foreign = await generateKeyPair('RS256', { extractable: true });
const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };

const json = (body: unknown): Response => Response.json(body);

interface Granted extends Crime {
  readonly face: Face;
  readonly nonce: string;
  readonly challenge: string;
}
const codes = new Map<string, Granted>();
const tokens = new Map<string, Granted>();

async function idToken({ face, nonce, claims, foreignKey }: Granted): Promise<string> {
  const payload = {
    email: face.email,
    email_verified: face.verified ?? true,
    name: face.login,
    nonce,
    sub: `google-${face.id}`,
    iss: 'http://google.test',
    aud: 'kiln',
    exp: Math.floor(Date.now() / 1000) + 300,
    ...claims,
  };
  return await new SignJWT(payload)
    .setProtectedHeader({ alg: 'RS256', kid: 'one' })
    .setIssuedAt()
    .sign((foreignKey ? foreign : keys).privateKey);
}

async function exchange(host: string, body: FormData): Promise<Response> {
  const granted = codes.get(String(body.get('code')));
  const challenge = createHash('sha256')
    .update(String(body.get('code_verifier')))
    .digest('base64url');
  codes.delete(String(body.get('code')));
  if (granted?.challenge !== challenge)
    return host === 'github.test'
      ? json({ error: 'bad_verification_code' })
      : Response.json({ error: 'invalid_grant' }, { status: 400 });
  const access = crypto.randomUUID();
  tokens.set(access, granted);
  const answer = { access_token: access, token_type: 'bearer' };
  return json(host === 'github.test' ? answer : { ...answer, id_token: await idToken(granted) });
}

/** GitHub and Google, as far as the Worker asks them. */
export function answerForProviders(): void {
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const request = new Request(input as Request, init);
    const { host, pathname } = new URL(request.url);
    if (pathname === '/.well-known/openid-configuration')
      return json({
        issuer: 'http://google.test',
        authorization_endpoint: 'http://google.test/authorize',
        token_endpoint: 'http://google.test/token',
        jwks_uri: 'http://google.test/jwks',
        authorization_response_iss_parameter_supported: true,
      });
    if (pathname === '/jwks') return json({ keys: [jwk] });
    if (pathname === '/token' || pathname === '/login/oauth/access_token')
      return await exchange(host, await request.formData());
    const face = tokens.get(request.headers.get('authorization')?.replace(/^Bearer /i, '') ?? '')?.face;
    if (!face) return new Response(null, { status: 401 });
    if (pathname === '/user') return json({ id: face.id, login: face.login ?? `face${face.id}`, name: null });
    return json([{ email: face.email, primary: true, verified: face.verified ?? true }]);
  });
}

export interface Browser {
  cookie: string;
}

const cookieOf = (answer: Response, name: string): string | undefined =>
  new RegExp(`(?:^|, )(__Host-${name}=[^;]*)`).exec(answer.headers.getSetCookie().join(', '))?.[1];

/** Leaves for a provider. */
export async function leave(provider: 'github' | 'google', query = ''): Promise<{ url: URL; browser: Browser }> {
  const answer = await call('GET', `/api/auth/oauth/${provider}${query}`);
  return {
    url: new URL(answer.headers.get('location') ?? ''),
    browser: { cookie: cookieOf(answer, 'kiln_oauth') ?? '' },
  };
}

/** The provider lets somebody in, and says where the browser goes. */
export function grant(url: URL, face: Face, crime: Crime = {}): string {
  const code = crypto.randomUUID();
  codes.set(code, {
    face,
    nonce: url.searchParams.get('nonce') ?? '',
    challenge: url.searchParams.get('code_challenge') ?? '',
    ...crime,
  });
  const back = new URL(url.searchParams.get('redirect_uri') ?? '');
  const parameters = {
    code,
    state: url.searchParams.get('state') ?? '',
    ...(url.host === 'google.test' && { iss: 'http://google.test' }),
    ...crime.callback,
  };
  for (const [name, value] of Object.entries(parameters)) back.searchParams.set(name, value);
  return `${back.pathname}${back.search}`;
}

/** Comes back from a provider. */
export const comeBack = (path: string, browser: Browser, headers: Record<string, string> = {}): Promise<Response> =>
  call('GET', path, { headers: { cookie: browser.cookie, ...headers } });

export async function signInWith(provider: 'github' | 'google', face: Face, crime: Crime = {}): Promise<Response> {
  const { url, browser } = await leave(provider);
  return await comeBack(grant(url, face, crime), browser);
}

/** The session behind the refresh cookie of an answer. */
export const refreshedFrom = (answer: Response): Promise<Response> =>
  call('POST', '/api/auth/refresh', {
    headers: { cookie: cookieOf(answer, 'kiln_refresh') ?? '', origin: 'http://kiln.test' },
  });
