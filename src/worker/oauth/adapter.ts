import * as oauth from 'oauth4webapi';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Config } from '../../core/config.ts';
import { describeError, logEvent } from '../../core/log.ts';
import type { ProvenIdentity } from '../../data/identities.ts';

/** What a provider says of somebody: who it is, and how a new account may be called. */
export interface Proof extends ProvenIdentity {
  /** A name at the provider, for the user name; any text. */
  readonly login: string;
  readonly displayName: string;
}

/** One provider, as its differences from the others. */
export interface Adapter {
  readonly name: string;
  readonly scope: string;
  readonly client: oauth.Client;
  readonly secret: string;
  server(options: RequestOptions): Promise<oauth.AuthorizationServer>;
  /** Who came back, from the answer to the code. */
  prove(server: oauth.AuthorizationServer, answer: Response, nonce: string, options: RequestOptions): Promise<Proof>;
}

export interface RequestOptions {
  readonly signal: () => AbortSignal;
  readonly [oauth.allowInsecureRequests]: boolean;
}

/** Loopback providers of tests and of development have no certificate; the configuration refuses them elsewhere. */
export const requestOptions = (config: Config): RequestOptions => ({
  signal: () => AbortSignal.timeout(limits.oauth.patience),
  [oauth.allowInsecureRequests]: config.environment === 'development',
});

/** The answer of a provider that is up; throws `unavailable` where it is not. */
export async function answerOf(pending: Promise<Response>): Promise<Response> {
  const answer = await pending.catch((error: unknown) => {
    throw new KilnError('unavailable', { detail: 'The provider does not answer.', cause: error });
  });
  if (answer.status < 500) return answer;
  await answer.body?.cancel();
  throw new KilnError('unavailable', { detail: 'The provider is out of order.' });
}

/** Runs what believes a provider; what it does not believe becomes a typed error. */
export async function believing<T>(provider: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KilnError) throw error;
    const denied = error instanceof oauth.AuthorizationResponseError && error.error === 'access_denied';
    const reason = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    logEvent('oauth.refused', { provider, denied, reason, ...describeError(error) }, 'warn');
    throw new KilnError(denied ? 'oauth_denied' : 'oauth_failed', { cause: error });
  }
}
