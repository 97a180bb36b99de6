import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import Provider from 'oidc-provider';
import { freePort } from './ports.ts';

/** Providers on loopback for a whole system to sign in through, and the variables that point it at them. */
export interface Providers {
  readonly vars: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

const client = { id: 'kiln', secret: 'loopback-secret' };

const listen = (server: Server, port: number): Promise<void> =>
  new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));

/** A real OpenID provider. Whoever signs in as an address has it verified, unless it begins with `unverified`. */
async function openId(appOrigin: string): Promise<{ issuer: string; server: Server }> {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        token_endpoint_auth_method: 'client_secret_post',
        redirect_uris: [`${appOrigin}/api/auth/oauth/google/callback`],
      },
    ],
    pkce: { required: () => true },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    // As Google does: the claims are in the ID token.
    conformIdTokenClaims: false,
    findAccount: (_context, email) => ({
      accountId: email,
      claims: () => ({
        sub: createHash('sha256').update(email).digest('hex').slice(0, 21),
        email,
        email_verified: !email.startsWith('unverified'),
        name: email.split('@')[0] ?? '',
      }),
    }),
  });
  const server = createServer(provider.callback());
  await listen(server, port);
  return { issuer, server };
}

interface Granted {
  readonly challenge: string;
  readonly redirectUri: string;
  readonly login: string;
  readonly email: string;
  readonly verified: boolean;
}

const bodyOf = async (request: IncomingMessage): Promise<URLSearchParams> => {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return new URLSearchParams(text);
};

const json = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};

/** A server of GitHub's shape: OAuth with PKCE, errors with status 200, and people by its API. */
async function gitHub(): Promise<{ url: string; server: Server }> {
  const codes = new Map<string, Granted>();
  const tokens = new Map<string, Granted>();
  const page = (query: URLSearchParams): string =>
    `<!doctype html><title>GitHub</title><form method="post" action="/login/oauth/authorize?${query.toString().replaceAll('&', '&amp;')}">
<label>Login <input name="login"></label><label>Email <input name="email"></label>
<label><input type="checkbox" name="verified" checked> verified</label>
<button name="do" value="allow">Authorize</button><button name="do" value="deny">Cancel</button></form>`;

  const authorize = async (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => {
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/html' }).end(page(query));
      return;
    }
    const form = await bodyOf(request);
    const redirectUri = query.get('redirect_uri') ?? '';
    const back = new URL(redirectUri);
    back.searchParams.set('state', query.get('state') ?? '');
    if (form.get('do') === 'deny') back.searchParams.set('error', 'access_denied');
    else {
      const code = randomUUID();
      codes.set(code, {
        challenge: query.get('code_challenge') ?? '',
        redirectUri,
        login: form.get('login') ?? '',
        email: form.get('email') ?? '',
        verified: form.has('verified'),
      });
      back.searchParams.set('code', code);
    }
    response.writeHead(302, { location: back.href }).end();
  };

  const exchange = async (request: IncomingMessage, response: ServerResponse) => {
    const form = await bodyOf(request);
    const granted = codes.get(form.get('code') ?? '');
    codes.delete(form.get('code') ?? '');
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    const right =
      granted?.challenge === challenge &&
      granted.redirectUri === form.get('redirect_uri') &&
      form.get('client_id') === client.id &&
      form.get('client_secret') === client.secret;
    if (!right) return json(response, 200, { error: 'bad_verification_code' });
    const token = `gho_${randomUUID()}`;
    tokens.set(token, granted);
    return json(response, 200, { access_token: token, token_type: 'bearer', scope: 'read:user,user:email' });
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://github.test');
    if (pathname === '/login/oauth/authorize') return await authorize(request, response, searchParams);
    if (pathname === '/login/oauth/access_token') return await exchange(request, response);
    const who = tokens.get(request.headers.authorization?.replace(/^Bearer /i, '') ?? '');
    if (!who) return json(response, 401, { message: 'Bad credentials' });
    const { login, email, verified } = who;
    const id = Number.parseInt(createHash('sha256').update(login).digest('hex').slice(0, 8), 16) + 1;
    if (pathname === '/user') return json(response, 200, { id, login, name: null });
    if (pathname === '/user/emails') return json(response, 200, [{ email, primary: true, verified, visibility: null }]);
    return json(response, 404, { message: 'Not Found' });
  };

  const port = await freePort();
  const server = createServer((request, response) => void answer(request, response));
  await listen(server, port);
  return { url: `http://127.0.0.1:${port}`, server };
}

export async function startProviders(appOrigin: string): Promise<Providers> {
  const [google, github] = [await openId(appOrigin), await gitHub()];
  return {
    vars: {
      OAUTH_GITHUB_CLIENT_ID: client.id,
      OAUTH_GITHUB_CLIENT_SECRET: client.secret,
      OAUTH_GITHUB_URL: github.url,
      OAUTH_GITHUB_API_URL: github.url,
      OAUTH_GOOGLE_CLIENT_ID: client.id,
      OAUTH_GOOGLE_CLIENT_SECRET: client.secret,
      OAUTH_GOOGLE_ISSUER: google.issuer,
    },
    stop: async () => {
      for (const server of [google.server, github.server]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}
