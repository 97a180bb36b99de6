import * as oauth from 'oauth4webapi';
import { KilnError } from '../../contract/errors.ts';
import { Provider } from '../../contract/oauth.ts';
import type { Config } from '../../core/config.ts';
import { type Adapter, answerOf, believing, type Proof, requestOptions } from './adapter.ts';
import type { FlowSecrets } from './flow.ts';
import { github } from './github.ts';
import { google } from './google.ts';

/** The provider that a path names, where it is set up. Throws `not_found` or `provider_not_configured`. */
export function adapterOf(config: Config, name: string): { provider: Provider; adapter: Adapter } {
  const provider = Provider.safeParse(name);
  if (!provider.success) throw new KilnError('not_found');
  const settings = config.oauth;
  if (provider.data === 'github' && settings.github)
    return { provider: provider.data, adapter: github(settings.github) };
  if (provider.data === 'google' && settings.google)
    return { provider: provider.data, adapter: google(settings.google) };
  throw new KilnError('provider_not_configured');
}

/** The providers that are set up. */
export const configuredProviders = (config: Config): { provider: Provider; name: string }[] =>
  Provider.options
    .filter((provider) => config.oauth[provider] !== undefined)
    .map((provider) => ({ provider, name: adapterOf(config, provider).adapter.name }));

/** Each provider has a callback of its own, so that one cannot pass off its answer as another's. */
const callbackUrl = (config: Config, provider: Provider): string =>
  `${config.appOrigin}/api/auth/oauth/${provider}/callback`;

/** Where the browser goes to sign in there. */
export async function authorizationUrl(
  config: Config,
  { provider, adapter }: { provider: Provider; adapter: Adapter },
  secrets: FlowSecrets,
): Promise<string> {
  return await believing(provider, async () => {
    const { authorization_endpoint: endpoint } = await adapter.server(requestOptions(config));
    if (endpoint === undefined) throw new Error('no authorization endpoint');
    const url = new URL(endpoint);
    const parameters = {
      client_id: adapter.client.client_id,
      response_type: 'code',
      redirect_uri: callbackUrl(config, provider),
      scope: adapter.scope,
      state: secrets.state,
      nonce: secrets.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(secrets.verifier),
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  });
}

/** Who came back with these parameters. Throws `oauth_denied`, `oauth_failed` or `unavailable`. */
export async function proofOf(
  config: Config,
  { provider, adapter }: { provider: Provider; adapter: Adapter },
  parameters: URLSearchParams,
  secrets: FlowSecrets,
): Promise<Proof> {
  return await believing(provider, async () => {
    const options = requestOptions(config);
    const server = await adapter.server(options);
    const valid = oauth.validateAuthResponse(server, adapter.client, parameters, secrets.state);
    const answer = await answerOf(
      oauth.authorizationCodeGrantRequest(
        server,
        adapter.client,
        oauth.ClientSecretPost(adapter.secret),
        valid,
        callbackUrl(config, provider),
        secrets.verifier,
        { ...options, signal: options.signal() },
      ),
    );
    const proof = await adapter.prove(server, answer, secrets.nonce, options);
    return { ...proof, email: proof.email?.trim().toLowerCase() ?? null };
  });
}
