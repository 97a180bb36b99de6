import { Buffer } from 'node:buffer';
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Provider } from '../../contract/oauth.ts';
import { sha256 } from '../../core/tree.ts';
import { createFlow, type OAuthFlow, takeFlow } from '../../data/oauth-flows.ts';
import type { AppContext } from '../http/context.ts';

/**
 * A sign-in at a provider belongs to the browser that started it: a cookie holds a secret, and state, nonce and PKCE
 * verifier follow from it. So another browser's state, or a code of another transaction, fits nothing here, and
 * what the database holds is worth nothing by itself.
 */
const cookieName = 'kiln_oauth';
/** `Lax`, because the provider's page sends the browser back. */
const cookieOptions = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax', prefix: 'host' } as const;

export interface FlowSecrets {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

function secretsOf(secret: string): FlowSecrets {
  const derive = (purpose: string): string => createHmac('sha256', secret).update(purpose).digest('base64url');
  return { state: derive('state'), nonce: derive('nonce'), verifier: derive('verifier') };
}

/** Starts a flow in this browser; another one that it had open is over. */
export async function startFlow(
  c: AppContext,
  flow: Pick<OAuthFlow, 'returnTo' | 'userId' | 'sessionId'> & { provider: Provider },
): Promise<FlowSecrets> {
  const secret = randomBytes(limits.oauth.secretBytes).toString('base64url');
  const secrets = secretsOf(secret);
  const now = c.var.started;
  const expiresAt = now + limits.oauth.flowTtl;
  await createFlow(c.var.db, { ...flow, stateHash: sha256(secrets.state), createdAt: now, expiresAt });
  setCookie(c, cookieName, secret, { ...cookieOptions, maxAge: limits.oauth.flowTtl / 1000 });
  return secrets;
}

/** Spends the flow that this browser comes back from. Throws `oauth_state_invalid`. */
export async function finishFlow(
  c: AppContext,
  provider: Provider,
  state: string | undefined,
): Promise<{ flow: OAuthFlow; secrets: FlowSecrets }> {
  const secret = getCookie(c, cookieName, 'host');
  if (!secret || state === undefined) throw new KilnError('oauth_state_invalid');
  const secrets = secretsOf(secret);
  const same = timingSafeEqual(Buffer.from(sha256(state)), Buffer.from(sha256(secrets.state)));
  // A state that is not this browser's spends nothing: nobody can end another's sign-in.
  const flow = same ? await takeFlow(c.var.db, provider, sha256(state), c.var.started) : undefined;
  if (!flow) throw new KilnError('oauth_state_invalid');
  deleteCookie(c, cookieName, cookieOptions);
  return { flow, secrets };
}
