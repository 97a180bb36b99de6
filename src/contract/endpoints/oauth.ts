import { endpoint } from '../endpoint.ts';
import { CallbackQuery, IdentityList, LinkStart, ProviderList, Reauthentication, StartQuery } from '../oauth.ts';
import { everyone, signedIn } from './access.ts';

const unproven = ['provider_not_configured', 'not_found', 'unavailable'] as const;

/** Signing in through GitHub and Google, and linking them. */
export const oauthEndpoints = {
  listProviders: endpoint({
    method: 'GET',
    path: '/api/auth/oauth',
    tag: 'Authentication',
    summary: 'Providers that are set up',
    access: everyone,
    responses: { 200: { description: 'The providers', json: ProviderList } },
  }),
  startOAuth: endpoint({
    method: 'GET',
    path: '/api/auth/oauth/{provider}',
    tag: 'Authentication',
    summary: 'Sign in through a provider',
    access: everyone,
    description: 'For a browser to go to: it leads to the provider and back, and ends with the refresh cookie.',
    query: StartQuery,
    responses: { 302: { description: 'To the provider' } },
    errors: [...unproven],
  }),
  oauthCallback: endpoint({
    method: 'GET',
    path: '/api/auth/oauth/{provider}/callback',
    tag: 'Authentication',
    summary: 'Where a provider sends the browser back to',
    access: everyone,
    description:
      'Leads to a page of the app. Of a refusal a browser gets a page too, and everybody else the problem document.',
    query: CallbackQuery,
    responses: { 303: { description: 'Signed in or linked; on to the app' } },
    errors: [
      ...unproven,
      'oauth_state_invalid',
      'oauth_denied',
      'oauth_failed',
      'email_unverified',
      'account_exists',
      'account_disabled',
      'identity_taken',
      'already_linked',
    ],
  }),
  listIdentities: endpoint({
    method: 'GET',
    path: '/api/auth/identities',
    tag: 'Account',
    summary: 'Ways into the account',
    access: signedIn,
    responses: { 200: { description: 'Linked providers, and whether there is a password', json: IdentityList } },
  }),
  linkIdentity: endpoint({
    method: 'POST',
    path: '/api/auth/identities/{provider}',
    tag: 'Account',
    summary: 'Link a provider',
    access: signedIn,
    description: 'The browser goes to the `url` of the answer and comes back to the account page.',
    body: Reauthentication,
    responses: { 200: { description: 'Where to go', json: LinkStart } },
    errors: [...unproven, 'already_linked', 'invalid_credentials', 'reauthentication_required', 'rate_limited'],
  }),
  unlinkIdentity: endpoint({
    method: 'DELETE',
    path: '/api/auth/identities/{provider}',
    tag: 'Account',
    summary: 'Unlink a provider',
    access: signedIn,
    description: 'The last way into an account stays.',
    body: Reauthentication,
    responses: { 204: { description: 'Unlinked' } },
    errors: ['not_found', 'last_way_in', 'invalid_credentials', 'reauthentication_required', 'rate_limited'],
  }),
} as const;
